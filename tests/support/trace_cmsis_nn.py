"""CMSIS-NN's kernels, reduced to their loops and accesses of input and output.

Written after CMSIS-NN/Source (the file is named at each). What a kernel reads from or
writes to scratch does not show here. `rows` and `columns` of a window are (output, tap).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from support.trace import Trace

__all__ = [
    "average_pool",
    "conv_1_x_n_mve",
    "conv_1x1",
    "conv_copied",
    "depthwise_3x3",
    "depthwise_generic",
    "depthwise_mve",
    "depthwise_opt_dsp",
    "elementwise_blocks",
    "matrix_blocks",
    "matrix_pairs",
    "max_pool",
    "pad",
    "vector_products",
]

Shape = tuple[int, ...]
Pair = tuple[int, int]


def _taps(source: Shape, at: Pair, kernel: Pair, dilation: Pair = (1, 1)) -> Iterator[int]:
    """Pixels of the image that a window with its corner `at` covers, row by row."""
    for ky, kx in itertools.product(range(kernel[0]), range(kernel[1])):
        y, x = at[0] + ky * dilation[0], at[1] + kx * dilation[1]
        if 0 <= y < source[1] and 0 <= x < source[2]:
            yield y * source[2] + x


def _corners(target: Shape, stride: Pair, pad: Pair) -> Iterator[Pair]:
    for y, x in itertools.product(range(target[1]), range(target[2])):
        yield y * stride[0] - pad[0], x * stride[1] - pad[1]


def conv_copied(
    trace: Trace, source: Shape, target: Shape, weights: Shape,
    stride: Pair, dilation: Pair, pad: Pair, block: int,
) -> None:  # fmt: skip
    """arm_convolve_s8.c and arm_convolve_s16.c: `block` is 2 windows, 4 with MVE."""
    depth, kernel_depth = source[3], weights[3]
    groups = depth // kernel_depth
    filters = target[3] // groups
    pixels = source[1] * source[2]
    for batch, group in itertools.product(range(source[0]), range(groups)):
        waiting: list[int] = []

        def flush(waiting: list[int], batch: int, group: int) -> None:
            for channel, pixel in itertools.product(range(filters), waiting):
                out = batch * target[1] * target[2] + pixel
                trace.write(out * target[3] + group * filters + channel)
            waiting.clear()

        for pixel, corner in enumerate(_corners(target, stride, pad)):
            for tap in _taps(source, corner, weights[1:3], dilation):
                for i in range(kernel_depth):
                    trace.read((batch * pixels + tap) * depth + group * kernel_depth + i)
            waiting.append(pixel)
            if len(waiting) == block:
                flush(waiting, batch, group)
        flush(waiting, batch, group)


def matrix_pairs(
    trace: Trace, rows: int, outputs: int, depth: int, step: int, read: int = 0, write: int = 0
) -> None:
    """arm_nn_mat_mult_nt_t_s8.c, plain C and DSP: `step` elements from row to row."""
    for first in range(0, outputs - 1, 2):
        for row in range(0, rows - 1, 2):
            for i in range(depth):
                trace.read(read + row * step + i)
                trace.read(read + (row + 1) * step + i)
            for out in (row, row + 1):
                trace.write(write + out * outputs + first)
                trace.write(write + out * outputs + first + 1)
        if rows % 2:
            for i in range(depth):
                trace.read(read + (rows - 1) * step + i)
            trace.write(write + (rows - 1) * outputs + first)
            trace.write(write + (rows - 1) * outputs + first + 1)
    if outputs % 2:
        for row in range(rows):
            for i in range(depth):
                trace.read(read + row * step + i)
            trace.write(write + row * outputs + outputs - 1)


def matrix_blocks(
    trace: Trace, rows: int, outputs: int, depth: int, step: int, read: int = 0, write: int = 0
) -> None:
    """arm_nn_mat_mult_nt_t_s8.c, MVE: `step` elements from row to row."""
    blocked = rows // 4 * 4
    for row in range(0, blocked, 4):
        for output in range(outputs):
            for i, lane in itertools.product(range(depth), range(4)):
                trace.read(read + (row + lane) * step + i)
            for lane in range(4):
                trace.write(write + (row + lane) * outputs + output)
    for row in range(blocked, rows):
        held = 0
        for output in range(outputs):
            for i in range(depth):
                trace.read(read + row * step + i)
            held += 1
            if held == 4:
                for lane in range(4):
                    trace.write(write + row * outputs + output - 3 + lane)
                held = 0
        for lane in range(held):
            trace.write(write + row * outputs + outputs - held + lane)


def conv_1x1(trace: Trace, source: Shape, target: Shape, stride: Pair, mve: bool) -> None:
    """arm_convolve_1x1_s8_fast.c and arm_convolve_1x1_s8.c."""
    product = matrix_blocks if mve else matrix_pairs
    depth, outputs = source[3], target[3]
    if stride == (1, 1):
        product(trace, source[0] * source[1] * source[2], outputs, depth, depth)
        return
    for batch, y in itertools.product(range(target[0]), range(target[1])):
        read = (batch * source[1] + y * stride[0]) * source[2] * depth
        write = (batch * target[1] + y) * target[2] * outputs
        product(trace, target[2], outputs, depth, depth * stride[1], read, write)


def conv_1_x_n_mve(
    trace: Trace, source: Shape, target: Shape, kernel: int, stride: int, pad: int
) -> bool:
    """arm_convolve_1_x_n_s8.c, MVE; False where it hands over to arm_convolve_s8.c."""
    width, depth, out, outputs = source[2], source[3], target[2], target[3]
    total = (out - 1) * stride + kernel - width
    odd = abs(total) % 2 * (1 if total > 0 else -1)
    if pad * 2 + odd != total:
        return False
    right = max(1, (pad + odd + stride - 1) // stride) if pad + odd else 0
    left = max(1, (pad + stride - 1) // stride) if pad else 0
    middle = max(out - (right + left), 0)
    if right + middle + left != out:
        return False
    for batch in range(source[0]):
        read, write = batch * width * depth, batch * out * outputs
        for i in range(min(kernel, width) * depth):  # the left end, copied to scratch
            trace.read(read + i)
        for i in range(left * outputs):
            trace.write(write + i)
        matrix_blocks(
            trace, middle, outputs, kernel * depth, depth * stride,
            read + (stride * left - pad) * depth, write + left * outputs,
        )  # fmt: skip
        start = stride * (left + middle) - pad
        for i in range((kernel - 1) * depth):  # the right end, copied to scratch
            if start * depth + i < width * depth:
                trace.read(read + start * depth + i)
        for i in range(right * outputs):
            trace.write(write + (left + middle) * outputs + i)
    return True


def depthwise_3x3(trace: Trace, source: Shape, target: Shape, stride: Pair, pad: Pair) -> None:
    """arm_depthwise_conv_3x3_s8.c: four channels at a time, then one by one."""
    depth = source[3]
    for pixel, corner in enumerate(_corners(target, stride, pad)):
        channel = 0
        while channel < depth:
            count = 4 if channel <= depth - 4 else 1
            for tap in _taps(source, corner, (3, 3)):
                for i in range(count):
                    trace.read(tap * depth + channel + i)
            for i in range(count):
                trace.write(pixel * depth + channel + i)
            channel += count


def depthwise_opt_dsp(
    trace: Trace, source: Shape, target: Shape, kernel: Pair, stride: Pair, pad: Pair
) -> None:
    """arm_depthwise_conv_s8_opt.c, DSP: a window to scratch, then its channels."""
    depth = source[3]
    for pixel, corner in enumerate(_corners(target, stride, pad)):
        for tap, i in itertools.product(_taps(source, corner, kernel), range(depth)):
            trace.read(tap * depth + i)
        for i in range(depth):
            trace.write(pixel * depth + i)


def depthwise_mve(
    trace: Trace, source: Shape, target: Shape, kernel: Pair, stride: Pair, pad: Pair
) -> None:
    """arm_depthwise_conv_s8_opt.c, MVE: 124 channels of the image, four windows at a time."""
    depth = source[3]
    for start in range(0, depth, 124):
        active = min(124, depth - start)
        waiting: list[int] = []
        for pixel, corner in enumerate(_corners(target, stride, pad)):
            for tap, i in itertools.product(_taps(source, corner, kernel), range(active)):
                trace.read(tap * depth + start + i)
            waiting.append(pixel)
            if len(waiting) == 4:
                for first in range(0, active, 4):
                    for out in waiting:
                        for i in range(first, min(first + 4, active)):
                            trace.write(out * depth + start + i)
                waiting.clear()
        for out, i in itertools.product(waiting, range(active)):
            trace.write(out * depth + start + i)


def depthwise_generic(
    trace: Trace, source: Shape, target: Shape, kernel: Pair,
    stride: Pair, dilation: Pair, pad: Pair,
) -> None:  # fmt: skip
    """arm_depthwise_conv_s8.c and arm_depthwise_conv_s16.c: with 4 | multiplier, by fours."""
    depth, multiplier = source[3], target[3] // source[3]
    pixels, position = source[1] * source[2], 0
    by_fours = multiplier % 4 == 0 and source[0] == 1 and dilation == (1, 1)
    for batch in range(source[0]):
        for corner in _corners(target, stride, pad):
            for channel in range(depth):
                for _ in range(0, multiplier, 4 if by_fours else 1):
                    for tap in _taps(source, corner, kernel, dilation):
                        trace.read((batch * pixels + tap) * depth + channel)
                    for _ in range(4 if by_fours else 1):
                        trace.write(position)
                        position += 1


def max_pool(
    trace: Trace, source: Shape, target: Shape, kernel: Pair, stride: Pair, pad: Pair
) -> None:
    """arm_max_pool_s8.c and arm_max_pool_s16.c: the output is the accumulator."""
    depth, pixels = source[3], source[1] * source[2]
    outputs = target[1] * target[2] * depth
    for batch in range(source[0]):
        for pixel, corner in enumerate(_corners(target, stride, pad)):
            out = batch * outputs + pixel * depth
            for count, tap in enumerate(_taps(source, corner, kernel)):
                if count == 0:
                    trace.memcpy(out, (batch * pixels + tap) * depth, depth)
                    continue
                for i in range(depth):
                    trace.read((batch * pixels + tap) * depth + i)
                    trace.write(out + i)
        for i in range(outputs):  # the clamp
            trace.write(batch * outputs + i)


def average_pool(
    trace: Trace, source: Shape, target: Shape, kernel: Pair, stride: Pair, pad: Pair, block: int
) -> None:
    """arm_avgpool_s8.c, _s16.c: `block` channels at once: 1, a vector (MVE), all (DSP)."""
    depth, pixels = source[3], source[1] * source[2]
    outputs = target[1] * target[2]
    for batch in range(source[0]):
        for pixel, corner in enumerate(_corners(target, stride, pad)):
            for first in range(0, depth, block):
                channels = range(first, min(first + block, depth))
                for tap, i in itertools.product(_taps(source, corner, kernel), channels):
                    trace.read((batch * pixels + tap) * depth + i)
                for i in channels:
                    trace.write((batch * outputs + pixel) * depth + i)


def vector_products(trace: Trace, rows: int, depth: int, outputs: int, block: int) -> None:
    """arm_nn_vec_mat_mult_t_s8.c, _per_ch_s8.c, _s16.c: `block` is 3 (C), 2 (DSP), 4 (MVE)."""
    for row in range(rows):
        output = 0
        while output < outputs:
            count = block if output + block <= outputs else 1
            for i in range(depth):
                trace.read(row * depth + i)
            for i in range(count):
                trace.write(row * outputs + output + i)
            output += count


def elementwise_blocks(trace: Trace, count: int, block: int) -> None:
    """arm_elementwise_add_s8.c and its kin: `block` elements read, then written."""
    for first in range(0, count, block):
        cells = range(first, min(first + block, count))
        for i in cells:
            trace.read(i)
        for i in cells:
            trace.write(i)


def pad(trace: Trace, source: Shape, before: Shape, after: Shape) -> None:
    """arm_pad_s8.c: two pointers that only step forward."""
    while len(source) < 4:
        source, before, after = (1, *source), (0, *before), (0, *after)
    target = [b + n + a for b, n, a in zip(before, source, after, strict=True)]
    column, row = target[3], target[2] * target[3]
    block = target[1] * row
    read = write = 0

    def fill(count: int) -> None:
        nonlocal write
        for _ in range(count):
            trace.write(write)
            write += 1

    def copy(count: int) -> None:
        nonlocal read, write
        trace.memcpy(write, read, count)
        read, write = read + count, write + count

    fill(block * before[0])
    for _ in range(source[0]):
        fill(row * before[1])
        for _ in range(source[1]):
            fill(column * before[2])
            if source[3] == target[3]:
                copy(source[2] * source[3])
            else:
                for _ in range(source[2]):
                    fill(before[3])
                    copy(source[3])
                    fill(after[3])
            fill(column * after[2])
        fill(row * after[1])
    fill(block * after[0])

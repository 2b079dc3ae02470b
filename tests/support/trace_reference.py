"""TFLM's reference kernels, reduced to their loops and accesses, for small shapes.

Written after tensorflow/lite/kernels/internal/reference/ (the file is named at each),
element by element and without any shortcut. NHWC shapes; pairs are (rows, columns).
"""

from __future__ import annotations

import itertools

from support.trace import Trace

__all__ = [
    "broadcast_binary",
    "conv_2d",
    "depthwise_conv_2d",
    "elementwise",
    "fully_connected",
    "pool_2d",
    "softmax",
]

Shape = tuple[int, ...]
Pair = tuple[int, int]


def _offset(shape: Shape, *index: int) -> int:
    flat = 0
    for extent, i in zip(shape, index, strict=True):
        assert 0 <= i < extent
        flat = flat * extent + i
    return flat


def conv_2d(
    trace: Trace,
    source: Shape,
    target: Shape,
    weights: Shape,
    stride: Pair,
    dilation: Pair,
    pad: Pair,
) -> None:
    """integer_ops/conv.h, ConvPerChannel; conv.h, Conv."""
    filters_per_group = target[3] // (source[3] // weights[3])
    for batch, out_y, out_x, channel in itertools.product(*map(range, target)):
        group = channel // filters_per_group
        for ky, kx in itertools.product(range(weights[1]), range(weights[2])):
            y = out_y * stride[0] - pad[0] + ky * dilation[0]
            x = out_x * stride[1] - pad[1] + kx * dilation[1]
            if not (0 <= y < source[1] and 0 <= x < source[2]):
                continue
            for in_channel in range(weights[3]):
                trace.read(_offset(source, batch, y, x, in_channel + group * weights[3]))
        trace.write(_offset(target, batch, out_y, out_x, channel))


def depthwise_conv_2d(
    trace: Trace,
    source: Shape,
    target: Shape,
    weights: Shape,
    stride: Pair,
    dilation: Pair,
    pad: Pair,
) -> None:
    """integer_ops/depthwise_conv.h, DepthwiseConvPerChannel; depthwiseconv_float.h."""
    multiplier = target[3] // source[3]
    for batch, out_y, out_x in itertools.product(*map(range, target[:3])):
        for in_channel, m in itertools.product(range(source[3]), range(multiplier)):
            for ky, kx in itertools.product(range(weights[1]), range(weights[2])):
                y = out_y * stride[0] - pad[0] + ky * dilation[0]
                x = out_x * stride[1] - pad[1] + kx * dilation[1]
                if 0 <= y < source[1] and 0 <= x < source[2]:
                    trace.read(_offset(source, batch, y, x, in_channel))
            trace.write(_offset(target, batch, out_y, out_x, m + in_channel * multiplier))


def pool_2d(
    trace: Trace, source: Shape, target: Shape, kernel: Pair, stride: Pair, pad: Pair
) -> None:
    """integer_ops/pooling.h and pooling.h, MaxPool and AveragePool."""
    for batch, out_y, out_x, channel in itertools.product(*map(range, target)):
        top, left = out_y * stride[0] - pad[0], out_x * stride[1] - pad[1]
        for y in range(max(0, top), min(source[1], top + kernel[0])):
            for x in range(max(0, left), min(source[2], left + kernel[1])):
                trace.read(_offset(source, batch, y, x, channel))
        trace.write(_offset(target, batch, out_y, out_x, channel))


def fully_connected(trace: Trace, batches: int, depth: int, outputs: int) -> None:
    """integer_ops/fully_connected.h and fully_connected.h, FullyConnected."""
    for batch in range(batches):
        for output in range(outputs):
            for i in range(depth):
                trace.read(batch * depth + i)
            trace.write(output + outputs * batch)


def elementwise(trace: Trace, count: int) -> None:
    """The loop that activations, unary operators and (de)quantisation share."""
    for i in range(count):
        trace.read(i)
        trace.write(i)


def broadcast_binary(first: Trace, second: Trace, a: Shape, b: Shape) -> None:
    """broadcast_loop.h, BroadcastBinaryOpSimple: both inputs traced in one run."""
    rank = max(len(a), len(b))
    shapes = [(1,) * (rank - len(s)) + s for s in (a, b)]
    shapes.append(tuple(max(pair) for pair in zip(*shapes, strict=True)))
    extents: list[int] = []  # of the loops, innermost first
    strides: list[list[int]] = []  # of a, b and the output in each loop
    walked = [1, 1, 1]
    for axis in reversed(range(rank)):
        extent = shapes[2][axis]
        stride = [
            0 if s[axis] == 1 and extent != 1 else w for s, w in zip(shapes, walked, strict=True)
        ]
        if extents and (
            extent == 1
            or all(
                own == (0 if inner == 0 else w)
                for own, inner, w in zip(stride, strides[-1], walked, strict=True)
            )
        ):
            extents[-1] *= extent
        else:
            extents.append(extent)
            strides.append(stride)
        walked = [w * s[axis] for w, s in zip(walked, shapes, strict=True)]

    def run(loop: int, at: list[int]) -> None:
        if loop > 0:
            for i in range(extents[loop]):
                run(loop - 1, [p + i * s for p, s in zip(at, strides[loop], strict=True)])
            return
        for trace, start, step in zip((first, second), at, strides[0], strict=False):
            if step == 0:  # held in a register
                trace.read(start)
        for i in range(extents[0]):
            for trace, start, step in zip((first, second), at, strides[0], strict=False):
                if step:
                    trace.read(start + i)
            for trace in (first, second):
                trace.write(at[2] + i)

    run(len(extents) - 1, [0, 0, 0])


def softmax(trace: Trace, rows: int, depth: int, cached: bool) -> None:
    """softmax.h; `cached`: float and int16 keep the exponentials in the output."""
    for row in range(rows):
        cells = range(row * depth, (row + 1) * depth)
        for i in cells:  # the largest
            trace.read(i)
        if cached:
            for i in cells:
                trace.read(i)
                trace.write(i)
            for i in cells:
                trace.write(i)
        else:
            for i in cells:  # the sum
                trace.read(i)
            for i in cells:
                trace.read(i)
                trace.write(i)

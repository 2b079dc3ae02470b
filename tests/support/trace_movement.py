"""TFLM's reference kernels that only move elements, reduced to their accesses.

Written after the files named at each, in the order of the kernel's own loops.
"""

from __future__ import annotations

import itertools
import math

from support.trace import Trace

__all__ = [
    "concatenation",
    "depth_to_space",
    "pack",
    "pad",
    "resize_bilinear",
    "resize_nearest_neighbor",
    "slice_box",
    "space_to_depth",
    "split",
    "strided_slice",
    "transpose",
    "unpack",
]

Shape = tuple[int, ...]


def _flat(shape: Shape, index: Shape) -> int:
    position = 0
    for extent, i in zip(shape, index, strict=True):
        assert 0 <= i < extent
        position = position * extent + i
    return position


def pad(trace: Trace, source: Shape, target: Shape, before: Shape) -> None:
    """pad.h, PadImpl: both pointers only ever step forward."""
    position = 0
    for out, index in enumerate(itertools.product(*map(range, target))):
        inside = all(b <= i < b + n for i, b, n in zip(index, before, source, strict=True))
        if inside:
            trace.read(position)
            position += 1
        trace.write(out)


def concatenation(traces: list[Trace], shapes: list[Shape], axis: int) -> None:
    """concatenation.h, Concatenation."""
    inner = math.prod(shapes[0][axis + 1 :])
    position = 0
    for k in range(math.prod(shapes[0][:axis])):
        for i, shape in enumerate(shapes):
            size = shape[axis] * inner
            for j, trace in enumerate(traces):
                if i == j:
                    trace.memcpy(position, k * size, size)
                else:
                    for element in range(position, position + size):
                        trace.write(element)
            position += size


def pack(traces: list[Trace], shape: Shape, axis: int) -> None:
    """micro/kernels/pack.cc, PackImpl."""
    outer, copy = math.prod(shape[:axis]), math.prod(shape[axis:])
    for i, k, j in itertools.product(range(len(traces)), range(outer), range(copy)):
        traces[i].read(copy * k + j)
        for trace in traces:
            trace.write(k * len(traces) * copy + i * copy + j)


def unpack(traces: list[Trace], shape: Shape, axis: int) -> None:
    """micro/kernels/unpack.cc, UnpackImpl: one trace an output."""
    outer, copy, count = math.prod(shape[:axis]), math.prod(shape[axis + 1 :]), shape[axis]
    for i, k, j in itertools.product(range(count), range(outer), range(copy)):
        for trace in traces:
            trace.read(k * count * copy + i * copy + j)
        traces[i].write(copy * k + j)


def split(traces: list[Trace], shape: Shape, axis: int, parts: list[int]) -> None:
    """micro/kernels/split.cc and split_v.cc, SplitImpl: one trace an output."""
    inner, position = math.prod(shape[axis + 1 :]), 0
    for k in range(math.prod(shape[:axis])):
        for i, part in enumerate(parts):
            for j in range(part * inner):
                for trace in traces:
                    trace.read(position)
                traces[i].write(k * part * inner + j)
                position += 1


def strided_slice(trace: Trace, shape: Shape, starts: Shape, stops: Shape, strides: Shape) -> None:
    """strided_slice.h, StridedSlice: WriteN() along an innermost stride of 1."""
    position = 0
    *outer, last = (range(a, b, s) for a, b, s in zip(starts, stops, strides, strict=True))
    for index in itertools.product(*outer):
        if strides[-1] == 1:
            trace.memcpy(position, _flat(shape, (*index, starts[-1])), len(last))
            position += len(last)
            continue
        for i in last:
            trace.read(_flat(shape, (*index, i)))
            trace.write(position)
            position += 1


def slice_box(trace: Trace, shape: Shape, starts: Shape, stops: Shape) -> None:
    """slice.h, Slice."""
    for position, index in enumerate(
        itertools.product(*(range(a, b) for a, b in zip(starts, stops, strict=True)))
    ):
        trace.read(_flat(shape, index))
        trace.write(position)


def transpose(trace: Trace, shape: Shape, axes: Shape) -> None:
    """transpose.h, TransposeImpl."""
    for out, index in enumerate(itertools.product(*(range(shape[axis]) for axis in axes))):
        where = [0] * len(shape)
        for axis, i in zip(axes, index, strict=True):
            where[axis] = i
        trace.read(_flat(shape, tuple(where)))
        trace.write(out)


def space_to_depth(trace: Trace, source: Shape, target: Shape, block: int) -> None:
    """space_to_depth.h, SpaceToDepth."""
    for b, h, w, d in itertools.product(*map(range, source)):
        out_d = d + ((h % block) * block + w % block) * source[3]
        trace.read(_flat(source, (b, h, w, d)))
        trace.write(_flat(target, (b, h // block, w // block, out_d)))


def depth_to_space(trace: Trace, source: Shape, target: Shape, block: int) -> None:
    """depth_to_space.h, DepthToSpace."""
    for b, h, w, d in itertools.product(*map(range, target)):
        in_d = d + ((h % block) * block + w % block) * target[3]
        trace.read(_flat(source, (b, h // block, w // block, in_d)))
        trace.write(_flat(target, (b, h, w, d)))


def resize_nearest_neighbor(
    trace: Trace, source: Shape, target: Shape, corners: bool, centers: bool
) -> None:
    """resize_nearest_neighbor.h; rational arithmetic, so without the kernel's rounding."""

    def nearest(i: int, size: int, out: int) -> int:
        numerator, denominator = (size - 1, out - 1) if corners and out > 1 else (size, out)
        doubled = (2 * i + (1 if centers else 0)) * numerator  # over 2 * denominator
        found = (doubled + (denominator if corners else 0)) // (2 * denominator)
        return min(found, size - 1)

    depth = source[3]
    for out, (b, y, x) in enumerate(itertools.product(*map(range, target[:3]))):
        row, column = nearest(y, source[1], target[1]), nearest(x, source[2], target[2])
        trace.memcpy(out * depth, _flat(source, (b, row, column, 0)), depth)


def resize_bilinear(
    trace: Trace, source: Shape, target: Shape, corners: bool, centers: bool
) -> None:
    """resize_bilinear.h, ResizeBilinearInteger."""

    def bounds(i: int, size: int, out: int) -> tuple[int, int]:
        scale = ((1 << 10) * size + out // 2) // out
        if corners and out > 1:
            scale = ((1 << 10) * (size - 1) + (out - 1) // 2) // (out - 1)
        value = i * scale + scale // 2 - (1 << 9) if centers else i * scale
        lower = max(int(value / (1 << 10)), 0)
        return lower, min(int((value + (1 << 10) - 1) / (1 << 10)), size - 1)

    for b, y, x, c in itertools.product(*map(range, target)):
        rows, columns = bounds(y, source[1], target[1]), bounds(x, source[2], target[2])
        for row, column in itertools.product(rows, columns):
            trace.read(_flat(source, (b, row, column, c)))
        trace.write(_flat(target, (b, y, x, c)))

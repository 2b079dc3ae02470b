"""Access orders of the reference kernels that resize images.

Where an output pixel finds its input is computed as the kernel computes it, rounding included.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from arenafit.graph.model import DType, Operator, Tensor
from arenafit.memory.access.describe import (
    Describe,
    Description,
    copied,
    element,
    integers,
    operand,
)
from arenafit.memory.access.order import Accesses
from arenafit.memory.access.window import MAX_EXTENT

__all__ = ["RESIZING"]

_NONE: Description = {}


def _resize(op: Operator, positions: Sequence[Sequence[int]], pixel: Accesses) -> Description:
    """`pixel` for each output pixel, with its first input pixel at the given row and column."""
    source, target = op.inputs[0], op.outputs[0]
    assert source is not None
    read = source.shape[3] * source.dtype.bits // 8
    line, out_line = read * source.shape[2], read * target.shape[2]
    row = pixel.repeat_at((x * read, i * read) for i, x in enumerate(positions[1]))
    image = row.repeat_at((y * line, i * out_line) for i, y in enumerate(positions[0]))
    return {
        (0, 0): image.repeat(source.shape[0], source.shape[1] * line, target.shape[1] * out_line)
    }


def _resized(op: Operator, types: Sequence[DType]) -> Tensor | None:
    source, target = operand(op, 0, types), op.outputs[0]
    if source is None or len(source.shape) != 4 or len(target.shape) != 4:
        return None
    if (source.shape[0], source.shape[3]) != (target.shape[0], target.shape[3]):
        return None
    if min(*source.shape, *target.shape) < 1 or max(target.shape[1:3]) > MAX_EXTENT:
        return None
    return source if integers(op, 1, 2) == target.shape[1:3] else None


def _resize_nearest_neighbor(op: Operator) -> Description:
    """resize_nearest_neighbor.h: pixel by pixel, each by memcpy."""
    source = _resized(op, (DType.INT8, DType.INT16, DType.FLOAT32))
    if source is None:
        return _NONE
    corners, centers = op.option("align_corners", False), op.option("half_pixel_centers", False)
    positions = [
        list(_nearest(n, out, corners, centers))
        for n, out in zip(source.shape[1:3], op.outputs[0].shape[1:3], strict=True)
    ]
    return _resize(op, positions, copied(source.shape[3] * source.dtype.bits // 8))


def _nearest(size: int, out: int, corners: bool, centers: bool) -> Iterator[int]:
    """GetNearestNeighbor(), in the single precision in which the kernel computes it."""
    import numpy as np

    single = np.float32
    aligned = corners and out > 1
    scale = single(size - 1) / single(out - 1) if aligned else single(size) / single(out)
    for i in range(out):
        exact = (single(i) + single(0.5 if centers else 0.0)) * scale
        below = math.floor(exact)
        # TfLiteRound() takes halves away from zero, and the value is not negative
        nearest = below + 1 if corners and exact - single(below) >= single(0.5) else below
        yield max(0, min(nearest, size - 1))


def _resize_bilinear(op: Operator) -> Description:
    """resize_bilinear.h, ResizeBilinearInteger(): pixel by pixel, element by element."""
    source = _resized(op, (DType.INT8,))
    if source is None:
        return _NONE
    corners, centers = op.option("align_corners", False), op.option("half_pixel_centers", False)
    positions = [
        list(_lower(n, out, corners, centers))
        for n, out in zip(source.shape[1:3], op.outputs[0].shape[1:3], strict=True)
    ]
    return _resize(op, positions, element(1).repeat(source.shape[3], 1, 1))


def _lower(size: int, out: int, corners: bool, centers: bool) -> Iterator[int]:
    """The lower of the two positions of ComputeInterpolationValuesInteger()."""
    if corners and out > 1:
        scale = (1024 * (size - 1) + (out - 1) // 2) // (out - 1)
    else:
        scale = (1024 * size + out // 2) // out
    for i in range(out):
        value = i * scale + scale // 2 - 512 if centers else i * scale
        yield min(max(value, 0) // 1024, min((value + 1023) // 1024, size - 1))


RESIZING: dict[str, Describe] = {
    "RESIZE_BILINEAR": _resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest_neighbor,
}
"""Builtin operator -> its description for the reference kernels."""

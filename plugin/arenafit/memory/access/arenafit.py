"""Access orders of arenafit's own kernels: the same in every build, whatever TFLM's are."""

from __future__ import annotations

from arenafit.graph.custom import (
    MAX_EXTENT,
    MAX_POOL_2D,
    NO_OVERLAP,
    PROGRAM_OPERATORS,
    MaxPool2D,
    SegmentHead,
)
from arenafit.graph.model import DType, Operator
from arenafit.memory.access.describe import Describe, Description, element
from arenafit.memory.access.order import Accesses
from arenafit.memory.access.window import MAX_EXTENT as MAX_OUTPUT_EXTENT
from arenafit.memory.access.window import Axis, Image

__all__ = ["ARENAFIT"]

_BLOCK = 16  # channels; ARENAFIT_MAX_POOL_BLOCK, kernels/core/include/arenafit/max_pool.h
_MAX_BYTES = (1 << 31) - 1  # of a tensor: `is_tensor`, max_pool.c
_TYPES = (DType.INT8, DType.INT16, DType.FLOAT32)


def _axis(size: int, out: int, filter_: int, stride: int, pad: int) -> Axis | None:
    """One axis of a window; None where the kernel would refuse it (`is_window`, max_pool.c)."""
    if not all(1 <= extent <= MAX_EXTENT for extent in (size, out, filter_, stride)):
        return None
    if not 0 <= pad < filter_ or (out - 1) * stride - pad >= size or out > MAX_OUTPUT_EXTENT:
        return None
    return Axis(size, out, filter_, stride, 1, pad)


def _max_pool_2d(op: Operator) -> Description:
    """max_pool.c, `pool`: pixel by pixel, a block of channels read before it is written."""
    options = MaxPool2D.decode(op.custom_options)
    if options is None or len(op.inputs) != 1 or len(op.outputs) != 1:
        return {}
    source, target = op.inputs[0], op.outputs[0]
    if source is None or source.dtype not in _TYPES or target.dtype is not source.dtype:
        return {}
    if len(source.shape) != 4 or len(target.shape) != 4:
        return {}
    if max(source.nbytes, target.nbytes) > _MAX_BYTES:
        return {}
    (batches, height, width, depth), (n, out_height, out_width, c) = source.shape, target.shape
    shapes = (height, out_height), (width, out_width)
    parameters = zip(shapes, options.filter, options.stride, options.pad, strict=True)
    rows, columns = (_axis(*extents, f, s, p) for extents, f, s, p in parameters)
    if (n, c) != (batches, depth) or rows is None or columns is None:
        return {}
    size = source.dtype.bits // 8
    blocks, rest = divmod(depth, _BLOCK)
    pixel = element(_BLOCK * size).repeat(blocks, _BLOCK * size, _BLOCK * size)
    if rest:
        start = blocks * _BLOCK * size
        pixel = pixel.then(element(rest * size).at(start, start))
    return {(0, 0): Image(batches, rows, columns, depth * size, depth * size).raster(pixel)}


def _segment(op: Operator) -> Description:
    """segment.c: row by row, in the order that the program was simulated in; see SegmentHead."""
    head = SegmentHead.of(op)
    if head is None:
        return {}
    return {
        (j, k): Accesses(0, op.outputs[k].nbytes, distance)
        for k, row in enumerate(head.overlaps)
        for j, distance in enumerate(row)
        if distance != NO_OVERLAP
    }


ARENAFIT: dict[str, Describe] = {
    MAX_POOL_2D: _max_pool_2d,
    **dict.fromkeys(sorted(PROGRAM_OPERATORS), _segment),
}
"""Name of a custom operator -> its description."""

"""Operators that only move their input's elements, as members of a segment: of any type."""

from __future__ import annotations

import math
from collections.abc import Callable

from arenafit.graph.model import Operator
from arenafit.memory.access.describe import integers
from arenafit.memory.access.window import Axis
from arenafit.partial.arithmetic import f32, round_away
from arenafit.partial.role import (
    FEED,
    MAX_OPERANDS,
    Role,
    alike,
    flat,
    operand_shape,
    rows_of,
    source_of,
)
from arenafit.partial.rows import Lookup, Window

__all__ = ["MOVING", "nearest"]


def _concatenation(op: Operator) -> Role | None:
    """Along any axis of images, or of what has fewer dimensions; all quantised alike, as the
    kernel wants."""
    target, sources = op.outputs[0], list(op.activations())
    rank = len(target.shape)
    axis = op.option("axis") % rank - rank + 3 if 1 <= rank <= 4 else -1
    if len(sources) != len(op.inputs) or not 1 <= len(sources) <= MAX_OPERANDS or axis < 0:
        return None
    if op.option("fused_activation_function") != 0:
        return None
    if any(len(t.shape) != rank or not alike(t, target) for t in sources):
        return None
    whole, parts = operand_shape(target), [operand_shape(t) for t in sources]
    for i in range(3):
        extents = [part[i] for part in parts]
        if (sum(extents) != whole[i]) if i == axis else (set(extents) != {whole[i]}):
            return None
    windows: list[Window | None] = []
    row = 0
    for rows, _, _ in parts:
        windows.append(Window(rows, pad=row) if axis == 0 else None)
        row += rows
    return Role(
        "CONCATENATION", tuple(sources), tuple(parts), tuple(windows), target, whole, axis=axis
    )


def _pad(op: Operator) -> Role | None:
    """Rows and columns around the image, filled with the zero point."""
    source, target = source_of(op), op.outputs[0]
    if source is None or len(op.inputs) != 2 or not alike(source, target):
        return None
    if len(source.shape) != 4 or len(target.shape) != 4:
        return None
    pads = integers(op, 1, 8)
    if pads is None or min(pads) < 0 or pads[0] or pads[1]:
        return None
    grown = (source.shape[i] + pads[2 * i] + pads[2 * i + 1] for i in range(4))
    if target.shape != tuple(grown):
        return None
    window = Window(source.shape[1], pad=pads[2])
    return Role("PAD", (source,), (flat(source),), (window,), target, flat(target))


_SLICE_MASKS = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _strided_slice(op: Operator) -> Role | None:
    """Every so many rows and columns of an image, all channels: as a nearest neighbour."""
    source, target = source_of(op), op.outputs[0]
    if source is None or len(op.inputs) != 4 or len(source.shape) != 4 or len(target.shape) != 4:
        return None
    if any(op.option(mask) for mask in _SLICE_MASKS) or op.option("offset", False):
        return None
    limits = [integers(op, i, 4) for i in (1, 2, 3)]
    begins, ends, strides = limits
    if begins is None or ends is None or strides is None or min(strides) < 1:
        return None
    axes = []
    for i, size in enumerate(source.shape):
        begin = 0 if op.option("begin_mask") >> i & 1 else _within(begins[i], size)
        end = size if op.option("end_mask") >> i & 1 else _within(ends[i], size)
        if target.shape[i] != -(-(end - begin) // strides[i]):
            return None
        axes.append(Axis(size, target.shape[i], 1, strides[i], 1, -begin))
    if any(axis.out != axis.size for axis in (axes[0], axes[3])):
        return None
    return Role(
        "RESIZE_NEAREST_NEIGHBOR", (source,), (flat(source),), (rows_of(axes[1]),), target,
        flat(target), lookup=(_indices(axes[1]), _indices(axes[2])),
    )  # fmt: skip


def _indices(axis: Axis) -> tuple[int, ...]:
    return tuple(i * axis.stride - axis.pad for i in range(axis.out))


def _within(index: int, size: int) -> int:
    """An index of a slice: from the end where negative, clipped to the tensor."""
    return max(0, min(size, index + size if index < 0 else index))


def _resize(op: Operator) -> Role | None:
    """An image to another size, each pixel from its nearest neighbour."""
    source, target = source_of(op), op.outputs[0]
    if source is None or len(op.inputs) != 2 or not alike(source, target):
        return None
    if len(source.shape) != 4 or len(target.shape) != 4 or source.shape[3] != target.shape[3]:
        return None
    size = integers(op, 1, 2)
    if size is None or tuple(size) != target.shape[1:3]:
        return None
    rows, columns = (
        nearest(
            source.shape[i], target.shape[i], op.option("align_corners", False),
            op.option("half_pixel_centers", False),
        )
        for i in (1, 2)
    )  # fmt: skip
    return Role(
        "RESIZE_NEAREST_NEIGHBOR", (source,), (flat(source),),
        (Lookup(source.shape[1], rows),), target, flat(target), lookup=(rows, columns),
    )  # fmt: skip


def nearest(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> tuple[int, ...]:
    """By output index, the input index: in float, as TFLM's resize_nearest_neighbor.h has it."""
    scale = f32((size - 1) / (out - 1)) if align_corners and out > 1 else f32(size / out)
    offset = 0.5 if half_pixel_centers else 0.0
    places = (f32((i + offset) * scale) for i in range(out))
    return tuple(
        min(round_away(place) if align_corners else math.floor(place), size - 1) for place in places
    )


def _reshape(op: Operator) -> Role | None:
    """Nothing but another name: input and output are one tensor of the segment."""
    source, target = source_of(op), op.outputs[0]
    if source is None or source.elements != target.elements or not alike(source, target):
        return None
    return Role("RESHAPE", (source,), (None,), (None,), target, None)


def _feed(op: Operator) -> Role:
    """Rows as whoever reads them sees them."""
    return Role(FEED, (), (), (), op.outputs[0], None)


MOVING: dict[str, Callable[[Operator], Role | None]] = {
    "CONCATENATION": _concatenation,
    "EXPAND_DIMS": _reshape,
    FEED: _feed,
    "PAD": _pad,
    "RESHAPE": _reshape,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SQUEEZE": _reshape,
    "STRIDED_SLICE": _strided_slice,
}
"""By operator: how it is a member of a segment, None where it cannot be one."""

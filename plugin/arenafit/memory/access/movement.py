"""Access orders of the reference kernels that move elements and leave them as they are.

As in `reference.py`, each description follows the file it names. What a kernel copies with
memcpy must be disjoint call by call; what it copies in a loop need not be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from arenafit.graph.model import DType, Operator, Tensor
from arenafit.memory.access.describe import (
    Describe,
    Description,
    copied,
    element,
    elementwise,
    integers,
    operand,
)
from arenafit.memory.access.order import Accesses, reads, writes
from arenafit.memory.access.resize import RESIZING
from arenafit.memory.problem import Bytes

__all__ = ["MOVEMENT", "padding"]

_NONE: Description = {}
_I8, _I16, _I32, _I64 = DType.INT8, DType.INT16, DType.INT32, DType.INT64
_F32, _BOOL = DType.FLOAT32, DType.BOOL


def _axis(axis: int, rank: int) -> int | None:
    """`axis` counted from the front; None where it is out of range."""
    axis = axis + rank if axis < 0 else axis
    return axis if 0 <= axis < rank else None


def _strides(shape: Sequence[int], size: Bytes) -> list[Bytes]:
    """Bytes between neighbours along each axis, for elements of `size` bytes."""
    return [math.prod(shape[i + 1 :]) * size for i in range(len(shape))]


def _padded(body: Accesses, before: Bytes, extent: Bytes, after: Bytes) -> Accesses:
    """`body`, which writes `extent` bytes, between writes of something else."""
    whole = body.at(0, before)
    if before:
        whole = writes(before).then(whole)
    return whole.then(writes(after, at=before + extent)) if after else whole


def padding(op: Operator, types: Sequence[DType], by_memcpy: bool) -> Accesses | None:
    """A PAD that ascends in the output; None if there is anything odd about it.

    Element by element, or `by_memcpy`: as much of the two innermost axes as lies together.
    """
    source = operand(op, 0, types)
    if source is None or not 1 <= len(source.shape) <= 5:
        return None
    rank, target = len(source.shape), op.outputs[0]
    amounts = integers(op, 1, 2 * rank)
    if amounts is None or min(amounts) < 0 or len(target.shape) != rank:
        return None
    around = list(zip(amounts[::2], amounts[1::2], strict=True))
    if any(n + sum(pad) != o for n, pad, o in zip(source.shape, around, target.shape, strict=True)):
        return None
    size = source.dtype.bits // 8
    steps = _strides(target.shape, size)
    inner = 2 if by_memcpy and rank > 1 and around[-1] == (0, 0) else 1
    read = math.prod(source.shape[-inner:]) * size
    body = copied(read) if by_memcpy else element(size).repeat(source.shape[-1], size, size)
    for axis in reversed(range(rank - inner + 1)):
        before, after = (pad * steps[axis] for pad in around[axis])
        whole = _padded(body, before, source.shape[axis] * steps[axis], after)
        if axis > 0:
            body = whole.repeat(source.shape[axis - 1], read, steps[axis - 1])
            read *= source.shape[axis - 1]
    return whole


def _pad(op: Operator) -> Description:
    """pad.h: ascending in the output, element by element."""
    order = padding(op, (_I8, _I16, _I32, _F32), by_memcpy=False)
    return _NONE if order is None else {(0, 0): order}


def _concatenation(op: Operator) -> Description:
    """concatenation.h: a memcpy an input, over and over along the axes before `axis`."""
    target = op.outputs[0]
    axis = _axis(op.option("axis"), len(target.shape))
    if axis is None or any(operand(op, i, (_I8, _I16, _I32, _I64, _F32, _BOOL)) is None
                           for i in range(len(op.inputs))):  # fmt: skip
        return _NONE
    inner = math.prod(target.shape[axis + 1 :]) * (target.dtype.bits // 8)
    outer = math.prod(target.shape[:axis])
    shapes = [t.shape for t in op.inputs if t is not None]
    fixed = target.shape[:axis] + target.shape[axis + 1 :]
    if any(s[:axis] + s[axis + 1 :] != fixed or len(s) != len(target.shape) for s in shapes):
        return _NONE
    sizes = [s[axis] * inner for s in shapes]
    total = sum(sizes)
    if total != target.shape[axis] * inner:
        return _NONE
    result: dict[tuple[int, int], Accesses] = {}
    for i, size in enumerate(sizes):
        before = sum(sizes[:i])
        row = _padded(copied(size), before, size, total - before - size)
        result[i, 0] = row.repeat(outer, size, total)
    return result


def _pack(op: Operator) -> Description:
    """micro/kernels/pack.cc: input by input, element by element."""
    target, count = op.outputs[0], len(op.inputs)
    axis = _axis(op.option("axis"), len(target.shape))
    if axis is None or target.shape[axis] != count or op.option("values_count") != count:
        return _NONE
    rest = target.shape[:axis] + target.shape[axis + 1 :]
    size = target.dtype.bits // 8
    inner, outer = math.prod(rest[axis:]), math.prod(rest[:axis])
    result: dict[tuple[int, int], Accesses] = {}
    for i in range(count):
        source = operand(op, i, (_I8, _I16, _I32, _I64, _F32))
        if source is None or source.shape != rest:
            return _NONE
        own = element(size).repeat(inner, size, size)
        own = own.repeat(outer, inner * size, count * inner * size).at(0, i * inner * size)
        earlier = ((outer - 1) * count + i) * inner * size  # where the inputs before end
        result[i, 0] = writes(earlier).then(own) if i else own
    return result


def _unpack(op: Operator) -> Description:
    """micro/kernels/unpack.cc: output by output, element by element."""
    source, count = operand(op, 0, (_I8, _I16, _I32, _F32)), len(op.outputs)
    axis = None if source is None else _axis(op.option("axis"), len(source.shape))
    if source is None or axis is None or source.shape[axis] != count or op.option("num") != count:
        return _NONE
    rest = source.shape[:axis] + source.shape[axis + 1 :]
    if any(t.shape != rest for t in op.outputs):
        return _NONE
    size = source.dtype.bits // 8
    inner, outer = math.prod(rest[axis:]), math.prod(rest[:axis])
    result: dict[tuple[int, int], Accesses] = {}
    for i in range(count):
        own = element(size).repeat(inner, size, size)
        own = own.repeat(outer, count * inner * size, inner * size).at(i * inner * size, 0)
        result[0, i] = own.then(reads((i + 1) * inner * size)) if i + 1 < count else own
    return result


def _split(data: int, axis_input: int) -> Describe:
    """micro/kernels/split.cc, split_v.cc: the outputs' parts in turn, element by element."""

    def describe(op: Operator) -> Description:
        source, position = operand(op, data, (_I8, _I16, _I32, _F32)), integers(op, axis_input, 1)
        if source is None or position is None:
            return _NONE
        axis = _axis(position[0], len(source.shape))
        if axis is None or any(len(t.shape) != len(source.shape) for t in op.outputs):
            return _NONE
        fixed = source.shape[:axis] + source.shape[axis + 1 :]
        parts = [t.shape[axis] for t in op.outputs]
        if sum(parts) != source.shape[axis] or any(
            t.shape[:axis] + t.shape[axis + 1 :] != fixed for t in op.outputs
        ):
            return _NONE
        size = source.dtype.bits // 8
        inner, outer = math.prod(source.shape[axis + 1 :]), math.prod(source.shape[:axis])
        result: dict[tuple[int, int], Accesses] = {}
        for i, part in enumerate(parts):
            start, end = sum(parts[:i]) * inner * size, sum(parts[: i + 1]) * inner * size
            row = element(size).repeat(part * inner, size, size).at(start, 0)
            if i:
                row = reads().then(row)
            if i + 1 < len(parts):
                row = row.then(reads(end))
            result[data, i] = row.repeat(outer, sum(parts) * inner * size, part * inner * size)
        return result

    return describe


def _strided(
    source: Tensor, starts: Sequence[int], steps: Sequence[int], counts: Sequence[int], whole: bool
) -> Accesses:
    """A box of `source`, written without gaps; `whole`: its innermost runs by memcpy."""
    size = source.dtype.bits // 8
    source_steps = _strides(source.shape, size)
    write = size
    run = len(counts)
    order = element(size)
    if whole:
        run -= 1
        write *= counts[run]
        order = copied(write)
    for axis in reversed(range(run)):
        order = order.repeat(counts[axis], steps[axis] * source_steps[axis], write)
        write *= counts[axis]
    return order.at(sum(s * step for s, step in zip(starts, source_steps, strict=True)), 0)


def _strided_slice(op: Operator) -> Description:
    """strided_slice.h: ascending in the output; memcpy along an innermost stride of 1."""
    source = operand(op, 0, (_I8, _I16, _I32, _F32, _BOOL))
    if source is None or not 1 <= len(source.shape) <= 5:
        return _NONE
    if op.option("ellipsis_mask") or op.option("new_axis_mask") or op.option("offset", False):
        return _NONE
    rank = len(source.shape)
    begin, end, steps = (integers(op, i, rank) for i in (1, 2, 3))
    if begin is None or end is None or steps is None or min(steps) < 1:
        return _NONE
    starts, counts = [], []
    for axis, extent in enumerate(source.shape):
        bit = 1 << axis
        first = 0 if op.option("begin_mask") & bit else _bounded(begin[axis], extent)
        stop = extent if op.option("end_mask") & bit else _bounded(end[axis], extent)
        if op.option("shrink_axis_mask") & bit:
            stop = min(first + 1, extent)
        starts.append(first)
        counts.append(-(-(stop - first) // steps[axis]))
    if min(counts) < 1 or math.prod(counts) != op.outputs[0].elements:
        return _NONE
    return {(0, 0): _strided(source, starts, steps, counts, whole=steps[-1] == 1)}


def _bounded(index: int, extent: int) -> int:
    return min(max(index + extent if index < 0 else index, 0), extent)


def _slice(op: Operator) -> Description:
    """slice.h: ascending in the output, element by element."""
    source = operand(op, 0, (_I8, _I16, _I32, _F32, _BOOL))
    if source is None or not 1 <= len(source.shape) <= 5:
        return _NONE
    rank = len(source.shape)
    starts, sizes = integers(op, 1, rank), integers(op, 2, rank)
    if starts is None or sizes is None or min(starts) < 0:
        return _NONE
    counts = [
        extent - first if count == -1 else count
        for extent, first, count in zip(source.shape, starts, sizes, strict=True)
    ]
    inside = all(f + c <= e for f, c, e in zip(starts, counts, source.shape, strict=True))
    if not inside or min(counts) < 1 or math.prod(counts) != op.outputs[0].elements:
        return _NONE
    return {(0, 0): _strided(source, starts, (1,) * rank, counts, whole=False)}


def _transpose(op: Operator) -> Description:
    """transpose.h: ascending in the output, element by element."""
    source = operand(op, 0, (_I8, _I16, _F32))
    axes = None if source is None else integers(op, 1, len(source.shape))
    if source is None or axes is None or sorted(axes) != list(range(len(source.shape))):
        return _NONE
    target = op.outputs[0]
    if target.shape != tuple(source.shape[axis] for axis in axes):
        return _NONE
    size = source.dtype.bits // 8
    read_steps, write_steps = _strides(source.shape, size), _strides(target.shape, size)
    order = element(size)
    for axis, extent, write in reversed(list(zip(axes, target.shape, write_steps, strict=True))):
        order = order.repeat(extent, read_steps[axis], write)
    return {(0, 0): order}


def _blocks(to_depth: bool) -> Describe:
    """space_to_depth.h in the input's order, depth_to_space.h in the output's."""

    def describe(op: Operator) -> Description:
        source, target, block = operand(op, 0, (_I8, _F32)), op.outputs[0], op.option("block_size")
        if source is None or len(source.shape) != 4 or block < 1:
            return _NONE
        wide, deep = (source.shape, target.shape) if to_depth else (target.shape, source.shape)
        batches, rows, columns, depth = wide
        if rows % block or columns % block:
            return _NONE
        if deep != (batches, rows // block, columns // block, depth * block * block):
            return _NONE
        size = source.dtype.bits // 8
        pixel, line = depth * size, columns * depth * size
        # Loops over the wide tensor, innermost first: extent, its step, the deep tensor's step.
        loops = [
            (depth, size, size),
            (block, pixel, pixel),
            (columns // block, block * pixel, block * block * pixel),
            (block, line, block * pixel),
            (batches * rows // block, block * line, block * line),
        ]
        order = element(size)
        for extent, wide_step, deep_step in loops:
            steps = (wide_step, deep_step) if to_depth else (deep_step, wide_step)
            order = order.repeat(extent, *steps)
        return {(0, 0): order}

    return describe


def _expand_dims(op: Operator) -> Description:
    """micro/kernels/expand_dims.cc: a loop, element by element."""
    source = operand(op, 0, (_I8, _I16, _F32))
    if source is None or source.elements != op.outputs[0].elements:
        return _NONE
    return {(0, 0): elementwise(source, op.outputs[0])}


MOVEMENT: dict[str, Describe] = {
    "CONCATENATION": _concatenation,
    "DEPTH_TO_SPACE": _blocks(to_depth=False),
    "EXPAND_DIMS": _expand_dims,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    **RESIZING,
    "SLICE": _slice,
    "SPACE_TO_DEPTH": _blocks(to_depth=True),
    "SPLIT": _split(data=1, axis_input=0),
    "SPLIT_V": _split(data=0, axis_input=2),
    "STRIDED_SLICE": _strided_slice,
    "TRANSPOSE": _transpose,
    "UNPACK": _unpack,
}
"""Builtin operator -> its description for the reference kernels."""

"""Access orders of TFLM's reference kernels.

Each description follows the loop nest of the file it names, below
tensorflow/lite/kernels/internal/reference/ unless it says micro/. `docs/access-orders.md`
has the table. An operator, type or parameter that is not described has no overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from arenafit.graph.model import DType, Operator, Tensor
from arenafit.memory.access.describe import (
    IN_PLACE_ONLY,
    Describe,
    Description,
    element,
    elementwise,
    rows_of,
    spatial_image,
)
from arenafit.memory.access.movement import MOVEMENT
from arenafit.memory.access.order import Accesses, reads, writes
from arenafit.memory.access.recurrent import lstm
from arenafit.memory.access.window import Image

__all__ = [
    "REFERENCE",
    "Convolution",
    "Matmul",
    "broadcast",
    "convolution",
    "depthwise",
    "matmul",
    "pooling",
]

_NONE: Description = {}
_REALS = (DType.INT8, DType.INT16, DType.FLOAT32)


def _source(op: Operator, types: tuple[DType, ...] = _REALS) -> Tensor | None:
    """Input 0, where it and output 0 have one and the same type, among `types`."""
    source = op.inputs[0] if op.inputs else None
    if source is None or len(op.outputs) != 1 or source.dtype not in types:
        return None
    return source if op.outputs[0].dtype == source.dtype else None


def _same_shape(op: Operator) -> Tensor | None:
    source = op.inputs[0] if op.inputs else None
    if source is None or len(op.outputs) != 1 or source.shape != op.outputs[0].shape:
        return None
    return source


@dataclass(frozen=True, slots=True)
class Convolution:
    """What the convolution kernels loop over; `size` is bytes an element."""

    image: Image
    groups: int
    group_depth: int  # input channels of a group
    filters: int  # output channels of a group
    size: int
    weights: Tensor


def convolution(op: Operator) -> Convolution | None:
    """A CONV_2D that the kernels accept, None if there is anything odd about it."""
    source, weights = _source(op), op.inputs[1] if len(op.inputs) > 1 else None
    if source is None or weights is None or len(weights.shape) != 4 or len(source.shape) != 4:
        return None
    depth, group_depth = source.shape[3], weights.shape[3]
    if group_depth < 1 or depth % group_depth or weights.shape[:1] != op.outputs[0].shape[-1:]:
        return None
    groups = depth // group_depth
    window = spatial_image(op, weights.shape[1:3], dilated=True)
    if window is None or groups < 1 or weights.shape[0] % groups or weights.shape[0] < groups:
        return None
    filters = weights.shape[0] // groups
    return Convolution(window, groups, group_depth, filters, source.dtype.bits // 8, weights)


def _conv_2d(op: Operator) -> Description:
    """conv.h, integer_ops/conv.h: pixel by pixel, every output channel reads its window anew."""
    conv = convolution(op)
    if conv is None:
        return _NONE
    size = conv.size
    group = element(size).repeat(conv.filters, 0, size)
    pixel = group.repeat(conv.groups, conv.group_depth * size, conv.filters * size)
    return {(0, 0): conv.image.raster(pixel)}


def depthwise(op: Operator) -> Convolution | None:
    """A DEPTHWISE_CONV_2D as one group an input channel, None if anything is odd about it."""
    source, weights = _source(op), op.inputs[1] if len(op.inputs) > 1 else None
    if source is None or weights is None or len(weights.shape) != 4 or len(source.shape) != 4:
        return None
    depth, multiplier = source.shape[3], op.option("depth_multiplier")
    if multiplier < 1 or {depth * multiplier} != {weights.shape[3], *op.outputs[0].shape[-1:]}:
        return None
    window = spatial_image(op, weights.shape[1:3], dilated=True)
    if window is None:
        return None
    return Convolution(window, depth, 1, multiplier, source.dtype.bits // 8, weights)


def _depthwise_conv_2d(op: Operator) -> Description:
    """depthwiseconv_float.h, integer_ops/depthwise_conv.h: an input channel at a time."""
    conv = depthwise(op)
    if conv is None:
        return _NONE
    channel = element(conv.size).repeat(conv.filters, 0, conv.size)
    pixel = channel.repeat(conv.groups, conv.size, conv.filters * conv.size)
    return {(0, 0): conv.image.raster(pixel)}


def pooling(op: Operator) -> Convolution | None:
    """A pool as a depthwise convolution without weights, None if anything is odd about it."""
    source = _source(op)
    window = spatial_image(op, (op.option("filter_height"), op.option("filter_width")))
    if source is None or window is None or source.shape[3] != op.outputs[0].shape[3]:
        return None
    return Convolution(window, source.shape[3], 1, 1, source.dtype.bits // 8, source)


def _pool_2d(op: Operator) -> Description:
    """pooling.h, integer_ops/pooling.h: pixel by pixel, a channel at a time."""
    pool = pooling(op)
    if pool is None:
        return _NONE
    pixel = element(pool.size).repeat(pool.groups, pool.size, pool.size)
    return {(0, 0): pool.image.raster(pixel)}


@dataclass(frozen=True, slots=True)
class Matmul:
    """What FULLY_CONNECTED loops over: `rows` of `depth` elements in, of `outputs` out."""

    rows: int
    depth: int
    outputs: int
    size: int  # bytes an element
    weights: Tensor


def matmul(op: Operator) -> Matmul | None:
    """A FULLY_CONNECTED that the kernels accept, None if there is anything odd about it."""
    source, weights = _source(op), op.inputs[1] if len(op.inputs) > 1 else None
    if source is None or weights is None or len(weights.shape) != 2 or not op.outputs[0].shape:
        return None
    rows, outputs = rows_of(op.outputs[0])
    if rows * weights.shape[1] != source.elements or weights.shape[0] != outputs:
        return None
    return Matmul(rows, weights.shape[1], outputs, source.dtype.bits // 8, weights)


def _fully_connected(op: Operator) -> Description:
    """fully_connected.h, integer_ops/fully_connected.h: each output reads its whole row."""
    product = matmul(op)
    if product is None:
        return _NONE
    size = product.size
    row = element(size).repeat(product.outputs, 0, size)
    return {(0, 0): row.repeat(product.rows, product.depth * size, product.outputs * size)}


def broadcast(op: Operator, read: int, other: int) -> Accesses | None:
    """Input `read` in broadcast_loop.h (BroadcastBinaryOpSimple) beside input `other`.

    Ascending in the output; axes fuse into one loop where both inputs walk on evenly; an
    input that stands still in the innermost loop is read once before it.
    """
    mine, second, target = op.inputs[read], op.inputs[other], op.outputs[0]
    if mine is None or second is None:
        return None
    rank = max(len(t.shape) for t in (mine, second, target))
    a, b, out = (((1,) * (rank - len(t.shape)) + t.shape) for t in (mine, second, target))
    if any(o < 1 or {x, y} - {1} != {o} - {1} for x, y, o in zip(a, b, out, strict=True)):
        return None
    loops: list[tuple[int, int, int, int]] = []  # extent and strides, innermost first
    step_a = step_b = step_out = 1
    for x, y, o in zip(reversed(a), reversed(b), reversed(out), strict=True):
        loop_a = 0 if x == 1 and o != 1 else step_a
        loop_b = 0 if y == 1 and o != 1 else step_b
        if loops and (
            o == 1
            or (_fuses(loop_a, step_a, loops[-1][1]) and _fuses(loop_b, step_b, loops[-1][2]))
        ):
            loops[-1] = (loops[-1][0] * o, *loops[-1][1:])
        else:
            loops.append((o, loop_a, loop_b, step_out))
        step_a, step_b, step_out = step_a * x, step_b * y, step_out * o
    read_size, write_size = mine.dtype.bits // 8, target.dtype.bits // 8
    if not loops:
        return element(write_size)
    extent, inner, _, _ = loops[0]
    if inner == 0:
        result = reads().then(writes(write_size).repeat(extent, 0, write_size))
    else:
        result = element(write_size).repeat(extent, read_size, write_size)
    for extent, step, _, step_out in loops[1:]:
        result = result.repeat(extent, step * read_size, step_out * write_size)
    return result


def _fuses(stride: int, expected: int, inner: int) -> bool:
    return stride == 0 if inner == 0 else stride == expected


def _binary(*types: DType) -> Describe:
    """Element by element with broadcasting: add.h, sub.h, mul.h, maximum_minimum.h."""

    def describe(op: Operator) -> Description:
        if len(op.inputs) != 2 or _source(op, types) is None:
            return _NONE
        second = op.inputs[1]
        if second is None or second.dtype != op.outputs[0].dtype:
            return _NONE
        orders = {(0, 0): broadcast(op, 0, 1), (1, 0): broadcast(op, 1, 0)}
        return {pair: order for pair, order in orders.items() if order is not None}

    return describe


def _prelu(op: Operator) -> Description:
    """micro/kernels/prelu.cc: ascending; the float path reads alpha anew for each element."""
    source = _same_shape(op)
    if source is None or _source(op) is None or len(op.inputs) != 2:
        return _NONE
    return {(0, 0): elementwise(source, op.outputs[0])}


def _unary(*types: DType) -> Describe:
    """Element by element, in ascending order, input and output of one type."""

    def describe(op: Operator) -> Description:
        source = _same_shape(op)
        if source is None or _source(op, types) is None:
            return _NONE
        return {(0, 0): elementwise(source, op.outputs[0])}

    return describe


def _converting(*types: tuple[DType, DType]) -> Describe:
    """Element by element, in ascending order, from one type to another."""

    def describe(op: Operator) -> Description:
        source = _same_shape(op)
        if source is None or (source.dtype, op.outputs[0].dtype) not in types:
            return _NONE
        return {(0, 0): elementwise(source, op.outputs[0])}

    return describe


def _softmax(op: Operator) -> Description:
    """softmax.h: row by row; passes that only read come first, the last reading one writes."""
    source = _same_shape(op)
    if source is None or not source.shape:
        return _NONE
    target = op.outputs[0]
    if source.dtype not in _REALS or (
        target.dtype != source.dtype and (source.dtype, target.dtype) != (DType.INT8, DType.INT16)
    ):
        return _NONE
    rows, depth = rows_of(source)
    read_size, write_size = source.dtype.bits // 8, target.dtype.bits // 8
    row = reads().then(element(write_size).repeat(depth, read_size, write_size))
    return {(0, 0): row.repeat(rows, depth * read_size, depth * write_size)}


def _row_by_row(op: Operator) -> Description:
    """log_softmax.h, l2normalization.h: passes that only read, then one that writes."""
    return _softmax(op) if _source(op, (DType.INT8, DType.FLOAT32)) is not None else _NONE


def _transpose_conv(op: Operator) -> Description:
    """integer_ops/transpose_conv.h: sums go to scratch; the output is written at the end."""
    source = op.inputs[2] if len(op.inputs) > 2 else None
    if source is None or len(op.outputs) != 1 or op.outputs[0].dtype is not source.dtype:
        return _NONE
    if source.dtype not in (DType.INT8, DType.INT16):
        return _NONE
    return {(2, 0): reads().then(writes(op.outputs[0].nbytes))}


def _reshape(op: Operator) -> Description:
    """micro/kernels/reshape.cc: nothing if the pointers are equal, memcpy otherwise."""
    source = _source(op, tuple(DType))
    if source is None or source.nbytes != op.outputs[0].nbytes or math.prod(source.shape) < 1:
        return _NONE
    return {(0, 0): IN_PLACE_ONLY}


_I8, _U8, _I16, _I32, _F32 = DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.FLOAT32

REFERENCE: dict[str, Describe] = {
    **MOVEMENT,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "MAX_POOL_2D": _pool_2d,
    "AVERAGE_POOL_2D": _pool_2d,
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _binary(_I8, _I16, _I32, _F32),
    "SUB": _binary(_I8, _I16, _I32, _F32),
    "MUL": _binary(_I8, _I16, _I32, _F32),
    "MAXIMUM": _binary(_I8, _I16, _I32, _F32),
    "MINIMUM": _binary(_I8, _I16, _I32, _F32),
    "PRELU": _prelu,
    "RELU": _unary(_I8, _I16, _F32),
    "RELU6": _unary(_I8, _I16, _F32),
    "LEAKY_RELU": _unary(_I8, _I16, _F32),
    "HARD_SWISH": _unary(_I8, _F32),
    "LOGISTIC": _unary(_I8, _I16, _F32),
    "TANH": _unary(_I8, _I16, _F32),
    "ELU": _unary(_I8, _F32),
    "ABS": _unary(_I8, _I16, _F32),
    "RSQRT": _unary(_I8, _I16, _F32),
    "NEG": _unary(_F32),
    "EXP": _unary(_F32),
    "SQRT": _unary(_F32),
    "SQUARE": _unary(_F32),
    "SIN": _unary(_F32),
    "COS": _unary(_F32),
    "LOG": _unary(_F32),
    "CEIL": _unary(_F32),
    "FLOOR": _unary(_F32),
    "ROUND": _unary(_F32),
    "QUANTIZE": _converting(
        (_F32, _I8), (_I32, _I8), (_I16, _I8), (_I16, _I16),
        (_I8, _I8), (_I8, _U8), (_I8, _I16), (_I8, _I32), (_U8, _I8),
    ),
    "DEQUANTIZE": _converting((_I8, _F32), (_U8, _F32)),
    "SOFTMAX": _softmax,
    "LOG_SOFTMAX": _row_by_row,
    "L2_NORMALIZATION": _row_by_row,
    "TRANSPOSE_CONV": _transpose_conv,
    "RESHAPE": _reshape,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm((_I8, _I16, _F32)),
}  # fmt: skip
"""Builtin operator -> its description for the reference kernels."""

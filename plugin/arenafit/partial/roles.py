"""Which operators can be members of a segment, and how each reads its inputs by rows.

A tensor is seen as (rows, columns, channels): NHWC with one image, or one row of one pixel
where it has another rank. What is not described here stays a builtin operator between
segments. Integers are quantised as a whole, each activation by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from arenafit.graph.model import DType, Operator, Quantization, Tensor
from arenafit.memory.access.describe import integers, spatial_image
from arenafit.partial.role import (
    FEED,
    MAX_OPERANDS,
    MAX_TAPS,
    TYPES,
    Role,
    Shape,
    flat,
    operand_shape,
    rows_of,
    source_of,
)
from arenafit.partial.roles_moving import MOVING
from arenafit.partial.rows import Window
from arenafit.passes.rewrite import zero_point

__all__ = [
    "MAX_OPERANDS",
    "MAX_TAPS",
    "TYPES",
    "UNARY",
    "Role",
    "Shape",
    "flat",
    "operand_shape",
    "role",
]

UNARY = frozenset({"RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH", "QUANTIZE"})
"""Operators that map each byte to a byte: tables of 256."""


_MAX_ROWS = 1 << 12  # of a tensor: beyond, looking at rows one by one takes too long
_BINARY = frozenset({"ADD", "SUB", "MUL"})


def role(op: Operator) -> Role | None:
    """`op` as a member of a segment, None where it cannot be one."""
    describe = _ROLES.get(op.name)
    if describe is None or len(op.outputs) != 1 or (not op.inputs and op.name != FEED):
        return None
    tensors = (*op.activations(), *op.outputs)
    if not all(_plain(t) for t in tensors):
        return None
    types = {t.dtype for t in tensors}
    if op.name in MOVING:
        right = len(types) == 1
    else:
        right = op.name in _CONVERTING or (
            len(types) == 1 and op.name in _CALCULATING[next(iter(types))]
        )
    return describe(op) if right else None


_CONVERTING = frozenset({"QUANTIZE", "DEQUANTIZE"})  # from one type to another

_ALL_TYPES = frozenset(
    {
        "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN",
        "ADD", "SUB", "MUL", "RELU", "RELU6", "LEAKY_RELU",
    }
)  # fmt: skip
_CALCULATING: dict[DType, frozenset[str]] = {
    DType.INT8: _ALL_TYPES | {"HARD_SWISH", "LOGISTIC", "TANH", "SOFTMAX"},
    DType.UINT8: frozenset(),
    DType.INT16: _ALL_TYPES,
    DType.FLOAT32: _ALL_TYPES,
}
"""By type: operators that read it and write it, and there is a kernel."""

_ZERO_POINTS = {
    DType.INT8: range(-128, 128),
    DType.UINT8: range(256),
    DType.INT16: range(1),
}


def _plain(tensor: Tensor) -> bool:
    """An activation of one image, quantised as a whole unless it is float."""
    if tensor.dtype not in TYPES or tensor.is_variable or not 1 <= tensor.elements < 1 << 24:
        return False
    if tensor.dtype in _ZERO_POINTS and not _is_quantized(tensor):
        return False
    return len(tensor.shape) != 4 or (tensor.shape[0] == 1 and tensor.shape[1] <= _MAX_ROWS)


def _is_quantized(tensor: Tensor) -> bool:
    quantization = tensor.quantization
    if zero_point(tensor) is None or quantization is None:
        return False
    return (
        0 < quantization.scales[0] < math.inf
        and quantization.zero_points[0] in _ZERO_POINTS[tensor.dtype]
    )


_BIASES = {
    DType.INT8: (DType.INT8, {DType.INT32}),
    DType.INT16: (DType.INT8, {DType.INT32, DType.INT64}),
    DType.FLOAT32: (DType.FLOAT32, {DType.FLOAT32}),
}
"""By the type of activations: the type of weights, and those of biases."""


def _weights_of(op: Operator, rank: int) -> Tensor | None:
    """The constant filter of `op`, if its bias is what the kernel wants, too."""
    if not 2 <= len(op.inputs) <= 3:
        return None
    target = op.outputs[0]
    weights, bias = op.inputs[1], op.inputs[2] if len(op.inputs) > 2 else None
    of_weights, of_bias = _BIASES[target.dtype]
    if weights is None or weights.dtype is not of_weights or not _is_data(weights):
        return None
    if len(weights.shape) != rank or not (
        target.dtype is DType.FLOAT32 or _is_scaled(weights.quantization)
    ):
        return None
    if bias is not None:
        channels = target.shape[-1:] or (1,)
        if op.name == "DEPTHWISE_CONV_2D":
            of_bias = of_bias - {DType.INT32} if DType.INT64 in of_bias else of_bias
        if bias.dtype not in of_bias or bias.elements != channels[0] or not _is_data(bias):
            return None
    return weights


def _is_data(tensor: Tensor) -> bool:
    """A constant with as many bytes as it should have."""
    data = tensor.buffer.data if tensor.buffer is not None else None
    size = tensor.elements * tensor.dtype.bits // 8
    return tensor.is_constant and data is not None and len(data) == size


def _is_scaled(quantization: Quantization | None) -> bool:
    """Symmetric, each channel by its own scale or not."""
    if quantization is None or not quantization.scales or any(quantization.zero_points):
        return False
    return all(0 <= scale < math.inf for scale in quantization.scales)


def _channels_agree(weights: Tensor, axis: int, channels: int) -> bool:
    quantization = weights.quantization
    if weights.dtype is DType.FLOAT32:
        return True
    assert quantization is not None
    count = len(quantization.scales)
    return count == 1 or (count == channels == weights.shape[axis] and quantization.axis == axis)


def _spatial(op: Operator, kernel: tuple[int, int], dilated: bool) -> Role | None:
    """One input through a sliding window."""
    source, target = source_of(op), op.outputs[0]
    if source is None:
        return None
    image = spatial_image(op, kernel, dilated)
    if image is None:
        return None
    if image.rows.kernel > MAX_TAPS:
        return None
    return Role(
        op.name, (source,), (flat(source),), (rows_of(image.rows),), target, flat(target),
        image=(image.rows, image.columns),
    )  # fmt: skip


def _conv_2d(op: Operator) -> Role | None:
    weights, source = _weights_of(op, 4), source_of(op)
    if weights is None or source is None or len(source.shape) != 4:
        return None
    if weights.shape[3] != source.shape[3] or weights.shape[0] != op.outputs[0].shape[-1]:
        return None
    if not _channels_agree(weights, 0, weights.shape[0]):
        return None
    return _spatial(op, (weights.shape[1], weights.shape[2]), dilated=True)


def _depthwise(op: Operator) -> Role | None:
    weights, source = _weights_of(op, 4), source_of(op)
    if weights is None or source is None or len(source.shape) != 4 or weights.shape[0] != 1:
        return None
    channels = source.shape[3] * op.option("depth_multiplier")
    if {weights.shape[3], op.outputs[0].shape[-1]} != {channels}:
        return None
    if not _channels_agree(weights, 3, channels):
        return None
    return _spatial(op, (weights.shape[1], weights.shape[2]), dilated=True)


def _pool(op: Operator) -> Role | None:
    source, target = source_of(op), op.outputs[0]
    if source is None or source.shape[3:] != target.shape[3:]:
        return None
    if target.dtype is not DType.FLOAT32 and not _are_close(source, target):
        return None
    kernel = op.option("filter_height"), op.option("filter_width")
    image = spatial_image(op, kernel)
    if image is None:
        return None
    axes = image.rows, image.columns
    if all(axis.kernel == axis.size and (axis.pad, axis.out) == (0, 1) for axis in axes):
        kind = {"AVERAGE_POOL_2D": "GLOBAL_AVERAGE_POOL", "MAX_POOL_2D": "GLOBAL_MAX_POOL"}
        return Role(
            kind[op.name], (source,), (flat(source),), (None,), target, flat(target), image=axes,
            reduces=True,
        )  # fmt: skip
    return _spatial(op, kernel, dilated=False)


def _are_close(a: Tensor, b: Tensor) -> bool:
    """Quantised alike, as near as pooling_common.cc wants it."""
    assert a.quantization is not None and b.quantization is not None
    near = abs(a.quantization.scales[0] - b.quantization.scales[0]) <= 1e-6
    return near and zero_point(a) == zero_point(b)


def _mean(op: Operator) -> Role | None:
    """Over rows and columns, in either order, dimensions kept or not."""
    source, target = source_of(op), op.outputs[0]
    if source is None or len(source.shape) != 4 or len(op.inputs) != 2:
        return None
    axes = integers(op, 1, 2)
    if axes is None or sorted(axis % 4 for axis in axes) != [1, 2]:
        return None
    channels = source.shape[3]
    most = 1 << 15 if target.dtype is DType.INT16 else 1 << 20  # pixels, for sums of 32 bits
    if target.elements != channels or source.shape[1] * source.shape[2] > most:
        return None
    kind = "GLOBAL_AVERAGE_POOL" if target.dtype is DType.FLOAT32 else "MEAN"
    return Role(kind, (source,), (flat(source),), (None,), target, (1, 1, channels), reduces=True)


def _fully_connected(op: Operator) -> Role | None:
    weights, source, target = _weights_of(op, 2), source_of(op), op.outputs[0]
    if weights is None or source is None or op.option("weights_format") != 0:
        return None
    outputs, depth = weights.shape
    if source.elements != depth or target.elements != outputs:
        return None
    if not _channels_agree(weights, 0, outputs):
        return None
    return Role(
        "FULLY_CONNECTED", (source,), (None,), (None,), target, (1, 1, outputs), reduces=True
    )


def _is_operand(tensor: Tensor, dtype: DType) -> bool:
    """A constant that an elementwise operator can read."""
    quantized = dtype is DType.FLOAT32 or _is_quantized(tensor)
    return tensor.dtype is dtype and quantized and _is_data(tensor)


def _binary(op: Operator) -> Role | None:
    """Two operands, each repeated where its rows, columns or channels are 1."""
    target, sources = op.outputs[0], list(op.activations())
    if len(op.inputs) != 2 or not sources or len(target.shape) > 4:
        return None
    shape = operand_shape(target)
    if math.prod(shape) != target.elements:
        return None
    for operand in op.inputs:
        if operand is None or (operand.is_constant and not _is_operand(operand, target.dtype)):
            return None
        seen = operand_shape(operand)
        if len(operand.shape) > 4 or math.prod(seen) != operand.elements:
            return None
        if any(have not in (1, want) for have, want in zip(seen, shape, strict=True)):
            return None
    once = Window(1, stride=0)  # a single row for all rows
    shapes = tuple(map(operand_shape, sources))
    windows = tuple(once if seen[0] < shape[0] else None for seen in shapes)
    return Role(op.name, tuple(sources), shapes, windows, target, shape)


def _table(source: Tensor, target: Tensor) -> Role:
    shape = flat(source) if len(source.shape) == 4 else None
    return Role("TABLE", (source,), (shape,), (None,), target, shape)


def _unary(op: Operator) -> Role | None:
    source, target = source_of(op), op.outputs[0]
    if source is None or len(op.inputs) != 1 or source.shape != target.shape:
        return None
    kind = _KINDS.get((op.name, target.dtype), "TABLE")
    return replace(_table(source, target), kind=kind)


_KINDS = {
    ("RELU", DType.FLOAT32): "CLAMP",
    ("RELU6", DType.FLOAT32): "CLAMP",
    ("LEAKY_RELU", DType.FLOAT32): "LEAKY_RELU",
    ("RELU", DType.INT16): "LEAKY_RELU",
    ("RELU6", DType.INT16): "LEAKY_RELU",
    ("LEAKY_RELU", DType.INT16): "LEAKY_RELU",
}
"""What functions are that are no tables, as those of bytes are."""

_CONVERSIONS = {
    ("QUANTIZE", DType.INT8, DType.INT8): "TABLE",
    ("QUANTIZE", DType.INT8, DType.UINT8): "TABLE",
    ("QUANTIZE", DType.UINT8, DType.INT8): "TABLE",
    ("QUANTIZE", DType.FLOAT32, DType.INT8): "QUANTIZE",
    ("QUANTIZE", DType.FLOAT32, DType.INT16): "QUANTIZE",
    ("QUANTIZE", DType.INT16, DType.INT8): "REQUANTIZE",
    ("QUANTIZE", DType.INT16, DType.INT16): "REQUANTIZE",
    ("QUANTIZE", DType.INT8, DType.INT16): "REQUANTIZE",
    ("DEQUANTIZE", DType.INT8, DType.FLOAT32): "DEQUANTIZE",
    ("DEQUANTIZE", DType.UINT8, DType.FLOAT32): "DEQUANTIZE",
    ("DEQUANTIZE", DType.INT16, DType.FLOAT32): "DEQUANTIZE",
}
"""What TFLM's kernels convert, and what that is in a program."""


def _conversion(op: Operator) -> Role | None:
    source, target = source_of(op), op.outputs[0]
    if source is None or len(op.inputs) != 1 or source.shape != target.shape:
        return None
    kind = _CONVERSIONS.get((op.name, source.dtype, target.dtype))
    return None if kind is None else replace(_table(source, target), kind=kind)


def _softmax(op: Operator) -> Role | None:
    source, target = source_of(op), op.outputs[0]
    if source is None or source.shape != target.shape or not 1 <= len(source.shape) <= 4:
        return None
    shape = operand_shape(source)
    if math.prod(shape) != source.elements:
        return None
    return Role("SOFTMAX", (source,), (shape,), (None,), target, shape)


_ROLES: dict[str, Callable[[Operator], Role | None]] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool,
    "MEAN": _mean,
    "FULLY_CONNECTED": _fully_connected,
    "SOFTMAX": _softmax,
    **MOVING,
    **dict.fromkeys(sorted(_BINARY), _binary),
    **dict.fromkeys(sorted(UNARY), _unary),
    **dict.fromkeys(sorted(_CONVERTING), _conversion),
}

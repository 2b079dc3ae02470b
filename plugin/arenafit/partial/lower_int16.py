"""Parameters of operators of int16 activations and int8 weights that differ from those of int8.

Sums, products, pools and means have the parameters of int8, with other bounds; see `lower`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from arenafit.graph.model import DType, Operator, Tensor
from arenafit.partial.arithmetic import (
    activation_range,
    f32,
    quantize_multiplier,
    round_away,
    scale_of,
)
from arenafit.partial.lower_common import MAX_SHIFT, data_of, factors_of, image_of
from arenafit.partial.program import ConvS16, LeakyReluS16, Parameters, Window
from arenafit.partial.role import Role

__all__ = ["INT16_PARAMETERS"]

_LARGEST = (1 << 15) - 1
_MAX_WIDE_SHIFT = 7


def _conv(op: Operator, role: Role) -> Parameters | None:
    """conv.cc, depthwise_conv.cc, fully_connected.cc: the bias has the type of the sums."""
    weights = op.inputs[1]
    bias = op.inputs[2] if len(op.inputs) > 2 else None
    assert weights is not None
    channels = weights.shape[3] if role.kind == "DEPTHWISE_CONV_2D" else weights.shape[0]
    factors, clamp = factors_of(op, role, channels), activation_range(op, role.output)
    if factors is None or clamp is None:
        return None
    narrow = _is_narrow(op, bias)
    if narrow is None:
        return None
    if not narrow:
        if any(shift > _MAX_WIDE_SHIFT for _, shift in factors):
            return None
        factors = [(_reduced(multiplier), shift) for multiplier, shift in factors]
    return ConvS16(
        image_of(role) if role.image is not None else Window(), clamp, data_of(weights),
        None if bias is None else struct.unpack(
            f"<{channels}{'i' if narrow else 'q'}", data_of(bias)
        ),
        tuple(multiplier for multiplier, _ in factors), tuple(shift for _, shift in factors),
        narrow,
    )  # fmt: skip


def _is_narrow(op: Operator, bias: Tensor | None) -> bool | None:
    """Whether sums are of 32 bits; None where builds of TFLM differ."""
    if bias is not None:
        return bias.dtype is DType.INT32
    if op.option("quantized_bias_type", 0) if op.name != "DEPTHWISE_CONV_2D" else 0:
        return None
    return False


def _reduced(multiplier: int) -> int:
    """To 15 bits, as MultiplyByQuantizedMultiplier of 64 bits has it (kernels/internal/common.cc)."""
    return (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF


def _rectifier(op: Operator, role: Role) -> Parameters | None:
    """micro/kernels/activations.h and kernels/internal/reference/leaky_relu.h"""
    read, written = scale_of(role.inputs[0]), scale_of(role.output)
    above, below = quantize_multiplier(f32(read / written)), (0, 0)
    clamp = (-_LARGEST - 1, _LARGEST)
    if op.name == "RELU6":  # the input's own bounds, without another scale
        above, clamp = (1 << 30, 1), (0, min(_LARGEST, round_away(f32(6.0 / read))))
    elif op.name == "LEAKY_RELU":
        slope = f32(f32(read * f32(op.option("alpha", 0.0))) / written)
        if slope < 0:
            return None  # builds of TFLM differ
        below = quantize_multiplier(slope)
    if max(above[1], below[1]) > MAX_SHIFT:
        return None
    return LeakyReluS16((above[0], below[0]), (above[1], below[1]), clamp)


INT16_PARAMETERS: dict[str, Callable[[Operator, Role], Parameters | None]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "FULLY_CONNECTED": _conv,
    "LEAKY_RELU": _rectifier,
}
"""By kind: the parameters of an operator, None where a program cannot have them."""

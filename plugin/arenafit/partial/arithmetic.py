"""TFLM's integer arithmetic: how real factors become multipliers and shifts, and what these do.

Follows tensorflow/lite/kernels/internal/quantization_util.cc and common.cc, and gemmlowp's
fixedpoint.h (with rounding twice, as TFLM is built). Where TFLM computes in float, `f32`
rounds a result to float: for one operation on floats that equals the float operation.
"""

from __future__ import annotations

import math
import struct

from arenafit.graph.model import Operator, Tensor

__all__ = [
    "INT32_MAX",
    "INT32_MIN",
    "activation_range",
    "divide_by_power",
    "f32",
    "high_mul",
    "input_radius",
    "quantize_multiplier",
    "requantize",
    "round_away",
    "saturating_shift",
    "scale_of",
    "zero_of",
]

INT32_MAX = (1 << 31) - 1
INT32_MIN = -(1 << 31)

_RELU, _RELU_N1_TO_1, _RELU6 = 1, 2, 3  # enum ActivationFunctionType
_RANGES = {0: (None, None), _RELU: (0.0, None), _RELU_N1_TO_1: (-1.0, 1.0), _RELU6: (0.0, 6.0)}


def f32(value: float) -> float:
    """`value` rounded to float; infinite where it is too large."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def round_away(value: float) -> int:
    """To the nearest integer, halves away from 0 (C's round)."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def scale_of(tensor: Tensor) -> float:
    """The scale of a tensor quantised as a whole."""
    assert tensor.quantization is not None
    return f32(tensor.quantization.scales[0])


def zero_of(tensor: Tensor) -> int:
    """The zero point of a tensor quantised as a whole."""
    assert tensor.quantization is not None
    return tensor.quantization.zero_points[0]


def quantize_multiplier(real: float) -> tuple[int, int]:
    """`real` >= 0 as (multiplier, shift): multiplier / 2^31 * 2^shift."""
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = round_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def wrap(value: int) -> int:
    """`value` as a 32-bit register has it."""
    return (value - INT32_MIN) % (1 << 32) + INT32_MIN


def high_mul(a: int, b: int, bits: int = 32) -> int:
    """SaturatingRoundingDoublingHighMul: the upper half of 2ab, to the nearest."""
    lowest = -(1 << (bits - 1))
    if a == b == lowest:
        return -lowest - 1
    product = a * b
    half = 1 << (bits - 2)
    nudged = product + (half if product >= 0 else 1 - half)
    quotient = abs(nudged) >> (bits - 1)  # towards 0, as C divides
    return quotient if nudged >= 0 else -quotient


def divide_by_power(value: int, exponent: int) -> int:
    """RoundingDivideByPOT: by 2^exponent, to the nearest, halves away from 0."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (value < 0)
    return (value >> exponent) + ((value & mask) > threshold)


def requantize(value: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier."""
    product = high_mul(wrap(value << max(shift, 0)), multiplier)
    return divide_by_power(product, max(-shift, 0))


def saturating_shift(value: int, exponent: int) -> int:
    """SaturatingRoundingMultiplyByPOT of 32 bits, for exponent > 0."""
    threshold = (1 << (31 - exponent)) - 1
    if value > threshold:
        return INT32_MAX
    return INT32_MIN if value < -threshold else value << exponent


def input_radius(integer_bits: int, left_shift: int) -> int:
    """CalculateInputRadius: the largest difference that does not overflow when it is scaled."""
    scaled = float((1 << integer_bits) - 1) * float(1 << (31 - integer_bits))
    return math.floor(scaled / float(1 << left_shift))


def activation_range(op: Operator, target: Tensor) -> tuple[int, int] | None:
    """The lowest and highest integer of its type that the fused activation of `op` lets through.

    None where TFLM could not tell: an unknown activation, or a bound beyond 32 bits.
    """
    activation = op.option("fused_activation_function")
    if activation not in _RANGES:
        return None
    bounds = []
    limits = -(1 << (target.dtype.bits - 1)), (1 << (target.dtype.bits - 1)) - 1
    for real, unbounded in zip(_RANGES[activation], limits, strict=True):
        if real is None:
            bounds.append(unbounded)
            continue
        steps = round_away(f32(real / scale_of(target)))
        if not INT32_MIN <= steps <= INT32_MAX:
            return None
        bounds.append(zero_of(target) + steps)
    low, high = max(bounds[0], limits[0]), min(bounds[1], limits[1])
    return (low, high) if low <= high else None

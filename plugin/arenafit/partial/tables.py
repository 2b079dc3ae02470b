"""Operators that map a byte to a byte, as tables: what TFLM's kernels do to each of 256 values.

Each function follows the file it names, below tensorflow/lite/; `table_of` is checked against
the real TFLM for all values in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from arenafit.graph.model import DType, Operator
from arenafit.partial.arithmetic import (
    INT32_MAX,
    divide_by_power,
    f32,
    high_mul,
    input_radius,
    quantize_multiplier,
    requantize,
    round_away,
    saturating_shift,
    scale_of,
    wrap,
    zero_of,
)

__all__ = ["table_of"]

_Function = Callable[[int], int]

_INPUT_BITS = 4  # integer bits of the scaled input of LOGISTIC and TANH

# Constants in fixed point: e to the minus 2^k for k = -2 .. 4, and those of the polynomial.
_EXPONENTIALS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_EIGHTH, _THIRD = 1895147668, 715827883  # exp(-1/8), 1/3
_C48_17, _C32_17 = 1515870810, -1010580540  # 48/17 and -32/17, two integer bits


def table_of(op: Operator) -> bytes | None:
    """256 values of the output, by the input's bits as an unsigned byte; None where TFLM refuses `op`.

    Args:
        op: a unary operator between bytes, of `arenafit.partial.roles.UNARY`; QUANTIZE may read
            or write unsigned ones.
    """
    function = _FUNCTIONS[op.name](op)
    if function is None:
        return None
    source, target = op.inputs[0], op.outputs[0]
    signed = source is not None and source.dtype is DType.INT8
    low = -128 if target.dtype is DType.INT8 else 0
    values = (function(byte - 256 if signed and byte > 127 else byte) for byte in range(256))
    return bytes(max(low, min(low + 255, value)) & 0xFF for value in values)


def _zeros(op: Operator) -> tuple[int, int]:
    source = op.inputs[0]
    assert source is not None
    return zero_of(source), zero_of(op.outputs[0])


def _scales(op: Operator) -> tuple[float, float]:
    source = op.inputs[0]
    assert source is not None
    return scale_of(source), scale_of(op.outputs[0])


def _relu(op: Operator) -> _Function:
    """micro/kernels/activations.h"""
    (before, after), (read, written) = _zeros(op), _scales(op)
    multiplier, shift = quantize_multiplier(f32(read / written))
    low = max(-128, after)
    return lambda x: max(low, after + requantize(x - before, multiplier, shift))


def _relu6(op: Operator) -> _Function:
    """micro/kernels/activations.h: the input's own bounds, without another scale."""
    (zero, _), (scale, _) = _zeros(op), _scales(op)
    six = max(-128, min(127, round_away(f32(6.0 / scale)) + zero))
    return lambda x: six if x > six else max(x, zero)


def _leaky_relu(op: Operator) -> _Function | None:
    """kernels/internal/reference/leaky_relu.h"""
    (before, after), (read, written) = _zeros(op), _scales(op)
    alpha = f32(op.option("alpha", 0.0))
    slope = f32(f32(read * alpha) / written)
    if slope < 0:
        return None  # builds of TFLM differ
    below, above = quantize_multiplier(slope), quantize_multiplier(f32(read / written))
    return lambda x: after + requantize(x - before, *(above if x >= before else below))


def _quantize(op: Operator) -> _Function:
    """kernels/internal/reference/requantize.h"""
    (before, after), (read, written) = _zeros(op), _scales(op)
    multiplier, shift = quantize_multiplier(read / written)
    return lambda x: after + requantize(x - before, multiplier, shift)


def _hard_swish(op: Operator) -> _Function | None:
    """kernels/internal/reference/hard_swish.h: 16 bits, saturating at each step."""
    (before, after), (read, written) = _zeros(op), _scales(op)
    fine = f32(f32(1.0 / 128.0) * read)
    out, out_shift = quantize_multiplier(f32(fine / written))
    ramp, ramp_shift = quantize_multiplier(f32(fine / f32(3.0 / 32768.0)))
    if out_shift > 0:
        return None
    out16, ramp16 = _narrow(out), _narrow(ramp)

    def function(x: int) -> int:
        value = (x - before) * 128
        scaled = high_mul(value, out16, 16)
        slope = value
        if ramp_shift > 0:
            slope = _clamp16(slope << (ramp_shift - 1))
        slope = high_mul(slope, ramp16, 16)
        if ramp_shift > 0:
            slope = _clamp16(slope << 1)
        if ramp_shift < 0:
            slope = divide_by_power(slope, -ramp_shift)
        slope = (slope + (1 << 15)) >> 1
        product = slope * scaled
        quotient = abs(product) >> 15  # towards 0
        return after + divide_by_power(quotient if product >= 0 else -quotient, -out_shift)

    return function


def _clamp16(value: int) -> int:
    return max(-(1 << 15), min((1 << 15) - 1, value))


def _narrow(multiplier: int) -> int:
    """DownScaleInt32ToInt16Multiplier."""
    if multiplier >= INT32_MAX - (1 << 15):
        return (1 << 15) - 1
    return (multiplier + (1 << 15)) >> 16


def _sigmoidal(op: Operator, curve: _Function, output_bits: int, after: int) -> _Function:
    """What LOGISTIC and TANH share: the input to 4 integer bits, saturation far out."""
    (before, _), (read, _) = _zeros(op), _scales(op)
    fraction, shift = math.frexp(read * float(1 << (31 - _INPUT_BITS)))
    multiplier = wrap(round_away(fraction * (1 << 31)))
    radius = input_radius(_INPUT_BITS, shift)

    def function(x: int) -> int:
        value = x - before
        if abs(value) >= radius:
            return 127 if value >= radius else -128
        raw = curve(requantize(value, multiplier, shift))
        return divide_by_power(raw, 31 - output_bits) + after

    return function


def _logistic(op: Operator) -> _Function | None:
    """kernels/internal/reference/integer_ops/logistic.h"""
    return _sigmoidal(op, _logistic_raw, 8, -128) if zero_of(op.outputs[0]) == -128 else None


def _tanh(op: Operator) -> _Function:
    """kernels/internal/reference/integer_ops/tanh.h"""
    return _sigmoidal(op, _tanh_raw, 7, 0)


def _logistic_raw(x: int) -> int:
    """1 / (1 + exp(-x)): x with 4 integer bits, the result with none."""
    if x == 0:
        return 1 << 30
    above = _reciprocal(_exp_of_negative(-abs(x), _INPUT_BITS))
    return above if x > 0 else INT32_MAX - above


def _tanh_raw(x: int) -> int:
    """tanh(x): x with 4 integer bits, the result with none."""
    if x == 0:
        return 0
    size = _complement_ratio(_exp_of_negative(-abs(x), _INPUT_BITS + 1))
    return size if x > 0 else -size


def _exp_of_negative(x: int, integer_bits: int) -> int:
    """exp(x) for x < 0 of at most 5 integer bits; the result has none."""
    quarter = 1 << (29 - integer_bits)
    rest = (x & (quarter - 1)) - quarter
    result = _exp_near_zero(saturating_shift(rest, integer_bits))
    quarters = rest - x
    for exponent, factor in enumerate(_EXPONENTIALS, start=-2):
        if integer_bits > exponent and quarters & (1 << (31 - integer_bits + exponent)):
            result = high_mul(result, factor)
    return result if x else INT32_MAX


def _exp_near_zero(x: int) -> int:
    """exp(x) for -1/4 <= x < 0, by a polynomial around -1/8."""
    x += 1 << 28
    square = high_mul(x, x)
    cube, fourth = high_mul(square, x), high_mul(square, square)
    third = high_mul(divide_by_power(fourth, 2) + cube, _THIRD)
    return _EXP_EIGHTH + high_mul(_EXP_EIGHTH, x + divide_by_power(third + square, 1))


def _newton(x: int) -> int:
    """2 / (1 + x) with two integer bits, for 0 < x < 1, by three steps of Newton's."""
    total = x + INT32_MAX
    half = (total + (1 if total >= 0 else -1)) // 2
    guess = _C48_17 + high_mul(half, _C32_17)
    for _ in range(3):
        error = (1 << 29) - high_mul(half, guess)
        guess += saturating_shift(high_mul(guess, error), 2)
    return guess


def _reciprocal(x: int) -> int:
    """1 / (1 + x) for 0 < x < 1, no integer bits."""
    return saturating_shift(_newton(x), 1)


def _complement_ratio(x: int) -> int:
    """(1 - x) / (1 + x) for 0 < x < 1, no integer bits."""
    return saturating_shift(_newton(x) - (1 << 29), 2)


_FUNCTIONS: dict[str, Callable[[Operator], _Function | None]] = {
    "HARD_SWISH": _hard_swish,
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _logistic,
    "QUANTIZE": _quantize,
    "RELU": _relu,
    "RELU6": _relu6,
    "TANH": _tanh,
}

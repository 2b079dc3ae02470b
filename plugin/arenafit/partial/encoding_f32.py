"""Parameters of operators whose tensors are floats, as bytes of a program."""

from __future__ import annotations

import struct

from arenafit.partial.encoding_common import Sections, take, weight_count
from arenafit.partial.program import (
    ConvF32,
    Kind,
    LeakyReluF32,
    Parameters,
    PoolF32,
    ProgramTensor,
    RangeF32,
    Window,
)

__all__ = ["KINDS_F32", "STRUCTS_F32", "read_f32", "write_f32"]

_CONV = struct.Struct("<8H2I2f2H")
_POOL = struct.Struct("<8H2f")
_RANGE = struct.Struct("<2f")
_LEAKY_RELU = struct.Struct("<f")

STRUCTS_F32 = (_CONV, _POOL, _RANGE, _LEAKY_RELU)
"""In the order of program.h."""

_CONVOLUTIONS = {Kind.CONV_2D, Kind.DEPTHWISE_CONV_2D, Kind.FULLY_CONNECTED}
_POOLS = {
    Kind.MAX_POOL_2D, Kind.AVERAGE_POOL_2D, Kind.GLOBAL_AVERAGE_POOL, Kind.GLOBAL_MAX_POOL,
}  # fmt: skip
_RANGES = {Kind.ADD, Kind.SUB, Kind.MUL, Kind.CLAMP}

KINDS_F32 = frozenset({*_CONVOLUTIONS, *_POOLS, *_RANGES, Kind.LEAKY_RELU})
"""Those that have parameters of their own where the output is of floats."""


def write_f32(out: Sections, parameters: ConvF32 | PoolF32 | RangeF32 | LeakyReluF32) -> int:
    """The struct and what it points at; its offset."""
    match parameters:
        case ConvF32(window, clamp, weights, bias, groups):
            at = out.reserve(_CONV.size)
            where = out.append(weights), 0 if bias is None else out.append(bias)
            _CONV.pack_into(out.data, at, *window.fields(), *where, *clamp, groups, 0)
            return at
        case PoolF32(window, clamp):
            return out.append(_POOL.pack(*window.fields(), *clamp))
        case RangeF32(low, high):
            return out.append(_RANGE.pack(low, high))
        case LeakyReluF32(alpha):
            return out.append(_LEAKY_RELU.pack(alpha))


def read_f32(
    data: bytes, kind: Kind, at: int, source: ProgramTensor, target: ProgramTensor
) -> Parameters:
    """The parameters of an operator of `KINDS_F32` at an offset of a program.

    Raises:
        ValueError, struct.error: they are not all in it.
    """
    if kind in _CONVOLUTIONS:
        fields = _CONV.unpack_from(data, at)
        window, (weights, bias, low, high, groups, _) = Window.of(fields[:8]), fields[8:]
        count = weight_count(kind, window, groups, source, target)
        return ConvF32(
            window, (low, high), take(data, weights, 4 * count),
            take(data, bias, 4 * target.channels) if bias else None, groups,
        )  # fmt: skip
    if kind in _POOLS:
        fields = _POOL.unpack_from(data, at)
        return PoolF32(Window.of(fields[:8]), fields[8:10])
    if kind in _RANGES:
        return RangeF32(*_RANGE.unpack_from(data, at))
    return LeakyReluF32(*_LEAKY_RELU.unpack_from(data, at))

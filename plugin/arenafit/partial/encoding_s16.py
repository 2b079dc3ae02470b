"""Parameters of operators whose tensors are int16, as bytes of a program: those of their own."""

from __future__ import annotations

import struct

from arenafit.partial.encoding_common import Sections, take, weight_count
from arenafit.partial.program import ConvS16, Kind, LeakyReluS16, Parameters, ProgramTensor, Window

__all__ = ["KINDS_S16", "STRUCTS_S16", "read_s16", "write_s16"]

_CONV = struct.Struct("<8H2i4IH2B")
_LEAKY_RELU = struct.Struct("<6i")

STRUCTS_S16 = (_CONV, _LEAKY_RELU)
"""In the order of program.h."""

KINDS_S16 = frozenset({Kind.CONV_2D, Kind.DEPTHWISE_CONV_2D, Kind.FULLY_CONNECTED, Kind.LEAKY_RELU})
"""Those that have parameters of their own where the output is of int16."""


def write_s16(out: Sections, parameters: ConvS16 | LeakyReluS16) -> int:
    """The struct and what it points at; its offset."""
    match parameters:
        case ConvS16(window, clamp, weights, bias, multipliers, shifts, narrow, groups):
            at = out.reserve(_CONV.size)
            where = (
                out.append(weights),
                0 if bias is None else out.append(struct.pack(_biases(len(bias), narrow), *bias)),
                out.words(multipliers),
                out.append(struct.pack(f"<{len(shifts)}b", *shifts)),
            )
            _CONV.pack_into(out.data, at, *window.fields(), *clamp, *where, groups, narrow, 0)
            return at
        case LeakyReluS16(multiplier, shift, clamp):
            return out.append(_LEAKY_RELU.pack(*multiplier, *shift, *clamp))


def _biases(count: int, narrow: bool) -> str:
    return f"<{count}{'i' if narrow else 'q'}"


def read_s16(
    data: bytes, kind: Kind, at: int, source: ProgramTensor, target: ProgramTensor
) -> Parameters:
    """The parameters of an operator of `KINDS_S16` at an offset of a program.

    Raises:
        ValueError, struct.error: they are not all in it.
    """
    if kind is Kind.LEAKY_RELU:
        fields = _LEAKY_RELU.unpack_from(data, at)
        return LeakyReluS16(fields[:2], fields[2:4], fields[4:])
    fields = _CONV.unpack_from(data, at)
    window = Window.of(fields[:8])
    low, high, weights, bias, multipliers, shifts, groups, narrow, _ = fields[8:]
    count, channels = weight_count(kind, window, groups, source, target), target.channels
    return ConvS16(
        window, (low, high), take(data, weights, count),
        struct.unpack_from(_biases(channels, narrow), data, bias) if bias else None,
        struct.unpack_from(f"<{channels}i", data, multipliers),
        struct.unpack_from(f"<{channels}b", data, shifts), bool(narrow), groups,
    )  # fmt: skip

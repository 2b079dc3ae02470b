"""arenafit's own operators: their names, and their options as the bytes that the file holds.

The other side of each format is the C code that reads it; `kernels/core/include/arenafit/`
says what the words mean.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from arenafit.graph.model import Model, Operator

__all__ = [
    "MAX_EXTENT",
    "MAX_POOL_2D",
    "NO_OVERLAP",
    "OWN_OPERATORS",
    "PARTIAL_CONV_2D",
    "PLAN_METADATA",
    "PROGRAM_OPERATORS",
    "SEGMENT",
    "MaxPool2D",
    "SegmentHead",
    "has_own_operators",
]

MAX_POOL_2D = "ARENAFIT_MAX_POOL_2D"
SEGMENT = "ARENAFIT_SEGMENT"
PARTIAL_CONV_2D = "ARENAFIT_PARTIAL_CONV_2D"

PLAN_METADATA = "arenafit_plan"
"""Name of the metadata entry that holds the plan for arenafit's planner (plan.h)."""

PROGRAM_OPERATORS = frozenset({SEGMENT, PARTIAL_CONV_2D})
"""Those whose last input is a program."""

OWN_OPERATORS = PROGRAM_OPERATORS | {MAX_POOL_2D}

MAX_EXTENT = 1 << 20  # of tensors, filters and strides; ARENAFIT_MAX_EXTENT in types.h

NO_OVERLAP = (1 << 31) - 1  # claims nothing: input and output are disjoint

_VERSION = 1
_MAX_POOL_2D = struct.Struct("<10i")
_PROGRAM = struct.Struct("<4I6H4x")
_PROGRAM_MAGIC = 0x31534641


@dataclass(frozen=True, slots=True)
class MaxPool2D:
    """Options of ARENAFIT_MAX_POOL_2D (max_pool.h); pairs are (rows, columns).

    `clamp` is the lowest and highest output, as integers or, for float tensors, as the bits
    of floats. `overlap` is what the plan may rely on: the smallest
    offset(input) - offset(output) in bytes. The kernel refuses a file that claims more than
    is safe.
    """

    filter: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]  # before the image
    clamp: tuple[int, int]
    overlap: int

    def encode(self) -> bytes:
        """The bytes of `Operator.custom_options`."""
        return _MAX_POOL_2D.pack(
            _VERSION, *self.filter, *self.stride, *self.pad, *self.clamp, self.overlap
        )

    @classmethod
    def decode(cls, data: bytes | None) -> MaxPool2D | None:
        """What `data` says; None where it has another size or version. Checks no value."""
        if data is None or len(data) != _MAX_POOL_2D.size:
            return None
        version, *words = _MAX_POOL_2D.unpack(data)
        if version != _VERSION:
            return None
        fh, fw, sh, sw, ph, pw, low, high, overlap = words
        return cls((fh, fw), (sh, sw), (ph, pw), (low, high), overlap)


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """What memory planning needs of a segment's program (program.h); `arenafit.partial` has the
    rest.

    `overlaps[output][input]` is the smallest offset(input) - offset(output) in bytes that the
    interpreter accepts, NO_OVERLAP where the two must be disjoint.
    """

    workspace: int  # bytes
    overlaps: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, op: Operator) -> SegmentHead | None:
        """That of one of PROGRAM_OPERATORS, whose last input is its program; None where it is damaged
        or for other inputs and outputs than `op` has."""
        program = op.inputs[-1] if op.inputs else None
        buffer = program.buffer if program is not None else None
        data = buffer.data if buffer is not None else None
        if data is None or len(data) < _PROGRAM.size:
            return None
        magic, _, size, workspace, inputs, outputs, tensors, operators, goals, _ = (
            _PROGRAM.unpack_from(data)
        )
        start = _PROGRAM.size + 16 * tensors + 16 * operators + 4 * goals
        count = inputs * outputs
        if (magic, size) != (_PROGRAM_MAGIC, len(data)) or start + 4 * count > size:
            return None
        if (inputs, outputs) != (len(op.inputs) - 1, len(op.outputs)):
            return None
        flat = struct.unpack_from(f"<{count}i", data, start)
        rows = (flat[k * inputs : (k + 1) * inputs] for k in range(outputs))
        return cls(workspace, tuple(rows))


def has_own_operators(model: Model) -> bool:
    """True where `model` runs only with arenafit's operators linked in."""
    return any(
        op.code.custom in OWN_OPERATORS for graph in model.subgraphs for op in graph.operators
    )

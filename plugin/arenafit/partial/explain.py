"""What a segment saves, and what its workspace is made of, in words for `inspect`."""

from __future__ import annotations

from dataclasses import dataclass

from arenafit.errors import ModelError
from arenafit.graph.custom import SEGMENT
from arenafit.graph.model import Operator
from arenafit.memory.problem import Bytes
from arenafit.partial.encoding import decode
from arenafit.partial.program import Conv, Place, Program

__all__ = ["Explanation", "Ring", "explain", "lines_of", "program_of"]

_SHOWN = 4  # rings that are named


@dataclass(frozen=True, slots=True)
class Ring:
    """The ring of one tensor inside a segment."""

    producer: str  # kind of the operator that makes it
    number: int  # of that operator
    ring: int  # rows
    rows: int  # of the whole tensor
    size: Bytes


@dataclass(frozen=True, slots=True)
class Explanation:
    """A segment in figures; sizes in bytes."""

    operators: tuple[str, ...]  # kinds
    rings: tuple[Ring, ...]  # the largest first
    sums: Bytes  # int32 accumulators
    workspace: Bytes  # rings and sums that are never alive together share it
    whole: Bytes  # what the tensors inside would take whole, side by side
    largest: Bytes  # the largest of them
    weights: Bytes


def program_of(op: Operator) -> Program | None:
    """The program of an ARENAFIT_SEGMENT; None of any other operator, or where it is damaged."""
    if op.code.custom != SEGMENT or not op.inputs:
        return None
    tensor = op.inputs[-1]
    if tensor is None or tensor.buffer is None or tensor.buffer.data is None:
        return None
    try:
        return decode(tensor.buffer.data)
    except ModelError:
        return None


def explain(program: Program) -> Explanation:
    """The figures of a program."""
    inside = [tensor for tensor in program.tensors if tensor.place is Place.WORKSPACE]
    sizes = [tensor.rows * tensor.width * tensor.channels for tensor in inside]
    rings = [
        Ring(
            program.operators[tensor.producer].kind.name,
            tensor.producer,
            tensor.ring,
            tensor.rows,
            tensor.ring * tensor.width * tensor.channels,
        )
        for tensor in inside
        if tensor.producer < len(program.operators)
    ]
    return Explanation(
        operators=tuple(op.kind.name for op in program.operators),
        rings=tuple(sorted(rings, key=lambda ring: -ring.size)),
        sums=sum(
            4 * program.tensors[op.output].channels for op in program.operators if op.accumulator
        ),
        workspace=program.workspace,
        whole=sum(sizes),
        largest=max(sizes, default=0),
        weights=sum(
            len(op.parameters.weights)
            for op in program.operators
            if isinstance(op.parameters, Conv)
        ),
    )


def lines_of(found: Explanation) -> list[str]:
    """The same as text."""
    count = len(found.operators)
    lines = [
        f"{count} operator{'s' * (count != 1)} streamed by rows; {found.weights:,} bytes of weights",
        f"tensors inside: {found.whole:,} bytes if whole (the largest {found.largest:,}),"
        f" workspace {found.workspace:,}",
    ]
    for ring in found.rings[:_SHOWN]:
        lines.append(
            f"  {ring.size:,} bytes: {ring.ring} of {ring.rows} rows"
            f" behind operator {ring.number} ({ring.producer})"
        )
    if len(found.rings) > _SHOWN:
        rest = sum(ring.size for ring in found.rings[_SHOWN:])
        lines.append(f"  {rest:,} bytes in {len(found.rings) - _SHOWN} more rings")
    if found.sums:
        lines.append(f"  {found.sums:,} bytes of sums")
    return lines

"""What a segment saves, and what its workspace is made of: figures and words for `inspect`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

from arenafit.errors import ModelError
from arenafit.graph.custom import SEGMENT
from arenafit.graph.model import Operator
from arenafit.memory.problem import Bytes, align
from arenafit.partial.encoding import decode
from arenafit.partial.program import (
    Conv,
    ConvF32,
    ConvS16,
    Kind,
    Place,
    Program,
    ProgramTensor,
    TensorType,
)
from arenafit.partial.unsplit import unsplit

__all__ = ["Block", "Explanation", "explain", "lines_of", "program_of"]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the workspace: the interpreter's state, a ring, or sums."""

    offset: Bytes
    size: Bytes
    operator: int | None = None  # whose results it holds; None: the state
    ring: int = 0  # rows that it has room for; 0: not a ring
    rows: int = 0  # of the whole tensor


@dataclass(frozen=True, slots=True)
class Explanation:
    """A segment in figures; sizes in bytes."""

    operators: tuple[str, ...]  # kinds; one that is split by channels is one
    slices: int  # of channels; 0 where it is not split so
    workspace: Bytes  # rings and sums that are never alive together share it
    stack: tuple[Block, ...]  # from its start to its end: what makes it as large as it is
    whole: Bytes  # what the tensors inside would take whole, side by side
    largest: Bytes  # the largest of them
    alone: Bytes  # alive at the worst of the operators if they ran one by one, nothing shared
    worst: int  # that operator
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


def explain(program: Program, kept: Collection[int] = ()) -> Explanation:
    """The figures of a program.

    Args:
        program: of a segment.
        kept: those of the segment's inputs that are still needed when it is done.
    """
    whole = unsplit(program)
    tensors = whole.program.tensors
    inside = [_size(tensor) for tensor in tensors if tensor.place is Place.WORKSPACE]
    alive = _alive(whole.program, kept)
    worst = max(range(len(alive)), key=alive.__getitem__, default=0)
    return Explanation(
        operators=tuple(op.kind.name for op in whole.program.operators),
        slices=whole.slices,
        workspace=program.workspace,
        stack=_stack(_blocks(program, whole.number), program.workspace),
        whole=sum(inside),
        largest=max(inside, default=0),
        alone=max(alive, default=0),
        worst=worst,
        weights=sum(
            len(op.parameters.weights)
            for op in program.operators
            if isinstance(op.parameters, Conv | ConvS16 | ConvF32)
        ),
    )


def _size(tensor: ProgramTensor) -> Bytes:
    return tensor.rows * tensor.row_bytes


def _alive(program: Program, kept: Collection[int]) -> list[Bytes]:
    """By operator: the tensors that are alive while it runs, were each of them whole."""
    count = len(program.operators)
    last = [-1] * len(program.tensors)
    for i, op in enumerate(program.operators):
        for number in (*op.operands, op.output):
            last[number] = i
    change = [0] * (count + 1)
    for tensor, end in zip(program.tensors, last, strict=True):
        fed = tensor.place is Place.INPUT
        first = 0 if fed else tensor.producer
        if first >= count:  # a constant
            continue
        kept_on = tensor.place is Place.OUTPUT or (fed and tensor.offset in kept)
        size = align(_size(tensor))
        change[first] += size
        change[count if kept_on else end + 1] -= size
    return list(accumulate(change[:count]))


def _blocks(program: Program, number: Sequence[int]) -> list[Block]:
    """All pieces of the workspace, with the numbers that operators have for people."""
    found = [Block(0, align(4 * len(program.operators)))]
    for tensor in program.tensors:
        if tensor.place is Place.WORKSPACE and tensor.producer < len(program.operators):
            size = align(tensor.ring * tensor.row_bytes)
            ring = 0 if tensor.type is TensorType.S32 else tensor.ring
            found.append(Block(tensor.offset, size, number[tensor.producer], ring, tensor.rows))
    for i, op in enumerate(program.operators):
        if op.accumulator:
            wide = op.kind is Kind.FULLY_CONNECTED and isinstance(op.parameters, ConvS16)
            size = align((8 if wide else 4) * program.tensors[op.output].channels)
            found.append(Block(op.accumulator, size, number[i]))
    return found


def _stack(blocks: Sequence[Block], end: Bytes) -> tuple[Block, ...]:
    """Blocks of which each ends where the next begins, the last at `end`.

    Each block lies as low as it can (`arenafit.partial.segment`), so on something that is alive
    at the same time; among several, the one that reaches further down is taken, as it says most.
    """
    found: list[Block] = []
    while end > 0:
        below = [block for block in blocks if block.size and block.offset + block.size == end]
        if not below:
            break
        found.append(min(below, key=lambda block: block.offset))
        end = found[-1].offset
    return tuple(reversed(found))


def lines_of(found: Explanation) -> list[str]:
    """What is in the segment, and what its workspace is made of, as text; a fact a line."""
    kinds = Counter(found.operators)
    names = ", ".join(name if n == 1 else f"{n} {name}" for name, n in kinds.items())
    count = len(found.operators)
    by_channels = f" and in {found.slices} slices of channels" if found.slices else ""
    return [
        f"{count} operator{'s' * (count != 1)} by rows{by_channels}: {names}",
        f"inside: tensors of {found.whole:,} bytes were they whole, the largest {found.largest:,};"
        f" {found.weights:,} bytes of weights",
        f"workspace of {found.workspace:,} bytes:",
        *(f"  {line}" for line in _pieces(found)),
    ]


def _pieces(found: Explanation) -> list[str]:
    """The stack, blocks of a sort taken together, the largest first."""
    sizes: Counter[str] = Counter()
    makers: dict[str, list[int]] = {}  # of each sort
    for block in found.stack:
        sort = _sort(block)
        sizes[sort] += block.size
        if block.operator is not None:
            makers.setdefault(sort, []).append(block.operator)
    return [
        f"{size:>9,}  {sort}{_makers(found, makers[sort]) if sort in makers else ''}"
        for sort, size in sizes.most_common()
    ]


def _sort(block: Block) -> str:
    if block.operator is None:
        return "state of the interpreter"
    if not block.ring:
        return "sums of "
    if block.ring == block.rows:
        return "all rows of "
    return f"{block.ring} row{'s' * (block.ring != 1)} of "


def _makers(found: Explanation, which: Sequence[int]) -> str:
    kinds: dict[str, list[str]] = {}
    for i in sorted(which):
        kinds.setdefault(found.operators[i], []).append(str(i))
    return ", ".join(f"{kind} {' '.join(numbers)}" for kind, numbers in kinds.items())

"""A program as it would be without splitting by channels: for people, who want to see operators."""

from __future__ import annotations

from dataclasses import dataclass, replace

from arenafit.partial.program import NO_OPERATOR, Program, ProgramTensor, TensorType

__all__ = ["Unsplit", "unsplit"]


@dataclass(frozen=True, slots=True)
class Unsplit:
    """`program` has the shapes, operands and kinds of the operators that were split, not their
    parameters; of those that were not, everything."""

    program: Program
    slices: int  # 0 where there are none
    number: tuple[int, ...]  # operator of the split program -> operator of this one


def unsplit(program: Program) -> Unsplit:
    """Put the slices back together; they stand first, one after the other, each with as many
    operators (`arenafit.partial.channels`)."""
    sums = [t for t in program.tensors if t.type is TensorType.S32]
    count = len(program.operators)
    if not sums:
        return Unsplit(program, 0, tuple(range(count)))
    length, slices = sums[0].producer + 1, len(sums) + 1
    split = length * slices
    if split > count:  # not one of this compiler's
        return Unsplit(program, 0, tuple(range(count)))
    number = tuple(i % length if i < split else i - split + length for i in range(count))
    operators = [*program.operators[:length], *program.operators[split:]]
    operators[length - 1] = replace(
        operators[length - 1], output=program.operators[split - 1].output
    )
    used = sorted({t for op in operators for t in (*op.operands, op.output)})
    index = {t: k for k, t in enumerate(used)}
    tensors = []
    for t in used:
        tensor = program.tensors[t]
        if tensor.producer < length - 1:
            parts = (program.operators[tensor.producer + length * s].output for s in range(slices))
            channels = sum(program.tensors[part].channels for part in parts)
            tensor = replace(tensor, channels=channels)
        tensors.append(_renumbered(tensor, number))
    renumbered = (
        replace(op, operands=tuple(index[t] for t in op.operands), output=index[op.output])
        for op in operators
    )
    merged = replace(program, tensors=tuple(tensors), operators=tuple(renumbered))
    return Unsplit(merged, slices, number)


def _renumbered(tensor: ProgramTensor, number: tuple[int, ...]) -> ProgramTensor:
    if tensor.producer == NO_OPERATOR:
        return tensor
    return replace(tensor, producer=number[tensor.producer])

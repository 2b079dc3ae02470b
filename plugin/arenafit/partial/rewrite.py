"""Operators of segments into ARENAFIT_SEGMENT: their inputs, then their program as a constant."""

from __future__ import annotations

from collections.abc import Sequence

from arenafit.graph.custom import SEGMENT
from arenafit.graph.model import Buffer, DType, Model, OpCode, Operator, Subgraph, Tensor
from arenafit.memory.build import clear_plan
from arenafit.partial.encoding import encode
from arenafit.partial.layout import lay_out
from arenafit.partial.lower import lower
from arenafit.partial.segment import Segment
from arenafit.passes.rewrite import discard_unused

__all__ = ["as_operator", "run"]


def run(
    model: Model, subgraph: Subgraph, segments: Sequence[Segment], cpu: str | None = None
) -> None:
    """Put one operator in the place of each segment's operators.

    What only these used is taken out of the subgraph: activations, weights, biases. A plan in
    the model is dropped, as lifetimes change.

    Args:
        model: rewritten in place.
        subgraph: one of its subgraphs.
        segments: disjoint intervals of its operators.
        cpu: what weights are laid out for; see `layout.lay_out`.

    Raises:
        ModelError: a segment is too large for a program.
    """
    code = OpCode("CUSTOM", SEGMENT)
    for segment in segments:
        made = as_operator(subgraph, segment, code, cpu)
        at = subgraph.operators.index(segment.operators[0])
        subgraph.operators[at : at + len(segment.operators)] = [made]
        gone = (t for op in segment.operators for t in (*op.inputs, *op.outputs))
        discard_unused(model, subgraph, list(gone))
    clear_plan(model)


def as_operator(
    subgraph: Subgraph, segment: Segment, code: OpCode, cpu: str | None = None
) -> Operator:
    """`segment` as an operator `code`, its program among the tensors of `subgraph`."""
    data = encode(lay_out(lower(segment), cpu))
    name = f"{segment.outputs[0].name or 'segment'}/program"
    program = Tensor(name, (len(data),), DType.INT8, Buffer(data))
    subgraph.tensors.append(program)
    return Operator(code, [*segment.inputs, program], list(segment.outputs))

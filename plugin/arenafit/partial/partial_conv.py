"""CONV_2D of a CONCATENATION into ARENAFIT_PARTIAL_CONV_2D, which reads what was concatenated.

A convolution sums over channels, so it can sum over those of one tensor after those of another: the
tensor that has them side by side need not exist. The sums are of 32 bits, for one row at a time,
and are requantised once: the bytes are TFLM's. It is a segment of one operator for each tensor
(`arenafit.partial.segment`), with a name of its own, as it needs nothing else of partial execution.

Acts when all of these hold:

1. The CONCATENATION puts channels of two or more different int8 tensors side by side; none of
   them is a constant, and all are quantised as its output is, as TFLM's kernel wants.
2. Its output is read by CONV_2D alone, as what is convolved, and is no output of the graph.
3. Each of these convolutions could be in a segment (`arenafit.partial.roles`), and is not grouped.
"""

from __future__ import annotations

from collections.abc import Sequence

from arenafit.graph.custom import PARTIAL_CONV_2D
from arenafit.graph.model import DType, Model, OpCode, Operator, Subgraph, Tensor
from arenafit.memory.build import clear_plan
from arenafit.partial.lower import parameters_of
from arenafit.partial.program import TensorType
from arenafit.partial.rewrite import as_operator
from arenafit.partial.roles import flat, role
from arenafit.partial.rows import Demand, RowGraph, RowOperator, RowTensor, Window
from arenafit.partial.segment import Member, Part, Segment, Side
from arenafit.passes.rewrite import discard_unused

__all__ = ["run"]


def run(model: Model, cpu: str | None = None) -> int:
    """Rewrite every convolution that the rules admit; returns how many.

    The model is left without a plan where there was one to rewrite.

    Args:
        model: rewritten in place.
        cpu: what weights are laid out for; see `layout.lay_out`.
    """
    changed = 0
    code = OpCode("CUSTOM", PARTIAL_CONV_2D)
    for graph in model.subgraphs:
        for op in [op for op in graph.operators if op.name == "CONCATENATION"]:
            convolutions = _convolutions(graph, op)
            for conv in convolutions:
                made = as_operator(graph, _segment(list(op.activations()), conv), code, cpu)
                graph.operators[graph.operators.index(conv)] = made
            if convolutions:
                graph.operators.remove(op)
                gone = (t for old in (op, *convolutions) for t in (*old.inputs, *old.outputs))
                discard_unused(model, graph, list(gone))
            changed += len(convolutions)
    if changed:
        clear_plan(model)
    return changed


def _convolutions(graph: Subgraph, op: Operator) -> list[Operator]:
    """The readers of a concatenation, where rules 1 to 3 hold."""
    found = role(op)
    if found is None or found.output.dtype is not DType.INT8 or found.output in graph.outputs:
        return []
    sources = found.inputs
    if not 2 <= len(sources) == len(set(sources)) or op.option("axis") % 4 != 3:
        return []
    if any(len(t.shape) != 4 for t in sources):
        return []
    readers = graph.consumers().get(found.output, [])
    return readers if all(_is_fit(reader, found.output) for reader in readers) else []


def _is_fit(op: Operator, source: Tensor) -> bool:
    found = role(op)
    if found is None or found.kind != "CONV_2D" or found.inputs != (source,):
        return False
    weights = op.inputs[1]
    assert weights is not None
    whole = weights.shape[3] == source.shape[3]
    return whole and found.output.dtype is DType.INT8 and parameters_of(op, found) is not None


def _segment(sources: Sequence[Tensor], conv: Operator) -> Segment:
    """One operator for each source: the first has the bias, the last requantises."""
    found = role(conv)
    assert found is not None and found.windows[0] is not None
    count, target = len(sources), flat(found.output)
    height = target[0]
    shapes = [*map(flat, sources), *[target] * count]
    types = [TensorType.S8] * count + [TensorType.S32] * (count - 1) + [TensorType.S8]
    whole = range(count), range(2 * count - 1, 2 * count)
    tensors = tuple(
        RowTensor(h, w * c * kind.size, any(i in ends for ends in whole))
        for i, ((h, w, c), kind) in enumerate(zip(shapes, types, strict=True))
    )
    operators, members, first = [], [], 0
    for i, source in enumerate(sources):
        stop = first + source.shape[3]
        demands = [Demand(i, found.windows[0])]
        if i > 0:
            demands.append(Demand(count + i - 1, Window(height)))
        operators.append(RowOperator(tuple(demands), count + i, height))
        members.append(Member(conv, found, Part(Side.END, first, stop, i == 0, i == count - 1)))
        first = stop
    graph = RowGraph(tensors, tuple(operators), tuple(whole[0]), tuple(whole[1]))
    return Segment(
        (conv,), tuple(members), tuple(sources), (found.output,), tuple(shapes), tuple(types), graph
    )

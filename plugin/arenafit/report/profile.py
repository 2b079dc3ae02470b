"""Who occupies the head of the arena, and when: the facts behind `inspect` and the charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arenafit.graph.model import Model, Operator
from arenafit.memory.build import model_problem
from arenafit.memory.greedy import greedy
from arenafit.memory.lifetimes import ScratchSizes
from arenafit.memory.problem import Bytes, Request, Time

__all__ = ["Occupancy", "OperatorMemory", "binding_operator", "covered", "occupancy"]


@dataclass(frozen=True)
class OperatorMemory:
    """The head while one operator runs, in bytes."""

    subgraph: int
    number: int  # in its subgraph
    operator: Operator
    inputs: Bytes
    outputs: Bytes
    scratch: Bytes
    held: Bytes  # tensors of other operators that must survive this one
    occupied: Bytes  # of the arena, shared bytes counted once
    extent: Bytes  # the highest byte in use


@dataclass(frozen=True)
class Occupancy:
    """Where TFLM puts everything, simulated, and what each operator makes of it."""

    requests: tuple[Request, ...]
    offsets: tuple[Bytes, ...]
    head: Bytes
    operators: tuple[OperatorMemory, ...]
    unknown_scratch: tuple[Operator, ...]  # kernels whose scratch request is not known

    @property
    def binding(self) -> OperatorMemory | None:
        """The operator that occupies most: below it the head cannot go without a rewrite."""
        return max(self.operators, key=lambda line: line.occupied, default=None)


def covered(intervals: Sequence[tuple[Bytes, Bytes]]) -> Bytes:
    """Bytes in the union of half-open intervals (start, end)."""
    total = reach = 0
    for start, end in sorted(intervals):
        if end > reach:
            total += end - max(start, reach)
            reach = end
    return total


def occupancy(model: Model, scratch_sizes: ScratchSizes | None = None) -> Occupancy:
    """The head of `model`, operator by operator, as TFLM's planner lays it out.

    The model's own plan is obeyed where it has one. Quadratic in tensors and operators.
    """
    problem = model_problem(model, None, scratch_sizes, keep_plan=True)
    placed = greedy(problem.problem)
    requests = problem.problem.requests
    place = {tensor: i for i, tensor in enumerate(problem.tensors)}
    numbers = {
        op: (index, number)
        for index, graph in enumerate(model.subgraphs)
        for number, op in enumerate(graph.operators)
    }
    lines = []
    for _, op in problem.timeline.operators:
        first, last = problem.timeline.scopes[op]
        live = _live(requests, first, last)
        own_in = {place[t] for t in op.activations() if t in place}
        own_out = {place[t] for t in op.outputs if t in place}
        scratch = [i for i in live if requests[i].scratch]
        held = [i for i in live if i not in own_in | own_out and not requests[i].scratch]
        spans = [(placed.offsets[i], placed.offsets[i] + requests[i].size) for i in live]
        subgraph, number = numbers[op]
        lines.append(
            OperatorMemory(
                subgraph=subgraph,
                number=number,
                operator=op,
                inputs=sum(requests[i].size for i in own_in),
                outputs=sum(requests[i].size for i in own_out),
                scratch=sum(requests[i].size for i in scratch),
                held=sum(requests[i].size for i in held),
                occupied=covered(spans),
                extent=max((end for _, end in spans), default=0),
            )
        )
    return Occupancy(
        requests,
        placed.offsets,
        placed.head,
        tuple(lines),
        tuple(problem.timeline.unknown_scratch),
    )


def _live(requests: Sequence[Request], first: Time, last: Time) -> list[int]:
    return [i for i, r in enumerate(requests) if r.first <= last and first <= r.last]


def binding_operator(model: Model, scratch_sizes: ScratchSizes | None = None) -> str:
    """The operator that occupies most of the head, and its tensors, in words."""
    line = occupancy(model, scratch_sizes).binding
    if line is None:
        return "no operator"
    op = line.operator
    shape = "x".join(str(extent) for extent in op.outputs[0].shape) if op.outputs else "nothing"
    parts = [("inputs", line.inputs), ("outputs", line.outputs)]
    parts += [("scratch", line.scratch), ("held for later", line.held)]
    spent = ", ".join(f"{size:,} {what}" for what, size in parts if size)
    where = f" of subgraph {line.subgraph}" if line.subgraph else ""
    return f"operator {line.number}{where} ({op.code.label} to {shape}: {spent})"

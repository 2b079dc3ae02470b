"""Reordering a model's operators for the smallest peak, subgraph by subgraph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arenafit.graph.model import Model, Subgraph, Tensor
from arenafit.memory.build import OverlapRule, tensor_pairs
from arenafit.memory.lifetimes import ScratchSizes, called_subgraphs, head_bytes
from arenafit.memory.problem import Bytes, align
from arenafit.schedule.effects import after_edges
from arenafit.schedule.problem import OrderProblem, OrderResult, Step
from arenafit.schedule.search import order

__all__ = ["Reordering", "order_problem", "reorder"]


@dataclass(frozen=True)
class Reordering:
    """What reordering did to the whole model."""

    changed: int  # subgraphs whose order is new
    peak_before: Bytes  # sum of live bytes at the worst operator of subgraph 0
    peak: Bytes
    bound: Bytes | None  # no order of the whole model has a smaller head; None: not known
    optimal: bool


def order_problem(
    model: Model,
    graph: Subgraph,
    overlaps: OverlapRule | None,
    scratch_sizes: ScratchSizes | None,
    called_peaks: dict[int, Bytes],
) -> OrderProblem:
    """The ordering problem of one subgraph; an operator's called subgraphs count as scratch.

    Args:
        model: the model that holds `graph`.
        graph: whose operators to order.
        overlaps: what an output may be written over; None: nothing.
        scratch_sizes: the kernels' scratch; unknown requests count as 0.
        called_peaks: bytes each called subgraph needs at its own peak.
    """
    index: dict[Tensor, int] = {tensor: i for i, tensor in enumerate(graph.tensors)}
    sizes = tuple(align(head_bytes(tensor)) for tensor in graph.tensors)
    after = after_edges(model, graph)
    steps = []
    for number, op in enumerate(graph.operators):
        reads = tuple(dict.fromkeys(index[t] for t in op.inputs if t is not None))
        scratch = sum(align(n) for n in (scratch_sizes(op) or ())) if scratch_sizes else 0
        # called one after the other, each with the caller's live tensors beside it
        scratch += max((called_peaks[i] for i in called_subgraphs(op)), default=0)
        pairs = tensor_pairs(op, overlaps) if overlaps and not called_subgraphs(op) else []
        steps.append(
            Step(
                reads=reads,
                writes=tuple(index[t] for t in op.outputs),
                scratch=scratch,
                after=after[number],
                overlaps=tuple((index[i], index[o], low, high) for i, o, low, high in pairs),
            )
        )
    return OrderProblem(
        sizes=sizes,
        steps=tuple(steps),
        inputs=tuple(dict.fromkeys(index[t] for t in graph.inputs)),
        outputs=tuple(dict.fromkeys(index[t] for t in graph.outputs)),
    )


def _callees_first(model: Model) -> list[int]:
    """Subgraph indices, each after those that its operators call."""
    done: list[int] = []

    def visit(index: int) -> None:
        if index not in done:
            for op in model.subgraphs[index].operators:
                for called in called_subgraphs(op):
                    visit(called)
            done.append(index)

    for index in range(len(model.subgraphs)):
        visit(index)
    return done


def reorder(
    model: Model,
    overlaps: OverlapRule | None = None,
    scratch_sizes: ScratchSizes | None = None,
    *,
    seconds: float = 10.0,
    progress: Callable[[str], None] | None = None,
) -> Reordering:
    """Permute the operators of every subgraph of `model`, in place, for the smallest peak.

    The order is exact with a proof where `optimal` says so. A subgraph whose present order
    is already as good as any keeps it. State keeps its order, see `effects`.
    """
    peaks: dict[int, Bytes] = {}
    results: dict[int, OrderResult] = {}
    changed = 0
    for index in _callees_first(model):
        graph = model.subgraphs[index]
        problem = order_problem(model, graph, overlaps, scratch_sizes, peaks)
        result = order(problem, seconds=seconds, progress=progress)
        if result.peak < result.file_order_peak:
            graph.operators = [graph.operators[i] for i in result.order]
            changed += 1
        peaks[index] = result.peak
        results[index] = result
    main = results[0]
    alone = len(model.subgraphs) == 1
    return Reordering(
        changed=changed,
        peak_before=main.file_order_peak,
        peak=main.peak,
        bound=main.bound if alone else None,
        optimal=all(result.optimal for result in results.values()),
    )

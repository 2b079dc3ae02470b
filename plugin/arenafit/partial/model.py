"""A model with the segments that make its head smallest, or that are fastest within a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from arenafit.graph.model import Model
from arenafit.memory.build import OverlapRule
from arenafit.memory.lifetimes import ScratchSizes, called_subgraphs
from arenafit.memory.problem import Bytes
from arenafit.partial.cost import Costs, Splits
from arenafit.partial.fastest import fastest
from arenafit.partial.rewrite import run
from arenafit.partial.search import Cut, best_cut, best_total
from arenafit.partial.speed import builtin

__all__ = ["Partial", "partial_model"]

_TELL_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class Partial:
    """What `partial_model` did."""

    cut: Cut
    segments: int
    split: int  # of them, by channels
    operators: int  # that are in segments now
    head: Bytes  # predicted: what is alive at the worst step; placing may need more
    growth: Bytes  # what slices of channels add to the file, nearly
    instructions: int  # of the whole model, estimated
    streamed: Bytes | None  # the smallest head without splitting by channels, where that is known


def partial_model(
    model: Model,
    overlaps: OverlapRule | None = None,
    scratch: ScratchSizes | None = None,
    limit: Bytes | None = None,
    splits: Splits | None = None,
    growth: Bytes | None = None,
    progress: Callable[[str], None] | None = None,
    kernels: str = "reference",
    cpu: str | None = None,
) -> Partial | None:
    """Rewrite the main subgraph of `model` so that pieces of it run as segments.

    The cuts are of the model's own operator order. See `arenafit.partial.search`: the smallest
    head is known, with a proof; a slightly larger one is taken where it wins more in the tail.
    The model is left without a plan.

    Args:
        model: rewritten in place; give a copy.
        overlaps: what the kernels of operators that stay as they are allow to be shared; without
            it the plan will share nothing, whatever segments allow.
        scratch: what these ask for.
        limit: of head and tail together, the tail as `arenafit.partial.cost.tail_of` has it: within
            it the fastest plan is taken, see `arenafit.partial.fastest`. Where there is none: as
            without a limit.
        splits: how segments may be split; by rows and by channels.
        growth: bytes, nearly, that slices of channels may add to the file.
        progress: is told, in words and now and then, how far the search is.
        kernels: those of the operators that stay, "reference" or "cmsis_nn": it decides what is
            fast.
        cpu: what the segments' weights are laid out for; see `layout.lay_out`.

    Returns:
        What was done; None where no operator can be in a segment (nothing is changed then).

    Raises:
        ModelError: a segment is too large for the format.
    """
    graph = model.main
    if any(called_subgraphs(op) for op in graph.operators if op.name != "CALL_ONCE"):
        return None
    splits = splits or Splits()
    watch = None if progress is None else _now_and_then(progress)
    costs = Costs(graph, overlaps, scratch, splits, kernels, watch)
    cut = _cut(costs, limit, growth)
    segments = [step.segment for step in cut.steps if step.segment is not None]
    if not segments:
        return None
    streamed = None
    if cut.slices and splits.rows:
        costs.limit_growth(0)
        streamed = best_cut(costs).cost
    elsewhere = [op for other in model.subgraphs[1:] for op in other.operators]
    run(model, graph, segments, cpu)
    return Partial(
        cut,
        len(segments),
        sum(step.slices > 0 for step in cut.steps),
        sum(len(segment.operators) for segment in segments),
        cut.cost,
        sum(costs.growth(step) for step in cut.steps),
        cut.instructions + sum(builtin(op, kernels) for op in elsewhere),
        streamed,
    )


def _cut(costs: Costs, limit: Bytes | None, growth: Bytes | None) -> Cut:
    """The fastest cut within `limit`, else the smallest, whose slices of channels add no more than `growth` bytes in all.

    What one segment may add is narrowed down until all of them together fit.
    """
    costs.limit_growth(growth)
    while True:
        cut = None if limit is None else fastest(costs, limit)
        cut = best_total(costs) if cut is None else cut
        added = [costs.growth(step) for step in cut.steps if step.slices]
        if growth is None or sum(added) <= growth:
            return cut
        costs.limit_growth(min(growth // len(added), max(added) - 1))


def _now_and_then(tell: Callable[[str], None]) -> Callable[[int], None]:
    """What `Costs` may call after each segment; `tell` hears of one in every `_TELL_EVERY`."""
    due = time.monotonic() + _TELL_EVERY

    def watch(segments: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            tell(f"finding segments: {segments:,} tried")
            due = time.monotonic() + _TELL_EVERY

    return watch

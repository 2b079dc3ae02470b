"""What an order costs: live bytes, step by step."""

from __future__ import annotations

from collections.abc import Sequence

from arenafit.errors import ModelError
from arenafit.memory.problem import Bytes
from arenafit.schedule.problem import OrderProblem, StepId, TensorId, overlap_saving

__all__ = ["peak", "profile", "step_saving"]


def step_saving(problem: OrderProblem, step: StepId, dying: set[TensorId]) -> Bytes:
    """Bytes that overlaps save in `step` when the inputs in `dying` are needed no more.

    An upper bound of what a placement can save: no input counts for more than its size, all
    of them for no more than the outputs they may share bytes with.
    """
    pairs = problem.steps[step].overlaps
    by_input: dict[TensorId, Bytes] = {}
    for source, target, low, high in pairs:
        if source in dying:
            saving = overlap_saving(problem.sizes[source], problem.sizes[target], low, high)
            by_input[source] = by_input.get(source, 0) + saving
    limit = sum(problem.sizes[target] for target in {pair[1] for pair in pairs})
    return min(limit, sum(min(problem.sizes[t], saving) for t, saving in by_input.items()))


def profile(problem: OrderProblem, order: Sequence[StepId]) -> tuple[Bytes, ...]:
    """Live bytes in each of TFLM's scopes: before the first step, then one a step of `order`.

    Raises:
        ModelError: `order` is no permutation of the steps, or puts one before what it needs.
    """
    if sorted(order) != list(range(len(problem.steps))):
        raise ModelError("the order is not a permutation of the operators")
    kept = set(problem.outputs)
    unread = list(problem.readers)
    live = sum(problem.sizes[t] for t in problem.from_start)
    found = [live]
    live -= sum(problem.sizes[t] for t in problem.from_start if not unread[t] and t not in kept)
    done = 0
    for i in order:
        step = problem.steps[i]
        if problem.predecessors[i] & ~done:
            raise ModelError("comes before an operator that it needs", f"operator {i}")
        done |= 1 << i
        dying = set()
        for tensor in set(step.reads):
            unread[tensor] &= ~(1 << i)
            if not unread[tensor] and tensor not in kept:
                dying.add(tensor)
        live += sum(problem.sizes[t] for t in step.writes)
        found.append(live + step.scratch - step_saving(problem, i, dying))
        live -= sum(problem.sizes[t] for t in dying)
        live -= sum(problem.sizes[t] for t in step.writes if not unread[t] and t not in kept)
    return tuple(found)


def peak(problem: OrderProblem, order: Sequence[StepId]) -> Bytes:
    """The largest entry of `profile`."""
    return max(profile(problem, order))

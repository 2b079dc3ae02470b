"""The best cuts of an operator order into segments and operators that stay as they are.

Of all ways to cut the order into intervals the search finds one with the smallest head, and
among these one with the smallest tail; both are proved for the costs of `Costs`. It is a path
through the cut points; costs of segments are found by simulation, so the search asks for as
few of them as it can: it looks for the best path with lower bounds in place of what is not yet
known, works out the segments on that path, and ends when there is nothing left to work out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arenafit.memory.problem import Bytes
from arenafit.partial.cost import Costs, Step

__all__ = ["Cut", "best_cut", "best_total", "least_tail"]

_NEVER = 1 << 60
_RUNGS = (1.02, 1.05, 1.1, 1.2, 1.35)  # of `best_total`


@dataclass(frozen=True, slots=True)
class Cut:
    """A plan: steps that follow each other through the order."""

    steps: tuple[Step, ...]
    cost: Bytes  # the head: the largest of theirs
    tail: Bytes  # the sum of theirs
    simulated: int  # segments that have been worked out so far


def best_cut(costs: Costs) -> Cut:
    """The smallest head; with it, the smallest tail."""
    least = _search(costs, lambda cost: cost)
    return least_tail(costs, least.cost)


def least_tail(costs: Costs, limit: Bytes) -> Cut:
    """The smallest tail with a head of at most `limit`; where there is no such plan, with the
    smallest head."""
    return _search(costs, lambda cost: max(cost - limit, 0))


def best_total(costs: Costs) -> Cut:
    """The smallest head and tail together that is found when the head may grow a little.

    Heads are tried on a few rungs above the smallest one, each with its smallest tail; so the
    total is never above that of `best_cut`, but not proved to be the smallest. The head stays
    within that of the operators as they are, with nothing shared.
    """
    count = len(costs.operators)
    best = least = best_cut(costs)
    ceiling = max((costs.apart(i) for i in range(count)), default=0)
    tried = least.cost
    for rung in _RUNGS:
        # Nothing is won beyond: no tail is smaller than that of one segment.
        useful = best.cost + best.tail - costs.segment_tail(0, count)
        limit = min(int(least.cost * rung), ceiling, useful)
        if limit <= tried:
            break
        tried = limit
        found = least_tail(costs, limit)
        if found.cost + found.tail < best.cost + best.tail:
            best = found
    return best


def _search(costs: Costs, excess: Callable[[Bytes], Bytes]) -> Cut:
    """The path with the smallest largest excess; with it, the smallest tail."""
    count = len(costs.operators)
    reach = _reach(costs, count)
    while True:
        path = _path(costs, count, reach, excess)
        unknown = [(i, j) for i, j, own in path if own and not costs.known(i, j)]
        if not unknown:
            break
        for i, j in unknown:
            costs.segment(i, j)
    steps = []
    for i, j, own in path:
        step = costs.segment(i, j) if own else costs.plain(i)
        assert step is not None
        steps.append(step)
    head = max((step.cost for step in steps), default=0)
    return Cut(tuple(steps), head, sum(step.tail for step in steps), costs.simulated)


def _reach(costs: Costs, count: int) -> list[int]:
    """By start: the farthest stop of a segment that begins there."""
    reach = [0] * count
    for i in range(count - 1, -1, -1):
        if costs.eligible(i):
            reach[i] = reach[i + 1] if i + 1 < count and costs.eligible(i + 1) else i + 1
    return reach


def _path(
    costs: Costs, count: int, reach: list[int], excess: Callable[[Bytes], Bytes]
) -> list[tuple[int, int, bool]]:
    """(start, stop, segment or not) of the best path under what is known so far."""
    best: list[tuple[Bytes, int]] = [(_NEVER, 0)] * (count + 1)
    step: list[tuple[int, bool]] = [(0, False)] * (count + 1)
    best[count] = (0, 0)
    for i in range(count - 1, -1, -1):
        plain = costs.plain(i)
        best[i] = max(excess(plain.cost), best[i + 1][0]), best[i + 1][1] + plain.tail
        step[i] = i + 1, False
        for j in range(i + 1, reach[i] + 1):
            cost = costs.bound(i, j)
            if costs.known(i, j):
                made = costs.segment(i, j)
                if made is None:
                    continue
                cost = made.cost
            found = max(excess(cost), best[j][0]), best[j][1] + costs.segment_tail(i, j)
            if found < best[i] or (found == best[i] and j > step[i][0]):
                best[i], step[i] = found, (j, True)
    path, i = [], 0
    while i < count:
        j, own = step[i]
        path.append((i, j, own))
        i = j
    return path

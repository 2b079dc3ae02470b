"""The best cuts of an operator order into segments and operators that stay as they are.

Of all ways to cut the order into intervals, and to split these by channels, the search finds one
with the smallest head, among these one with the smallest tail, and among these one with the fewest
instructions, as `arenafit.partial.speed` estimates them; all of it is proved for the costs of `Costs`. It is a path through the cut points; costs of
segments are found by simulation, so the search asks for as few of them as it can: it looks for the
best path with lower bounds in place of what is not yet known, works out the segments on that path,
and ends when there is nothing left to work out. An interval that may be split in several ways is
at first one edge with the lowest of their bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arenafit.memory.problem import Bytes
from arenafit.partial.cost import Costs, Step

__all__ = ["Cut", "best_cut", "best_total", "cut_of", "least_tail"]

_RUNGS = (1.02, 1.05, 1.1, 1.2, 1.35)  # of `best_total`


@dataclass(frozen=True, slots=True)
class Cut:
    """A plan: steps that follow each other through the order."""

    steps: tuple[Step, ...]
    cost: Bytes  # the head: the largest of theirs
    tail: Bytes  # the sum of theirs
    instructions: int  # the sum of theirs
    slices: int  # the sum of theirs
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
    """The path with the smallest largest excess; with it, the smallest tail, then the fewest
    instructions."""
    paths = _Paths([_edges(costs, i, excess) for i in range(len(costs.operators))])
    while True:
        path = paths.best()
        unknown = [(i, e) for i, e in path if e.own and not e.is_known(costs, i)]
        if not unknown:
            break
        for i, edge in unknown:
            if edge.width is not None:
                costs.segment(i, edge.stop, edge.width)
            paths.replace(i, edge.stop, _ways(costs, i, edge.stop, excess))
    found = (costs.segment(i, e.stop, e.width or 0) if e.own else costs.plain(i) for i, e in path)
    steps = tuple(step for step in found if step is not None)
    return cut_of(steps, costs.simulated)


def cut_of(steps: Sequence[Step], simulated: int) -> Cut:
    """`steps` and their figures."""
    return Cut(
        tuple(steps),
        max((step.cost for step in steps), default=0),
        sum(step.tail for step in steps),
        sum(step.instructions for step in steps),
        sum(step.slices for step in steps),
        simulated,
    )


@dataclass(frozen=True, slots=True)
class _Edge:
    """A step as the search sees it: from some operator to `stop`."""

    stop: int
    excess: Bytes  # of its cost, or of a bound on that
    tail: Bytes
    own: bool  # a segment
    instructions: int  # of a bound's: the least
    width: int | None = 0  # of its slices of channels; None: whichever is best

    def is_known(self, costs: Costs, start: int) -> bool:
        """True where `excess` is that of its cost."""
        return self.width is not None and costs.known(start, self.stop, self.width)


def _edges(costs: Costs, start: int, excess: Callable[[Bytes], Bytes]) -> list[_Edge]:
    """The steps that begin with operator `start`, under what is known so far."""
    plain = costs.plain(start)
    edges = [_Edge(start + 1, excess(plain.cost), plain.tail, False, plain.instructions)]
    for stop in range(start + 1, len(costs.operators) + 1):
        if not costs.eligible(stop - 1):
            break
        widths = costs.widths(start, stop)
        if len(widths) == 1 or any(costs.known(start, stop, width) for width in widths):
            edges += _ways(costs, start, stop, excess)
        elif widths:
            bound, tail = costs.bound(start, stop), costs.segment_tail(start, stop)
            edges.append(
                _Edge(stop, excess(bound), tail, True, costs.instructions(start, stop), None)
            )
    return edges


def _ways(costs: Costs, start: int, stop: int, excess: Callable[[Bytes], Bytes]) -> list[_Edge]:
    """The interval in each way that it can be split, but for those that cannot be better than one
    with fewer slices."""
    tail, found = costs.segment_tail(start, stop), []
    least: Bytes | None = None
    for width in costs.widths(start, stop):
        known = costs.known(start, stop, width)
        made = costs.segment(start, stop, width) if known else None
        if known and made is None:
            continue
        cost = costs.bound(start, stop, width) if made is None else made.cost
        over = excess(cost)
        if least is not None and over >= least:
            continue
        if known:
            least = over
        instructions = costs.instructions(start, stop, costs.slices(start, width))
        found.append(_Edge(stop, over, tail, True, instructions, width))
    return found


class _Paths:
    """The best path from each operator to the end, as the edges become known.

    Best is the smallest largest excess, then the smallest tail, then the fewest instructions; among
    equals the path of segments, then of long ones, with the fewest programs.
    """

    def __init__(self, edges: list[list[_Edge]]) -> None:
        self._edges = edges
        self._best: list[tuple[Bytes, Bytes, int]] = [(0, 0, 0)] * (len(edges) + 1)
        self._chosen = [of[0] for of in edges]
        self._stale = len(edges)  # what is below it is not known to be best

    def replace(self, start: int, stop: int, ways: list[_Edge]) -> None:
        """The segments from operator `start` to `stop` have turned out to be `ways`."""
        others = [edge for edge in self._edges[start] if not edge.own or edge.stop != stop]
        self._edges[start] = others + ways
        self._stale = max(self._stale, start + 1)

    def best(self) -> list[tuple[int, _Edge]]:
        """Start and edge of each step of the best path from the first operator."""
        for i in range(self._stale - 1, -1, -1):
            self._choose(i)
        self._stale = 0
        path, i = [], 0
        while i < len(self._edges):
            path.append((i, self._chosen[i]))
            i = self._chosen[i].stop
        return path

    def _choose(self, start: int) -> None:
        least: tuple[Bytes, Bytes, int, bool, int] | None = None
        for edge in self._edges[start]:
            worst, tail, instructions = self._best[edge.stop]
            worst = max(worst, edge.excess)
            if least is not None and worst > least[0]:
                continue
            tail, instructions = tail + edge.tail, instructions + edge.instructions
            rank = worst, tail, instructions, not edge.own, -edge.stop
            if least is None or rank < least:
                least, self._chosen[start] = rank, edge
        assert least is not None  # an operator can always stay as it is
        self._best[start] = least[:3]

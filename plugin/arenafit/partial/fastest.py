"""The fastest cuts whose head and tail together stay within a limit.

A cut has three figures: instructions and tail are sums over its steps, the head is their maximum.
So this is a shortest path with a constraint, and it is found by a best-first search over partial
cuts (A*, Hart et al. 1968) from the first operator on: what the rest must take at the least is
known exactly for each of the three alone. Of two partial cuts that end at the same operator, one
that is worse in all three is dropped. Instructions are known before a segment is simulated; what
its head is, is asked for only when the partial cut that ends with it is next to be continued.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from arenafit.memory.problem import Bytes
from arenafit.partial.cost import Costs, Step
from arenafit.partial.search import Cut, cut_of

__all__ = ["fastest"]

_NONE = 1 << 62  # more than anything takes
_PRICES = (0, *(2**k for k in range(1, 15)))  # instructions for a byte of tail
_MAX_CUTS = 200_000  # partial ones that are looked at; then there is no answer


@dataclass(frozen=True, slots=True)
class _Edge:
    """A step as the search sees it."""

    stop: int
    head: Bytes  # its cost, or a bound on that
    tail: Bytes
    instructions: int
    own: bool  # a segment
    width: int = 0  # of its slices of channels


@dataclass(frozen=True, slots=True)
class _Partial:
    """A cut of the operators before `stop`; `head` of its last step may be a bound yet."""

    stop: int
    head: Bytes
    tail: Bytes
    instructions: int
    before: _Partial | None = None
    edge: _Edge | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class _Rest:
    """What the operators from one on take at the least, each figure for itself."""

    head: Bytes = 0
    tail: Bytes = 0
    priced: tuple[int, ...] = ()  # instructions and, at each of `_PRICES`, tail


def fastest(costs: Costs, limit: Bytes) -> Cut | None:
    """The cut with the fewest estimated instructions, and among these with the least head and tail
    together, of those that need at most `limit` bytes for both.

    Returns:
        None where there is none, or where there are too many partial cuts to find it.
    """
    count = len(costs.operators)
    edges = [_edges(costs, i, limit) for i in range(count)]
    rests = _rests(edges)

    waiting: list[tuple[int, Bytes, int, _Partial]] = []
    pushed = 0

    def push(partial: _Partial) -> None:
        nonlocal pushed
        rest = rests[partial.stop]
        room = limit - max(partial.head, rest.head) - partial.tail  # for the tail of the rest
        if room >= rest.tail:
            pushed += 1
            least = max(
                priced - price * room for priced, price in zip(rest.priced, _PRICES, strict=True)
            )
            key = partial.instructions + least, limit - room + rest.tail, pushed
            heapq.heappush(waiting, (*key, partial))

    continued: list[list[tuple[Bytes, Bytes, int]]] = [[] for _ in range(count + 1)]
    push(_Partial(0, 0, 0, 0))
    while waiting and pushed <= _MAX_CUTS:
        partial = heapq.heappop(waiting)[-1]
        seen = continued[partial.stop]
        if any(
            head <= partial.head and tail <= partial.tail and instructions <= partial.instructions
            for head, tail, instructions in seen
        ):
            continue
        if not partial.known:
            known = _worked_out(costs, partial)
            if known is not None:
                push(known)
            continue
        if partial.stop == count:
            return _cut(costs, partial)
        seen.append((partial.head, partial.tail, partial.instructions))
        for edge in edges[partial.stop]:
            push(
                _Partial(
                    edge.stop,
                    max(partial.head, edge.head),
                    partial.tail + edge.tail,
                    partial.instructions + edge.instructions,
                    partial,
                    edge,
                    not edge.own,
                )
            )
    return None


def _rests(edges: Sequence[Sequence[_Edge]]) -> list[_Rest]:
    """By operator; from some there may be no way to the end."""
    rests = [_Rest(priced=(0,) * len(_PRICES))] * (len(edges) + 1)
    for i in range(len(edges) - 1, -1, -1):
        rests[i] = _Rest(
            min((max(e.head, rests[e.stop].head) for e in edges[i]), default=_NONE),
            min((e.tail + rests[e.stop].tail for e in edges[i]), default=_NONE),
            tuple(
                min(
                    (e.instructions + price * e.tail + rests[e.stop].priced[k] for e in edges[i]),
                    default=_NONE,
                )
                for k, price in enumerate(_PRICES)
            ),
        )
    return rests


def _edges(costs: Costs, start: int, limit: Bytes) -> list[_Edge]:
    """The steps that begin with operator `start` and could be within `limit`."""
    plain = costs.plain(start)
    edges = [_Edge(start + 1, plain.cost, plain.tail, plain.instructions, False)]
    for stop in range(start + 1, len(costs.operators) + 1):
        if not costs.eligible(stop - 1):
            break
        tail = costs.segment_tail(start, stop)
        for width in costs.widths(start, stop):
            bound = costs.bound(start, stop, width)
            instructions = costs.instructions(start, stop, costs.slices(start, width))
            edges.append(_Edge(stop, bound, tail, instructions, True, width))
    return [edge for edge in edges if edge.head + edge.tail <= limit]


def _worked_out(costs: Costs, partial: _Partial) -> _Partial | None:
    """`partial` with the true cost of its last step; None where that can be no segment."""
    before, edge = partial.before, partial.edge
    assert before is not None and edge is not None
    made = costs.segment(before.stop, edge.stop, edge.width)
    if made is None:
        return None
    return _Partial(
        partial.stop, max(before.head, made.cost), partial.tail, partial.instructions, before, edge
    )


def _cut(costs: Costs, partial: _Partial) -> Cut:
    steps: list[Step] = []
    at: _Partial | None = partial
    while at is not None and at.before is not None and at.edge is not None:
        start = at.before.stop
        own = at.edge.own
        found = costs.segment(start, at.stop, at.edge.width) if own else costs.plain(start)
        assert found is not None
        steps.append(found)
        at = at.before
    steps.reverse()
    return cut_of(steps, costs.simulated)

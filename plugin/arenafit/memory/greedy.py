"""What TFLM's own planner answers, bit for bit.

Source: GreedyMemoryPlanner in tensorflow/lite/micro/memory_planner/greedy_memory_planner.cc.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from arenafit.memory.problem import ONLINE, Bytes, Placement, Problem, Request

__all__ = ["greedy", "place"]


def greedy(problem: Problem) -> Placement:
    """The plan that unmodified TFLM makes for these requests.

    The requests must come in TFLM's order: tensors by (subgraph, index), then scratch buffers.
    `Request.fixed` offsets are taken as they are, on top of each other if that is what they say;
    `Problem.overlaps` are ignored, because TFLM knows none.

    Guarantee: offsets equal to GreedyMemoryPlanner's. The bound is the trivial one (the highest
    end that no plan can avoid), so `optimal` is true only where that is reached.
    Complexity: O(n^2) in the number of requests. Measured: 0.1 ms for 30 requests, 1.2 ms for 150.
    """
    offsets = place(problem.requests, [request.fixed for request in problem.requests])
    head = max((o + r.size for o, r in zip(offsets, problem.requests, strict=True)), default=0)
    bound = max((max(r.fixed, 0) + r.size for r in problem.requests), default=0)
    return Placement(tuple(offsets), head, bound, head == bound, "greedy")


def place(requests: Sequence[Request], fixed: Sequence[Bytes]) -> list[Bytes]:
    """Offsets that TFLM gives `requests` when those whose `fixed` is not ONLINE are offline.

    The same as `greedy`, with the given offsets in place of each request's own.
    """
    # Offline buffers first, as they came; then the online ones by size. TFLM fills its table of
    # online buffers from the back and sorts it with a stable sort: equal sizes come last to first.
    order = [i for i in range(len(requests)) if fixed[i] != ONLINE]
    online = [i for i in reversed(range(len(requests))) if fixed[i] == ONLINE]
    order += sorted(online, key=lambda i: -requests[i].size)

    offsets = list(fixed)
    placed: list[tuple[Bytes, int]] = []  # (offset, request), by offset, equal ones as they came
    for i in order:
        if fixed[i] == ONLINE:
            offsets[i] = _first_fit(requests, placed, requests[i])
        placed.insert(bisect_right(placed, offsets[i], key=lambda entry: entry[0]), (offsets[i], i))
    return offsets


def _first_fit(
    requests: Sequence[Request], placed: Sequence[tuple[Bytes, int]], wanted: Request
) -> Bytes:
    """The lowest gap that holds `wanted` among the placed buffers that are alive with it.

    Offline buffers may overlap, so the end of what was passed is a running maximum; an entry
    that starts below it leaves a negative gap and is merely passed.
    """
    candidate = 0
    for offset, i in placed:
        other = requests[i]
        if not other.meets(wanted):
            continue
        if offset - candidate >= wanted.size:
            break
        candidate = max(candidate, offset + other.size)
    return candidate

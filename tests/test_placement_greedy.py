"""TFLM's greedy planner, restated."""

from __future__ import annotations

import random

from arenafit.memory.greedy import greedy
from arenafit.memory.problem import ALIGNMENT, ONLINE, Overlap, Problem, Request
from support.allocation import chain, check, grid


def restated(problem: Problem) -> list[int]:
    """GreedyMemoryPlanner in other words: lists re-sorted at every step, no clever insertion."""
    requests = problem.requests
    offline = [k for k, r in enumerate(requests) if r.fixed != ONLINE]
    online = [k for k, r in enumerate(requests) if r.fixed == ONLINE]
    online.sort(key=lambda k: (requests[k].size, k), reverse=True)
    offsets = {k: requests[k].fixed for k in offline}
    for k in online:
        meeting = sorted(
            (offset, offset + requests[other].size)
            for other, offset in offsets.items()
            if requests[other].meets(requests[k])
        )
        floors = [0, *(max(end for _, end in meeting[: n + 1]) for n in range(len(meeting)))]
        ceilings = [*(start for start, _ in meeting), None]
        offsets[k] = next(
            floor
            for floor, ceiling in zip(floors, ceilings, strict=True)
            if ceiling is None or ceiling - floor >= requests[k].size
        )
    return [offsets[k] for k in range(len(requests))]


def test_greedy_places_the_largest_first_at_offset_zero() -> None:
    assert greedy(chain(16, 64, 32)).offsets == (64, 0, 64)


def test_greedy_takes_equal_sizes_from_the_last_request_to_the_first() -> None:
    assert greedy(grid([(2, 0, 1), (2, 0, 1), (2, 0, 1)])).offsets == (64, 32, 0)


def test_greedy_puts_a_small_buffer_into_the_lowest_gap_that_holds_it() -> None:
    plan = greedy(grid([(5, 0, 1), (4, 1, 2), (3, 2, 3), (1, 1, 2)]))
    assert plan.offsets == (0, 5 * ALIGNMENT, 0, 9 * ALIGNMENT)
    assert greedy(grid([(5, 0, 1), (4, 1, 2), (3, 2, 3), (1, 2, 2)])).offsets[3] == 3 * ALIGNMENT


def test_greedy_leaves_offline_buffers_where_they_are_even_on_top_of_each_other() -> None:
    requests = (
        Request(64, 0, 1, fixed=32),
        Request(64, 1, 2, fixed=16),
        Request(32, 0, 2),
        Request(16, 0, 2),
    )
    assert greedy(Problem(requests)).offsets == (32, 16, 96, 0)


def test_greedy_passes_the_end_of_a_long_offline_buffer_that_covers_a_later_one() -> None:
    requests = (
        Request(160, 0, 1, fixed=0),
        Request(16, 0, 1, fixed=32),
        Request(32, 0, 1, fixed=208),
        Request(48, 0, 1),
    )
    assert greedy(Problem(requests)).offsets[3] == 160


def test_greedy_ignores_declared_overlaps() -> None:
    problem = chain(64, 64)
    assert greedy(Problem(problem.requests, (Overlap(1, 0, 0),))) == greedy(problem)


def test_greedy_equals_an_independent_restatement_on_random_problems() -> None:
    rng = random.Random(7)
    for _ in range(400):
        requests = []
        for _ in range(rng.randint(1, 14)):
            first = rng.randint(0, 9)
            fixed = ONLINE if rng.random() < 0.7 else 16 * rng.randint(0, 8)
            requests.append(
                Request(16 * rng.randint(1, 6), first, first + rng.randint(0, 4), fixed=fixed)
            )
        problem = Problem(tuple(requests))
        assert list(greedy(problem).offsets) == restated(problem)


def test_greedy_without_offline_buffers_is_a_valid_plan() -> None:
    rng = random.Random(3)
    for _ in range(50):
        rows = [(rng.randint(1, 9), f, f + rng.randint(0, 3)) for f in rng.choices(range(9), k=12)]
        check(grid(rows), greedy(grid(rows)))


def test_greedy_of_nothing_needs_nothing() -> None:
    plan = greedy(Problem(()))
    assert (plan.offsets, plan.head, plan.bound) == ((), 0, 0)

"""Placement for a runtime that puts scratch buffers where it wants."""

from __future__ import annotations

import random

import pytest

from arenafit.memory.greedy import place
from arenafit.memory.placement import solve, solve_stock
from arenafit.memory.placement.stock import simulate
from arenafit.memory.problem import ONLINE, Overlap, Placement, Problem, Request, align
from support.allocation import chain, check


def simulated(problem: Problem, plan: Placement) -> list[int]:
    """What TFLM answers when it is given the plan's offsets for tensors only."""
    offline = [
        ONLINE if r.scratch else o for r, o in zip(problem.requests, plan.offsets, strict=True)
    ]
    return place(problem.requests, offline)


def test_without_scratch_it_is_the_plain_placement() -> None:
    problem = chain(64, 96, 32, 128)
    assert solve_stock(problem) == solve(problem)


def test_the_scratch_offsets_reported_are_those_that_tflm_will_choose() -> None:
    tensors = chain(160, 96, 64, 128)
    problem = Problem(
        (*tensors.requests, Request(32, 1, 1, scratch=True), Request(48, 2, 2, scratch=True)),
        (Overlap(1, 0, 32), Overlap(2, 1, 16)),
    )
    plan = solve_stock(problem)
    check(problem, plan)
    assert simulated(problem, plan) == list(plan.offsets)


def test_one_scratch_buffer_an_operator_never_costs_more_than_planned() -> None:
    rng = random.Random(5)
    for _ in range(60):
        n = rng.randint(2, 9)
        tensors = chain(*(16 * rng.randint(1, 20) for _ in range(n))).requests
        scratch = tuple(
            Request(16 * rng.randint(1, 9), k, k, scratch=True)
            for k in range(1, n)
            if rng.random() < 0.6
        )
        overlaps = tuple(Overlap(k, k - 1, align(rng.randint(0, 200))) for k in range(1, n))
        problem = Problem((*tensors, *scratch), overlaps)
        plan = solve_stock(problem)
        check(problem, plan)
        assert plan.head == solve(problem).head


def crowded(seed: int) -> Problem:
    """Tensors, some of them fixed, and several scratch buffers of one operator."""
    rng = random.Random(seed)
    n = rng.randint(3, 8)
    requests = []
    for _ in range(n):
        size, first = 16 * rng.randint(1, 12), rng.randint(0, n)
        last = min(n, first + rng.randint(1, 4))
        fixed = 16 * rng.randint(0, 25) if rng.random() < 0.15 else ONLINE
        requests.append(Request(size, first, last, fixed=fixed))
    scope = rng.randint(1, n - 1)
    for _ in range(rng.randint(2, 4)):
        requests.append(Request(16 * rng.randint(1, 8), scope, scope, scratch=True))
    return Problem(tuple(requests))


def test_the_head_reported_is_the_simulated_one_however_much_scratch_there_is() -> None:
    for seed in range(400):
        problem = crowded(seed)
        free = solve(problem)
        plan = solve_stock(problem)
        check(problem, plan)
        assert simulated(problem, plan) == list(plan.offsets)
        assert free.head == plan.bound <= plan.head <= simulate(problem, free).head


@pytest.mark.parametrize("seed", [491, 938, 1779, 2455, 3221])
def test_scratch_that_first_fit_misplaces_is_given_a_block(seed: int) -> None:
    problem = crowded(seed)
    plan = solve_stock(problem)
    check(problem, plan)
    assert plan.head < simulate(problem, solve(problem)).head

"""Placement for a runtime that puts scratch buffers where it wants."""

from __future__ import annotations

import random

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


def test_two_scratch_buffers_that_first_fit_misplaces_are_given_a_block() -> None:
    # The plan may put 64 and 48 bytes of scratch into two gaps; TFLM takes the larger first, and
    # puts it into the first gap that holds it, which may be the only one for the smaller.
    requests = (
        Request(80, 0, 2, fixed=64),
        Request(16, 0, 2, fixed=192),
        Request(64, 1, 1, scratch=True),
        Request(48, 1, 1, scratch=True),
    )
    problem = Problem(requests)
    plan = solve_stock(problem)
    check(problem, plan)
    assert simulated(problem, plan) == list(plan.offsets)


def test_the_head_reported_is_the_simulated_one_for_any_scratch() -> None:
    rng = random.Random(9)
    repaired = 0
    for _ in range(150):
        n = rng.randint(2, 6)
        tensors = tuple(
            Request(16 * rng.randint(1, 12), k, min(n, k + rng.randint(1, 3))) for k in range(n)
        )
        scratch = tuple(
            Request(16 * rng.randint(1, 8), k, k, scratch=True)
            for k in range(1, n)
            for _ in range(rng.randint(0, 3))
        )
        problem = Problem((*tensors, *scratch))
        naive = simulate(problem, solve(problem))
        plan = solve_stock(problem)
        check(problem, plan)
        assert simulated(problem, plan) == list(plan.offsets)
        assert plan.bound == solve(problem).bound <= plan.head <= naive.head
        repaired += plan.head < naive.head
    assert repaired > 0

"""The two-ended baseline."""

from __future__ import annotations

import random

from arenafit.memory.pingpong import pingpong
from arenafit.memory.problem import ONLINE, Overlap, Problem, Request
from support.allocation import chain, check


def test_a_chain_needs_its_two_largest_neighbours() -> None:
    plan = pingpong(chain(64, 160, 96, 128, 16))
    assert plan.offsets == (0, 96, 0, 128, 0)
    assert plan.head == 160 + 96


def test_neighbours_in_a_chain_lie_at_opposite_ends() -> None:
    sizes = (32, 48, 64, 80, 96, 112)
    plan = pingpong(chain(*sizes))
    at_top = [o + s == plan.head for o, s in zip(plan.offsets, sizes, strict=True)]
    assert at_top == [False, True] * 3


def test_a_skip_connection_does_not_break_the_plan() -> None:
    requests = (Request(64, 0, 3), Request(48, 1, 2), Request(32, 2, 3), Request(64, 3, 4))
    problem = Problem(requests)
    check(problem, pingpong(problem))


def test_scratch_does_not_take_a_turn() -> None:
    tensors = chain(64, 96, 128, 32).requests
    scratch = Request(48, 2, 2, scratch=True)
    plan = pingpong(Problem((*tensors, scratch)))
    assert plan.head == 96 + 128 + 48
    assert plan.offsets[0] == plan.offsets[2] == 0
    assert plan.offsets[1] + 96 == plan.head


def test_overlaps_are_left_unused() -> None:
    problem = chain(64, 64)
    assert pingpong(Problem(problem.requests, (Overlap(1, 0, 0),))).head == 128


def test_any_graph_gets_a_valid_plan() -> None:
    rng = random.Random(11)
    for _ in range(200):
        requests = []
        for _ in range(rng.randint(1, 12)):
            first = rng.randint(0, 8)
            requests.append(
                Request(
                    16 * rng.randint(1, 9),
                    first,
                    first + rng.randint(0, 4),
                    fixed=16 * rng.randint(0, 9) if rng.random() < 0.1 else ONLINE,
                    scratch=rng.random() < 0.2,
                )
            )
        problem = Problem(tuple(requests))
        check(problem, pingpong(problem))


def test_nothing_needs_nothing() -> None:
    assert pingpong(Problem(())).head == 0

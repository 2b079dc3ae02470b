"""Every technique of the solver earns its place: without it, the same answers take more nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arenafit.memory.placement import Solver, Techniques
from arenafit.memory.placement.bounds import lower_bound
from arenafit.memory.placement.instance import sweep
from arenafit.memory.placement.search import OutOfNodes, Search
from arenafit.memory.placement.skyline import Skyline
from arenafit.memory.problem import Problem, Request
from support.allocation import grid, packed, residual

ALL = Techniques()


def solver_nodes(problems: list[Problem], techniques: Techniques) -> int:
    total = 0
    for problem in problems:
        solver = Solver(techniques=techniques, work=10**9)
        assert solver.solve(problem).optimal
        total += solver.nodes
    return total


def pair_nodes(problem: Problem, height: int, techniques: Techniques) -> int:
    search = Search(sweep(problem), techniques)
    assert search.within(height, 10**5) is None
    return search.nodes


def skyline_nodes(cases: list[tuple[Problem, str]], techniques: Techniques) -> int:
    total = 0
    for problem, ranking in cases:
        instance = sweep(problem)
        skyline = Skyline(instance, techniques)
        try:
            assert skyline.within(lower_bound(instance), 3000, ranking)
        except OutOfNodes:
            assert techniques != ALL
        total += skyline.nodes
    return total


def twice(problem: Problem) -> Problem:
    """The problem, and a copy of it long after."""
    n = len(problem.requests)
    return Problem(
        problem.requests
        + tuple(replace(r, first=r.first + 90, last=r.last + 90) for r in problem.requests),
        problem.overlaps
        + tuple(replace(o, output=o.output + n, input=o.input + n) for o in problem.overlaps),
    )


def test_first_fit_leaves_most_models_nothing_to_search() -> None:
    networks = [residual(seed, 12) for seed in range(20)]
    assert solver_nodes(networks, ALL) < solver_nodes(networks, replace(ALL, first_fit=False))


@pytest.mark.parametrize("switch", ["decompose", "peel"])
def test_making_the_problem_smaller_saves_nodes(switch: str) -> None:
    networks = [twice(residual(seed, 8)) for seed in range(30)]
    searching = replace(ALL, first_fit=False)
    assert solver_nodes(networks, searching) < solver_nodes(
        networks, replace(searching, **{switch: False})
    )


def test_equal_buffers_are_tried_in_one_order_only() -> None:
    problem = Problem(tuple(Request(80, 0, 1) for _ in range(5)))
    without_load = replace(ALL, load=False)
    assert pair_nodes(problem, 4, without_load) < pair_nodes(
        problem, 4, replace(without_load, identical=False)
    )


@pytest.mark.parametrize("switch", ["load", "mirror", "urgency"])
def test_refuting_a_height_takes_fewer_pairs(switch: str) -> None:
    problem = grid([(size, 0, 1) for size in (5, 6, 7, 8, 9)])
    base = ALL if switch == "load" else replace(ALL, load=False)
    assert pair_nodes(problem, 34, base) < pair_nodes(problem, 34, replace(base, **{switch: False}))


@pytest.mark.parametrize(
    ("switch", "cases"),
    [
        ("postpone", [(packed(6, 80, 200), "TWA"), (packed(12, 80, 200), "TWA")]),
        ("memory", [(packed(6, 80, 200), "TWA"), (packed(12, 80, 200), "TWA")]),
        ("split", [(packed(11, 100, 200), "TWA"), (packed(9, 100, 200), "TWA")]),
        (
            "dominance",
            [(packed(2, 60, 300, 0.95), "TWA"), (packed(8, 60, 300, 0.85), "TAW")],
        ),
    ],
)
def test_packing_from_the_ground_up_tries_fewer_placements(
    switch: str, cases: list[tuple[Problem, str]]
) -> None:
    assert skyline_nodes(cases, ALL) < skyline_nodes(cases, replace(ALL, **{switch: False}))

"""Our own placement: valid, as small as can be, and honest about its bound."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arenafit.memory.greedy import greedy
from arenafit.memory.placement import Solver, Techniques, solve
from arenafit.memory.placement.bounds import lower_bound
from arenafit.memory.placement.cpsat import improve
from arenafit.memory.placement.firstfit import first_fit
from arenafit.memory.placement.instance import sweep
from arenafit.memory.problem import ALIGNMENT, ONLINE, Overlap, Placement, Problem, Request
from support.allocation import chain, check, grid, residual, smallest_head

NO_TECHNIQUES = Techniques(**dict.fromkeys(Techniques.__dataclass_fields__, False))


@st.composite
def problems(draw: st.DrawFn, fixed: bool = True, overlaps: bool = True) -> Problem:
    """Small problems of every kind: few units, few moments, many conflicts."""
    requests = []
    for _ in range(draw(st.integers(1, 5))):
        first = draw(st.integers(0, 5))
        requests.append(
            Request(
                ALIGNMENT * draw(st.integers(1, 4)),
                first,
                first + draw(st.integers(0, 3)),
                fixed=ALIGNMENT * draw(st.integers(0, 3))
                if fixed and draw(st.integers(0, 6)) == 0
                else ONLINE,
            )
        )
    pairs = [(i, j) for i in range(len(requests)) for j in range(len(requests)) if i != j]
    declared = []
    for output, source in draw(st.lists(st.sampled_from(pairs), max_size=4)) if pairs else []:
        low = ALIGNMENT * draw(st.integers(-4, 4))
        high = draw(st.none() | st.integers(0, 3).map(lambda n, low=low: low + ALIGNMENT * n))
        declared.append(Overlap(output, source, low, high))
    return Problem(tuple(requests), tuple(declared) if overlaps else ())


@settings(max_examples=250, deadline=None)
@given(problems())
def test_the_head_is_the_smallest_there_is_and_is_proved(problem: Problem) -> None:
    plan = solve(problem)
    check(problem, plan)
    assert plan.optimal
    assert plan.head == smallest_head(problem)


@settings(max_examples=120, deadline=None)
@given(problems())
def test_the_search_alone_finds_the_same_head(problem: Problem) -> None:
    bare = Solver(techniques=replace(NO_TECHNIQUES, load=True), work=10**9).solve(problem)
    check(problem, bare)
    assert bare.head == bare.bound == smallest_head(problem)


@settings(max_examples=250, deadline=None)
@given(problems())
def test_the_lower_bound_is_never_above_an_answer(problem: Problem) -> None:
    instance = sweep(problem)
    assert lower_bound(instance) * instance.unit <= smallest_head(problem)


def test_an_overlap_lets_an_output_be_written_over_its_dying_input() -> None:
    problem = chain(64, 64)
    assert solve(problem).head == 128
    assert solve(Problem(problem.requests, (Overlap(1, 0, 0),))).head == 64


def test_one_unit_more_of_overlap_distance_costs_one_unit_of_head() -> None:
    requests = chain(64, 64).requests
    for low in range(0, 80, ALIGNMENT):
        problem = Problem(requests, (Overlap(1, 0, low),))
        plan = solve(problem)
        check(problem, plan)
        assert plan.head == plan.bound == 64 + min(low, 64)


def test_the_checker_of_these_tests_refuses_one_unit_too_much() -> None:
    problem = Problem(chain(64, 64).requests, (Overlap(1, 0, 32),))
    check(problem, Placement((32, 0), 96, 96, True))
    with pytest.raises(AssertionError):
        check(problem, Placement((16, 0), 80, 80, True))


def test_an_upper_distance_is_kept() -> None:
    requests = (Request(64, 0, 1), Request(64, 1, 2), Request(96, 0, 1, fixed=64))
    problem = Problem(requests, (Overlap(1, 0, 16, 32),))
    plan = solve(problem)
    check(problem, plan)
    assert plan.head == 224  # an interval of 80 bytes does not fit below the fixed one


def test_a_chain_that_drifts_downwards_is_proved_above_every_single_load() -> None:
    # Each output lies below its input by the distance: three operators later the arena ends.
    overlaps = tuple(Overlap(k, k - 1, 32) for k in range(1, 5))
    problem = Problem(chain(64, 64, 64, 64, 64).requests, overlaps)
    instance = sweep(problem)
    plan = solve(problem)
    check(problem, plan)
    assert lower_bound(instance) * instance.unit == 96
    assert plan.head == plan.bound == smallest_head(problem) > 96


def test_fixed_offsets_are_kept_even_where_they_cost() -> None:
    requests = (Request(32, 0, 2, fixed=32), Request(48, 1, 3), Request(16, 1, 2))
    problem = Problem(requests)
    plan = solve(problem)
    check(problem, plan)
    assert plan.offsets[0] == 32
    assert plan.head == 112


def test_fixed_buffers_may_lie_on_each_other() -> None:
    requests = (Request(64, 0, 2, fixed=0), Request(64, 1, 2, fixed=32), Request(16, 1, 1))
    plan = solve(Problem(requests))
    assert plan.offsets == (0, 32, 96)
    assert plan.optimal


def test_greedy_is_beaten_where_largest_first_is_wrong() -> None:
    problem = grid([(3, 0, 1), (2, 1, 2), (2, 0, 0), (3, 2, 3), (2, 3, 4), (1, 0, 4)])
    plan = solve(problem)
    check(problem, plan)
    assert plan.optimal
    assert plan.head <= greedy(problem).head


def test_the_same_problem_gets_the_same_answer() -> None:
    overlaps = tuple(Overlap(k, k - 1, 16 * k) for k in range(1, 8))
    problem = Problem(chain(96, 160, 64, 256, 128, 64, 240, 80).requests, overlaps)
    assert solve(problem) == solve(problem)


def test_nothing_needs_nothing() -> None:
    assert solve(Problem(())) == Placement((), 0, 0, True, "")


@pytest.mark.parametrize("seed", [5, 23, 24])
def test_cp_sat_takes_over_when_the_search_gives_up(seed: int) -> None:
    problem = residual(seed, 12)
    plan = Solver(work=0, techniques=Techniques(first_fit=False)).solve(problem)
    check(problem, plan)
    assert "CP-SAT" in plan.method
    assert plan.optimal
    assert plan.head == solve(problem).head


def test_what_another_part_needs_is_not_taken_for_a_bound() -> None:
    problem = residual(24, 12)
    instance = sweep(problem)
    best = solve(problem).head // instance.unit
    solver = Solver(work=0)
    start = first_fit(instance, range(12), instance.adjacency())
    enough = instance.height(start) - 1
    assert enough > best
    deadline = time.monotonic() + 20
    offsets, bound = solver._tangled(instance, start, lower_bound(instance), enough, deadline)
    assert bound <= best
    assert instance.height(offsets) <= enough


def test_cp_sat_keeps_fixed_offsets_and_upper_distances() -> None:
    plain = residual(24, 12)
    overlaps = tuple(replace(o, high=o.low + 64) for o in plain.overlaps)
    fixed = replace(plain.requests[4], fixed=4096)
    problem = Problem((*plain.requests[:4], fixed, *plain.requests[5:]), overlaps)
    instance = sweep(problem)
    start = first_fit(instance, range(12), instance.adjacency())
    offsets, bound = improve(instance, start, lower_bound(instance), 20.0)
    head = instance.height(offsets) * instance.unit
    offsets_in_bytes = tuple(offset * instance.unit for offset in offsets)
    plan = Placement(offsets_in_bytes, head, bound * instance.unit, True)
    check(problem, plan)
    assert head == solve(problem).head


@pytest.mark.parametrize(
    ("requests", "overlaps"),
    [
        ((Request(24, 0, 1),), ()),
        ((Request(0, 0, 1),), ()),
        ((Request(16, 2, 1),), ()),
        ((Request(16, 0, 1, fixed=8),), ()),
        ((Request(16, 0, 1, fixed=-16),), ()),
        ((Request(16, 0, 1),), (Overlap(0, 1, 0),)),
        ((Request(16, 0, 1),), (Overlap(0, 0, 0),)),
    ],
)
def test_a_problem_that_breaks_its_own_rules_is_refused(
    requests: tuple[Request, ...], overlaps: tuple[Overlap, ...]
) -> None:
    with pytest.raises(ValueError, match=r"buffer|overlap"):
        solve(Problem(requests, overlaps))

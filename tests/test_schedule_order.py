"""The order with the smallest peak: right, proved, and kept close to the file's."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.errors import ModelError
from arenafit.schedule.problem import OrderProblem, OrderResult, Step
from arenafit.schedule.profile import peak, profile
from arenafit.schedule.search import order
from support.graphs import (
    fork_join,
    nasnet_mobile,
    random_problem,
    random_wiring,
    residual,
    swiftnet_cell,
)
from support.simple_order import best_peak, best_peak_by_sets, simple_peak


def optimum(problem: OrderProblem, **options: int) -> OrderResult:
    """The result, after checks that hold for every optimal one."""
    result = order(problem, seconds=100, **options)
    assert result.optimal
    assert result.peak == result.bound == simple_peak(problem, result.order)
    assert result.peak <= result.file_order_peak == peak(problem, range(len(problem.steps)))
    return result


@given(st.randoms(use_true_random=False), st.integers(1, 8))
def test_no_order_of_a_random_graph_is_better(rng: random.Random, steps: int):
    problem = random_problem(rng, steps)
    assert optimum(problem).peak == best_peak(problem)


@pytest.mark.slow
@given(st.randoms(use_true_random=False), st.integers(9, 11))
def test_no_order_of_a_larger_random_graph_is_better(rng: random.Random, steps: int):
    problem = random_problem(rng, steps)
    assert optimum(problem).peak == best_peak_by_sets(problem)


@pytest.mark.parametrize("seed", range(6))
def test_branches_of_different_height_are_run_highest_first(seed: int):
    problem = fork_join(branches=3, length=2, seed=seed)
    assert optimum(problem).peak == best_peak(problem)


def test_an_overlap_can_make_another_order_the_best_one():
    # both steps read 0; the one that is last may write over it
    apart = OrderProblem(
        sizes=(64, 64, 16, 16),
        steps=(Step((0,), (1,)), Step((0,), (2,)), Step((1, 2), (3,))),
        inputs=(0,),
        outputs=(3,),
    )
    assert optimum(apart).order == (0, 1, 2)
    over = replace(apart.steps[0], overlaps=((0, 1, 0, None),))
    result = optimum(replace(apart, steps=(over, *apart.steps[1:])))
    assert result.order == (1, 0, 2)
    assert (result.file_order_peak, result.peak) == (64 + 64 + 16, 64 + 16 + 16)


def test_a_scratch_buffer_is_run_while_little_is_live():
    problem = OrderProblem(
        sizes=(16, 160, 16, 16),
        steps=(Step((0,), (1,)), Step((0,), (2,), scratch=400), Step((1, 2), (3,))),
        inputs=(0,),
        outputs=(3,),
    )
    assert optimum(problem).order == (1, 0, 2)


def test_side_effects_keep_their_order_at_any_price():
    problem = OrderProblem(
        sizes=(16, 160, 16, 16),
        steps=(Step((0,), (1,)), Step((0,), (2,), scratch=400, after=(0,)), Step((1, 2), (3,))),
        inputs=(0,),
        outputs=(3,),
    )
    assert optimum(problem).order == (0, 1, 2)


def test_the_order_of_a_file_that_is_at_its_best_is_returned_unchanged():
    for problem in (residual(), fork_join(4, 1), nasnet_mobile(repeats=0)):
        first = optimum(problem)
        steps = tuple(problem.steps[i] for i in first.order)
        again = optimum(replace(problem, steps=steps))
        assert again.file_order_peak == first.peak
        assert again.order == tuple(range(len(steps)))


def test_the_parts_of_a_file_that_do_no_harm_keep_their_order():
    result = optimum(nasnet_mobile())
    moved = [i for place, i in enumerate(result.order) if place != i]
    assert moved
    assert max(moved) < len(result.order) / 2


def test_a_seed_gives_another_order_of_the_same_peak():
    problem = random_wiring(16, 0)
    results = [optimum(problem, seed=seed) for seed in range(6)]
    assert len({result.order for result in results}) > 3
    assert len({result.peak for result in results}) == 1
    assert optimum(problem, seed=5) == results[5]


def test_the_swiftnet_cell_has_the_peak_of_the_paper():
    problem = swiftnet_cell()
    if problem is None:
        pytest.skip("no swiftnet_cell_graph.tsv: set ARENAFIT_ZOO to the model zoo")
    result = optimum(problem)
    assert (result.file_order_peak, result.peak) == (351_232, 301_056)


def test_a_graph_of_567_operators_is_ordered_with_a_proof():
    problem = nasnet_mobile()
    assert len(problem.steps) == 567
    assert optimum(problem).peak < peak(problem, range(567))


def test_a_chain_of_3000_operators_is_no_deeper_than_a_short_one():
    steps = tuple(Step((i,), (i + 1,)) for i in range(3000))
    problem = OrderProblem((16,) * 3001, steps, (0,), (3000,))
    result = order(problem)
    assert (result.order, result.peak, result.optimal) == (tuple(range(3000)), 32, True)


def test_without_steps_the_inputs_are_all_there_is():
    result = optimum(OrderProblem((16, 32), (), (0, 1), (1,)))
    assert (result.order, result.peak) == ((), 48)


def test_without_time_the_file_order_or_better_is_returned_with_a_bound():
    problem = random_wiring(64, 2)
    hasty = order(problem, seconds=0)
    assert not hasty.optimal
    assert hasty.bound < hasty.peak <= hasty.file_order_peak
    assert hasty.peak == simple_peak(problem, hasty.order)


def test_the_fall_back_finds_better_orders_than_the_file_has():
    problem = random_wiring(64, 2)
    result = order(problem, seconds=1.5)
    assert result.peak == simple_peak(problem, result.order) < result.file_order_peak
    assert result.bound <= 425_984 <= result.peak  # the optimum, which takes 15 s to prove


def test_progress_is_told_in_one_line():
    lines: list[str] = []
    order(random_wiring(64, 2), seconds=3, progress=lines.append)
    assert lines
    assert all("operators" in line and "bytes" in line and "\n" not in line for line in lines)


def test_a_cyclic_problem_is_refused():
    steps = (Step((1,), (0,)), Step((0,), (1,)))
    with pytest.raises(ModelError, match="reads tensor 1 before operator 1 writes it"):
        order(OrderProblem((16, 16), steps, (), (1,)))


def test_the_profile_of_the_result_stays_under_its_peak():
    problem = nasnet_mobile(96, 1)
    result = optimum(problem)
    assert max(profile(problem, result.order)) == result.peak

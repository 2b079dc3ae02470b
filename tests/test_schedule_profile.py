"""What an order costs, step by step."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.errors import ModelError
from arenafit.schedule.problem import OrderProblem, Step, check_problem, overlap_saving
from arenafit.schedule.profile import peak, profile
from support.graphs import random_problem
from support.simple_order import all_orders, simple_profile, simple_saving

DIAMOND = OrderProblem(
    sizes=(16, 32, 64, 48, 16),
    steps=(Step((0,), (1,)), Step((0,), (2,)), Step((1, 2), (3,)), Step((3,), (4,))),
    inputs=(0,),
    outputs=(4,),
)


def test_scope_0_and_each_step_hold_what_is_live():
    assert profile(DIAMOND, (0, 1, 2, 3)) == (16, 16 + 32, 16 + 32 + 64, 32 + 64 + 48, 48 + 16)
    assert profile(DIAMOND, (1, 0, 2, 3)) == (16, 16 + 64, 16 + 32 + 64, 32 + 64 + 48, 48 + 16)


def test_an_input_that_nobody_reads_counts_before_the_first_step_alone():
    problem = replace(DIAMOND, sizes=(*DIAMOND.sizes, 1000), inputs=(0, 5))
    assert profile(problem, (0, 1, 2, 3))[:2] == (1016, 48)


def test_a_graph_output_lives_to_the_end_though_it_has_been_read():
    problem = replace(DIAMOND, outputs=(4, 1))
    assert profile(problem, (0, 1, 2, 3))[-1] == 48 + 16 + 32


def test_an_output_that_nobody_reads_lives_in_its_own_step():
    problem = replace(DIAMOND, sizes=(*DIAMOND.sizes, 1000))
    steps = (replace(DIAMOND.steps[0], writes=(1, 5)), *DIAMOND.steps[1:])
    assert profile(replace(problem, steps=steps), (0, 1, 2, 3))[1:3] == (1048, 112)


def test_a_tensor_that_nobody_writes_is_there_from_the_start():
    problem = replace(DIAMOND, inputs=())
    assert profile(problem, (0, 1, 2, 3)) == profile(DIAMOND, (0, 1, 2, 3))


def test_scratch_counts_in_its_own_step():
    steps = (DIAMOND.steps[0], replace(DIAMOND.steps[1], scratch=160), *DIAMOND.steps[2:])
    grown = profile(replace(DIAMOND, steps=steps), (0, 1, 2, 3))
    assert [a - b for a, b in zip(grown, profile(DIAMOND, (0, 1, 2, 3)), strict=True)] == [
        0, 0, 160, 0, 0,
    ]  # fmt: skip


def test_an_overlap_saves_only_where_the_input_dies():
    steps = (replace(DIAMOND.steps[0], overlaps=((0, 1, 0, None),)), *DIAMOND.steps[1:])
    problem = replace(DIAMOND, steps=steps)
    assert profile(problem, (0, 1, 2, 3)) == profile(DIAMOND, (0, 1, 2, 3))  # 1 reads it later
    assert profile(problem, (1, 0, 2, 3))[2] == 64 + 32  # the input's 16 bytes are saved


def test_an_input_that_is_a_graph_output_is_never_written_over():
    steps = (*DIAMOND.steps[:3], replace(DIAMOND.steps[3], overlaps=((3, 4, 0, None),)))
    assert profile(replace(DIAMOND, steps=steps), (0, 1, 2, 3))[-1] == 48
    kept = replace(DIAMOND, steps=steps, outputs=(4, 3))
    assert profile(kept, (0, 1, 2, 3))[-1] == 48 + 16


def test_dying_inputs_together_save_no_more_than_the_output_takes():
    add = replace(DIAMOND.steps[2], overlaps=((1, 3, 0, None), (2, 3, 0, None)))
    problem = replace(DIAMOND, steps=(*DIAMOND.steps[:2], add, DIAMOND.steps[3]))
    assert profile(problem, (0, 1, 2, 3))[3] == 32 + 64  # not 32 + 64 + 48 - 32 - 48


def test_an_output_split_over_one_input_saves_no_more_than_the_input_takes():
    step = Step((0,), (1, 2), overlaps=((0, 1, 0, None), (0, 2, 0, None)))
    problem = OrderProblem((64, 48, 48), (step,), (0,), (1, 2))
    assert profile(problem, (0,)) == (64, 96)


@given(
    st.integers(0, 20), st.integers(0, 20), st.integers(-99, 300), st.none() | st.integers(-99, 300)
)
def test_the_saving_is_that_of_the_best_allowed_distance(
    in_size: int, out_size: int, low: int, high: int | None
):
    expected = max(0, simple_saving(16 * in_size, 16 * out_size, low, high))
    assert overlap_saving(16 * in_size, 16 * out_size, low, high) == expected


@given(st.randoms(use_true_random=False), st.integers(1, 9))
def test_profiles_agree_with_those_from_lifetimes(rng: random.Random, steps: int):
    problem = random_problem(rng, steps)
    check_problem(problem)
    for order, _ in zip(all_orders(problem), range(20), strict=False):
        assert list(profile(problem, order)) == simple_profile(problem, order)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 1, 2, 2), (0, 1, 2, 3, 4)])
def test_an_order_that_is_no_permutation_is_refused(order: tuple[int, ...]):
    with pytest.raises(ModelError, match="not a permutation"):
        profile(DIAMOND, order)


def test_an_order_that_reads_before_it_writes_is_refused():
    with pytest.raises(ModelError, match=r"operator 2: .*needs"):
        profile(DIAMOND, (0, 2, 1, 3))


def test_an_order_that_breaks_a_side_effect_is_refused():
    steps = (DIAMOND.steps[0], replace(DIAMOND.steps[1], after=(0,)), *DIAMOND.steps[2:])
    problem = replace(DIAMOND, steps=steps)
    assert peak(problem, (0, 1, 2, 3))
    with pytest.raises(ModelError, match=r"operator 1: .*needs"):
        profile(problem, (1, 0, 2, 3))


STEP = DIAMOND.steps[1]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (replace(STEP, reads=(9,)), "tensor index 9 is out of range, there are 5"),
        (replace(STEP, writes=(-1,)), "tensor index -1 is out of range"),
        (replace(STEP, writes=(1,)), "writes tensor 1, which operator 0 writes already"),
        (replace(STEP, writes=(0,)), "writes tensor 0, which the caller writes already"),
        (replace(STEP, reads=(3,)), "reads tensor 3 before operator 2 writes it"),  # a cycle
        (replace(STEP, reads=(2,)), "reads tensor 2 before operator 1 writes it"),  # its own
        (replace(STEP, after=(1,)), "must come after an operator that is not before it"),
        (replace(STEP, after=(-1,)), "must come after an operator that is not before it"),
        (replace(STEP, scratch=-1), "negative scratch"),
        (replace(STEP, overlaps=((1, 2, 0, None),)), "not its input and output"),
    ],
)
def test_a_step_that_lies_is_refused(step: Step, message: str):
    problem = replace(DIAMOND, steps=(DIAMOND.steps[0], step, *DIAMOND.steps[2:]))
    with pytest.raises(ModelError, match=message) as error:
        check_problem(problem)
    assert str(error.value).startswith("operator 1: ")


@pytest.mark.parametrize("changes", [{"inputs": (5,)}, {"outputs": (-1,)}, {"sizes": (-16,) * 5}])
def test_a_problem_that_lies_is_refused(changes: dict[str, tuple[int, ...]]):
    with pytest.raises(ModelError):
        check_problem(replace(DIAMOND, **changes))

"""The checker lets sound plans through, and catches each way in which a plan can be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.candidates import overlap_rule
from arenafit.graph import DType, Model
from arenafit.memory.access import PairOverlap
from arenafit.memory.build import apply_plan, model_problem, tensor_pairs
from arenafit.memory.checker import check_plan, check_variables
from arenafit.memory.greedy import greedy
from arenafit.memory.placement import solve
from arenafit.memory.problem import Problem
from support.builder import GraphBuilder


def nothing(op: object) -> list[PairOverlap]:
    return []


def small_net() -> Model:
    g = GraphBuilder(seed=3)
    x = g.input((1, 8, 8, 4))
    a = g.conv(x, 8, kernel=3)
    b = g.relu(a)
    c = g.depthwise(b, kernel=3)
    g.output(g.softmax(g.fully_connected(g.mean(g.add(b, c)), 5)))
    return g.model()


def plan(model: Model, *, shared: bool) -> Model:
    placing = model_problem(model, overlap_rule("reference") if shared else None)
    apply_plan(model, placing.tensors, solve(placing.problem).offsets)
    return model


def test_a_model_without_a_plan_has_nothing_to_check() -> None:
    assert check_plan(small_net(), nothing) == []


def test_a_plan_of_disjoint_places_is_sound() -> None:
    assert check_plan(plan(small_net(), shared=False), nothing) == []


def test_a_plan_with_declared_overlaps_is_sound_and_undeclared_it_is_not() -> None:
    model = plan(small_net(), shared=True)
    assert check_plan(model, overlap_rule("reference")) == []
    errors = check_plan(model, nothing)
    assert errors
    assert "is written over its input" in errors[0]


def test_two_live_tensors_on_one_place_are_caught() -> None:
    model = plan(small_net(), shared=False)
    relu, depthwise = model.main.operators[1].outputs[0], model.main.operators[2].outputs[0]
    depthwise.offline_offset = relu.offline_offset  # both are read by the ADD
    assert any("was written by" in e for e in check_plan(model, overlap_rule("reference")))


def test_an_overlap_one_granule_too_greedy_is_caught() -> None:
    g = GraphBuilder(seed=1)
    x = g.input((1, 8, 8, 4))
    g.output(g.conv(x, 8, kernel=3))
    model = g.model()
    [(source, target, low, _)] = tensor_pairs(model.main.operators[0], overlap_rule("reference"))
    apply_plan(model, [source, target], [low, 0])
    assert check_plan(model, overlap_rule("reference")) == []
    apply_plan(model, [source, target], [low - 16, 0])
    [error] = check_plan(model, overlap_rule("reference"))
    assert f"at distance {low - 16}, the kernel's order allows " in error


def test_a_place_that_is_not_aligned_is_caught() -> None:
    model = plan(small_net(), shared=False)
    model.main.inputs[0].offline_offset += 8
    assert any("not aligned" in error for error in check_plan(model, nothing))


def test_a_graph_input_overwritten_before_its_last_use_is_caught() -> None:
    g = GraphBuilder(seed=1)
    x = g.input((1, 4, 4, 4))
    y = g.relu(x)
    g.output(g.add(g.conv(y, 4), x))
    model = plan_at_zero(g.model())
    assert any("was written by" in error for error in check_plan(model, nothing))


def plan_at_zero(model: Model) -> Model:
    placing = model_problem(model)
    apply_plan(model, placing.tensors, [0] * len(placing.tensors))
    return model


def test_a_variable_in_the_head_must_have_its_place_alone() -> None:
    model = plan(small_net(), shared=False)
    state, other = model.main.operators[0].outputs[0], model.main.operators[2].outputs[0]
    state.is_variable = True
    other.offline_offset = state.offline_offset
    assert any("shares its place" in error for error in check_plan(model, nothing))


def loop_model() -> Model:
    """A WHILE whose body and condition have tensors of their own in the same arena."""
    g = GraphBuilder(seed=2, dtype=DType.FLOAT32)
    x = g.input((1, 8))
    held = g.unary("ABS", x)
    cond, body = g.subgraph("cond"), g.subgraph("body")
    c = cond.input((1, 8))
    flag = cond.op("LESS", [c, cond.const([[100.0] * 8], DType.FLOAT32)], (1, 8), dtype=DType.BOOL)
    cond.output(flag)
    b = body.input((1, 8))
    body.output(body.add(b, body.const([[60.0] * 8], DType.FLOAT32)))
    [result] = g.while_(cond, body, [x])
    g.output(g.add(result, held))
    return g.model()


def test_a_tensor_of_a_called_subgraph_on_one_that_the_caller_holds_is_caught() -> None:
    model = loop_model()
    placing = model_problem(model)
    apply_plan(model, placing.tensors, greedy(placing.problem).offsets)
    assert check_plan(model, nothing) == []
    held = model.main.operators[0].outputs[0]
    model.subgraphs[2].outputs[0].offline_offset = held.offline_offset
    assert any("was written by" in error for error in check_plan(model, nothing))


@given(st.data())
def test_greedy_plans_are_sound_and_any_two_that_meet_moved_together_are_not(
    data: st.DataObject,
) -> None:
    model = small_net()
    placing = model_problem(model)
    offsets = list(greedy(placing.problem).offsets)
    apply_plan(model, placing.tensors, offsets)
    assert check_plan(model, nothing) == []
    i, j = data.draw(st.sampled_from(meeting(placing.problem)))
    offsets[i] = offsets[j]
    apply_plan(model, placing.tensors, offsets)
    assert check_plan(model, nothing) != []


def meeting(problem: Problem) -> list[tuple[int, int]]:
    indices = range(len(problem.requests))
    pairs = [(i, j) for i in indices for j in indices if i != j]
    return [(i, j) for i, j in pairs if problem.requests[i].meets(problem.requests[j])]


def variable_model() -> Model:
    g = GraphBuilder(seed=4)
    x = g.input((1, 8))
    handle = g.var_handle("state")
    old = g.read_variable(handle, x)
    g.assign_variable(handle, g.relu(x))
    g.output(g.add(old, x))
    return g.model()


def test_a_read_moved_behind_an_assignment_is_caught() -> None:
    before, after = variable_model(), variable_model()
    assert check_variables(before, after) == []
    names = [op.name for op in after.main.operators]
    read = after.main.operators.pop(names.index("READ_VARIABLE"))
    after.main.operators.insert(names.index("ASSIGN_VARIABLE"), read)
    [error] = check_variables(before, after)
    assert "happens after 1 assignments, it was after 0" in error


def test_an_assignment_that_is_lost_is_caught() -> None:
    before, after = variable_model(), variable_model()
    after.main.operators = [op for op in after.main.operators if op.name != "ASSIGN_VARIABLE"]
    assert check_variables(before, after)


@pytest.mark.parametrize("kernels", ["reference", "any", "cmsis_nn"])
def test_what_the_planner_shares_is_what_the_checker_allows(kernels: str) -> None:
    model = small_net()
    placing = model_problem(model, overlap_rule(kernels))
    apply_plan(model, placing.tensors, solve(placing.problem).offsets)
    assert check_plan(model, overlap_rule(kernels)) == []

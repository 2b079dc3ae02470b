"""Lifetimes and the greedy simulation say what the real TFLM does."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest

from arenafit.candidates import overlap_rule, predict_head
from arenafit.graph import DType, Model, load, save
from arenafit.memory.build import model_problem
from arenafit.memory.lifetimes import timeline
from arenafit.runtime import Session, available
from support.builder import GraphBuilder
from support.zoo import ZOO, requires_zoo
from test_checker import loop_model, small_net, variable_model

needs_tflm = pytest.mark.skipif(not available(), reason="the tflite-micro wheel is not installed")


def if_model() -> Model:
    g = GraphBuilder(seed=2, dtype=DType.FLOAT32)
    x = g.input((1, 40))
    flag = g.input((), dtype=DType.BOOL)
    then, otherwise = g.subgraph("then"), g.subgraph("else")
    t = then.input((1, 40))
    then.output(then.add(then.unary("ABS", t), t))
    e = otherwise.input((1, 40))
    otherwise.output(otherwise.unary("NEG", otherwise.unary("ABS", e)))
    [result] = g.if_(flag, then, otherwise, [x])
    g.output(g.add(result, x))
    return g.model()


def unused_tensor_model() -> Model:
    model = small_net()
    g = GraphBuilder(seed=9)
    model.main.tensors.append(g.input((1, 64, 64, 8)))  # nobody reads or writes it
    return model


def branching_model() -> Model:
    g = GraphBuilder(seed=5)
    x = g.input((1, 12, 12, 8))
    branches = [g.conv(x, channels, kernel=3) for channels in (8, 8, 4, 16)]
    for branch in branches:  # CONCATENATION wants them alike
        branch.quantization = branches[0].quantization
    g.output(g.pool(g.concat(branches), 2, kind="MAX"))
    return g.model()


MODELS: list[Callable[[], Model]] = [
    small_net,
    branching_model,
    variable_model,
    loop_model,
    if_model,
    unused_tensor_model,
]


@needs_tflm
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_the_predicted_head_is_the_head_that_tflm_measures(make: Callable[[], Model]) -> None:
    model = make()
    with Session() as session:
        measured = session.measure(save(model), startup=False)
    assert predict_head(model, "reference") == measured.head


@requires_zoo
def test_the_predicted_heads_of_the_zoo_are_the_measured_ones() -> None:
    with (ZOO / "zoo.csv").open() as file:
        rows = list(csv.DictReader(file))
    predicted = {
        row["name"]: predict_head(load((ZOO / row["name"]).read_bytes()), "reference")
        for row in rows
    }
    assert predicted == {row["name"]: int(row["stock_head"]) for row in rows}


def test_an_operator_creates_its_output_and_its_last_consumer_ends_it() -> None:
    model = small_net()
    found = {life.tensor: (life.first, life.last) for life in timeline(model).lifetimes}
    conv, relu = (op.outputs[0] for op in model.main.operators[:2])
    assert found[model.main.inputs[0]] == (0, 1)
    assert found[conv] == (1, 2)
    assert found[relu] == (2, 4)  # the ADD reads it
    end = len(model.main.operators)
    assert found[model.main.outputs[0]] == (end, end)


def test_a_called_subgraph_lives_within_its_callers_scopes() -> None:
    model = if_model()
    lines = timeline(model)
    first, last = lines.scopes[model.main.operators[0]]
    inner = [life for life in lines.lifetimes if life.subgraph]
    assert inner
    assert all(first < life.first and life.last <= last for life in inner)


def test_constants_variables_and_resources_take_no_place() -> None:
    model = variable_model()
    tensors = [life.tensor for life in timeline(model).lifetimes]
    assert not any(tensor.is_constant for tensor in tensors)
    assert not any(tensor.dtype is DType.RESOURCE for tensor in tensors)


def test_requests_are_rounded_up_to_the_arenas_alignment() -> None:
    g = GraphBuilder(seed=1)
    x = g.input((1, 3))
    g.output(g.relu(x))
    assert {r.size for r in model_problem(g.model()).problem.requests} == {16}


@pytest.mark.parametrize("kept", [False, True])
def test_an_output_of_the_graph_outlives_its_last_reader(kept: bool):
    g = GraphBuilder(seed=1)
    x = g.conv(g.input((1, 8, 8, 4)), 4, kernel=3)
    y = g.relu(x)
    g.output(*((x, y) if kept else (y,)))
    shared = model_problem(g.model(), overlap_rule("any")).problem.overlaps
    assert ((1, 2) in {(pair.input, pair.output) for pair in shared}) is not kept

"""Estimated instructions, beside those that were counted on a Cortex-M4 in QEMU."""

from __future__ import annotations

import csv

import pytest

from arenafit.graph import load, save
from arenafit.graph.custom import SEGMENT
from arenafit.partial.cost import Costs
from arenafit.partial.speed import builtin, member, model_instructions, work_of
from support.builder import GraphBuilder
from support.partial import MODELS, cleaned, costs_of, each_model, streamed
from support.zoo import ZOO, zoo_model

COUNTED = ZOO / "cortex_m4_baseline.csv"

IN_SEGMENTS = {"ds_cnn_kws": 8_183_760, "lenet5_28": 1_702_921, "resnet8_cifar": 18_929_530}
"""Counted for whole networks as exported C, GCC 12 -O2 (tools/bench_segments.py)."""


def test_work_is_counted_in_multiplications_and_values():
    g = GraphBuilder(seed=1)
    x = g.conv(g.input((1, 8, 8, 3)), 16, kernel=3)
    x = g.depthwise(x, kernel=3, stride=2)
    x = g.pool(g.add(x, x), kernel=2)
    g.output(g.fully_connected(x, 10))
    conv, depthwise, add, pool, dense = g.model().main.operators
    values = 8 * 8 * 16
    assert work_of(conv) == {
        "convolved": values * 27, "tap": values * 9, "requantized": values, "operator": 1,
    }  # fmt: skip
    assert work_of(depthwise)["depthwise"] == 4 * 4 * 16 * 9
    assert work_of(add) == {"elementwise": 4 * 4 * 16, "operator": 1}
    assert work_of(pool)["pooled"] == 2 * 2 * 16 * 4
    assert work_of(dense)["dense"] == 2 * 2 * 16 * 10


def test_rows_and_calls_have_a_price():
    g = GraphBuilder(seed=1)
    g.output(g.conv(g.conv(g.input((1, 8, 8, 3)), 16, kernel=3), 4, kernel=1))
    op, _ = g.model().main.operators
    assert member(op, 8) - member(op, 4) == 4 * (member(op, 1) - member(op, 0)) > 0
    costs = Costs(g.model().main)
    assert costs.instructions(0, 1) > member(op, 8)
    slices = costs.slices(0, 4)
    assert slices == 4
    assert costs.instructions(0, 2, slices) > costs.instructions(0, 2, 2) > costs.instructions(0, 2)


@each_model
def test_reference_kernels_are_the_slowest(path):
    costs = costs_of(cleaned(load(path.read_bytes())))
    for i, op in enumerate(costs.operators):
        if costs.eligible(i):
            assert costs.instructions(i, i + 1) < builtin(op, "reference") + 60_000
    assert costs.instructions(0, len(costs.operators)) < 0.6 * sum(
        builtin(op, "reference") for op in costs.operators
    )


@pytest.mark.parametrize("name", IN_SEGMENTS)
def test_networks_in_segments_take_about_the_instructions_that_were_counted(name: str):
    costs = costs_of(cleaned(load((MODELS / f"{name}.tflite").read_bytes())))
    estimate = costs.instructions(0, len(costs.operators))
    assert estimate == pytest.approx(IN_SEGMENTS[name], rel=0.3)


@pytest.mark.parametrize("kernels", ["reference", "cmsis_nn"])
def test_networks_in_tflm_take_about_the_instructions_that_were_counted(kernels: str):
    if not COUNTED.is_file():
        pytest.skip(f"no {COUNTED}")
    column = {"reference": "ref_instructions", "cmsis_nn": "cmsis_instructions"}[kernels]
    with COUNTED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 10
    for row in rows:
        estimate = model_instructions(load(zoo_model(row["name"]).read_bytes()), kernels)
        assert estimate == pytest.approx(int(row[column]), rel=0.3), row["name"]


def test_a_model_with_segments_is_not_estimated():
    model, done = streamed(MODELS / "ds_cnn_kws.tflite")
    again = load(save(model))
    assert any(op.code.custom == SEGMENT for op in again.main.operators)
    assert model_instructions(again, "reference") is None
    assert done.instructions == done.cut.instructions > 0

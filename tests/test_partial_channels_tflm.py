"""Splitting by channels in the real TFLM: whole models, how much less they take, and the switch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import arenafit
from arenafit.candidates import overlap_rule, predict_head, scratch_rule
from arenafit.graph import Model, load, save
from arenafit.partial.cost import Splits
from arenafit.partial.model import Partial, partial_model
from arenafit.passes import copy_model
from arenafit.report.figures import Report
from arenafit.runtime import Session, available
from support.deep import deep
from support.mobilenet import mobilenet_v2
from support.native import compiler
from support.partial import cleaned, place
from support.zoo import each_zoo_model

needs_tflm = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")

CHANNELS, ROWS = Splits(rows=False), Splits(channels=False)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    compiler("c++")  # skips the tests where there is none
    with Session(planner="arenafit") as opened:
        yield opened


def small_mobilenet() -> Model:
    return mobilenet_v2(48, 0.35, stages=4, classes=10)


def in_segments(model: Model, splits: Splits, **more: int) -> tuple[Model, Partial | None]:
    made = copy_model(cleaned(model))
    rules = overlap_rule("reference"), scratch_rule("reference")
    return made, partial_model(made, *rules, splits=splits, **more)


def computes_the_same(
    model: Model, splits: Splits, session: Session, inputs: int, gaps: float
) -> None:
    """`gaps`: how far the planner may miss the predicted head in the time that it gets."""
    made, done = in_segments(model, splits)
    if done is None:
        return
    place(made)
    data = save(made)
    assert session.measure(data, startup=False).head == predict_head(made, "reference")
    assert session.measure(data, startup=False).head <= done.head * gaps
    verified = session.verify(save(model), data, inputs=inputs, intermediates=False)
    assert verified.bit_exact and verified.distinct_outputs > 1


@needs_tflm
@pytest.mark.parametrize("make", [small_mobilenet, deep])
@pytest.mark.parametrize("splits", [CHANNELS, Splits()], ids=["channels", "rows and channels"])
def test_a_model_split_by_channels_computes_the_same_bytes_in_the_predicted_head(
    make, splits: Splits, session: Session
):
    computes_the_same(make(), splits, session, 3, 1.0)


@needs_tflm
@pytest.mark.slow
@each_zoo_model
def test_a_real_model_split_by_channels_alone_computes_the_same_bytes(
    model: Path, session: Session
):
    computes_the_same(load(model.read_bytes()), CHANNELS, session, 8, 1.25)


def layer_wise(model: Model) -> int:
    """The largest sum of tensors alive at once, each operator as it is and nothing shared."""
    return predict_head(model, "reference")


def test_channels_alone_take_a_mobilenet_below_two_fifths_of_its_layer_wise_peak():
    model = small_mobilenet()
    _, done = in_segments(model, CHANNELS)
    assert done is not None and done.split > 3
    assert done.head * 2.5 < layer_wise(model)


@needs_tflm
@pytest.mark.slow
def test_channels_alone_take_mobilenet_v2_224_below_two_fifths_of_its_layer_wise_peak():
    """In the real TFLM, with sums of 32 bits."""
    data = save(mobilenet_v2())
    _, report = arenafit.optimize(
        data, runtime="arenafit", kernels="reference", disable="rows", inputs=2, timeout=120
    )
    assert report.before.head == 1_505_280 and report.after.measured
    assert report.after.head * 2.5 < report.before.head
    assert report.verified.bit_exact is True
    assert report.flash.after <= 1.05 * report.flash.before


def test_where_maps_are_small_and_deep_channels_help_on_top_of_rows():
    heads = {}
    for name, splits in {"rows": ROWS, "channels": CHANNELS, "both": Splits()}.items():
        _, done = in_segments(deep(), splits)
        assert done is not None
        heads[name] = done.head
    assert heads["both"] < heads["rows"] / 1.5
    assert heads["channels"] < layer_wise(deep()) / 2


# -- how many slices ------------------------------------------------------------------------------


def test_slices_add_no_more_than_they_may():
    sizes, heads = [], []
    for growth in (100_000, 4_000, 1_500, 0):
        made, done = in_segments(deep(), CHANNELS, growth=growth)
        sizes.append(len(save(made)))
        heads.append(predict_head(made, "reference") if done is None else done.head)
    assert sizes == sorted(sizes, reverse=True) and heads == sorted(heads)
    assert sizes[1] - sizes[3] <= 2 * 4_000 and sizes[2] - sizes[3] <= 2 * 1_500
    assert sizes[0] > sizes[1] > sizes[2] and heads[1] < heads[3]
    assert in_segments(deep(), CHANNELS, growth=0)[1] is None


# -- the switches ---------------------------------------------------------------------------------


def steps_of(report: Report) -> list[str]:
    return [step.name for step in report.passes if step.name in ("rows", "channels")]


@needs_tflm
def test_rows_and_channels_can_each_be_switched_off():
    data = save(deep())
    reports = {}
    for off in ((), ("rows",), ("channels",), ("rows", "channels")):
        _, report = arenafit.optimize(
            data, runtime="arenafit", kernels="reference", disable=off, inputs=3
        )
        assert report.verified.bit_exact is True
        assert report.flash.after <= 1.05 * report.flash.before
        reports[off] = report
    assert steps_of(reports[()]) == ["rows", "channels"]
    assert steps_of(reports[("rows",)]) == ["channels"]
    assert steps_of(reports[("channels",)]) == ["rows"]
    assert steps_of(reports[("rows", "channels")]) == []
    head = {off: report.after.head for off, report in reports.items()}
    assert head[()] < min(head[("rows",)], head[("channels",)])
    assert max(head[("rows",)], head[("channels",)]) < head[("rows", "channels")]
    saved = {step.name: step.head_before - step.head_after for step in reports[()].passes}
    assert saved["rows"] > 0 and saved["channels"] > 0

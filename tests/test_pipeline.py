"""From IN to OUT: smaller, never worse, bit for bit the same, and each switch switches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

import arenafit
from arenafit.candidates import Candidate, best_first, predict_head
from arenafit.errors import CheckFailed, ModelError, UsageError
from arenafit.graph import DType, Model, load, save
from arenafit.memory.problem import Placement
from arenafit.options import Options
from arenafit.report.text import format_report
from arenafit.runtime import available
from support.builder import GraphBuilder
from test_lifetimes import MODELS

needs_tflm = pytest.mark.skipif(not available(), reason="the tflite-micro wheel is not installed")


def mobilenet_like() -> Model:
    g = GraphBuilder(seed=11)
    x = g.input((1, 32, 32, 3))
    y = g.conv(x, 8, kernel=3, stride=2, activation="RELU6")
    for channels, stride in ((16, 1), (24, 2), (24, 1), (32, 2)):
        y = g.depthwise(y, kernel=3, stride=stride, activation="RELU6")
        y = g.conv(y, channels, activation="RELU6")
    g.output(g.softmax(g.fully_connected(g.mean(y), 10)))
    return g.model()


def wide_cell() -> Model:
    """Branches that the file runs side by side; one after the other they need less."""
    g = GraphBuilder(seed=12)
    x = g.input((1, 16, 16, 8))
    wide = [g.conv(x, 32) for _ in range(4)]
    narrow = [g.conv(w, 4) for w in wide]
    for tensor in narrow:
        tensor.quantization = narrow[0].quantization
    g.output(g.concat(narrow))
    return g.model()


def padded() -> Model:
    g = GraphBuilder(seed=13)
    x = g.input((1, 32, 32, 4))
    y = g.conv(x, 8)
    y = g.pad(y, [(0, 0), (0, 1), (0, 1), (0, 0)])
    g.output(g.conv(y, 8, kernel=3, stride=2, padding="VALID"))
    return g.model()


@needs_tflm
@pytest.mark.parametrize("kernels", ["any", "reference", "cmsis_nn"])
@pytest.mark.parametrize("make", [*MODELS, mobilenet_like, wide_cell, padded], ids=lambda m: m.__name__)  # fmt: skip
def test_out_is_never_worse_and_bit_identical(make: Callable[[], Model], kernels: str) -> None:
    data = save(make())
    out, report = arenafit.optimize(data, kernels=kernels)
    before, after = report.before, report.after
    assert before.measured and after.measured
    assert after.head <= before.head
    assert after.total is not None and before.total is not None and after.total <= before.total
    assert after.startup is not None and before.startup is not None
    assert after.startup <= before.startup
    assert report.verified.bit_exact is True
    assert report.bound <= after.head
    assert out == data or report.verified.inputs == 8


@needs_tflm
def test_overlap_order_and_padding_each_pay_where_they_should() -> None:
    heads = {}
    for make in (mobilenet_like, wide_cell, padded):
        _, report = arenafit.optimize(save(make()), kernels="reference")
        heads[make.__name__] = (report.before.head, report.after.head, report.optimal)
    assert heads == PINNED
    assert all(after < before for before, after, _ in heads.values())


# Stock head, head of OUT, proved optimal: exact bytes, so that a change for the worse is seen.
PINNED = {
    "mobilenet_like": (8192, 4112, True),
    "wide_cell": (34816, 12304, True),
    "padded": (16912, 8224, True),
}

SWITCHES = [
    ("overlap", mobilenet_like),
    ("reorder", wide_cell),
    ("fold-pad", padded),
]


@needs_tflm
@pytest.mark.parametrize(("name", "make"), SWITCHES, ids=[name for name, _ in SWITCHES])
def test_a_step_that_is_disabled_does_not_happen(name: str, make: Callable[[], Model]) -> None:
    data = save(make())
    _, whole = arenafit.optimize(data, kernels="reference")
    _, without = arenafit.optimize(data, kernels="reference", disable=name)
    assert whole.after.head < without.after.head
    assert name not in [step.name for step in without.passes]


@needs_tflm
@pytest.mark.parametrize(("name", "make"), SWITCHES, ids=[name for name, _ in SWITCHES])
def test_each_step_helps_alone(name: str, make: Callable[[], Model]) -> None:
    from arenafit.options import STEPS
    from arenafit.passes import PIPELINE

    others = {*(step.name for step in PIPELINE), *STEPS} - {name}
    _, report = arenafit.optimize(save(make()), kernels="reference", disable=others)
    assert report.after.head < report.before.head


def symmetrically_padded() -> Model:
    """PAD as PyTorch does it before stride 2, which SAME cannot say. It is the peak; but once
    it may overlap, the 1x1 convolution is, which in CMSIS-NN may not."""
    g = GraphBuilder(seed=14)
    x = g.input((1, 32, 32, 4))
    y = g.conv(g.conv(x, 8), 8)
    y = g.pad(y, [(0, 0), (1, 1), (1, 1), (0, 0)])
    g.output(g.conv(y, 8, kernel=3, stride=2, padding="VALID"))
    return g.model()


@needs_tflm
def test_a_pass_that_costs_time_is_used_only_where_nothing_cheaper_saves_as_much() -> None:
    data = save(symmetrically_padded())
    _, free = arenafit.optimize(data)
    assert "widen-filter" not in [step.name for step in free.passes]
    _, pressed = arenafit.optimize(data, disable="overlap")
    _, without = arenafit.optimize(data, disable=["overlap", "widen-filter"])
    assert "widen-filter" in [step.name for step in pressed.passes]
    assert pressed.after.head < without.after.head


@needs_tflm
def test_the_plans_order_by_what_they_save() -> None:
    data = save(mobilenet_like())
    heads = {
        plan: arenafit.optimize(data, kernels="reference", plan=plan)[1].after.head
        for plan in ("optimal", "greedy", "pingpong")
    }
    assert heads["optimal"] < heads["pingpong"]
    assert heads["optimal"] < heads["greedy"]


@needs_tflm
def test_an_existing_plan_is_kept_where_it_is_as_good_and_replaced_where_it_is_not() -> None:
    planned, _ = arenafit.optimize(save(mobilenet_like()), kernels="reference")
    assert load(planned).has_offline_plan
    again, report = arenafit.optimize(planned, kernels="reference")
    assert again == planned
    assert report.after.head == report.before.head

    wasteful = load(planned)
    for tensor in wasteful.main.tensors:
        if tensor.offline_offset >= 0:
            tensor.offline_offset += 4096
    out, report = arenafit.optimize(save(wasteful), kernels="reference")
    assert report.before.head == report.after.head + 4096
    assert predict_head(load(out), "reference") == report.after.head


@needs_tflm
def test_what_does_not_fit_fails_with_the_excess_and_the_operator() -> None:
    data = save(mobilenet_like())
    _, report = arenafit.optimize(data)
    assert report.after.total is not None
    arenafit.optimize(data, ram_limit=report.after.total)
    with pytest.raises(CheckFailed, match=r"1 over the limit .* operator \d+ \(\w+ to .* binds"):
        arenafit.optimize(data, ram_limit=report.after.total - 1)


@needs_tflm
def test_a_result_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of verification: a pass that changes a weight."""
    from arenafit import making

    def sabotage(model: Model, *_: object) -> None:
        weights = next(t for t in model.main.tensors if t.is_constant and t.elements > 100)
        assert weights.buffer is not None and weights.buffer.data is not None
        weights.buffer = dataclasses.replace(
            weights.buffer, data=bytes(255 - b for b in weights.buffer.data)
        )

    monkeypatch.setattr(making, "run_passes", sabotage)
    with pytest.raises(CheckFailed, match="not be bit-identical"):
        arenafit.optimize(save(mobilenet_like()), kernels="reference")


@needs_tflm
def test_an_unsound_plan_is_refused_by_the_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the checker: a planner that puts everything on one place."""
    from arenafit import making

    def broken(options: object, problem: object) -> Placement:
        count = len(problem.requests)  # type: ignore[attr-defined]
        return Placement((0,) * count, 0, 0, False)

    monkeypatch.setattr(making, "_solve", broken)
    with pytest.raises(CheckFailed, match="unsound"):
        arenafit.optimize(save(mobilenet_like()), kernels="reference")


@needs_tflm
def test_a_model_with_the_firmwares_own_operator_is_planned_though_it_cannot_run_here() -> None:
    model = mobilenet_like()
    last = model.main.operators[-1]
    last.code = dataclasses.replace(last.code, name="CUSTOM", custom="OnlyInMyFirmware")
    last.options_type, last.options = "", {}
    out, report = arenafit.optimize(save(model), kernels="reference")
    assert report.after.head == 4112 and not report.after.measured
    assert report.verified.bit_exact is None
    assert "OnlyInMyFirmware" in report.notes[0]
    assert load(out).has_offline_plan


@needs_tflm
def test_a_model_that_never_ends_is_given_up() -> None:
    g = GraphBuilder(seed=2, dtype="float32")
    x = g.input((1, 8))
    cond, body = g.subgraph("cond"), g.subgraph("body")
    c = cond.input((1, 8))
    cond.output(cond.op("GREATER_EQUAL", [c, c], (1, 8), dtype=DType.BOOL))
    b = body.input((1, 8))
    body.output(body.add(b, b))
    g.output(*g.while_(cond, body, [x]))
    with pytest.raises(ModelError, match="no answer"):
        arenafit.optimize(save(g.model()), timeout=0.5, kernels="cmsis_nn")


def test_without_an_oracle_the_optimiser_works_and_says_that_nothing_was_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from arenafit import pipeline

    monkeypatch.setattr(pipeline, "best_oracle", lambda: None)
    monkeypatch.setattr(pipeline, "unavailable_reason", lambda: "there is none here")
    _, report = arenafit.optimize(save(mobilenet_like()), kernels="reference")
    assert (report.before.head, report.after.head) == (8192, 4112)
    assert not report.before.measured and not report.after.measured
    assert report.verified.bit_exact is None
    assert "nothing was verified: there is none here" in report.verified.note


def test_a_candidate_worse_under_any_kernel_set_is_dropped() -> None:
    model = mobilenet_like()
    stock = Candidate("stock", model, {"reference": 100, "cmsis_nn": 100})
    better = Candidate("better", model, {"reference": 90, "cmsis_nn": 100})
    worse = Candidate("worse", model, {"reference": 10, "cmsis_nn": 101})
    assert best_first([worse, better], stock) == [better]


def test_the_report_has_the_names_of_the_contract() -> None:
    _, report = arenafit.optimize(save(mobilenet_like()), verify=False)
    data = report.to_dict()
    assert {"model", "runtime", "kernels", "before", "after", "bound", "optimal", "passes",
            "verified", "seconds", "flash"} <= data.keys()  # fmt: skip
    assert {"head", "tail", "total", "measured"} <= data["before"].keys()
    assert data["bound"].keys() == {"head"}
    assert all({"name", "changed", "head_before", "head_after"} <= p.keys() for p in data["passes"])
    assert data["verified"]["bit_exact"] is None
    assert data["flash"].keys() == {"before", "after"}


@pytest.mark.parametrize(
    "choices",
    [
        {"kernels": "esp_nn"},
        {"runtime": "vela"},
        {"plan": "best"},
        {"disable": "everything"},
        {"ram_limit": 0},
        {"inputs": 0},
        {"colour": "red"},
    ],
    ids=str,
)
def test_an_unknown_choice_is_one_clear_line(choices: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        arenafit.optimize(b"", **choices)
    assert "\n" not in str(caught.value)
    assert next(iter(choices)) in str(caught.value)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ModelError):
        arenafit.optimize(b"PK\x03\x04 not a model")


def test_options_check_themselves() -> None:
    with pytest.raises(UsageError, match="disable: 'nonsense' is not one of"):
        Options(disable=frozenset({"nonsense"}))


def test_a_cpu_narrows_cmsis_nn_to_its_own_kernels() -> None:
    data = save(mobilenet_like())
    heads = {}
    for cpu in (None, "cortex-m4", "cortex-m55"):
        out, report = arenafit.optimize(data, kernels="cmsis_nn", cpu=cpu, verify=False)
        assert report.predicted["cmsis_nn"].after <= report.predicted["cmsis_nn"].before
        heads[cpu] = sum(sorted(t.offline_offset for t in load(out).main.tensors)[-1:])
    assert heads["cortex-m55"] < heads["cortex-m4"]  # MVE's 1x1 convolution goes by pixels
    with pytest.raises(UsageError, match="cpu"):
        arenafit.optimize(data, cpu="cortex-m0")


def pooled() -> Model:
    """The pool reads the largest tensor: in place it is free, in CMSIS-NN it is not."""
    g = GraphBuilder(seed=15)
    x = g.input((1, 32, 32, 4))
    y = g.pool(g.conv(x, 16, kernel=3), 2)
    g.output(g.conv(y, 4))
    return g.model()


@needs_tflm
def test_both_planners_are_served_by_one_file() -> None:
    from arenafit.memory.metadata import METADATA_NAME, decode

    out, report = arenafit.optimize(save(mobilenet_like()), kernels="reference")
    model = load(out)
    [entry] = [e for e in model.metadata if e.name == METADATA_NAME]
    assert entry.buffer.data is not None
    assert decode(entry.buffer.data).head == report.after.head


@needs_tflm
def test_a_stale_plan_for_our_planner_does_not_survive_a_new_one() -> None:
    from arenafit.memory.metadata import METADATA_NAME

    planned, _ = arenafit.optimize(save(mobilenet_like()), kernels="any")
    again, _ = arenafit.optimize(planned, kernels="reference")
    assert sum(e.name == METADATA_NAME for e in load(again).metadata) == 1
    greedy, _ = arenafit.optimize(planned, kernels="reference", plan="greedy")
    assert greedy == planned  # dropping the plan would make it worse


def own(report: object) -> bool:
    return any(step.name == "inplace-max-pool" for step in report.passes)  # type: ignore[attr-defined]


@needs_tflm
def test_own_operators_are_used_for_the_own_runtime_and_only_where_they_save() -> None:
    data = save(pooled())
    _, stock = arenafit.optimize(data, runtime="stock")
    out, ours = arenafit.optimize(data, runtime="arenafit", disable=["rows", "channels"])
    assert not own(stock) and own(ours)
    assert ours.after.head < stock.after.head
    assert ours.verified.bit_exact is True and "arenafit" in ours.verified.oracle
    assert any(op.code.custom == "ARENAFIT_MAX_POOL_2D" for op in load(out).main.operators)
    _, off = arenafit.optimize(
        data, runtime="arenafit", disable=["rows", "channels", "inplace-max-pool"]
    )
    assert not own(off) and off.after.head == stock.after.head
    _, reference = arenafit.optimize(
        data, runtime="arenafit", kernels="reference", disable=["rows", "channels"]
    )
    assert not own(reference)  # its own order is as good


@needs_tflm
def test_segments_streamed_by_rows_are_used_for_the_own_runtime_alone() -> None:
    data = save(mobilenet_like())
    out, ours = arenafit.optimize(data, runtime="arenafit")
    _, stock = arenafit.optimize(data, runtime="stock", kernels="reference")
    assert any(op.code.custom == "ARENAFIT_SEGMENT" for op in load(out).main.operators)
    assert "rows" in [step.name for step in ours.passes]
    assert "rows" not in [step.name for step in stock.passes]
    assert ours.after.head < stock.after.head
    assert ours.after.total is not None and ours.before.total is not None
    assert ours.after.total * 3 < ours.before.total
    assert ours.verified.bit_exact is True
    _, off = arenafit.optimize(data, runtime="arenafit", disable=["rows", "channels"])
    assert "rows" not in [step.name for step in off.passes]
    assert off.after.head > ours.after.head
    assert off.segments == [] and "segment" not in format_report(off)
    made = [i for i, op in enumerate(load(out).main.operators) if op.code.custom]
    assert [segment["operator"] for segment in ours.to_dict()["segments"]] == made
    inside = sum(segment.operators for segment in ours.segments)
    assert f" of {inside} operators (arenafit inspect" in format_report(ours)


@needs_tflm
@pytest.mark.parametrize("make", [*MODELS, wide_cell, padded, pooled], ids=lambda m: m.__name__)
def test_the_own_runtime_is_never_worse_than_stock(make: Callable[[], Model]) -> None:
    _, report = arenafit.optimize(save(make()), runtime="arenafit")
    before, after = report.before, report.after
    assert report.verified.bit_exact is True
    assert after.head <= before.head
    assert after.total is not None and before.total is not None and after.total <= before.total
    assert after.startup is not None and before.startup is not None
    assert after.startup <= before.startup

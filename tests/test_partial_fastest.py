"""The fastest cut within a limit, against all cuts; and `--ram-limit` in the real TFLM."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import arenafit
from arenafit.candidates import overlap_rule, scratch_rule
from arenafit.errors import CheckFailed
from arenafit.graph import Model, load, save
from arenafit.memory.checker import check_plan
from arenafit.memory.problem import Bytes
from arenafit.partial.cost import Costs, Step
from arenafit.partial.fastest import fastest
from arenafit.partial.model import partial_model
from arenafit.partial.search import best_cut
from arenafit.report.figures import Report
from arenafit.report.text import format_report
from arenafit.runtime import available
from support.builder import GraphBuilder
from support.partial import MODELS, cleaned
from test_partial_search import all_cuts, each_small, head_and_tail

needs_tflm = pytest.mark.skipif(not available(), reason="the tflite-micro wheel is not installed")

each_kernels = pytest.mark.parametrize("kernels", ["reference", "cmsis_nn"])


def costs_with(kernels: str, model: Model, kind: type[Costs] = Costs) -> Costs:
    return kind(model.main, overlap_rule(kernels), scratch_rule(kernels), kernels=kernels)


def figures(cut: list[Step]) -> tuple[int, Bytes]:
    """Instructions, and what head and tail need together."""
    return sum(step.instructions for step in cut), sum(head_and_tail(cut))


def limits_of(every: list[tuple[int, Bytes]]) -> list[Bytes]:
    """Limits at which something changes, and a byte below each."""
    needs = sorted({need for _, need in every})
    return [limit - less for limit in needs[:: max(1, len(needs) // 12)] for less in (0, 1)]


def disagreements(every: list[tuple[int, Bytes]], costs: Costs) -> int:
    """Limits at which `fastest` finds another cut than one of the best of `every`."""
    wrong = 0
    for limit in limits_of(every):
        best = min(((n, need) for n, need in every if need <= limit), default=None)
        found = fastest(costs, limit)
        wrong += best != (None if found is None else figures(list(found.steps)))
    return wrong


@each_small
@each_kernels
def test_within_a_limit_no_cut_has_fewer_instructions(build: Callable[[], Model], kernels: str):
    every = [figures(cut) for cut in all_cuts(costs_with(kernels, build()))]
    assert disagreements(every, costs_with(kernels, build())) == 0
    assert len({n for n, _ in every}) > 3, "all cuts of this model are alike"


class _TooHighBounds(Costs):
    """Says of segments that are not known yet that they cost more than they do."""

    def bound(self, start: int, stop: int, width: int | None = None) -> Bytes:
        return 2 * super().bound(start, stop, width)


def test_a_bound_that_is_none_is_seen():
    from test_partial_search import chain

    every = [figures(cut) for cut in all_cuts(costs_with("reference", chain()))]
    assert disagreements(every, costs_with("reference", chain(), _TooHighBounds)) > 0


@each_kernels
def test_a_tighter_limit_never_gives_a_faster_cut(kernels: str):
    model = cleaned(load((MODELS / "branching_cell_64.tflite").read_bytes()))
    costs = costs_with(kernels, model)
    least = best_cut(costs)
    room = least.cost + least.tail
    found = [fastest(costs, room + extra) for extra in range(-16, 60_000, 4_000)]
    assert found[0] is None or found[0].cost == least.cost  # with a smaller tail
    speeds = [cut.instructions for cut in found[1:] if cut is not None]
    assert len(speeds) == len(found) - 1
    assert speeds == sorted(speeds, reverse=True) and len(set(speeds)) > 1
    for extra, cut in zip(range(-16, 60_000, 4_000), found, strict=True):
        assert cut is None or cut.cost + cut.tail <= room + extra


def test_without_a_cut_within_the_limit_the_smallest_is_taken():
    model = cleaned(load((MODELS / "resnet8_cifar.tflite").read_bytes()))
    rules = overlap_rule("reference"), scratch_rule("reference")
    assert fastest(Costs(model.main, *rules), 100) is None
    small, same = (cleaned(model) for _ in range(2))
    partial_model(small, *rules)
    partial_model(same, *rules, limit=100)
    assert save(small) == save(same)


# -- the whole way ------------------------------------------------------------------------


@cache
def smallest(path: Path, kernels: str) -> Report:
    _, report = arenafit.optimize(path.read_bytes(), runtime="arenafit", kernels=kernels)
    return report


def need(report: Report) -> Bytes:
    """What TFLM was measured to need for OUT."""
    assert report.after.measured and report.after.total and report.after.startup
    return max(report.after.total, report.after.startup)


@needs_tflm
@each_kernels
@pytest.mark.parametrize("name", ["mobilenet_v1_025_96", "lenet5_28"])
def test_a_limit_above_the_smallest_arena_is_spent_on_speed(name: str, kernels: str):
    path = MODELS / f"{name}.tflite"
    least = smallest(path, kernels)
    assert least.before.total is not None and least.instructions.after is not None
    limit = (need(least) + least.before.total) // 2
    _, report = arenafit.optimize(
        path.read_bytes(), runtime="arenafit", kernels=kernels, ram_limit=limit
    )
    assert need(least) < need(report) <= limit
    assert report.instructions.after is not None
    assert report.instructions.after < least.instructions.after
    assert report.verified.bit_exact is True
    assert "million instructions" in format_report(report)


@needs_tflm
def test_memory_is_not_spent_on_what_no_estimate_can_tell():
    path = MODELS / "resnet8_cifar.tflite"
    least = smallest(path, "cmsis_nn")
    model = cleaned(load(path.read_bytes()))
    limit = 2 * need(least)
    found = fastest(costs_with("cmsis_nn", model), limit)
    assert found is not None and least.instructions.after is not None
    assert 0.99 * least.instructions.after < found.instructions < least.instructions.after
    _, report = arenafit.optimize(
        path.read_bytes(), runtime="arenafit", kernels="cmsis_nn", ram_limit=limit
    )
    assert need(report) == need(least)


@needs_tflm
def test_with_just_enough_memory_the_smallest_plan_is_found_again():
    path = MODELS / "ds_cnn_kws.tflite"
    least = smallest(path, "reference")
    _, report = arenafit.optimize(
        path.read_bytes(), runtime="arenafit", kernels="reference", ram_limit=need(least)
    )
    assert (need(report), report.instructions) == (need(least), least.instructions)


@needs_tflm
def test_a_limit_that_nothing_meets_is_refused_with_what_the_smallest_plan_lacks():
    path = MODELS / "ds_cnn_kws.tflite"
    lack = need(smallest(path, "reference")) - 1
    with pytest.raises(CheckFailed, match=f"{lack:,} over the limit of 1; operator 0"):
        arenafit.optimize(path.read_bytes(), runtime="arenafit", kernels="reference", ram_limit=1)


@needs_tflm
def test_a_plan_that_only_cmsis_nn_allows_is_verified_without_it():
    """The host's kernels are the reference ones: with that plan they compute other bytes."""
    g = GraphBuilder(seed=1)
    g.output(g.conv(g.input((1, 49, 10, 1)), 64, kernel=(10, 4), stride=2))
    data = save(g.model())
    out, report = arenafit.optimize(data, kernels="cmsis_nn")
    assert check_plan(load(out), overlap_rule("reference")), "the plan is nothing special"
    assert not check_plan(load(out), overlap_rule("cmsis_nn"))
    assert report.verified.bit_exact is True and "CMSIS-NN" in report.verified.note
    _, common = arenafit.optimize(data, kernels="any")
    assert common.verified.bit_exact is True and not common.verified.note

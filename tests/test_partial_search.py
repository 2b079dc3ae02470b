"""The best cut, against all cuts; and the bounds that let the search leave segments out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise, product
from pathlib import Path

import pytest

from arenafit.candidates import predict_head
from arenafit.graph import Model, load
from arenafit.partial.cost import Costs, Splits, Step
from arenafit.partial.search import best_cut, best_total, least_tail
from support.builder import GraphBuilder
from support.partial import MODELS, cleaned, costs_of, each_model


def chain() -> Model:
    g = GraphBuilder(seed=1)
    x = g.input((1, 24, 24, 3))
    x = g.conv(x, 8, kernel=3, stride=2, activation="RELU6")
    x = g.depthwise(x, kernel=3)
    x = g.conv(x, 16, kernel=1)
    x = g.pool(x, kernel=2, stride=2)
    g.output(g.softmax(g.fully_connected(g.mean(x), 10)))
    return g.model()


def residual() -> Model:
    g = GraphBuilder(seed=2)
    x = g.conv(g.input((1, 16, 16, 4)), 8, kernel=3)
    y = g.conv(g.conv(x, 24, kernel=1), 8, kernel=3)
    x = g.add(x, y)
    y = g.depthwise(x, kernel=3)
    g.output(g.conv(g.add(x, y), 2, kernel=1))
    return g.model()


def branches() -> Model:
    g = GraphBuilder(seed=3)
    x = g.conv(g.input((1, 20, 20, 3)), 8, kernel=3)
    a, b = g.conv(x, 8, kernel=5), g.pool(x, kernel=3, stride=1, padding="SAME")
    b.quantization = a.quantization = x.quantization
    y = g.concat([a, b])
    y.quantization = x.quantization
    g.output(g.conv(y, 4, kernel=1), g.mean(x))
    return g.model()


def with_a_stranger() -> Model:
    """TRANSPOSE is nothing that a segment can have."""
    g = GraphBuilder(seed=4)
    x = g.conv(g.input((1, 32, 24, 3)), 8, kernel=3)
    x = g.transpose(g.conv(x, 8, kernel=3, stride=4), (0, 2, 1, 3))
    g.output(g.conv(g.conv(x, 64, kernel=1), 4, kernel=3))
    return g.model()


def deep() -> Model:
    """Small maps of many channels: slices of channels take less than rows."""
    g = GraphBuilder(seed=5)
    x = g.conv(g.input((1, 3, 3, 8)), 64, kernel=1, activation="RELU6")
    x = g.conv(g.depthwise(x, kernel=3), 8, kernel=1)
    y = g.fully_connected(g.reshape(x, (1, 72)), 120)
    g.output(g.fully_connected(y, 4))
    return g.model()


SMALL = [chain, residual, branches, with_a_stranger, deep]
each_way = pytest.mark.parametrize(
    "splits",
    [Splits(), Splits(channels=False), Splits(rows=False)],
    ids=["rows and channels", "rows", "channels"],
)
each_small = pytest.mark.parametrize("build", SMALL)


def all_cuts(costs: Costs) -> Iterator[list[Step]]:
    """Every way to cut the order into segments and operators as they are."""
    count = len(costs.operators)
    for inner in range(count):
        for cuts in combinations(range(1, count), inner):
            ends = [0, *cuts, count]
            choices = []
            for start, stop in pairwise(ends):
                options = []
                if stop == start + 1:
                    options.append(costs.plain(start))
                if all(costs.eligible(i) for i in range(start, stop)):
                    ways = (costs.segment(start, stop, w) for w in costs.widths(start, stop))
                    options += [made for made in ways if made is not None]
                choices.append(options)
            yield from map(list, product(*choices))


def head_and_tail(cut: list[Step]) -> tuple[int, int]:
    return max(step.cost for step in cut), sum(step.tail for step in cut)


@each_small
@each_way
def test_no_cut_has_a_smaller_head_and_none_with_that_head_a_smaller_tail(build, splits):
    """Nor one with both of these fewer instructions."""
    costs = costs_of(build(), splits)
    found = best_cut(costs)
    every = [
        (*head_and_tail(cut), sum(step.instructions for step in cut))
        for cut in all_cuts(costs_of(build(), splits))
    ]
    assert (found.cost, found.tail, found.instructions) == min(every)
    if splits.rows or build is not branches:  # which has no chain
        assert len(set(every)) > 1, "all cuts of this model are alike"


@each_small
def test_within_a_limit_no_cut_has_a_smaller_tail(build):
    costs = costs_of(build())
    every = [head_and_tail(cut) for cut in all_cuts(costs)]
    for limit in sorted({cost for cost, _ in every})[::3]:
        found = least_tail(costs, limit)
        assert found.cost <= limit
        assert found.tail == min(tail for head, tail in every if head <= limit)


@each_small
def test_a_larger_head_is_taken_only_where_the_total_is_smaller(build):
    costs = costs_of(build())
    least, total = best_cut(costs), best_total(costs)
    assert least.cost <= total.cost <= max(costs.apart(i) for i in range(len(costs.operators)))
    assert total.cost + total.tail <= least.cost + least.tail


def test_a_slightly_larger_head_saves_much_tail():
    costs = costs_of(cleaned(load((MODELS / "wake_word_stream.tflite").read_bytes())))
    least, total = best_cut(costs), best_total(costs)
    assert least.cost < total.cost < 1.1 * least.cost
    assert total.cost + total.tail < least.cost + least.tail


@each_model
def test_no_segment_costs_less_than_its_bound(path: Path):
    costs = costs_of(cleaned(load(path.read_bytes())))
    count = len(costs.operators)
    tight = 0
    for start in range(count):
        for stop in range(start + 1, min(count, start + 12) + 1):
            if not all(costs.eligible(i) for i in range(start, stop)):
                break
            for width in costs.widths(start, stop)[:3]:
                made = costs.segment(start, stop, width)
                if made is not None:
                    bound = costs.bound(start, stop, width)
                    assert costs.bound(start, stop) <= bound <= made.cost, (start, stop, width)
                    tight += bound > 0.8 * made.cost
    assert tight > 5


@pytest.mark.parametrize("name", ["branching_cell_64", "mobilenet_v1_025_96", "resnet8_cifar"])
def test_the_search_works_out_few_of_the_segments_that_there_are(name: str):
    costs = costs_of(cleaned(load((MODELS / f"{name}.tflite").read_bytes())))
    best_cut(costs)
    count = len(costs.operators)
    assert costs.simulated <= count * (count + 1) // 2 * 0.2


def test_rows_alone_help_and_channels_alone_do_and_both_together_do_more():
    model = deep()
    heads = {
        name: best_cut(costs_of(model, splits)).cost
        for name, splits in {
            "both": Splits(),
            "rows": Splits(channels=False),
            "channels": Splits(rows=False),
            "neither": Splits(rows=False, channels=False),
        }.items()
    }
    assert heads["both"] < min(heads["rows"], heads["channels"])
    assert max(heads["rows"], heads["channels"]) < heads["neither"]


def test_there_are_no_more_slices_than_the_head_asks_for():
    """Each split segment with the next wider slices would take more than the whole model does."""
    costs = costs_of(deep(), Splits(rows=False))
    found = best_cut(costs)
    binding = [step for step in found.steps if step.slices > 2]
    assert binding
    for step in binding:
        ways = costs.widths(step.start, step.stop)
        fewer = [width for width in ways if costs.slices(step.start, width) < step.slices]
        wider = costs.segment(step.start, step.stop, min(fewer))
        assert wider is not None and wider.cost > found.cost


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("ds_cnn_kws", 6_240),
        ("lenet5_28", 1_568),
        ("mobilenet_v1_025_96", 27_760),
        ("resnet8_cifar", 15_680),
    ],
)
def test_predicted_heads(name: str, head: int):
    model = load((MODELS / f"{name}.tflite").read_bytes())
    assert best_cut(costs_of(cleaned(model))).cost == head < predict_head(model, "reference") / 2.5

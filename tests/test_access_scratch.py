"""Scratch that kernels ask for: against heads that TFLM measured."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest

from arenafit.errors import UsageError
from arenafit.graph import DType, Model, load, save
from arenafit.memory.build import model_problem
from arenafit.memory.greedy import greedy
from arenafit.memory.scratch import Variant, scratch_requests
from arenafit.runtime.session import Session, available
from support.builder import GraphBuilder
from support.trace_ops import constant, operator, tensor
from support.zoo import ZOO, requires_zoo, zoo_model, zoo_models, zoo_rows

needs_tflm = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")


def predicted_head(model: Model, kernels: str = "reference", variant: Variant | None = None) -> int:
    """The head of TFLM's greedy plan, with the scratch of `kernels` in it."""

    def sizes(op):
        return scratch_requests(op, kernels, variant)

    return greedy(model_problem(model, None, sizes, keep_plan=True).problem).head


def mean_over_channels(g: GraphBuilder) -> None:
    g.output(g.mean(g.input((1, 9, 8, 40)), axes=(3,)))


def mean_of_floats(g: GraphBuilder) -> None:
    g.output(g.mean(g.input((1, 9, 8, 40), dtype=DType.FLOAT32), axes=(1,)))


def maximum_of_rows(g: GraphBuilder) -> None:
    x = g.input((1, 1, 2, 3))
    y = g.op("REDUCE_MAX", [x, g.const([1, 2])], (1, 3), like=x)
    g.output(y)


def transposed_convolution(g: GraphBuilder) -> None:
    x = g.input((1, 5, 4, 3))
    weights, bias = g.weights((2, 3, 3, 3), 0, x, 27)
    shape = g.const([1, 10, 8, 2])
    y = g.op(
        "TRANSPOSE_CONV", [shape, weights, x, bias], (1, 10, 8, 2),
        dtype=x.dtype, quantization=g.quantization(x.dtype),
        padding="SAME", stride_h=2, stride_w=2,
    )  # fmt: skip
    g.output(y)


def sum_of_three(g: GraphBuilder) -> None:
    x = g.input((1, 6))
    g.output(g.op("ADD_N", [x, x, x], (1, 6), like=x))


def mirrored_edges(g: GraphBuilder) -> None:
    x = g.input((2, 3))
    g.output(g.op("MIRROR_PAD", [x, g.const([[1, 1], [1, 1]])], (4, 5), like=x, mode="REFLECT"))


MADE = [
    mean_over_channels,
    mean_of_floats,
    maximum_of_rows,
    transposed_convolution,
    sum_of_three,
    mirrored_edges,
]


@needs_tflm
@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_scratch_explains_the_measured_head(make: Callable[[GraphBuilder], None]):
    g = GraphBuilder(seed=3)
    make(g)
    with Session() as session:
        measured = session.measure(save(g.model()), startup=False).head
    assert predicted_head(g.model()) == measured
    without = greedy(model_problem(g.model(), None, lambda op: [], keep_plan=True).problem).head
    assert without < measured, "the model is too easy: its head does not show the scratch"


@requires_zoo
@pytest.mark.parametrize("path", zoo_models(), ids=lambda path: path.stem)
def test_scratch_explains_the_heads_of_the_zoo(path):
    expected = int(zoo_rows()[path.name]["stock_head"])
    assert predicted_head(load(path.read_bytes())) == expected


def _baseline() -> list[dict[str, str]]:
    path = ZOO / "cortex_m4_baseline.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []


@requires_zoo
@pytest.mark.parametrize("row", _baseline(), ids=lambda row: row["name"])
def test_scratch_of_cmsis_nn_explains_the_heads_on_a_cortex_m4(row):
    model = load(zoo_model(row["name"]).read_bytes())
    assert predicted_head(model, "cmsis_nn", "dsp") == int(row["cmsis_head"])


def test_int4_weights_are_unpacked_into_scratch():
    weights = constant(4, 3, 3, 2, dtype=DType.INT4)
    op = operator("CONV_2D", [tensor(1, 5, 5, 2), weights, None], [tensor(1, 5, 5, 4)])
    assert scratch_requests(op) == [72]


def test_a_recurrent_step_asks_for_four_gates():
    inputs = [None] * 24
    inputs[0] = tensor(1, 7, 6)
    inputs[18] = tensor(1, 20)
    inputs[19] = tensor(1, 20, dtype=DType.INT16)
    op = operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [tensor(1, 7, 20)])
    assert scratch_requests(op) == [40] * 4
    assert scratch_requests(op, "cmsis_nn") == [40] * 3


def test_without_a_variant_cmsis_nn_gets_the_largest_of_the_three():
    weights = constant(8, 3, 3, 5)
    op = operator(
        "CONV_2D", [tensor(1, 6, 6, 5), weights, None], [tensor(1, 6, 6, 8)], stride_h=1, stride_w=1
    )
    assert scratch_requests(op, "cmsis_nn", "dsp") == [2 * 2 * 48]
    assert scratch_requests(op, "cmsis_nn", "mve") == [4 * 48]
    assert scratch_requests(op, "cmsis_nn") == [192]
    assert scratch_requests(op) == []


@pytest.mark.parametrize("op", [
    operator("CUSTOM", [tensor(4)], [tensor(4)]),
    operator("MEAN", [tensor(4)], [tensor(1)]),
    operator("SVDF", [tensor(1, 4), constant(8, 4)], [tensor(1, 4)]),
    operator("MIRROR_PAD", [None], [tensor(4)]),
], ids=["custom", "no axes", "no rank", "no input"])  # fmt: skip
def test_what_cannot_be_known_is_none(op):
    assert scratch_requests(op) is None


def test_unknown_kernels_are_refused():
    with pytest.raises(UsageError, match="unknown kernels 'xtensa'"):
        scratch_requests(operator("ADD", [tensor(1)], [tensor(1)]), "xtensa")

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arenafit.graph import DType, Model, Quantization, Tensor, load
from arenafit.passes import fold_constants, run_passes
from arenafit.passes.rewrite import int_values
from support.builder import GraphBuilder
from support.rewriting import names, rewritten, same_bytes
from support.zoo import zoo_model


def ints(g: GraphBuilder, name: str, inputs: list[Tensor], shape: Any, **options: Any) -> Tensor:
    return g.op(name, inputs, shape, dtype=DType.INT32, **options)


def flatten(g: GraphBuilder, x: Tensor) -> Tensor:
    """What Keras' Flatten becomes: the batch read from the tensor, the rest constant."""
    shape = ints(g, "SHAPE", [x], (4,), out_type="INT32")
    ends = [g.const([0]), g.const([1]), g.const([1])]
    batch = ints(g, "STRIDED_SLICE", [shape, *ends], (), shrink_axis_mask=1)
    packed = ints(g, "PACK", [batch, g.const(x.elements)], (2,), values_count=2)
    return g.op("RESHAPE", [x, packed], (1, x.elements), like=x)


def test_the_chain_of_a_flatten_becomes_a_constant_shape() -> None:
    g = GraphBuilder(seed=2)
    g.output(g.fully_connected(flatten(g, g.conv(g.input((1, 4, 4, 3)), 4)), 3))
    out, folded = rewritten(g.model(), fold_constants.run)
    assert folded == 3
    assert names(out) == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    assert int_values(out.main.operators[1].inputs[1]) == (1, 64)
    assert len(out.main.tensors) == len(g.model().main.tensors) - 2 - 4  # results, operands
    assert same_bytes(g.model(), out)


def on_numbers(build: Any, shape: tuple[int, ...] = (3,)) -> Model:
    """A model that adds the result of `build`, of `shape`, to its input."""
    g = GraphBuilder()
    x = g.input(shape, dtype=DType.INT32)
    g.output(ints(g, "ADD", [x, build(g)], shape))
    return g.model()


def sliced(begin: int, end: int, stride: int, count: int, **masks: int) -> Any:
    def build(g: GraphBuilder) -> Tensor:
        ends = [g.const([begin]), g.const([end]), g.const([stride])]
        return ints(g, "STRIDED_SLICE", [g.const([5, 6, 7, 8, 9]), *ends], (count,), **masks)

    return build


EXECUTED = {
    "slice": sliced(1, 4, 1, 3),
    "slice from the end": sliced(-3, 5, 1, 3),
    "slice past the end": sliced(2, 99, 1, 3),
    "slice backwards": sliced(-1, -6, -2, 3),
    "slice with begin mask": sliced(4, 3, 1, 3, begin_mask=1),
    "slice with end mask": sliced(2, 0, 1, 3, end_mask=1),
    "pack": lambda g: ints(g, "PACK", [g.const(4), g.const(-7), g.const(0)], (3,), values_count=3),
    "concatenation": lambda g: ints(
        g, "CONCATENATION", [g.const([4]), g.const([9, 2])], (3,), axis=-1
    ),
    "add": lambda g: ints(g, "ADD", [g.const([4, 5, 6]), g.const([1, -9, 2])], (3,)),
    "sub": lambda g: ints(g, "SUB", [g.const([4, 5, 6]), g.const([1, -9, 2])], (3,)),
    "mul of a scalar": lambda g: ints(g, "MUL", [g.const(-3), g.const([1, -9, 2])], (3,)),
    "reshape": lambda g: ints(g, "RESHAPE", [g.const([[4], [5], [6]]), g.const([3])], (3,)),
    "shape": lambda g: ints(g, "SHAPE", [g.input((7, 1, 2))], (3,), out_type="INT32"),
}


@pytest.mark.parametrize("build", EXECUTED.values(), ids=EXECUTED.keys())
def test_whole_numbers_come_out_as_the_kernels_compute_them(build: Any) -> None:
    model = on_numbers(build)
    out, folded = rewritten(model, fold_constants.run)
    assert folded == 1
    assert names(out) == ["ADD"]
    assert same_bytes(model, out)


def gather(g: GraphBuilder) -> Tensor:
    return ints(g, "GATHER", [g.const([4, 5, 6]), g.const([2, 0, 2])], (3,), axis=0)


def product(g: GraphBuilder) -> Tensor:
    return ints(g, "REDUCE_PROD", [g.const([4, 5, 6]), g.const([0])], (1,), keep_dims=True)


def cast(g: GraphBuilder) -> Tensor:
    wide = g.const(np.array([4, -5, 6], np.int64))
    return ints(g, "CAST", [wide], (3,), in_data_type="INT64", out_data_type="INT32")


@pytest.mark.parametrize(
    ("build", "values"), [(gather, (6, 4, 6)), (product, (120,)), (cast, (4, -5, 6))]
)
def test_operators_that_tflm_lacks_for_whole_numbers_are_folded_away(
    build: Any, values: tuple[int, ...]
) -> None:
    out, folded = rewritten(on_numbers(build, (len(values),)), fold_constants.run)
    assert folded == 1
    assert int_values(out.main.operators[0].inputs[1]) == values


def test_a_reshaped_constant_of_any_type_shares_its_data() -> None:
    g = GraphBuilder(seed=2)
    x = g.input((1, 2, 3, 4))
    operand = g.random((24,))
    g.output(g.mul(x, g.reshape(operand, (1, 2, 3, 4))))
    out, folded = rewritten(g.model(), fold_constants.run)
    assert (folded, names(out)) == (1, ["MUL"])
    reshaped = out.main.operators[0].inputs[1]
    assert reshaped is not None and reshaped.buffer is operand.buffer
    assert same_bytes(g.model(), out)


def assert_left_alone(model: Model) -> None:
    out, folded = rewritten(model, fold_constants.run)
    assert folded == 0
    assert names(out) == names(model)


REFUSED = {
    "overflow": lambda g: ints(g, "MUL", [g.const([1 << 30] * 3), g.const([4, 4, 4])], (3,)),
    "activation": lambda g: ints(
        g, "ADD", [g.const([1, 2, 3]), g.const(-9)], (3,), fused_activation_function="RELU"
    ),
    "index past the end": lambda g: ints(
        g, "GATHER", [g.const([4, 5]), g.const([0, 1, 2])], (3,), axis=0
    ),
    "negative index": lambda g: ints(g, "GATHER", [g.const([4]), g.const([0, 0, -1])], (3,)),
    "ellipsis": sliced(1, 4, 1, 3, ellipsis_mask=1),
    "new axis": sliced(1, 4, 1, 3, new_axis_mask=1),
    "another size than stated": sliced(0, 5, 1, 3),
    "no step": sliced(0, 3, 0, 3),
    "other operator": lambda g: ints(g, "NEG", [g.const([1, 2, 3])], (3,)),
}


@pytest.mark.parametrize("build", REFUSED.values(), ids=REFUSED.keys())
def test_whatever_is_not_modelled_is_left_to_the_kernel(build: Any) -> None:
    assert_left_alone(on_numbers(build))


def test_quantised_whole_numbers_are_left_alone() -> None:
    model = on_numbers(EXECUTED["add"])
    operand = model.main.operators[0].inputs[0]
    assert operand is not None
    operand.quantization = Quantization((0.5,), (0,))
    assert_left_alone(model)


def test_a_result_that_the_caller_reads_stays_computed() -> None:
    model = on_numbers(EXECUTED["add"])
    model.main.outputs.append(model.main.operators[0].outputs[0])
    assert_left_alone(model)


def test_a_variable_is_no_constant() -> None:
    model = on_numbers(EXECUTED["add"])
    operand = model.main.operators[0].inputs[0]
    assert operand is not None
    operand.is_variable = True
    assert_left_alone(model)


def test_a_reshape_that_relabels_a_constant_stays() -> None:
    g = GraphBuilder()
    y = g.reshape(g.random((24,)), (1, 2, 3, 4))
    y.quantization = Quantization((0.5,), (1,))
    g.output(g.mul(g.input((1, 2, 3, 4)), y))
    assert_left_alone(g.model())


@pytest.mark.parametrize("name", ["keras__lenet5_28", "keras__cifar10_cmsisnn_max"])
def test_flatten_chains_of_real_models_fold(name: str) -> None:
    assert fold_constants.run(load(zoo_model(name).read_bytes())) == 3


def test_the_pass_can_be_disabled() -> None:
    model = on_numbers(EXECUTED["pack"])
    run_passes(model, frozenset({"fold-constants"}))
    assert names(model) == ["PACK", "ADD"]

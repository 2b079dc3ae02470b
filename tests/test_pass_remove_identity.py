from __future__ import annotations

from collections.abc import Callable

import pytest

from arenafit.graph import DType, Model, Quantization, Tensor, load
from arenafit.passes import remove_identity, run_passes
from support.builder import GraphBuilder
from support.rewriting import names, rewritten, same_bytes
from support.zoo import zoo_model

Step = Callable[[GraphBuilder, Tensor], Tensor]


def between(step: Step, dtype: str = "INT8", relu: bool = False) -> Model:
    """`step` between two convolutions."""
    g = GraphBuilder(seed=7, dtype=dtype)
    x = g.conv(g.input((1, 5, 6, 3)), 4, 3, activation="RELU" if relu else "NONE")
    g.output(g.conv(step(g, x), 3, 2))
    return g.model()


def whole_slice(g: GraphBuilder, x: Tensor) -> Tensor:
    begin, size = g.const([0, 0, 0, 0]), g.const([1, -1, 6, -1])
    return g.op("SLICE", [x, begin, size], x.shape, like=x)


def masked_slice(g: GraphBuilder, x: Tensor) -> Tensor:
    ends = [g.const([0, 2, 0, -4]), g.const([1, 3, 6, 4]), g.const([1, 1, 1, 1])]
    return g.op("STRIDED_SLICE", [x, *ends], x.shape, like=x, begin_mask=2, end_mask=2)


def split_v(g: GraphBuilder, x: Tensor) -> Tensor:
    return g.op("SPLIT_V", [x, g.const([4]), g.const(3)], x.shape, like=x, num_splits=1)


COPIES: dict[str, Step] = {
    "reshape": lambda g, x: g.reshape(x, x.shape),
    "pad": lambda g, x: g.pad(x, [(0, 0)] * 4),
    "slice": whole_slice,
    "strided_slice": lambda g, x: g.strided_slice(x, (0, 0, 0, 0), x.shape),
    "strided_slice with masks": masked_slice,
    "transpose": lambda g, x: g.transpose(x, (0, 1, 2, 3)),
    "concatenation": lambda g, x: g.concat([x]),
    "split": lambda g, x: g.split(x, 1)[0],
    "split_v": split_v,
    "cast": lambda g, x: g.op("CAST", [x], x.shape, like=x),
    "quantize": lambda g, x: g.op("QUANTIZE", [x], x.shape, like=x),
    "max_pool": lambda g, x: g.pool(x, 1, 1),
    "average_pool": lambda g, x: g.pool(x, 1, 1, kind="AVERAGE", padding="SAME"),
}


@pytest.mark.parametrize("dtype", ["INT8", "INT16"])
@pytest.mark.parametrize("step", COPIES.values(), ids=COPIES.keys())
def test_an_operator_that_copies_is_removed_with_its_tensors(step: Step, dtype: str) -> None:
    model = between(step, dtype)
    out, removed = rewritten(model, remove_identity.run)
    assert removed == 1
    assert names(out) == ["CONV_2D", "CONV_2D"]
    used = {t for op in out.main.operators for t in [*op.inputs, *op.outputs]}
    assert set(out.main.tensors) == used - {None}
    assert same_bytes(model, out)


def test_relu_of_what_relu_made_is_removed() -> None:
    model = between(lambda g, x: g.op("RELU", [x], x.shape, like=x), relu=True)
    out, removed = rewritten(model, remove_identity.run)
    assert removed == 1
    assert same_bytes(model, out)


def test_flatten_in_front_of_fully_connected_is_removed() -> None:
    g = GraphBuilder(seed=8)
    x = g.conv(g.input((1, 4, 4, 3)), 4, 3)
    g.output(g.fully_connected(g.reshape(x, (1, 64)), 7))
    out, removed = rewritten(g.model(), remove_identity.run)
    assert (names(out), removed) == (["CONV_2D", "FULLY_CONNECTED"], 1)
    assert same_bytes(g.model(), out)


def test_rows_in_front_of_fully_connected_are_merged_whatever_the_shape() -> None:
    g = GraphBuilder(seed=8)
    x = g.conv(g.input((1, 4, 4, 3)), 4, 3)
    g.output(g.fully_connected(g.reshape(x, (4, 16)), 7))
    out, removed = rewritten(g.model(), remove_identity.run)
    assert (names(out), removed) == (["CONV_2D", "FULLY_CONNECTED"], 1)
    assert same_bytes(g.model(), out)


def test_of_a_chain_of_reshapes_the_last_is_left() -> None:
    def chain(g: GraphBuilder, x: Tensor) -> Tensor:
        y = g.op("SQUEEZE", [x], (5, 6, 4), like=x, squeeze_dims=(0,))
        return g.reshape(g.reshape(y, (120,)), (1, 6, 5, 4))

    model = between(chain)
    out, removed = rewritten(model, remove_identity.run)
    assert (names(out), removed) == (["CONV_2D", "RESHAPE", "CONV_2D"], 2)
    assert same_bytes(model, out)


def test_an_output_keeps_its_tensor_and_its_name() -> None:
    g = GraphBuilder(seed=9)
    y = g.pad(g.conv(g.input((1, 4, 4, 3)), 4, 3), [(0, 0)] * 4)
    y.name = "answer"
    g.output(y)
    g.signature()
    out, removed = rewritten(g.model(), remove_identity.run)
    assert (names(out), removed) == (["CONV_2D"], 1)
    (answer,) = out.main.outputs
    assert answer.name == "answer"
    assert out.main.operators[0].outputs == [answer]
    assert out.signatures[0].outputs == [("answer", answer)]
    assert same_bytes(g.model(), out)


def test_other_readers_follow_when_the_producer_writes_the_output() -> None:
    g = GraphBuilder(seed=9)
    x = g.conv(g.input((1, 4, 4, 3)), 4, 3)
    g.output(g.transpose(x, (0, 1, 2, 3)), g.conv(x, 2))
    out, removed = rewritten(g.model(), remove_identity.run)
    assert (names(out), removed) == (["CONV_2D", "CONV_2D"], 1)
    assert same_bytes(g.model(), out)


def assert_left_alone(model: Model) -> None:
    out, removed = rewritten(model, remove_identity.run)
    assert removed == 0
    assert names(out) == names(model)


def force(model: Model, name: str) -> Model:
    """`model` without its operator `name`, whose readers take its input."""
    model, _ = rewritten(model, lambda _: 0)
    graph = model.main
    op = next(op for op in graph.operators if op.name == name)
    for reader in graph.consumers()[op.outputs[0]]:
        reader.inputs[:] = [op.inputs[0] if t is op.outputs[0] else t for t in reader.inputs]
    graph.operators.remove(op)
    graph.tensors.remove(op.outputs[0])
    return model


def test_a_copy_from_an_input_to_an_output_stays() -> None:
    g = GraphBuilder()
    x = g.input((1, 4, 4, 3))
    g.output(g.pad(x, [(0, 0)] * 4))
    assert_left_alone(g.model())


def test_two_outputs_with_the_same_bytes_stay_two() -> None:
    g = GraphBuilder()
    x = g.conv(g.input((1, 4, 4, 3)), 4)
    g.output(x, g.pad(x, [(0, 0)] * 4))
    assert_left_alone(g.model())


def requantized(g: GraphBuilder, x: Tensor) -> Tensor:
    assert x.quantization is not None
    (scale,), (zero,) = x.quantization.scales, x.quantization.zero_points
    other = Quantization((scale * 1.25,), (zero + 3,))
    return g.op("QUANTIZE", [x], x.shape, dtype=x.dtype, quantization=other)


CHANGES: dict[str, Step] = {
    "QUANTIZE": requantized,
    "RELU": lambda g, x: g.op("RELU", [x], x.shape, like=x),
    "MAX_POOL_2D": lambda g, x: g.pool(x, 1, 1, activation="RELU"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_operator_that_changes_bytes_stays_and_dropping_it_would_be_wrong(name: str) -> None:
    model = between(CHANGES[name])
    assert_left_alone(model)
    assert not same_bytes(model, force(model, name))


def backwards(g: GraphBuilder, x: Tensor) -> Tensor:
    ends = [g.const([0, -1, 0, 0]), g.const([1, -6, 6, 4]), g.const([1, -1, 1, 1])]
    return g.op("STRIDED_SLICE", [x, *ends], x.shape, like=x)


def test_a_slice_that_runs_backwards_stays_and_dropping_it_would_be_wrong() -> None:
    model = between(backwards)
    assert_left_alone(model)
    assert not same_bytes(model, force(model, "STRIDED_SLICE"))


def test_a_slice_with_other_masks_stays() -> None:
    model = between(masked_slice)
    model.main.operators[1].options["ellipsis_mask"] = 4
    assert_left_alone(model)


@pytest.mark.parametrize("name", ["TRANSPOSE", "MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_equal_shapes_alone_do_not_make_a_copy(name: str) -> None:
    g = GraphBuilder(seed=7)
    x = g.conv(g.input((1, 5, 5, 3)), 4, 3)
    kind = name.split("_")[0]
    transposed = name == "TRANSPOSE"
    y = g.transpose(x, (0, 2, 1, 3)) if transposed else g.pool(x, 3, 1, "SAME", kind)
    g.output(g.conv(y, 3, 2))
    assert_left_alone(g.model())
    assert not same_bytes(g.model(), force(g.model(), name))


def test_a_reshape_that_the_caller_reads_stays() -> None:
    g = GraphBuilder()
    x = g.conv(g.input((1, 4, 4, 3)), 4)
    flat = g.reshape(x, (1, 64))
    g.output(g.fully_connected(flat, 3), flat)
    assert_left_alone(g.model())


def test_a_reshape_stays_in_front_of_an_operator_that_minds_the_shape() -> None:
    g = GraphBuilder()
    x = g.conv(g.input((1, 4, 4, 3)), 4)
    flat = g.reshape(x, (1, 64))
    g.output(g.fully_connected(flat, 3), g.softmax(flat))
    assert_left_alone(g.model())


def test_a_reshape_stays_where_fully_connected_keeps_dimensions() -> None:
    g = GraphBuilder()
    x = g.conv(g.input((1, 4, 4, 3)), 4)
    g.output(g.fully_connected(g.reshape(x, (1, 64)), 3))
    g.model().main.operators[-1].options["keep_num_dims"] = True
    assert_left_alone(g.model())


def test_a_reshape_that_computes_a_filter_stays() -> None:
    g = GraphBuilder()
    x = g.conv(g.input((1, 4, 4, 3)), 4)
    y = g.fully_connected(x, 3)
    g.output(y)
    filter_ = g.reshape(x, (1, 64))
    graph = g.model().main
    graph.operators.insert(1, graph.operators.pop())
    graph.operators[-1].inputs[1] = filter_
    assert_left_alone(g.model())


@pytest.mark.parametrize("name", ["MAX", "AVERAGE"])
def test_float_pooling_stays_since_it_changes_infinity_or_nan(name: str) -> None:
    assert_left_alone(between(lambda g, x: g.pool(x, 1, 1, kind=name), "FLOAT32"))


def test_a_split_into_two_stays() -> None:
    assert_left_alone(between(lambda g, x: g.concat(g.split(x, 2))))


def test_a_strided_pool_stays() -> None:
    assert_left_alone(between(lambda g, x: g.pool(x, 1, 2)))


def test_a_copy_of_a_variable_stays() -> None:
    model = between(COPIES["reshape"])
    model.main.operators[0].outputs[0].is_variable = True
    assert_left_alone(model)


def test_a_cast_to_another_type_stays() -> None:
    assert_left_alone(
        between(lambda g, x: g.op("CAST", [g.op("CAST", [x], x.shape, dtype=DType.INT32)], x.shape))
    )


def test_a_reshape_that_relabels_its_values_stays() -> None:
    model = between(COPIES["reshape"])
    model.main.operators[1].outputs[0].quantization = Quantization((0.5,), (1,))
    assert_left_alone(model)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mlperf__vww_96_int8", 1),  # Flatten in front of the classifier
        ("cfu__presence_0_320_240_1_20220117_140437_201k_26k_96ops", 8),  # 7 of them pad nothing
        ("openmv__blazeface_front_128", 0),
        ("keras__swiftnet_like_96", 0),  # every QUANTIZE rescales
    ],
)
def test_identities_of_real_models_are_found(name: str, count: int) -> None:
    assert remove_identity.run(load(zoo_model(name).read_bytes())) == count


def test_the_pass_can_be_disabled() -> None:
    model = between(COPIES["reshape"])
    run_passes(model, frozenset({"remove-identity"}))
    assert names(model) == ["CONV_2D", "RESHAPE", "CONV_2D"]

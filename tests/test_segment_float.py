"""Segments of floats: the real TFLM's bits, which a sum in another order would not have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arenafit
from arenafit.graph import DType, Model, save
from arenafit.partial.encoding import decode, encode
from arenafit.partial.program import ConvF32, Kind, Place, PoolF32, RangeF32, TensorType
from arenafit.partial.roles import role
from arenafit.runtime import available
from support.builder import GraphBuilder
from support.rewriting import tflm
from support.segment import Runner, check, program_of, resealed, same_as_tflm
from support.windows import ACTIVATIONS, EXTENTS, SEEDS, windows
from test_segment_programs import changed_operator
from test_segment_runs import NETWORKS, attention, branches, classifier, plain, residual, tall

pytestmark = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")

CHANNELS = st.integers(1, 9)
IMAGES = st.tuples(st.just(1), EXTENTS, EXTENTS, CHANNELS)


def builder(seed: int) -> GraphBuilder:
    return GraphBuilder(seed, DType.FLOAT32)


@given(windows(batches=1), CHANNELS, CHANNELS, ACTIVATIONS, st.booleans(), SEEDS)
def test_convolution_is_that_of_tflm(w, depth, channels, activation, bias, seed):
    g = builder(seed)
    padding = "SAME" if w.same else "VALID"
    x = g.input((1, *w.size, depth))
    g.output(g.conv(x, channels, w.kernel, w.stride, padding, activation, w.dilation, 1, bias))
    assert same_as_tflm(g.model(), seed=seed)


@given(windows(batches=1), CHANNELS, st.integers(1, 4), ACTIVATIONS, SEEDS)
def test_depthwise_convolution_is_that_of_tflm(w, depth, multiplier, activation, seed):
    g = builder(seed)
    padding = "SAME" if w.same else "VALID"
    x = g.input((1, *w.size, depth))
    g.output(g.depthwise(x, w.kernel, w.stride, padding, activation, w.dilation, multiplier))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, CHANNELS, ACTIVATIONS, SEEDS)
def test_a_fully_connected_layer_is_that_of_tflm_row_by_row(shape, units, activation, seed):
    g = builder(seed)
    flat = g.reshape(g.pool(g.input(shape), 1), (1, int(np.prod(shape))))
    g.output(g.fully_connected(flat, units, activation=activation))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.sampled_from(["ADD", "SUB", "MUL"]), ACTIVATIONS, st.data(), SEEDS)
def test_arithmetic_is_that_of_tflm_with_either_operand_repeated(
    shape, name, activation, data, seed
):
    g = builder(seed)
    repeated = tuple(data.draw(st.sampled_from([extent, 1])) for extent in shape)
    a, b = data.draw(st.permutations([shape, repeated]))
    x = g.input(a)
    y = g.input(b) if data.draw(st.booleans()) else g.random(b)
    operands = (x, y) if data.draw(st.booleans()) else (y, x)
    g.output(g.add(*operands, activation, name))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.integers(1, 3), st.lists(st.integers(1, 5), max_size=3), SEEDS)
def test_concatenation_is_that_of_tflm_along_any_axis(shape, axis, others, seed):
    g = builder(seed)
    parts = [g.input(shape)]
    for extent in others:
        parts.append(g.input((*shape[:axis], extent, *shape[axis + 1 :])))
    g.output(g.concat(parts, axis))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 3), SEEDS)
def test_padding_and_resizing_are_those_of_tflm(shape, pads, seed):
    g = builder(seed)
    g.output(g.resize(g.pad(g.input(shape), [(0, 0), *pads]), (7, 5)))
    assert same_as_tflm(g.model(), seed=seed)


@pytest.mark.parametrize(
    ("name", "options"),
    [("RELU", {}), ("RELU6", {}), ("LEAKY_RELU", {"alpha": 0.1}), ("LEAKY_RELU", {"alpha": -2.0})],
)
def test_rectifiers_are_those_of_tflm_of_any_float(name, options):
    g = builder(1)
    g.output(g.unary(name, g.input((1, 5, 2, 2)), **options))
    model = g.model()
    values = np.array(
        [0.0, -0.0, 1.0, -1.0, 5.999999, 6.0, 6.000001, 3e38, -3e38, np.inf, -np.inf, np.nan,
         1e-40, -1e-40, 1e-45, -1e-45, 0.1, -0.1, 100, -100],
        np.float32,
    )  # fmt: skip
    (expected,) = tflm().run(save(model), [[values.reshape(1, 5, 2, 2)]])
    assert Runner(program_of(model)).run([values.tobytes()]) == [np.asarray(expected[0]).tobytes()]


def test_no_activation_stops_at_the_largest_float_and_lets_pass_what_is_no_number():
    g = builder(1)
    g.output(g.add(g.input((1, 1, 2, 2)), g.input((1, 1, 2, 2))))
    model = g.model()
    a = np.array([3e38, -3e38, np.nan, -0.0], np.float32).reshape(1, 1, 2, 2)
    (expected,) = tflm().run(save(model), [[a, a]])
    made = Runner(program_of(model)).run([a.tobytes(), a.tobytes()])
    assert made == [np.asarray(expected[0]).tobytes()]
    largest = np.finfo(np.float32).max
    assert list(np.frombuffer(made[0], np.float32)[:2]) == [largest, -largest]


SEEDED = range(2)
FLOATS = [n for n in NETWORKS if n not in (classifier, attention)]  # exponentials are not there


@pytest.mark.parametrize("seed", SEEDED)
@pytest.mark.parametrize("build", FLOATS, ids=lambda build: build.__name__)
def test_a_segment_gives_tflms_outputs(build, seed):
    g = builder(seed)
    build(g)
    model = g.model()
    assert same_as_tflm(model, seed=seed, varied=True)
    types = {tensor.type for tensor in program_of(model).tensors}
    assert types == {TensorType.F32}


# -- that the comparison would notice ---------------------------------------------------------


def test_taps_in_another_order_give_other_bits():
    """The same products, summed backwards: a mirrored image under a mirrored filter."""
    g = builder(4)
    g.output(g.conv(g.input((1, 6, 6, 5)), 4, 3, 1, "VALID"))
    program = program_of(g.model())
    conv = program.operators[0].parameters
    assert isinstance(conv, ConvF32)
    image = np.random.default_rng(2).normal(0, 1, (6, 6, 5)).astype(np.float32)
    forwards = np.frombuffer(Runner(program).run([image.tobytes()])[0], np.float32)
    weights = np.frombuffer(conv.weights, np.float32).reshape(4, 3, 3, 5)
    mirrored = np.ascontiguousarray(weights[:, ::-1, ::-1, ::-1])
    backwards = changed_operator(program, 0, parameters=replace(conv, weights=mirrored.tobytes()))
    flipped = np.ascontiguousarray(image[::-1, ::-1, ::-1])
    (made,) = Runner(backwards).run([flipped.tobytes()])
    again = np.frombuffer(made, np.float32).reshape(4, 4, 4)[::-1, ::-1].ravel()
    np.testing.assert_allclose(again, forwards, rtol=1e-3, atol=1e-5)
    assert again.tobytes() != forwards.tobytes()


def test_a_bias_that_comes_first_gives_other_bits():
    """As one more tap of weight 1, in front of all others."""
    g = builder(6)
    g.output(g.conv(g.input((1, 4, 4, 3)), 8))
    model = g.model()
    program = program_of(model)
    conv = program.operators[0].parameters
    assert isinstance(conv, ConvF32) and conv.bias is not None
    image = np.random.default_rng(3).normal(0, 1, (16, 3)).astype(np.float32)
    weights = np.frombuffer(conv.weights, np.float32).reshape(8, 3)
    sums = np.frombuffer(conv.bias, np.float32)[None, :].repeat(16, 0)
    for k in range(3):
        sums = (sums + image[:, k : k + 1] * weights[:, k]).astype(np.float32)
    (made,) = Runner(program).run([image.tobytes()])
    np.testing.assert_allclose(np.frombuffer(made, np.float32), sums.ravel(), rtol=1e-3, atol=1e-5)
    assert made != sums.tobytes()


# -- what is refused --------------------------------------------------------------------------


def test_float_operators_without_kernels_stay_as_they_are():
    g = builder(1)
    x = g.input((1, 4, 4, 2))
    for y in (g.logistic(x), g.unary("TANH", x), g.unary("HARD_SWISH", x), g.softmax(x)):
        g.output(y)
    assert [role(op) for op in g.model().main.operators] == [None] * 4


def wrong() -> dict[str, object]:
    conv = program_of(_conv()).operators[0].parameters
    assert isinstance(conv, ConvF32)
    return {
        "a range upside down": replace(conv, clamp=(1.0, 0.0)),
        "a bound that is no number": replace(conv, clamp=(0.0, float("nan"))),
        "no groups": replace(conv, groups=0),
        "a window that is no window": replace(conv, window=replace(conv.window, kernel=(0, 3))),
        "a stride of nothing": replace(conv, window=replace(conv.window, stride=(1, 0))),
    }


def _conv() -> Model:
    g = builder(1)
    g.output(g.conv(g.input((1, 6, 6, 2)), 4, 3))
    return g.model()


@pytest.mark.parametrize("what", wrong())
def test_a_convolution_of_floats_is_refused_that_has(what):
    program = program_of(_conv())
    assert check(encode(program)) == "OK"
    assert check(encode(changed_operator(program, 0, parameters=wrong()[what]))) in (
        "PARAMETERS", "SHAPE",
    )  # fmt: skip


def test_kinds_that_floats_have_no_kernels_for_are_refused():
    g = builder(1)
    g.output(g.relu(g.input((1, 4, 4, 2))))
    program = program_of(g.model())
    assert program.operators[0].kind is Kind.CLAMP
    for kind in (Kind.SOFTMAX, Kind.MEAN, Kind.TABLE):
        data = bytearray(encode(program))
        data[32 + 16 * len(program.tensors)] = kind
        assert check(resealed(bytes(data))) == "SHAPE", kind
    bytes_ = replace(
        program, tensors=tuple(replace(t, type=TensorType.S8) for t in program.tensors)
    )
    assert check(encode(bytes_)) == "OPERATOR"


def test_what_is_written_is_read_again():
    g = builder(2)
    x = g.input((1, 8, 8, 3))
    y = g.add(g.conv(x, 4, 3), g.pool(g.depthwise(g.conv(x, 4), 3), 3, 1, "SAME"))
    g.output(g.fully_connected(g.mean(g.unary("LEAKY_RELU", g.relu(y), alpha=0.3)), 2))
    program = program_of(g.model())
    kinds = {type(op.parameters) for op in program.operators}
    assert {ConvF32, PoolF32, RangeF32} <= kinds
    read = decode(encode(program))
    assert read.operators == program.operators
    assert [t.type for t in read.tensors] == [TensorType.F32] * len(program.tensors)


# -- end to end -------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [plain, residual, branches, tall], ids=lambda b: b.__name__)
def test_a_float_model_runs_in_a_smaller_head_in_the_real_tflm(build):
    g = builder(3)
    build(g)
    _, report = arenafit.optimize(save(g.model()), runtime="arenafit")
    assert report.verified is not None and report.verified.bit_exact
    assert report.after.measured and report.after.head < report.before.head


def test_a_rings_row_is_as_long_as_its_floats():
    g = builder(3)
    plain(g)
    inside = [t for t in program_of(g.model()).tensors if t.place is Place.WORKSPACE]
    assert all(t.row_bytes == 4 * t.width * t.channels for t in inside)

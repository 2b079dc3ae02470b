"""Segments of int16 activations: the real TFLM's bytes, whatever the type of the bias."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arenafit
from arenafit.graph import Buffer, DType, Model, Quantization, save
from arenafit.partial.encoding import decode, encode
from arenafit.partial.program import ConvS16, Kind, LeakyReluS16, TensorType
from arenafit.partial.roles import role
from arenafit.runtime import available
from support.builder import GraphBuilder
from support.segment import Runner, check, program_of, same_as_tflm
from support.windows import ACTIVATIONS, EXTENTS, SEEDS, windows
from test_segment_programs import changed_operator
from test_segment_runs import NETWORKS, attention, branches, classifier, plain, residual, tall

pytestmark = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")

CHANNELS = st.integers(1, 9)
IMAGES = st.tuples(st.just(1), EXTENTS, EXTENTS, CHANNELS)


def builder(seed: int) -> GraphBuilder:
    return GraphBuilder(seed, DType.INT16)


def narrowed(model: Model) -> Model:
    """`model` with biases of 32 bits, which makes TFLM's sums so."""
    for op in model.main.operators:
        bias = op.inputs[2] if len(op.inputs) > 2 else None
        if bias is not None and bias.dtype is DType.INT64:
            assert bias.buffer is not None and bias.buffer.data is not None
            values = struct.unpack(f"<{bias.elements}q", bias.buffer.data)
            bias.buffer = Buffer(struct.pack(f"<{bias.elements}i", *values))
            bias.dtype = DType.INT32
    return model


@given(
    windows(batches=1), CHANNELS, CHANNELS, ACTIVATIONS, st.sampled_from([0, 32, 64]), SEEDS
)  # fmt: skip
def test_convolution_is_that_of_tflm(w, depth, channels, activation, bias, seed):
    g = builder(seed)
    padding = "SAME" if w.same else "VALID"
    x = g.input((1, *w.size, depth))
    g.output(g.conv(x, channels, w.kernel, w.stride, padding, activation, w.dilation, 1, bias > 0))
    model = narrowed(g.model()) if bias == 32 else g.model()
    (op,) = program_of(model).operators
    assert isinstance(op.parameters, ConvS16) and op.parameters.narrow == (bias == 32)
    assert same_as_tflm(model, seed=seed)


@given(windows(batches=1), CHANNELS, st.integers(1, 4), ACTIVATIONS, SEEDS)
def test_depthwise_convolution_is_that_of_tflm(w, depth, multiplier, activation, seed):
    g = builder(seed)
    padding = "SAME" if w.same else "VALID"
    x = g.input((1, *w.size, depth))
    g.output(g.depthwise(x, w.kernel, w.stride, padding, activation, w.dilation, multiplier))
    assert same_as_tflm(g.model(), seed=seed)
    assert role(narrowed(g.model()).main.operators[0]) is None  # TFLM reads 64 bits all the same


@given(IMAGES, CHANNELS, ACTIVATIONS, st.booleans(), SEEDS)
def test_a_fully_connected_layer_is_that_of_tflm_row_by_row(shape, units, activation, wide, seed):
    g = builder(seed)
    flat = g.reshape(g.pool(g.input(shape), 1), (1, int(np.prod(shape))))
    g.output(g.fully_connected(flat, units, activation=activation))
    assert same_as_tflm(g.model() if wide else narrowed(g.model()), seed=seed)


@given(IMAGES, st.sampled_from(["ADD", "SUB", "MUL"]), ACTIVATIONS, st.data(), SEEDS)
def test_arithmetic_is_that_of_tflm_with_either_operand_repeated(
    shape, name, activation, data, seed
):
    g = builder(seed)
    repeated = tuple(data.draw(st.sampled_from([extent, 1])) for extent in shape)
    a, b = data.draw(st.permutations([shape, repeated]))
    x = g.input(a)
    y = g.input(b) if data.draw(st.booleans()) else g.random(b)
    scale = float(np.float32(data.draw(st.floats(1e-5, 1e-3))))
    y.quantization = Quantization((scale,), (0,))
    operands = (x, y) if data.draw(st.booleans()) else (y, x)
    g.output(g.add(*operands, activation, name))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 3), SEEDS)
def test_what_only_moves_is_that_of_tflm(shape, pads, seed):
    g = builder(seed)
    x = g.resize(g.pad(g.input(shape), [(0, 0), *pads]), (7, 5))
    g.output(g.concat([x, x], 3))
    assert same_as_tflm(g.model(), seed=seed)


@pytest.mark.parametrize(
    ("name", "options"), [("RELU", {}), ("RELU6", {}), ("LEAKY_RELU", {"alpha": 0.1})]
)
@pytest.mark.parametrize("ratio", [1.0, 0.3, 2.7])
def test_rectifiers_are_those_of_tflm(name, options, ratio):
    g = builder(1)
    x = g.input((1, 64, 64, 1))
    y = g.unary(name, x, **options)
    if name != "RELU6":
        y.quantization = Quantization((float(np.float32(ratio / 8192)),), (0,))
    g.output(y)
    assert same_as_tflm(g.model(), runs=4)


WIDE = [n for n in NETWORKS if n not in (classifier, attention)]  # exponentials are not there


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("build", WIDE, ids=lambda build: build.__name__)
def test_a_segment_gives_tflms_outputs(build, seed):
    g = builder(seed)
    build(g)
    assert same_as_tflm(g.model(), seed=seed, varied=True)


# -- that the comparison would notice ---------------------------------------------------------


def test_rounding_twice_or_once_is_noticed():
    """The same sums, requantised as those of the other width are."""
    g = builder(5)
    g.output(g.conv(g.input((1, 16, 16, 6)), 8, 3))
    wide = program_of(g.model())
    narrow = program_of(narrowed(g.model()))
    data = np.random.default_rng(4).integers(-(1 << 12), 1 << 12, (16, 16, 6)).astype(np.int16)
    (once,), (twice,) = (Runner(p).run([data.tobytes()]) for p in (wide, narrow))
    a, b = (np.frombuffer(values, np.int16).astype(int) for values in (once, twice))
    assert a.tobytes() != b.tobytes()
    assert np.abs(a - b).max() <= 2


def test_sums_beyond_32_bits_are_those_of_tflm_and_would_wrap_in_32():
    g = builder(2)
    x = g.input((1, 2, 2, 1024))
    g.output(g.conv(x, 3, 2, padding="VALID"))
    model = g.model()
    weights = model.main.operators[0].inputs[1]
    assert weights is not None
    weights.buffer = Buffer(b"\x7f" * weights.elements)
    x.quantization = Quantization((1e-7,), (0,))
    program = program_of(model)
    image = np.full(4096, 32767, np.int16)
    assert 4096 * 32767 * 127 > 1 << 31
    assert same_as_tflm(model)
    (made,) = Runner(program).run([image.tobytes()])
    conv = program.operators[0].parameters
    assert isinstance(conv, ConvS16) and conv.bias is not None
    wrapped = replace(
        conv, narrow=True, multipliers=tuple(m << 16 for m in conv.multipliers),
        bias=tuple(b & 0x7FFF for b in conv.bias),
    )  # fmt: skip
    assert Runner(changed_operator(program, 0, parameters=wrapped)).run([image.tobytes()]) != [made]


# -- what is refused --------------------------------------------------------------------------


def wrong() -> dict[str, object]:
    g = builder(1)
    g.output(g.conv(g.input((1, 6, 6, 2)), 4, 3))
    conv = program_of(g.model()).operators[0].parameters
    assert isinstance(conv, ConvS16)
    return {
        "a range upside down": replace(conv, clamp=(1, 0)),
        "a range beyond int16": replace(conv, clamp=(0, 1 << 15)),
        "no groups": replace(conv, groups=0),
        "a multiplier of more than 15 bits": replace(conv, multipliers=(1 << 15,) * 4),
        "a negative multiplier": replace(conv, multipliers=(-1,) * 4),
        "a shift that is too far": replace(conv, shifts=(8,) * 4),
        "a window that is no window": replace(conv, window=replace(conv.window, kernel=(0, 3))),
    }


@pytest.mark.parametrize("what", wrong())
def test_a_convolution_of_int16_is_refused_that_has(what):
    g = builder(1)
    g.output(g.conv(g.input((1, 6, 6, 2)), 4, 3))
    program = program_of(g.model())
    assert check(encode(program)) == "OK"
    assert check(encode(changed_operator(program, 0, parameters=wrong()[what]))) in (
        "PARAMETERS", "SHAPE",
    )  # fmt: skip


def test_zero_points_that_are_not_zero_keep_an_operator_out():
    g = builder(1)
    x = g.input((1, 4, 4, 2))
    g.output(g.pool(x, 2))
    x.quantization = Quantization((0.5,), (3,))
    assert role(g.model().main.operators[0]) is None


def test_what_is_written_is_read_again():
    g = builder(2)
    x = g.input((1, 8, 8, 3))
    y = g.add(g.conv(x, 4, 3), g.pool(g.depthwise(g.conv(x, 4, bias=False), 3), 3, 1, "SAME"))
    g.output(g.fully_connected(g.mean(g.unary("LEAKY_RELU", g.relu(y), alpha=0.3)), 2))
    program = program_of(g.model())
    assert {ConvS16, LeakyReluS16} <= {type(op.parameters) for op in program.operators}
    assert Kind.LEAKY_RELU in {op.kind for op in program.operators}
    read = decode(encode(program))
    assert read.operators == program.operators
    assert {t.type for t in read.tensors} == {TensorType.S16}


@pytest.mark.parametrize("build", [plain, residual, branches, tall], ids=lambda b: b.__name__)
def test_an_int16_model_runs_in_a_smaller_head_in_the_real_tflm(build):
    g = builder(3)
    build(g)
    _, report = arenafit.optimize(save(g.model()), runtime="arenafit")
    assert report.verified is not None and report.verified.bit_exact
    assert report.after.measured and report.after.head < report.before.head

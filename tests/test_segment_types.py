"""Types at the edges of segments: floats, bytes without a sign and int16, with TFLM's bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.graph import DType, Model, Quantization, save
from arenafit.partial.program import Place, TensorType
from arenafit.partial.roles import TYPES, role
from arenafit.runtime import available
from support.builder import GraphBuilder
from support.rewriting import tflm
from support.segment import Runner, program_of, same_as_tflm

pytestmark = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")

SEEDS = st.integers(0, 999)
IMAGES = st.tuples(st.just(1), st.integers(1, 6), st.integers(1, 6), st.integers(1, 5))
SCALES = st.floats(1e-4, 8.0, allow_nan=False)
ZEROS = {DType.INT8: st.integers(-128, 127), DType.UINT8: st.integers(0, 255)}


def quantization(data: st.DataObject, dtype: DType) -> Quantization | None:
    if dtype is DType.FLOAT32:
        return None
    zero = data.draw(ZEROS.get(dtype, st.just(0)))
    return Quantization((float(np.float32(data.draw(SCALES))),), (zero,))


def conversion(name: str, shape, read: tuple, written: tuple) -> Model:
    """A model of one QUANTIZE or DEQUANTIZE; types and quantisations of its input and output."""
    g = GraphBuilder()
    x = g.tensor(shape, dtype=read[0], quantization=read[1])
    g.graph.inputs.append(x)
    g.output(g.op(name, [x], shape, dtype=written[0], quantization=written[1]))
    return g.model()


CONVERSIONS = [
    (DType.FLOAT32, DType.INT8),
    (DType.FLOAT32, DType.INT16),
    (DType.INT8, DType.FLOAT32),
    (DType.UINT8, DType.FLOAT32),
    (DType.INT16, DType.FLOAT32),
    (DType.UINT8, DType.INT8),
    (DType.INT8, DType.UINT8),
    (DType.INT8, DType.INT16),
    (DType.INT16, DType.INT8),
    (DType.INT16, DType.INT16),
]


@pytest.mark.parametrize(("read", "written"), CONVERSIONS, ids=lambda dtype: dtype.name)
@given(IMAGES, st.data(), SEEDS)
def test_a_conversion_is_that_of_tflm(read, written, shape, data, seed):
    name = "DEQUANTIZE" if written is DType.FLOAT32 else "QUANTIZE"
    ends = [(dtype, quantization(data, dtype)) for dtype in (read, written)]
    assert same_as_tflm(conversion(name, shape, *ends), seed=seed)


@pytest.mark.parametrize("written", [DType.INT8, DType.INT16])
def test_halves_are_rounded_away_from_zero_and_what_is_too_large_is_clamped(written: DType):
    values = np.array(
        [0.5, -0.5, 1.5, -1.5, 2.5, 0.49999997, -0.49999997, 126.5, 127.5, -128.5, 8388607.5, 1e9,
         -1e9, 0.0, -0.0, 1e-40],
        np.float32,
    )  # fmt: skip
    shape = (1, 4, 4, 1)
    ends = (DType.FLOAT32, None), (written, Quantization((1.0,), (0,)))
    model = conversion("QUANTIZE", shape, *ends)
    (expected,) = tflm().run(save(model), [[values.reshape(shape)]])
    made = Runner(program_of(model)).run([values.tobytes()])
    assert made == [np.asarray(expected[0]).tobytes()]
    kind = np.int8 if written is DType.INT8 else np.int16
    assert list(np.frombuffer(made[0], kind)[:5]) == [1, -1, 2, -2, 3]


def test_what_is_no_number_becomes_the_zero_point_and_infinities_the_ends():
    shape = (1, 3, 1, 1)
    ends = (DType.FLOAT32, None), (DType.INT8, Quantization((0.5,), (7,)))
    values = np.array([np.nan, np.inf, -np.inf], np.float32)
    (made,) = Runner(program_of(conversion("QUANTIZE", shape, *ends))).run([values.tobytes()])
    assert list(np.frombuffer(made, np.int8)) == [7, 127, -128]


def between(read: DType, written: DType) -> Model:
    """Convolutions of int8 between two conversions."""
    g = GraphBuilder(seed=3)
    x = g.tensor((1, 12, 10, 3), dtype=read, quantization=_of(g, read))
    g.graph.inputs.append(x)
    y = g.conv(g.quantize(x, DType.INT8), 6, kernel=3, stride=2)
    y = g.conv(g.depthwise(y, kernel=3, activation="RELU6"), 4)
    if written is DType.FLOAT32:
        g.output(g.dequantize(y))
    else:
        g.output(g.op("QUANTIZE", [y], y.shape, dtype=written, quantization=_of(g, written)))
    return g.model()


def _of(g: GraphBuilder, dtype: DType) -> Quantization | None:
    return Quantization((1 / 128,), (128,)) if dtype is DType.UINT8 else g.quantization(dtype)


EDGES = [
    (DType.FLOAT32, DType.FLOAT32),
    (DType.UINT8, DType.UINT8),
    (DType.INT16, DType.INT16),
    (DType.FLOAT32, DType.UINT8),
    (DType.UINT8, DType.FLOAT32),
]


@pytest.mark.parametrize(("read", "written"), EDGES)
def test_a_network_of_int8_between_other_types_is_one_segment(read: DType, written: DType):
    model = between(read, written)
    assert same_as_tflm(model, varied=True)
    program = program_of(model)
    ends = {t.place: t.type for t in program.tensors if t.place is not Place.WORKSPACE}
    assert ends == {Place.INPUT: TYPES[read], Place.OUTPUT: TYPES[written]}
    assert {t.type for t in program.tensors if t.place is Place.WORKSPACE} == {TensorType.S8}


def test_the_output_lies_over_an_input_of_wider_elements_as_far_as_the_rows_allow():
    model = between(DType.FLOAT32, DType.FLOAT32)
    runner = Runner(program_of(model))
    ((distance,),) = runner.program.overlaps
    assert distance <= 0
    rng = np.random.default_rng(1)
    given = rng.normal(0, 1, model.main.inputs[0].shape).astype(np.float32).tobytes()
    expected = runner.run([given])
    assert runner.run([given], distance) == expected
    assert runner.run([given], distance - 4 * 10 * 3 * 4) != expected


def test_what_tflm_does_not_convert_stays_as_it_is():
    for read, written in ((DType.FLOAT32, DType.UINT8), (DType.UINT8, DType.UINT8)):
        ends = [
            (dtype, None if dtype is DType.FLOAT32 else Quantization((0.5,), (3,)))
            for dtype in (read, written)
        ]
        model = conversion("QUANTIZE", (1, 2, 2, 1), *ends)
        assert role(model.main.operators[0]) is None


def test_a_tensor_that_is_not_aligned_as_its_elements_are_is_refused():
    runner = Runner(program_of(between(DType.FLOAT32, DType.UINT8)))
    ((distance,),) = runner.program.overlaps
    assert runner.allows((distance + 3) // 4 * 4)
    assert not runner.allows((distance + 3) // 4 * 4 + 2)

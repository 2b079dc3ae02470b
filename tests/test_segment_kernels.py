"""Each row kernel of kernels/core, through a segment of one operator: the real TFLM's bytes."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.graph import DType, Quantization
from arenafit.partial.roles_moving import nearest
from support.builder import GraphBuilder
from support.native import C_FLAGS, ROOT, compile_shared
from support.segment import program_of, same_as_tflm
from support.windows import ACTIVATIONS, EXTENTS, SEEDS, Window, windows

CHANNELS = st.one_of(st.integers(1, 6), st.sampled_from([8, 15, 16, 17, 33]))
IMAGES = st.tuples(st.just(1), EXTENTS, EXTENTS, CHANNELS)


def image_of(g: GraphBuilder, w: Window, channels: int):
    return g.input((1, *w.size, channels))


@given(windows(batches=1), CHANNELS, CHANNELS, ACTIVATIONS, st.booleans(), SEEDS)
def test_convolution_is_that_of_tflm(w, depth, channels, activation, bias, seed):
    g = GraphBuilder(seed)
    padding = "SAME" if w.same else "VALID"
    x = image_of(g, w, depth)
    g.output(g.conv(x, channels, w.kernel, w.stride, padding, activation, w.dilation, 1, bias))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, CHANNELS, ACTIVATIONS, SEEDS)
def test_convolution_of_pixels_is_that_of_tflm(shape, channels, activation, seed):
    g = GraphBuilder(seed)
    g.output(g.conv(g.input(shape), channels, activation=activation))
    assert same_as_tflm(g.model(), seed=seed)


@given(windows(batches=1), CHANNELS, st.integers(1, 4), ACTIVATIONS, SEEDS)
def test_depthwise_convolution_is_that_of_tflm(w, depth, multiplier, activation, seed):
    g = GraphBuilder(seed)
    padding = "SAME" if w.same else "VALID"
    x = image_of(g, w, depth)
    g.output(g.depthwise(x, w.kernel, w.stride, padding, activation, w.dilation, multiplier))
    assert same_as_tflm(g.model(), seed=seed)


@given(
    windows(dilation=1, batches=1), CHANNELS, st.sampled_from(["MAX", "AVERAGE"]), ACTIVATIONS,
    SEEDS,
)  # fmt: skip
def test_pooling_is_that_of_tflm(w, channels, kind, activation, seed):
    g = GraphBuilder(seed)
    padding = "SAME" if w.same else "VALID"
    g.output(g.pool(image_of(g, w, channels), w.kernel, w.stride, padding, kind, activation))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.sampled_from(["MAX", "AVERAGE"]), ACTIVATIONS, SEEDS)
def test_global_pooling_is_that_of_tflm(shape, kind, activation, seed):
    g = GraphBuilder(seed)
    g.output(g.pool(g.input(shape), shape[1:3], 1, "VALID", kind, activation))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.booleans(), SEEDS)
def test_mean_over_rows_and_columns_is_that_of_tflm(shape, keep_dims, seed):
    g = GraphBuilder(seed)
    g.output(g.mean(g.input(shape), (1, 2), keep_dims))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, CHANNELS, ACTIVATIONS, SEEDS)
def test_a_fully_connected_layer_is_that_of_tflm_row_by_row(shape, units, activation, seed):
    g = GraphBuilder(seed)
    x = g.input(shape)
    flat = g.reshape(g.pool(x, 1), (1, int(np.prod(shape))))  # the pool keeps it an image
    g.output(g.fully_connected(flat, units, activation=activation))
    model = g.model()
    (layer,) = (op for op in program_of(model).operators if op.kind.name == "FULLY_CONNECTED")
    assert (layer.accumulator > 0) == (shape[1] > 1)
    assert same_as_tflm(model, seed=seed)


@given(IMAGES, st.sampled_from(["ADD", "SUB", "MUL"]), ACTIVATIONS, st.data(), SEEDS)
def test_arithmetic_is_that_of_tflm_with_either_operand_repeated(
    shape, name, activation, data, seed
):
    g = GraphBuilder(seed)
    repeated = tuple(data.draw(st.sampled_from([extent, 1])) for extent in shape)
    a, b = data.draw(st.permutations([shape, repeated]))
    x = g.input(a)
    y = g.input(b) if data.draw(st.booleans()) else g.random(b)
    operands = (x, y) if data.draw(st.booleans()) else (y, x)
    g.output(g.add(*operands, activation, name))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.integers(1, 3), st.lists(st.integers(1, 5), max_size=3), SEEDS)
def test_concatenation_is_that_of_tflm_along_any_axis(shape, axis, others, seed):
    g = GraphBuilder(seed)
    parts = [g.input(shape)]
    for extent in others:
        parts.append(g.input((*shape[:axis], extent, *shape[axis + 1 :]), like=parts[0]))
    g.output(g.concat(parts, axis))
    assert same_as_tflm(g.model(), seed=seed)


@given(st.integers(1, 3), st.data(), SEEDS)
def test_concatenation_of_fewer_dimensions_is_that_of_tflm(rank, data, seed):
    g = GraphBuilder(seed)
    shape = [1, *data.draw(st.lists(EXTENTS, min_size=rank - 1, max_size=rank - 1))]
    axis = rank - 1 - data.draw(st.integers(0, rank - 1))
    parts = [g.input(shape)]
    for extent in data.draw(st.lists(st.integers(1, 5), max_size=3)):
        parts.append(g.input((*shape[:axis], extent, *shape[axis + 1 :]), like=parts[0]))
    g.output(g.concat(parts, axis - rank if data.draw(st.booleans()) else axis))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.tuples(st.integers(1, 20), st.integers(1, 20)), st.data(), SEEDS)
def test_resizing_to_the_nearest_neighbour_is_that_of_tflm(shape, size, data, seed):
    g = GraphBuilder(seed)
    corners = data.draw(st.booleans())
    centers = False if corners else data.draw(st.booleans())  # not both, TFLM's converter says
    options = {"align_corners": corners, "half_pixel_centers": centers}
    g.output(g.conv(g.resize(g.conv(g.input(shape), 3, 3), size, **options), 2, 3))
    assert same_as_tflm(g.model(), seed=seed)


def test_rows_of_a_resize_are_read_where_tflm_reads_them():
    assert nearest(3, 7, False, False) == (0, 0, 0, 1, 1, 2, 2)
    assert nearest(3, 7, True, False) == (0, 0, 1, 1, 1, 2, 2)
    assert nearest(3, 7, False, True) == (0, 0, 1, 1, 1, 2, 2)
    assert nearest(7, 3, False, True) == (1, 3, 5)
    assert nearest(7, 3, False, False) == (0, 2, 4)
    assert nearest(7, 3, True, False) == (0, 3, 6)


@given(IMAGES, st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 3), SEEDS)
def test_padding_is_that_of_tflm(shape, pads, seed):
    g = GraphBuilder(seed)
    g.output(g.pad(g.input(shape), [(0, 0), *pads]))
    assert same_as_tflm(g.model(), seed=seed)


UNARY = ("RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH", "QUANTIZE")


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("seed", range(4))
def test_a_function_of_a_byte_is_that_of_tflm_for_every_byte(name, seed):
    g = GraphBuilder(seed)
    x = g.input((1, 16, 16, 1))
    scale, zero = float(np.float32(0.5 + seed) / 100), 10 * seed
    quantization = {
        "LOGISTIC": Quantization((1 / 256,), (-128,)),
        "TANH": Quantization((1 / 128,), (0,)),
    }.get(name, Quantization((float(np.float32(scale)),), (zero,)))
    options = {"alpha": 0.1} if name == "LEAKY_RELU" else {}
    g.output(g.op(name, [x], x.shape, dtype=DType.INT8, quantization=quantization, **options))
    assert same_as_tflm(g.model(), runs=8, seed=seed)


@given(IMAGES, SEEDS)
def test_softmax_is_that_of_tflm(shape, seed):
    g = GraphBuilder(seed)
    g.output(g.softmax(g.input(shape)))
    assert same_as_tflm(g.model(), runs=4, seed=seed)


@pytest.mark.parametrize("shape", [(7,), (3, 5), (1, 6, 4), (2, 3, 4)])
def test_softmax_is_that_of_tflm_in_any_number_of_dimensions(shape):
    g = GraphBuilder(2)
    g.output(g.softmax(g.input(shape)))
    assert same_as_tflm(g.model(), runs=4)


@pytest.mark.parametrize("name", ["SQUEEZE", "EXPAND_DIMS"])
def test_another_shape_for_the_same_bytes_is_no_operator(name):
    g = GraphBuilder(2)
    x = g.mean(g.conv(g.input((1, 6, 5, 2)), 4, 3), keep_dims=name == "SQUEEZE")
    if name == "SQUEEZE":
        x = g.op(name, [x], (1, 4), like=x, squeeze_dims=[1, 2])
    else:
        x = g.op(name, [x, g.const(1)], (1, 1, 4), like=x)
    g.output(g.fully_connected(x, 3))
    assert [op.kind.name for op in program_of(g.model()).operators] == [
        "CONV_2D", "MEAN", "FULLY_CONNECTED",
    ]  # fmt: skip
    assert same_as_tflm(g.model())


@pytest.mark.parametrize("scale", [1e-4, 0.004, 0.05, 0.3, 2.0])
def test_softmax_is_that_of_tflm_at_any_steepness(scale):
    g = GraphBuilder(1)
    x = g.tensor((1, 40, 1, 7), quantization=Quantization((float(np.float32(scale)),), (3,)))
    g.graph.inputs.append(x)
    g.output(g.softmax(x))
    assert same_as_tflm(g.model(), runs=4)


def twice_rounded(x: int, multiplier: int, shift: int) -> int:
    """The definition, in numbers without a limit: doubled, the high half, halves upwards; then
    the quotient, halves away from 0."""
    high = (x * 2 ** max(shift, 0) * multiplier + 2**30) // 2**31
    unit = 2 ** max(-shift, 0)
    magnitude = (2 * abs(high) + unit) // (2 * unit)
    return magnitude if high >= 0 else -magnitude


EDGES = [0, 1, -1, 2, -2, 3, -3, 2**30, -(2**30), 2**31 - 1, -(2**31) + 1, -(2**31)]
INT32 = st.one_of(st.sampled_from(EDGES), st.integers(-(2**31), 2**31 - 1), st.integers(-99, 99))
MULTIPLIERS = st.one_of(st.sampled_from([0, 1, 2**30, 2**31 - 1]), st.integers(0, 2**31 - 1))


@given(INT32, MULTIPLIERS, st.integers(-31, 30))
def test_requantising_rounds_twice(x, multiplier, shift):
    library = compile_shared([ROOT / "tests/native/requantize.c"], *C_FLAGS)
    if abs(x) * 2 ** max(shift, 0) < 2**31:
        assert library.requantize(x, multiplier, ctypes.c_int32(shift)) == twice_rounded(
            x, multiplier, shift
        )


def test_rounding_once_would_give_other_answers():
    x, multiplier, shift = 3, 2**30, -1  # 0.75: 1.5 is 2 is 1, and -1.5 is -1 is -1
    assert twice_rounded(x, multiplier, shift) == 1
    assert twice_rounded(-5, multiplier, -1) == -1  # -1.25: -2.5 is -2 is -1
    assert [twice_rounded(x, 2**30, -1) for x in (-1, 1)] == [0, 1]  # 0.25: once, it would be 0

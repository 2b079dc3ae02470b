"""arenafit's max-pooling on the host: TFLM's bytes, and in place wherever it is said to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.graph import DType, OpCode, save
from arenafit.graph.custom import MAX_POOL_2D, MaxPool2D
from arenafit.passes.inplace_max_pool import pool_options
from support.builder import GraphBuilder
from support.max_pool import LOWEST_CLAMP, Kernel, custom_pool
from support.rewriting import tflm
from support.windows import Window, windows

TYPES = st.sampled_from([DType.INT8, DType.INT16, DType.FLOAT32])
ACTIVATIONS = st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
CHANNELS = st.one_of(st.integers(1, 5), st.sampled_from([15, 16, 17, 32, 35]))


def tflm_and_ours(w: Window, dtype: DType, channels: int, activation: str, seed: int):
    """TFLM's MAX_POOL_2D as a model, and our kernel for the same operator."""
    g = GraphBuilder(seed=seed, dtype=dtype)
    image = g.input((w.batches, *w.size, channels))
    padding = "SAME" if w.same else "VALID"
    g.output(g.pool(image, w.kernel, w.stride, padding, activation=activation))
    op = g.graph.operators[0]
    options = pool_options(op)
    assert options is not None
    made = replace(op, code=OpCode("CUSTOM", MAX_POOL_2D), custom_options=options.encode())
    return save(g.model()), Kernel(made)


@given(windows(dilation=1), TYPES, CHANNELS, ACTIVATIONS, st.integers(0, 99))
def test_outputs_are_those_of_tflm_bit_for_bit(w, dtype, channels, activation, seed):
    model, kernel = tflm_and_ours(w, dtype, channels, activation, seed)
    rng = np.random.default_rng(seed)
    inputs = [kernel.random(rng) for _ in range(3)]
    expected = tflm().run(model, [[data] for data in inputs])
    for data, (wanted,) in zip(inputs, expected, strict=True):
        assert kernel.run(data).tobytes() == np.asarray(wanted).tobytes()


@pytest.mark.parametrize("activation", ["RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16, DType.FLOAT32])
def test_a_fused_activation_shows_in_the_outputs(dtype, activation):
    w = Window((6, 6), (5, 5), (2, 2), (1, 1), (1, 1), (0, 0), False, 1)
    plain, clamped = (tflm_and_ours(w, dtype, 3, name, 1)[1] for name in ("NONE", activation))
    data = plain.random(np.random.default_rng(1))
    assert plain.run(data).tobytes() != clamped.run(data).tobytes()


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_window_of_what_is_no_number_gives_the_lowest_one_as_in_tflm(value):
    w = Window((4, 4), (2, 2), (2, 2), (2, 2), (1, 1), (0, 0), False, 1)
    model, kernel = tflm_and_ours(w, DType.FLOAT32, 2, "NONE", 1)
    data = kernel.random(np.random.default_rng(1))
    data[0, :2, :2] = value
    ((wanted,),) = tflm().run(model, [[data]])
    assert kernel.run(data).tobytes() == np.asarray(wanted).tobytes()
    assert np.all(kernel.run(data)[0, 0, 0] == np.finfo(np.float32).min)


@st.composite
def pools(draw: st.DrawFn) -> Kernel:
    """Our operator with any padding before the image, as long as every window has a pixel."""
    dtype, batches = draw(TYPES), draw(st.integers(1, 3))
    axes = []
    for _ in range(2):
        size, taps, stride = (
            draw(st.integers(1, 7)),
            draw(st.integers(1, 4)),
            draw(st.integers(1, 4)),
        )
        pad = draw(st.integers(0, taps - 1))
        out = draw(st.integers(1, (size - 1 + pad) // stride + 1))
        axes.append((size, out, taps, stride, pad))
    size, out, taps, stride, pad = zip(*axes, strict=True)
    options = MaxPool2D(taps, stride, pad, LOWEST_CLAMP[dtype], 0)
    return Kernel(custom_pool((batches, *size, draw(CHANNELS)), out, options, dtype))


@given(pools(), st.integers(0, 99))
def test_outputs_are_right_at_the_overlap_distance_and_beyond(kernel, seed):
    rng = np.random.default_rng(seed)
    data = kernel.random(rng)
    apart = kernel.run(data)
    size = data.dtype.itemsize
    low = max(kernel.overlap, -kernel.source.nbytes)
    for distance in {low, low + size, max(low, 0), kernel.target.nbytes}:
        assert kernel.run(data, distance).tobytes() == apart.tobytes()


@given(pools())
def test_addresses_pass_exactly_from_the_overlap_distance_on(kernel):
    low, source, target = kernel.overlap, kernel.source.nbytes, kernel.target.nbytes
    for distance in (low - 1, low, low + 1, -source - 1, -source, 1 - source, target - 1, target):
        if abs(distance) > 1 << 19:
            continue
        disjoint = distance >= target or distance <= -source
        assert kernel.allows(distance) == (disjoint or distance >= low)


PADDED = MaxPool2D((3, 3), (1, 1), (1, 1), LOWEST_CLAMP[DType.INT8], 0)
HALVING = MaxPool2D((2, 2), (2, 2), (0, 0), LOWEST_CLAMP[DType.INT8], 0)
PADDED_HALVING = MaxPool2D((3, 3), (2, 2), (1, 1), LOWEST_CLAMP[DType.INT8], 0)
ROWS_ONLY = MaxPool2D((3, 1), (1, 1), (1, 0), LOWEST_CLAMP[DType.INT8], 0)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16, DType.FLOAT32])
@pytest.mark.parametrize(
    ("size", "out", "channels", "options"),
    [
        ((9, 8), (9, 8), 8, PADDED),
        ((9, 8), (9, 8), 40, PADDED),
        ((8, 8), (4, 4), 24, HALVING),
        ((8, 8), (4, 4), 1, HALVING),
        ((9, 9), (5, 5), 20, PADDED_HALVING),
        ((6, 5), (6, 5), 3, ROWS_ONLY),
    ],
)
def test_one_element_less_corrupts_the_outputs(size, out, channels, options, dtype):
    options = replace(options, clamp=LOWEST_CLAMP[dtype])
    kernel = Kernel(custom_pool((2, *size, channels), out, options, dtype))
    rng, step = np.random.default_rng(5), dtype.bits // 8
    inputs = [kernel.random(rng) for _ in range(8)]
    low = kernel.overlap
    assert all(kernel.run(data, low).tobytes() == kernel.run(data).tobytes() for data in inputs)
    assert any(
        kernel.run(data, low - step).tobytes() != kernel.run(data).tobytes() for data in inputs
    )


def test_in_place_pooling_gives_tflms_answer_where_cmsis_nn_could_not():
    w = Window((16, 16), (8, 8), (2, 2), (2, 2), (1, 1), (0, 0), False, 1)
    model, kernel = tflm_and_ours(w, DType.INT8, 24, "NONE", 3)
    data = kernel.random(np.random.default_rng(3))
    ((wanted,),) = tflm().run(model, [[data]])
    assert kernel.overlap <= 0
    assert kernel.run(data, 0).tobytes() == np.asarray(wanted).tobytes()

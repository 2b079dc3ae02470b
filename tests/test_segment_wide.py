"""What segments of floats and of int16 activations share to the letter: the real TFLM's bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.graph import DType
from arenafit.runtime import available
from support.builder import GraphBuilder
from support.segment import same_as_tflm
from support.windows import ACTIVATIONS, EXTENTS, SEEDS, windows

pytestmark = [
    pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel"),
    pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.INT16], ids=lambda dtype: dtype.name),
]

CHANNELS = st.integers(1, 9)
IMAGES = st.tuples(st.just(1), EXTENTS, EXTENTS, CHANNELS)


@given(
    windows(dilation=1, batches=1), CHANNELS, st.sampled_from(["MAX", "AVERAGE"]), ACTIVATIONS,
    SEEDS,
)  # fmt: skip
def test_pooling_is_that_of_tflm(dtype, w, channels, kind, activation, seed):
    g = GraphBuilder(seed, dtype)
    padding = "SAME" if w.same else "VALID"
    x = g.input((1, *w.size, channels))
    g.output(g.pool(x, w.kernel, w.stride, padding, kind, activation))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.sampled_from(["MAX", "AVERAGE"]), ACTIVATIONS, SEEDS)
def test_global_pooling_is_that_of_tflm(dtype, shape, kind, activation, seed):
    g = GraphBuilder(seed, dtype)
    g.output(g.pool(g.input(shape), shape[1:3], 1, "VALID", kind, activation))
    assert same_as_tflm(g.model(), seed=seed)


@given(IMAGES, st.booleans(), SEEDS)
def test_mean_over_rows_and_columns_is_that_of_tflm(dtype, shape, keep_dims, seed):
    g = GraphBuilder(seed, dtype)
    g.output(g.mean(g.input(shape), (1, 2), keep_dims))
    assert same_as_tflm(g.model(), seed=seed)

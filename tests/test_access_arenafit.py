"""Overlap distances of arenafit's own kernels: against traces, and against the C code's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.graph.custom import MAX_EXTENT, MaxPool2D
from arenafit.graph.model import DType, Operator
from arenafit.memory.access import KERNELS, overlaps
from arenafit.memory.scratch import scratch_requests
from support import trace_arenafit as loops
from support.access import assert_exact
from support.max_pool import NEVER, Kernel, custom_pool
from support.trace import Trace

TYPES = st.sampled_from([DType.INT8, DType.INT16, DType.FLOAT32])
CHANNELS = st.one_of(st.integers(1, 4), st.sampled_from([15, 16, 17, 33]))

Axis = tuple[int, int, int, int, int]  # size, out, filter, stride, pad


@st.composite
def axes(draw: st.DrawFn, pads: bool = True, least_stride: int = 1) -> Axis:
    """One axis whose windows all hold a pixel."""
    size, filter_ = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    stride = draw(st.integers(least_stride, 4))
    pad = draw(st.integers(0, filter_ - 1)) if pads else 0
    return size, draw(st.integers(1, (size - 1 + pad) // stride + 1)), filter_, stride, pad


def pool(
    rows: Axis, columns: Axis, batches: int, channels: int, dtype: DType = DType.INT8
) -> Operator:
    size, out, *window = zip(rows, columns, strict=True)
    options = MaxPool2D(*window, clamp=(-128, 127), overlap=0)
    return custom_pool((batches, *size, channels), out, options, dtype)


def low(op: Operator) -> int:
    (pair,) = overlaps(op)
    return pair.low


@given(axes(), axes(), st.integers(1, 3), CHANNELS, TYPES)
def test_the_distance_is_the_smallest_safe_one_under_all_kernel_sets(r, c, n, channels, dtype):
    op = pool(r, c, n, channels, dtype)
    options, source = MaxPool2D.decode(op.custom_options), op.inputs[0]
    assert options is not None and source is not None
    trace = Trace(dtype.bits // 8, dtype.bits // 8)
    shapes = source.shape, op.outputs[0].shape
    loops.max_pool(trace, *shapes, options.filter, options.stride, options.pad)
    for kernels in KERNELS:
        assert_exact(op, trace, kernels=kernels)


@given(axes(), axes(), st.integers(1, 3), CHANNELS, TYPES)
def test_the_compiler_and_the_kernel_compute_the_same_distance(r, c, n, channels, dtype):
    op = pool(r, c, n, channels, dtype)
    computed, source = Kernel(op).overlap, op.inputs[0]
    assert source is not None
    assert computed == NEVER or -source.nbytes <= computed
    assert low(op) == max(computed, -source.nbytes)


@given(axes(pads=False), axes(pads=False), CHANNELS)
def test_without_padding_in_front_the_output_may_lie_right_upon_the_input(r, c, channels):
    assert low(pool(r, c, 1, channels)) <= 0


@pytest.mark.parametrize("batches", [1, 3])
@pytest.mark.parametrize("stride", [2, 3])
def test_one_cell_of_padding_leaves_in_place_safe_with_strides_of_two_and_more(stride, batches):
    for size in range(2, 12):
        axis = (size, (size - 1) // stride + 1, 3, stride, 1)
        assert low(pool(axis, axis, batches, 24)) <= 0


def test_one_cell_of_padding_with_stride_one_needs_a_row_and_a_pixel_more():
    axis = (8, 8, 3, 1, 1)
    assert low(pool(axis, axis, 1, 24)) == (8 + 1) * 24


def test_images_that_grow_push_each_other_on():
    grown = (2, 4, 4, 1, 3)  # more rows and columns out than in
    distances = [low(pool(grown, grown, batches, 2)) for batches in (1, 2, 3)]
    assert 0 < distances[0] < distances[1] < distances[2]
    assert distances == [Kernel(pool(grown, grown, batches, 2)).overlap for batches in (1, 2, 3)]


HALVING = MaxPool2D((2, 2), (2, 2), (0, 0), (-128, 127), 0)
GOOD = custom_pool((1, 8, 8, 8), (4, 4), HALVING)


def broken() -> dict[str, Operator]:
    """Operators that the kernel refuses, each with one thing wrong."""
    found = {
        name: custom_pool((1, 8, 8, 8), (4, 4), replace(HALVING, **change))
        for name, change in {
            "filter of no rows": {"filter": (0, 2)},
            "negative stride": {"stride": (2, -2)},
            "stride too large": {"stride": (2, MAX_EXTENT + 1)},
            "negative padding": {"pad": (-1, 0)},
            "window of padding alone": {"pad": (0, 2)},
            "windows behind the image": {"stride": (3, 2), "pad": (1, 0)},
        }.items()
    }
    found["other channels"] = custom_pool((1, 8, 8, 8), (4, 4), HALVING)
    found["other channels"].outputs[0].shape = (1, 4, 4, 4)
    found["other images"] = custom_pool((1, 8, 8, 8), (4, 4), HALVING)
    found["other images"].outputs[0].shape = (2, 4, 4, 8)
    for name, shape in {
        "no images": (0, 8, 8, 8),
        "no rows": (1, 0, 8, 8),
        "no channels": (1, 8, 8, 0),
        "fewer channels than none": (1, 8, 8, -8),
        "too many bytes": (1 << 10, 1 << 7, 1 << 7, 1 << 7),
    }.items():
        found[name] = custom_pool(shape, (4, 4), HALVING)
    return found


def test_a_good_operator_has_an_overlap():
    assert Kernel(GOOD).status == "OK"
    assert low(GOOD) == -8


@pytest.mark.parametrize("name", broken())
def test_an_operator_that_the_kernel_refuses_has_no_overlap(name):
    op = broken()[name]
    assert Kernel(op).status != "OK"
    assert overlaps(op) == []


def test_what_cannot_be_read_has_no_overlap():
    data = GOOD.custom_options
    assert data is not None
    for damaged in (None, b"", data[:-1], data + b"\0", b"\2" + data[1:]):
        assert overlaps(replace(GOOD, custom_options=damaged)) == []
    for shape in ((8, 8, 8), (1, 8, 8, 8, 1)):
        op = custom_pool((1, 8, 8, 8), (4, 4), HALVING)
        assert op.inputs[0] is not None
        op.inputs[0].shape = shape
        assert overlaps(op) == []
    twice = replace(GOOD, inputs=[*GOOD.inputs, None])
    unlike = custom_pool((1, 8, 8, 8), (4, 4), HALVING)
    unlike.outputs[0].dtype = DType.INT16
    for op in (twice, unlike, custom_pool((1, 8, 8, 8), (4, 4), HALVING, DType.INT32)):
        assert overlaps(op) == []


def test_other_custom_operators_share_nothing_and_ask_for_unknown_scratch():
    stranger = replace(GOOD, code=replace(GOOD.code, custom="SOMEONE_ELSES"))
    assert overlaps(stranger) == []
    for kernels in ("reference", "cmsis_nn"):
        assert scratch_requests(stranger, kernels) is None
        assert scratch_requests(GOOD, kernels) == []

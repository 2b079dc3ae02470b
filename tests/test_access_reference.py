"""Overlap distances of the reference kernels, against traces of their loops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.graph.model import DType, Operator
from arenafit.memory.access import PairOverlap, overlaps
from support import trace_reference as loops
from support.access import assert_exact
from support.trace import Trace
from support.trace_ops import constant, operator, tensor
from support.windows import windows

TYPES = st.sampled_from([DType.INT8, DType.INT16, DType.FLOAT32])
SMALL = st.integers(1, 4)


@given(windows(), TYPES, SMALL, SMALL, st.sampled_from([1, 1, 2, 3]))
def test_convolution_distance_is_the_smallest_safe_one(w, dtype, group_depth, filters, groups):
    source = tensor(w.batches, *w.size, group_depth * groups, dtype=dtype)
    target = tensor(w.batches, *w.out, filters * groups, dtype=dtype)
    weights = constant(filters * groups, *w.kernel, group_depth)
    op = operator("CONV_2D", [source, weights, None], [target], **w.options())
    trace = Trace(dtype.bits // 8, dtype.bits // 8)
    loops.conv_2d(trace, source.shape, target.shape, weights.shape, w.stride, w.dilation, w.pad)
    assert_exact(op, trace)


@given(windows(), TYPES, SMALL, st.integers(1, 3))
def test_depthwise_distance_is_the_smallest_safe_one(w, dtype, depth, multiplier):
    source = tensor(w.batches, *w.size, depth, dtype=dtype)
    target = tensor(w.batches, *w.out, depth * multiplier, dtype=dtype)
    weights = constant(1, *w.kernel, depth * multiplier)
    options = w.options() | {"depth_multiplier": multiplier}
    op = operator("DEPTHWISE_CONV_2D", [source, weights, None], [target], **options)
    trace = Trace(dtype.bits // 8, dtype.bits // 8)
    loops.depthwise_conv_2d(
        trace, source.shape, target.shape, weights.shape, w.stride, w.dilation, w.pad
    )
    assert_exact(op, trace)


@given(windows(dilation=1), TYPES, SMALL, st.sampled_from(["MAX_POOL_2D", "AVERAGE_POOL_2D"]))
def test_pooling_distance_is_the_smallest_safe_one(w, dtype, depth, name):
    source = tensor(w.batches, *w.size, depth, dtype=dtype)
    target = tensor(w.batches, *w.out, depth, dtype=dtype)
    op = operator(name, [source], [target], **w.pool_options())
    trace = Trace(dtype.bits // 8, dtype.bits // 8)
    loops.pool_2d(trace, source.shape, target.shape, w.kernel, w.stride, w.pad)
    assert_exact(op, trace)


@given(TYPES, SMALL, st.integers(1, 9), st.integers(1, 9))
def test_fully_connected_distance_is_the_smallest_safe_one(dtype, batches, depth, outputs):
    source, target = tensor(batches, depth, dtype=dtype), tensor(batches, outputs, dtype=dtype)
    op = operator("FULLY_CONNECTED", [source, constant(outputs, depth), None], [target])
    trace = Trace(dtype.bits // 8, dtype.bits // 8)
    loops.fully_connected(trace, batches, depth, outputs)
    assert_exact(op, trace)


@given(st.lists(st.tuples(SMALL, st.sampled_from("=ab")), min_size=1, max_size=4), TYPES,
       st.sampled_from(["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU"]), SMALL)  # fmt: skip
def test_broadcast_distance_is_the_smallest_safe_one(axes, dtype, name, drop):
    a = tuple(1 if side == "a" else extent for extent, side in axes)
    b = tuple(1 if side == "b" else extent for extent, side in axes)
    while drop > 1 and len(b) > 1 and b[0] == 1:  # a lower rank means leading ones
        b, drop = b[1:], drop - 1
    out = tuple(extent for extent, _ in axes)
    first, second, target = (tensor(*shape, dtype=dtype) for shape in (a, b, out))
    op = operator(name, [first, second], [target])
    size = dtype.bits // 8
    traces = Trace(size, size), Trace(size, size)
    loops.broadcast_binary(*traces, a, b)
    for index, trace in enumerate(traces):
        if name != "PRELU" or (index == 0 and a == out):
            assert_exact(op, trace, index)


CONVERSIONS = [
    ("QUANTIZE", DType.FLOAT32, DType.INT8),
    ("QUANTIZE", DType.INT16, DType.INT8),
    ("QUANTIZE", DType.INT8, DType.INT16),
    ("QUANTIZE", DType.INT8, DType.UINT8),
    ("QUANTIZE", DType.INT8, DType.INT32),
    ("DEQUANTIZE", DType.INT8, DType.FLOAT32),
    ("RELU", DType.INT8, DType.INT8),
    ("LOGISTIC", DType.INT16, DType.INT16),
    ("TANH", DType.FLOAT32, DType.FLOAT32),
]


@pytest.mark.parametrize(("name", "read", "written"), CONVERSIONS)
@pytest.mark.parametrize("shape", [(1,), (2,), (1, 3, 5)])
def test_elementwise_distance_is_the_smallest_safe_one(name, read, written, shape):
    op = operator(name, [tensor(*shape, dtype=read)], [tensor(*shape, dtype=written)])
    trace = Trace(read.bits // 8, written.bits // 8)
    loops.elementwise(trace, op.outputs[0].elements)
    assert_exact(op, trace)


@pytest.mark.parametrize(("read", "written"), [
    (DType.INT8, DType.INT8), (DType.INT8, DType.INT16),
    (DType.INT16, DType.INT16), (DType.FLOAT32, DType.FLOAT32),
])  # fmt: skip
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 4), (2, 2, 3)])
def test_softmax_distance_is_the_smallest_safe_one(read, written, shape):
    op = operator("SOFTMAX", [tensor(*shape, dtype=read)], [tensor(*shape, dtype=written)])
    trace = Trace(read.bits // 8, written.bits // 8)
    rows = op.outputs[0].elements // shape[-1]
    loops.softmax(trace, rows, shape[-1], cached=read is not DType.INT8)
    assert_exact(op, trace)


def test_reshape_may_only_lie_exactly_on_its_input():
    op = operator("RESHAPE", [tensor(2, 6), constant(1, dtype=DType.INT32)], [tensor(12)])
    assert overlaps(op, "reference") == [PairOverlap(0, 0, 0, 0)]


REFUSED: list[tuple[str, Callable[[], Operator]]] = [
    ("an operator nobody described", lambda: operator("TOPK_V2", [tensor(4)], [tensor(4)])),
    ("types that may not alias", lambda: operator(
        "QUANTIZE", [tensor(4, dtype=DType.INT16)], [tensor(4, dtype=DType.INT32)])),
    ("a type the kernel refuses", lambda: operator(
        "RELU", [tensor(4, dtype=DType.INT64)], [tensor(4, dtype=DType.INT64)])),
    ("an output of another shape", lambda: operator("RELU", [tensor(4)], [tensor(5)])),
    ("a constant input", lambda: operator("RELU", [constant(4)], [tensor(4)])),
    ("shapes that do not broadcast", lambda: operator("ADD", [tensor(4), tensor(3)], [tensor(4)])),
    ("a window that does not give this output", lambda: operator(
        "MAX_POOL_2D", [tensor(1, 4, 4, 2)], [tensor(1, 3, 2, 2)],
        stride_h=2, stride_w=2, filter_height=2, filter_width=2, padding=1)),
    ("no stride", lambda: operator(
        "MAX_POOL_2D", [tensor(1, 4, 4, 2)], [tensor(1, 2, 2, 2)],
        filter_height=2, filter_width=2, padding=1)),
    ("a channel multiplier that does not fit", lambda: operator(
        "DEPTHWISE_CONV_2D", [tensor(1, 4, 4, 2), constant(1, 1, 1, 4), None],
        [tensor(1, 4, 4, 4)], stride_h=1, stride_w=1, depth_multiplier=3)),
    ("no inputs", lambda: operator("ADD", [], [tensor(4)])),
    ("a scalar convolution", lambda: operator(
        "CONV_2D", [tensor(), constant(1, 1, 1, 1), None], [tensor()], stride_h=1, stride_w=1)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "make"), REFUSED, ids=[why for why, _ in REFUSED])
def test_nothing_may_overlap_with(why, make):
    assert overlaps(make(), "reference") == []


def test_a_tensor_used_twice_must_suit_both_of_its_uses():
    twice = tensor(1, 1, 3, 3)
    same = operator("ADD", [twice, twice], [tensor(1, 1, 3, 3)])
    assert {pair.low for pair in overlaps(same, "reference")} == {0}
    weights = tensor(4, 4)
    both = operator("FULLY_CONNECTED", [weights, weights, None], [tensor(4, 4)])
    assert overlaps(both, "reference") == []


def test_a_distance_that_is_too_greedy_is_caught_by_the_trace():
    trace = Trace()
    loops.conv_2d(trace, (1, 5, 5, 2), (1, 5, 5, 3), (3, 3, 3, 2), (1, 1), (1, 1), (1, 1))
    assert trace.survives(75)
    assert not trace.survives(0)
    copy = Trace()
    copy.memcpy(0, 0, 4)
    assert copy.survives(4)
    assert not copy.survives(3)

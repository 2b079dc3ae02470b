"""Overlap distances of CMSIS-NN's kernels, against traces of all their variants."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from arenafit.graph.model import DType, Operator
from arenafit.memory.access import PairOverlap, overlaps
from support import trace_cmsis_nn as loops
from support.access import assert_exact, assert_safe
from support.trace import Trace
from support.trace_ops import constant, integers, operator, tensor
from support.windows import Window, windows

SMALL = st.integers(1, 4)
INTEGERS = st.sampled_from([DType.INT8, DType.INT16])


def convolution(
    w: Window, dtype: DType, group_depth: int, filters: int, groups: int = 1
) -> Operator:
    source = tensor(w.batches, *w.size, group_depth * groups, dtype=dtype)
    target = tensor(w.batches, *w.out, filters * groups, dtype=dtype)
    weights = constant(filters * groups, *w.kernel, group_depth)
    return operator("CONV_2D", [source, weights, None], [target], **w.options())


def depthwise(w: Window, dtype: DType, depth: int, multiplier: int) -> Operator:
    source = tensor(w.batches, *w.size, depth, dtype=dtype)
    target = tensor(w.batches, *w.out, depth * multiplier, dtype=dtype)
    weights = constant(1, *w.kernel, depth * multiplier)
    options = w.options() | {"depth_multiplier": multiplier}
    return operator("DEPTHWISE_CONV_2D", [source, weights, None], [target], **options)


def shapes(op: Operator) -> tuple[tuple[int, ...], ...]:
    """Shapes of input 0, output 0 and the weights."""
    source, weights = op.inputs[0], op.inputs[1]
    assert source is not None and weights is not None
    return source.shape, op.outputs[0].shape, weights.shape


def trace_of(dtype: DType) -> Trace:
    return Trace(dtype.bits // 8, dtype.bits // 8)


@given(windows(), INTEGERS, SMALL, SMALL, st.sampled_from([1, 1, 2, 3]))
def test_convolution_is_safe_for_any_number_of_windows_in_scratch(w, dtype, depth, filters, groups):
    op = convolution(w, dtype, depth, filters, groups)
    for block in (1, 2, 3, 4):
        trace = trace_of(dtype)
        loops.conv_copied(trace, *shapes(op), w.stride, w.dilation, w.pad, block)
        assert_safe(op, trace, kernels="cmsis_nn")


@given(windows(kernel=1, dilation=1), st.integers(1, 6), st.integers(1, 7))
def test_pointwise_convolution_distance_is_the_smallest_that_suits_all_variants(w, depth, filters):
    op = convolution(w, DType.INT8, depth, filters)
    source, target, _ = shapes(op)
    traces = [Trace(), Trace()]
    for trace, mve in zip(traces, (False, True), strict=True):
        loops.conv_1x1(trace, source, target, w.stride, mve)
        assert_safe(op, trace, kernels="cmsis_nn")

    class Both(Trace):
        def survives(self, distance: int) -> bool:
            return all(trace.survives(distance) for trace in traces)

    assert_exact(op, Both(), kernels="cmsis_nn")


@given(windows(rows=1, kernel_rows=1, dilation=1), st.integers(1, 4), st.integers(1, 5))
def test_row_convolution_is_safe_with_and_without_mve(w, depth, filters):
    op = convolution(w, DType.INT8, depth, filters)
    source, target, weights = shapes(op)
    direct, copied = Trace(), Trace()
    if loops.conv_1_x_n_mve(direct, source, target, w.kernel[1], w.stride[1], w.pad[1]):
        assert_safe(op, direct, kernels="cmsis_nn")
    loops.conv_copied(copied, source, target, weights, w.stride, w.dilation, w.pad, 2)
    assert_safe(op, copied, kernels="cmsis_nn")


@given(windows(), SMALL, st.sampled_from([1, 1, 2, 4, 8]), INTEGERS)
def test_depthwise_is_safe_in_the_generic_kernel(w, depth, multiplier, dtype):
    op = depthwise(w, dtype, depth, multiplier)
    source, target, _ = shapes(op)
    trace = trace_of(dtype)
    loops.depthwise_generic(trace, source, target, w.kernel, w.stride, w.dilation, w.pad)
    assert_safe(op, trace, kernels="cmsis_nn")


@given(windows(dilation=1, batches=1), st.integers(1, 9))
def test_depthwise_is_safe_in_the_optimised_kernels(w, depth):
    op = depthwise(w, DType.INT8, depth, 1)
    source, target, _ = shapes(op)
    for loop in (loops.depthwise_opt_dsp, loops.depthwise_mve):
        trace = Trace()
        loop(trace, source, target, w.kernel, w.stride, w.pad)
        assert_safe(op, trace, kernels="cmsis_nn")
    if w.kernel == (3, 3) and max(w.pad) <= 1:
        trace = Trace()
        loops.depthwise_3x3(trace, source, target, w.stride, w.pad)
        assert_safe(op, trace, kernels="cmsis_nn")


@given(windows(dilation=1, batches=1), st.sampled_from([124, 125, 250]))
def test_depthwise_with_mve_goes_over_the_image_once_for_124_channels(w, depth):
    assume(w.size[0] * w.size[1] <= 16)
    op = depthwise(w, DType.INT8, depth, 1)
    source, target, _ = shapes(op)
    trace = Trace()
    loops.depthwise_mve(trace, source, target, w.kernel, w.stride, w.pad)
    assert_safe(op, trace, kernels="cmsis_nn")


@given(windows(dilation=1, batches=1), st.integers(2, 5))
def test_depthwise_of_one_channel_is_safe_as_a_convolution_too(w, multiplier):
    op = depthwise(w, DType.INT8, 1, multiplier)
    source, target, _ = shapes(op)
    trace = Trace()
    loops.conv_copied(trace, source, target, (multiplier, *w.kernel, 1), w.stride, (1, 1), w.pad, 4)
    assert_safe(op, trace, kernels="cmsis_nn")
    if w.kernel == (1, 1):
        trace = Trace()
        loops.conv_1x1(trace, source, target, w.stride, mve=True)
        assert_safe(op, trace, kernels="cmsis_nn")


@given(windows(dilation=1), INTEGERS, st.integers(1, 5))
def test_max_pool_distance_is_the_smallest_safe_one(w, dtype, depth):
    source, target = (
        tensor(w.batches, *w.size, depth, dtype=dtype),
        tensor(w.batches, *w.out, depth, dtype=dtype),
    )
    op = operator("MAX_POOL_2D", [source], [target], **w.pool_options())
    trace = trace_of(dtype)
    loops.max_pool(trace, source.shape, target.shape, w.kernel, w.stride, w.pad)
    assert_exact(op, trace, kernels="cmsis_nn")


@given(windows(dilation=1), INTEGERS, st.integers(1, 20))
def test_average_pool_is_safe_for_any_number_of_channels_at_once(w, dtype, depth):
    source, target = (
        tensor(w.batches, *w.size, depth, dtype=dtype),
        tensor(w.batches, *w.out, depth, dtype=dtype),
    )
    op = operator("AVERAGE_POOL_2D", [source], [target], **w.pool_options())
    for block in (1, 8, 16, depth):
        trace = trace_of(dtype)
        loops.average_pool(trace, source.shape, target.shape, w.kernel, w.stride, w.pad, block)
        assert_safe(op, trace, kernels="cmsis_nn")


@given(INTEGERS, SMALL, st.integers(1, 9), st.integers(1, 9))
def test_fully_connected_is_safe_for_any_number_of_outputs_at_once(dtype, rows, depth, outputs):
    source, target = tensor(rows, depth, dtype=dtype), tensor(rows, outputs, dtype=dtype)
    op = operator("FULLY_CONNECTED", [source, constant(outputs, depth), None], [target])
    for block in (1, 2, 3, 4):
        trace = trace_of(dtype)
        loops.vector_products(trace, rows, depth, outputs, block)
        assert_safe(op, trace, kernels="cmsis_nn")


@given(st.integers(1, 9), st.sampled_from([3, 4, 8]), st.integers(1, 7))
def test_fully_connected_over_more_axes_is_safe_as_a_convolution(rows, depth, outputs):
    source, target = tensor(1, rows, depth), tensor(1, rows, outputs)
    op = operator("FULLY_CONNECTED", [source, constant(outputs, depth), None], [target])
    if depth % 4:
        trace = Trace()
        loops.vector_products(trace, rows, depth, outputs, 3)
        assert_safe(op, trace, kernels="cmsis_nn")
        return
    for product in (loops.matrix_pairs, loops.matrix_blocks):
        trace = Trace()
        product(trace, rows, outputs, depth, depth)
        assert_safe(op, trace, kernels="cmsis_nn")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3)),
                min_size=1, max_size=4))  # fmt: skip
def test_padding_distance_is_the_smallest_safe_one(axes):
    before, after, shape = (tuple(column) for column in zip(*axes, strict=True))
    target = tensor(*(a + n + b for a, b, n in axes))
    amounts = integers(*((a, b) for a, b, _ in axes))
    op = operator("PAD", [tensor(*shape), amounts], [target])
    trace = Trace()
    loops.pad(trace, shape, before, after)
    assert_exact(op, trace, kernels="cmsis_nn")


def test_a_padded_image_holds_its_input_with_both_kernels():
    op = operator(
        "PAD",
        [tensor(1, 8, 8, 4), integers((0, 0), (1, 1), (1, 1), (0, 0))],
        [tensor(1, 10, 10, 4)],
    )
    (pair,) = overlaps(op, "any")
    assert pair.low + 8 * 8 * 4 <= 10 * 10 * 4


@pytest.mark.parametrize("name", ["ADD", "MUL", "MAXIMUM", "MINIMUM", "RELU"])
@pytest.mark.parametrize("count", [1, 2, 7, 33])
def test_elementwise_may_lie_on_its_inputs_for_any_vector_length(name, count):
    inputs = [tensor(1, count)] * (1 if name == "RELU" else 2)
    op = operator(name, inputs, [tensor(1, count)])
    for block in (1, 2, 4, 16):
        trace = Trace()
        loops.elementwise_blocks(trace, count, block)
        for index in range(len(inputs)):
            pair = assert_safe(op, trace, index, kernels="cmsis_nn")
            assert pair is not None and pair.low == (0 if count > 1 else -1)


def test_any_means_all_kernels_at_once():
    pool = operator(
        "MAX_POOL_2D", [tensor(1, 8, 8, 4)], [tensor(1, 4, 4, 4)],
        stride_h=2, stride_w=2, filter_height=2, filter_width=2, padding=1,
    )  # fmt: skip
    lows = {k: overlaps(pool, k)[0].low for k in ("reference", "cmsis_nn", "any")}
    assert lows == {"reference": 0, "cmsis_nn": 4, "any": 4}


UNPROVED = [
    operator("PAD", [tensor(1, 1, 1, 2, 2), integers(*[(0, 1)] * 5)], [tensor(2, 2, 2, 3, 3)]),
    operator("TRANSPOSE", [tensor(2, 3), integers(1, 0)], [tensor(3, 2)]),
    operator("TRANSPOSE_CONV", [integers(1, 4, 4, 2), constant(2, 1, 1, 2), tensor(1, 2, 2, 2)],
             [tensor(1, 4, 4, 2)]),
    operator("MAXIMUM", [tensor(2, 4), tensor(4)], [tensor(2, 4)]),
    operator("FULLY_CONNECTED", [tensor(4, 4), constant(4, 4, dtype=DType.INT4), None],
             [tensor(4, 4)]),
]  # fmt: skip


@pytest.mark.parametrize("op", UNPROVED, ids=lambda op: op.name)
def test_what_is_proved_for_the_reference_alone_is_not_allowed_for_cmsis_nn(op):
    assert overlaps(op, "reference") != []
    assert overlaps(op, "cmsis_nn") == overlaps(op, "any") == []


def test_a_row_convolution_that_reads_past_its_input_with_mve_has_no_overlap():
    weights = constant(5, 1, 4, 4)
    op = operator(
        "CONV_2D", [tensor(2, 1, 5, 4), weights, None], [tensor(2, 1, 3, 5)], stride_h=1, stride_w=2
    )
    assert overlaps(op, "reference") != []
    assert overlaps(op, "any") == []


def test_operators_that_cmsis_nn_does_not_have_run_their_reference_kernel():
    op = operator("RESHAPE", [tensor(2, 6), integers(12)], [tensor(12)])
    assert overlaps(op, "any") == [PairOverlap(0, 0, 0, 0)]


def test_the_reference_distance_of_a_pointwise_convolution_is_caught_in_cmsis_nn():
    source, target = tensor(1, 4, 4, 8), tensor(1, 4, 4, 8)
    op = operator("CONV_2D", [source, constant(8, 1, 1, 8), None], [target], stride_h=1, stride_w=1)
    (pair,) = overlaps(op, "reference")
    trace = Trace()
    loops.conv_1x1(trace, source.shape, target.shape, (1, 1), mve=False)
    assert not trace.survives(pair.low)

"""Overlap distances of the kernels that move elements, against traces of their loops."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from arenafit.graph.model import DType
from arenafit.memory.access import overlaps
from support import trace_movement as loops
from support.access import assert_exact
from support.trace import Trace
from support.trace_ops import integers, operator, tensor

TYPES = st.sampled_from([DType.INT8, DType.INT16, DType.FLOAT32])
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def trace_of(dtype: DType) -> Trace:
    return Trace(dtype.bits // 8, dtype.bits // 8)


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 2, st.integers(1, 3)), min_size=1, max_size=4),
       TYPES, st.sampled_from([DType.INT32, DType.INT64]))  # fmt: skip
def test_padding_distance_is_the_smallest_safe_one(axes, dtype, index_type):
    source = tuple(n for _, _, n in axes)
    target = tuple(a + n + b for a, b, n in axes)
    amounts = integers(*((a, b) for a, b, _ in axes), dtype=index_type)
    op = operator("PAD", [tensor(*source, dtype=dtype), amounts], [tensor(*target, dtype=dtype)])
    trace = trace_of(dtype)
    loops.pad(trace, source, target, tuple(a for a, _, _ in axes))
    assert_exact(op, trace)


def test_a_padded_image_holds_its_input_at_its_end():
    op = operator(
        "PAD",
        [tensor(1, 8, 8, 4), integers((0, 0), (1, 1), (1, 1), (0, 0))],
        [tensor(1, 10, 10, 4)],
    )
    (pair,) = overlaps(op, "reference")
    assert pair.low == (10 + 1 + 7 * 2) * 4  # what is written before the last input pixel


@given(SHAPES, st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 3), TYPES)
def test_concatenation_distances_are_the_smallest_safe_ones(shape, extents, axis, dtype):
    assume(axis < len(shape))
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in extents]
    target = (*shape[:axis], sum(extents), *shape[axis + 1 :])
    inputs = [tensor(*s, dtype=dtype) for s in shapes]
    op = operator("CONCATENATION", inputs, [tensor(*target, dtype=dtype)], axis=axis - len(shape))
    traces = [trace_of(dtype) for _ in shapes]
    loops.concatenation(traces, shapes, axis)
    for index, trace in enumerate(traces):
        assert_exact(op, trace, index)


@given(SHAPES, st.integers(1, 3), st.integers(0, 4), TYPES)
def test_pack_distances_are_the_smallest_safe_ones(shape, count, axis, dtype):
    assume(axis <= len(shape))
    target = tensor(*shape[:axis], count, *shape[axis:], dtype=dtype)
    op = operator(
        "PACK", [tensor(*shape, dtype=dtype) for _ in range(count)], [target],
        axis=axis, values_count=count,
    )  # fmt: skip
    traces = [trace_of(dtype) for _ in range(count)]
    loops.pack(traces, shape, axis)
    for index, trace in enumerate(traces):
        assert_exact(op, trace, index)


@given(SHAPES, st.integers(0, 3), TYPES)
def test_unpack_distances_are_the_smallest_safe_ones(shape, axis, dtype):
    assume(axis < len(shape))
    outputs = [tensor(*shape[:axis], *shape[axis + 1 :], dtype=dtype) for _ in range(shape[axis])]
    source = tensor(*shape, dtype=dtype)
    op = operator("UNPACK", [source], outputs, axis=axis, num=shape[axis])
    traces = [trace_of(dtype) for _ in outputs]
    loops.unpack(traces, shape, axis)
    for index, trace in enumerate(traces):
        assert_exact(op, trace, output=index)


@given(SHAPES, st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 3), TYPES)
def test_split_distances_are_the_smallest_safe_ones(shape, parts, axis, dtype):
    assume(axis < len(shape))
    whole = (*shape[:axis], sum(parts), *shape[axis + 1 :])
    outputs = [tensor(*shape[:axis], n, *shape[axis + 1 :], dtype=dtype) for n in parts]
    source, where = tensor(*whole, dtype=dtype), integers(axis)
    if len(set(parts)) == 1:
        op, data = operator("SPLIT", [where, source], outputs), 1
    else:
        op, data = operator("SPLIT_V", [source, integers(*parts), where], outputs), 0
    traces = [trace_of(dtype) for _ in outputs]
    loops.split(traces, whole, axis, parts)
    for index, trace in enumerate(traces):
        assert_exact(op, trace, data, index)


@st.composite
def boxes(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    """(extent, start, stop, stride) of each axis, never empty."""
    axes = []
    for _ in range(draw(st.integers(1, 4))):
        extent = draw(st.integers(1, 4))
        start = draw(st.integers(0, extent - 1))
        axes.append((extent, start, draw(st.integers(start + 1, extent)), draw(st.integers(1, 2))))
    return axes


@given(boxes(), TYPES, st.integers(0, 15), st.integers(0, 15), st.integers(0, 15), st.booleans())
def test_strided_slice_distance_is_the_smallest_safe_one(axes, dtype, begin, end, shrink, negative):
    shape, starts, stops, strides = (tuple(c) for c in zip(*axes, strict=True))
    rank = len(shape)
    bits = [1 << i for i in range(rank)]
    given_starts, given_stops = (
        integers(*(v - n if negative and v < n else v for v, n in zip(values, shape, strict=True)))
        for values in (starts, stops)
    )
    starts = tuple(0 if begin & b else v for v, b in zip(starts, bits, strict=True))
    stops = tuple(n if end & b else v for v, n, b in zip(stops, shape, bits, strict=True))
    stops = tuple(a + 1 if shrink & b else v for v, a, b in zip(stops, starts, bits, strict=True))
    counts = [len(range(a, b, s)) for a, b, s in zip(starts, stops, strides, strict=True)]
    op = operator(
        "STRIDED_SLICE",
        [tensor(*shape, dtype=dtype), given_starts, given_stops, integers(*strides)],
        [tensor(math.prod(counts), dtype=dtype)],
        begin_mask=begin, end_mask=end, shrink_axis_mask=shrink,
    )  # fmt: skip
    trace = trace_of(dtype)
    loops.strided_slice(trace, shape, starts, stops, strides)
    assert_exact(op, trace)


@given(boxes(), TYPES, st.booleans())
def test_slice_distance_is_the_smallest_safe_one(axes, dtype, to_the_end):
    shape, starts, stops, _ = (tuple(c) for c in zip(*axes, strict=True))
    sizes = [b - a for a, b in zip(starts, stops, strict=True)]
    written = [
        -1 if to_the_end and b == n else s for s, b, n in zip(sizes, stops, shape, strict=True)
    ]
    op = operator(
        "SLICE",
        [tensor(*shape, dtype=dtype), integers(*starts), integers(*written)],
        [tensor(*sizes, dtype=dtype)],
    )
    trace = trace_of(dtype)
    loops.slice_box(trace, shape, starts, stops)
    assert_exact(op, trace)


@given(SHAPES.flatmap(lambda s: st.tuples(st.just(s), st.permutations(range(len(s))))), TYPES)
def test_transpose_distance_is_the_smallest_safe_one(shape_and_axes, dtype):
    shape, axes = shape_and_axes
    target = tensor(*(shape[axis] for axis in axes), dtype=dtype)
    op = operator("TRANSPOSE", [tensor(*shape, dtype=dtype), integers(*axes)], [target])
    trace = trace_of(dtype)
    loops.transpose(trace, shape, tuple(axes))
    assert_exact(op, trace)


@pytest.mark.parametrize("name", ["SPACE_TO_DEPTH", "DEPTH_TO_SPACE"])
@given(st.tuples(*[st.integers(1, 3)] * 4), st.integers(1, 3),
       st.sampled_from([DType.INT8, DType.FLOAT32]))  # fmt: skip
def test_block_distances_are_the_smallest_safe_ones(name, deep, block, dtype):
    batches, rows, columns, depth = deep
    wide = (batches, rows * block, columns * block, depth)
    deep = (batches, rows, columns, depth * block * block)
    to_depth = name == "SPACE_TO_DEPTH"
    source, target = (wide, deep) if to_depth else (deep, wide)
    op = operator(
        name, [tensor(*source, dtype=dtype)], [tensor(*target, dtype=dtype)], block_size=block
    )
    trace = trace_of(dtype)
    (loops.space_to_depth if to_depth else loops.depth_to_space)(trace, source, target, block)
    assert_exact(op, trace)


@pytest.mark.parametrize("name", ["RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"])
@given(st.tuples(*[st.integers(1, 5)] * 2), st.tuples(*[st.integers(1, 8)] * 2),
       st.integers(1, 3), st.sampled_from([(False, False), (True, False), (False, True)]))  # fmt: skip
def test_resizing_distances_are_the_smallest_safe_ones(name, size, out, depth, mode):
    source, target = (2, *size, depth), (2, *out, depth)
    op = operator(
        name, [tensor(*source), integers(*out)], [tensor(*target)],
        align_corners=mode[0], half_pixel_centers=mode[1],
    )  # fmt: skip
    trace = Trace()
    nearest = name == "RESIZE_NEAREST_NEIGHBOR"
    loop = loops.resize_nearest_neighbor if nearest else loops.resize_bilinear
    loop(trace, source, target, *mode)
    assert_exact(op, trace)


def test_a_transposed_convolution_needs_nothing_of_its_input_once_it_writes():
    source, target = tensor(1, 3, 3, 4), tensor(1, 6, 6, 2)
    op = operator("TRANSPOSE_CONV", [integers(1, 6, 6, 2), tensor(2, 3, 3, 4), source], [target])
    (pair,) = overlaps(op, "reference")
    assert (pair.input_index, pair.low, pair.high) == (2, -source.nbytes, None)


REFUSED = [
    operator("PAD", [tensor(2, 2), tensor(2, 2, dtype=DType.INT32)], [tensor(3, 3)]),
    operator("PAD", [tensor(2, 2), integers((0, 1), (0, 0))], [tensor(3, 3)]),
    operator("PAD", [tensor(2, 3), integers((0, 1), (0, -1))], [tensor(3, 2)]),
    operator("CONCATENATION", [tensor(2, 2), tensor(2, 2)], [tensor(4, 3)], axis=0),
    operator("CONCATENATION", [tensor(2, 2), tensor(2, 2)], [tensor(4, 2)], axis=2),
    operator("CONCATENATION", [tensor(2, 2), None], [tensor(4, 2)], axis=0),
    operator("TRANSPOSE", [tensor(2, 3), integers(0, 0)], [tensor(2, 3)]),
    operator("TRANSPOSE", [tensor(2, 3), integers(1, 0)], [tensor(2, 3)]),
    operator("STRIDED_SLICE", [tensor(4), integers(3), integers(0), integers(-1)], [tensor(3)]),
    operator("STRIDED_SLICE", [tensor(4), integers(0), integers(9), integers(1)], [tensor(9)]),
    operator("SLICE", [tensor(4), integers(2), integers(3)], [tensor(3)]),
    operator("SPLIT", [integers(1), tensor(4)], [tensor(2), tensor(2)]),
    operator("SPACE_TO_DEPTH", [tensor(1, 4, 4, 1)], [tensor(1, 2, 2, 4)]),
    operator("RESIZE_BILINEAR", [tensor(1, 4, 4, 1), integers(8, 8)], [tensor(1, 8, 9, 1)]),
    operator("UNPACK", [tensor(2, 3)], [tensor(3)], axis=0, num=2),
    operator("PACK", [tensor(3), tensor(2)], [tensor(2, 3)], axis=0, values_count=2),
]


@pytest.mark.parametrize("op", REFUSED, ids=lambda op: op.name)
def test_no_overlap_where_shapes_or_parameters_do_not_agree(op):
    assert overlaps(op, "reference") == []

"""The algebra of access orders, and what `overlaps` does with operators that make no sense."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arenafit.errors import UsageError
from arenafit.graph.model import Buffer, DType, OpCode, Operator, Tensor
from arenafit.memory.access import KERNELS, overlaps
from arenafit.memory.access.cmsis_nn import CMSIS_NN
from arenafit.memory.access.order import NEVER, NO_ACCESS, NOTHING, Accesses, reads, writes
from arenafit.memory.access.reference import REFERENCE
from support.trace import Trace
from support.trace_ops import operator, tensor

STEPS = st.lists(
    st.tuples(st.sampled_from("rw"), st.integers(0, 12), st.integers(1, 4)), max_size=8
)


def composed(steps: list[tuple[str, int, int]]) -> Accesses:
    whole = NO_ACCESS
    for kind, at, size in steps:
        whole = whole.then(reads(at) if kind == "r" else writes(size, at=at))
    return whole


def traced(steps: list[tuple[str, int, int]]) -> Trace:
    trace = Trace()
    for kind, at, size in steps:
        trace.events.append(("read" if kind == "r" else "write", at, size))
    return trace


@given(STEPS)
def test_the_distance_of_a_sequence_is_where_safety_begins(steps):
    distance, trace = composed(steps).distance, traced(steps)
    if distance == NEVER:
        assert all(trace.survives(d) for d in range(-20, 20))
    else:
        assert all(trace.survives(d) for d in range(distance, distance + 20))
        assert not trace.survives(distance - 1)


@given(STEPS, STEPS, STEPS)
def test_composition_is_associative(a, b, c):
    one, two, three = composed(a), composed(b), composed(c)
    assert one.then(two).then(three) == one.then(two.then(three)) == composed(a + b + c)


@given(STEPS, st.integers(0, 5), st.integers(0, 6), st.integers(0, 6))
def test_the_closed_form_of_a_loop_equals_its_repetitions(steps, count, read_step, write_step):
    body = composed(steps)
    one_by_one = body.repeat_at((i * read_step, i * write_step) for i in range(count))
    assert body.repeat(count, read_step, write_step) == one_by_one


def test_a_window_that_lies_wholly_in_the_padding_reads_nothing():
    body = reads().then(writes(1))
    padded = body.repeat_at([(NOTHING, 0), (NOTHING, 1)])
    assert padded == Accesses(NOTHING, 2, NEVER)
    assert body.repeat_at([(NOTHING, 0), (5, 1)]) == Accesses(5, 2, 1 - 5)


def test_unknown_kernels_are_refused():
    with pytest.raises(UsageError, match="unknown kernels 'xtensa'"):
        overlaps(operator("RELU", [tensor(4)], [tensor(4)]), "xtensa")


def test_an_absurdly_large_image_has_no_overlap_and_costs_no_time():
    size = 1 << 30
    op = operator(
        "MAX_POOL_2D", [tensor(1, size, 1, 1)], [tensor(1, size, 1, 1)],
        stride_h=1, stride_w=1, filter_height=1, filter_width=1, padding=1,
    )  # fmt: skip
    assert overlaps(op, "reference") == []


NAMES = sorted({name for table in (REFERENCE, *CMSIS_NN) for name in table})
OPTIONS = [
    "align_corners", "axis", "begin_mask", "block_size", "depth_multiplier", "dilation_h_factor",
    "dilation_w_factor", "filter_height", "filter_width", "num", "padding", "shrink_axis_mask",
    "stride_h", "stride_w", "values_count",
]  # fmt: skip


@st.composite
def tensors(draw: st.DrawFn) -> Tensor | None:
    if draw(st.integers(0, 9)) == 0:
        return None
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=5)))
    dtype = draw(st.sampled_from([DType.INT8, DType.INT8, DType.INT32, DType.FLOAT32, DType.INT4]))
    made = Tensor("t", shape, dtype)
    if draw(st.booleans()):
        made.buffer = Buffer(draw(st.binary(min_size=made.nbytes, max_size=made.nbytes + 1)))
    return made


@given(st.sampled_from(NAMES), st.data())
@settings(max_examples=300)
def test_operators_that_make_no_sense_have_no_overlap_or_one_within_bounds(name, data):
    inputs = data.draw(st.lists(tensors(), max_size=4))
    outputs = [t for t in data.draw(st.lists(tensors(), max_size=2)) if t is not None]
    options = data.draw(st.dictionaries(st.sampled_from(OPTIONS), st.integers(-2, 5)))
    op = Operator(OpCode(name), inputs, outputs, options=options)
    for kernels in KERNELS:
        for pair in overlaps(op, kernels):
            source, target = inputs[pair.input_index], outputs[pair.output_index]
            assert source is not None and not source.is_constant
            assert -source.nbytes <= pair.low < target.nbytes

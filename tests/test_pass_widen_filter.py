from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.graph import DType, Model, Quantization, load, save
from arenafit.passes import run_passes, widen_filter
from support.builder import GraphBuilder
from support.rewriting import names, rewritten, same_bytes, tflm
from support.zoo import zoo_model

NONE = (0, 0)
ALL_SIDES = [NONE, (1, 1), (1, 1), NONE]


def pytorch_style(kind: str = "CONV_2D", dtype: str = "INT8", size: int = 8) -> GraphBuilder:
    """PAD of one cell on all sides, then a 3x3 filter with stride 2."""
    g = GraphBuilder(seed=3, dtype=dtype)
    y = g.pad(g.input((1, size, size, 3)), ALL_SIDES)
    if kind == "CONV_2D":
        g.output(g.conv(y, 4, 3, 2, padding="VALID"))
    else:
        g.output(g.depthwise(y, 3, 2, padding="VALID", multiplier=2))
    return g


def assert_left_alone(model: Model) -> None:
    out, folded = rewritten(model, widen_filter.run)
    assert folded == 0
    assert names(out) == names(model)


@pytest.mark.parametrize("dtype", ["INT8", "INT16"])
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_symmetric_padding_before_stride_two_goes_for_a_row_and_column_of_zeros(
    kind: str, dtype: str
) -> None:
    model = pytorch_style(kind, dtype).model()
    out, folded = rewritten(model, widen_filter.run)
    assert (folded, names(out)) == (1, [kind])
    weights = out.main.operators[0].inputs[1]
    assert weights is not None and weights.shape[1:3] == (4, 4)
    used = {t for op in out.main.operators for t in [*op.inputs, *op.outputs]}
    assert set(out.main.tensors) == used
    assert same_bytes(model, out)


def test_zeros_on_the_wrong_side_would_be_wrong() -> None:
    model = pytorch_style().model()
    out, _ = rewritten(model, widen_filter.run)
    weights = out.main.operators[0].inputs[1]
    assert weights is not None and weights.buffer is not None and weights.buffer.data is not None
    taps = np.frombuffer(weights.buffer.data, np.int8).reshape(weights.shape)
    weights.buffer.data = np.roll(taps, 1, axis=1).tobytes()
    assert not same_bytes(model, out)


def test_the_head_of_the_arena_falls() -> None:
    model = pytorch_style(size=32).model()
    out, _ = rewritten(model, widen_filter.run)
    before, after = (tflm().measure(save(m), startup=False).head for m in (model, out))
    assert before == 32 * 32 * 3 + 34 * 34 * 3 + 4  # the sum in multiples of 16
    assert after == 32 * 32 * 3 + 16 * 16 * 4


def test_a_filter_that_others_use_stays_for_them() -> None:
    g = pytorch_style()
    shared = g.model().main.operators[1].inputs[1:3]
    x = g.model().main.inputs[0]
    other = g.conv(x, 4, 3)
    g.model().main.operators[-1].inputs[1:3] = shared
    g.output(other)
    out, folded = rewritten(g.model(), widen_filter.run)
    assert folded == 1
    shapes = [op.inputs[1].shape for op in out.main.operators if op.inputs[1] is not None]
    assert shapes == [(4, 4, 4, 3), (4, 3, 3, 3)]
    assert same_bytes(g.model(), out)


def test_a_pad_below_the_peak_stays_since_nothing_would_be_won() -> None:
    g = pytorch_style()
    g.output(g.conv(g.conv(g.model().main.outputs[0], 100), 2))
    assert_left_alone(g.model())


def test_a_pad_stays_while_another_operator_holds_the_same_peak() -> None:
    g = GraphBuilder(seed=3)
    y = g.pad(g.input((1, 4, 4, 4)), ALL_SIDES)
    z = g.conv(y, 2, 3, 2, padding="VALID")  # at PAD, 64 + 144 bytes are alive
    g.output(g.conv(z, 50))  # and here 8 + 200
    model = g.model()
    assert_left_alone(model)
    model.main.operators = model.main.operators[:2]
    model.main.outputs = [z]
    assert rewritten(model, widen_filter.run)[1] == 1


def test_outputs_count_until_the_end_when_the_peak_is_sought() -> None:
    g = GraphBuilder(seed=3)
    y = g.pad(g.input((1, 4, 4, 4)), ALL_SIDES)
    z = g.conv(y, 2, 3, 2, padding="VALID")  # at PAD, 64 + 144 bytes are alive
    g.output(g.conv(z, 40), g.conv(z, 12))  # at the last operator, 8 + 160 + 48
    assert_left_alone(g.model())


def test_a_filter_of_half_bytes_stays() -> None:
    model = pytorch_style().model()
    weights = model.main.operators[1].inputs[1]
    assert weights is not None and weights.buffer is not None and weights.buffer.data is not None
    weights.dtype = DType.INT4
    weights.buffer.data = weights.buffer.data[: weights.nbytes]
    assert_left_alone(model)


def test_what_same_can_express_is_left_to_fold_pad() -> None:
    g = GraphBuilder(seed=3)
    g.output(g.conv(g.pad(g.input((1, 8, 8, 3)), ALL_SIDES), 4, 3, padding="VALID"))
    assert_left_alone(g.model())


def test_a_filter_is_not_made_more_than_twice_as_large() -> None:
    g = GraphBuilder(seed=3)
    g.output(g.conv(g.pad(g.input((1, 9, 9, 3)), ALL_SIDES), 4, 2, 2, padding="VALID"))
    assert_left_alone(g.model())


def test_a_float_filter_stays_since_zero_times_infinity_is_not_zero() -> None:
    assert_left_alone(pytorch_style(dtype="FLOAT32").model())


def test_a_filter_that_is_computed_stays() -> None:
    model = pytorch_style().model()
    weights = model.main.operators[1].inputs[1]
    assert weights is not None
    weights.buffer = None
    assert_left_alone(model)


def test_another_padding_value_than_the_zero_point_stays() -> None:
    g = GraphBuilder(seed=3)
    x = g.input((1, 8, 8, 3))
    fill = g.const(np.array(100, np.int8), quantization=x.quantization)
    amounts = g.const([list(pads) for pads in ALL_SIDES])
    y = g.op("PADV2", [x, amounts, fill], (1, 10, 10, 3), like=x)
    g.output(g.conv(y, 4, 3, 2, padding="VALID"))
    assert_left_alone(g.model())


def test_a_max_pool_behind_stays() -> None:
    g = GraphBuilder(seed=3)
    y = g.pad(g.input((1, 8, 8, 3)), ALL_SIDES)
    g.output(g.conv(y, 4, 3, 2, padding="VALID"), g.pool(y, 3, 2))
    assert_left_alone(g.model())


def test_a_padded_image_that_the_caller_reads_stays() -> None:
    model = pytorch_style().model()
    model.main.outputs.append(model.main.operators[0].outputs[0])
    assert_left_alone(model)


def reads(outputs: int, taps: int, stride: int, dilation: int, first: int, size: int) -> list:
    cells = [[o * stride + first + t * dilation for t in range(taps)] for o in range(outputs)]
    return [[cell if 0 <= cell < size else None for cell in row] for row in cells]


def zeros_needed(size: int, taps: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """The fewest zero taps that let SAME read what `taps` read behind `pads`; -1 for none."""
    valid = (size + sum(pads) - (taps - 1) * dilation - 1) // stride + 1
    wanted = reads(valid, taps, stride, dilation, -pads[0], size)
    outputs = -(-size // stride)
    for added, front in product(range(taps + 1), range(taps + 1)):
        reach = (taps + added - 1) * dilation + 1
        total = max((outputs - 1) * stride + reach - size, 0)
        wide = reads(outputs, taps + added, stride, dilation, -(total // 2), size)
        if front <= added and wanted == [row[front : front + taps] for row in wide]:
            return added
    return -1


@st.composite
def dimensions(draw: st.DrawFn) -> tuple[int, int, int, int, tuple[int, int]]:
    """Size, taps, stride, dilation and padding, with as many outputs as SAME has or nearly."""
    size, taps = draw(st.integers(2, 10)), draw(st.integers(1, 5))
    stride = draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2)) if stride == 1 else 1
    reach = (taps - 1) * dilation + 1
    before = draw(st.integers(0, reach // 2))
    needed = max((-(-size // stride) - 1) * stride + reach - size - before, 0)
    return size, taps, stride, dilation, (before, max(needed + draw(st.integers(0, 1)), 0))


@given(
    rows=dimensions(),
    columns=dimensions(),
    depthwise=st.booleans(),
    dtype=st.sampled_from(["INT8", "INT8", "INT16"]),
)
def test_pads_fold_exactly_where_zero_taps_can_do_it(rows, columns, depthwise, dtype) -> None:  # type: ignore[no-untyped-def]
    g = GraphBuilder(seed=1, dtype=dtype)
    y = g.pad(g.input((1, rows[0], columns[0], 3)), [NONE, rows[4], columns[4], NONE])
    window: dict[str, Any] = {
        "kernel": (rows[1], columns[1]),
        "stride": (rows[2], columns[2]),
        "dilation": (rows[3], columns[3]),
    }
    window["padding"] = "VALID"
    z = g.depthwise(y, **window) if depthwise else g.conv(y, 2, **window)
    g.output(z)
    model = g.model()
    by_rows, by_columns = zeros_needed(*rows), zeros_needed(*columns)
    possible = min(by_rows, by_columns) >= 0 and max(by_rows, by_columns) > 0
    if possible:
        wide = (rows[1] + by_rows) * (columns[1] + by_columns)
        possible = wide <= 2 * rows[1] * columns[1]
    out, folded = rewritten(model, widen_filter.run)
    assert folded == possible
    if folded:
        assert same_bytes(model, out, inputs=3)


@pytest.mark.parametrize(
    ("name", "head"),
    [("tinyengine__vww", 96_000), ("emza__ssd_slim_120x160x1_v1_int8", 230_400)],
)
def test_the_peak_of_a_real_model_falls_by_one_pad(name: str, head: int) -> None:
    model = load(zoo_model(name).read_bytes())
    results = {result.name: result.changed for result in run_passes(model)}
    assert results["widen-filter"] == 1
    assert tflm().measure(save(model), startup=False).head == head


def test_the_pass_can_be_disabled() -> None:
    model = pytorch_style().model()
    run_passes(model, frozenset({"widen-filter"}))
    assert names(model) == ["PAD", "CONV_2D"]


def test_a_pad_that_changes_the_quantisation_stays() -> None:
    model = pytorch_style().model()
    model.main.operators[0].outputs[0].quantization = Quantization((0.5,), (3,))
    assert_left_alone(model)

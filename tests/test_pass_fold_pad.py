from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.graph import DType, Model, Quantization, Tensor, load
from arenafit.passes import fold_pad, run_passes
from support.builder import GraphBuilder
from support.rewriting import names, rewritten, same_bytes
from support.zoo import zoo_model

NONE = (0, 0)


def image(g: GraphBuilder, *shape: int, lowest: bool = False) -> Tensor:
    """An input; `lowest`: quantised as RELU leaves it, with the zero point at the far end."""
    x = g.input(shape)
    if lowest:
        x.quantization = Quantization((0.015625,), (-128,))
    return x


def readers(g: GraphBuilder, kind: str, x: Tensor, **window: object) -> Tensor:
    if kind == "CONV_2D":
        return g.conv(x, 4, **window)  # type: ignore[arg-type]
    if kind == "DEPTHWISE_CONV_2D":
        return g.depthwise(x, **window)  # type: ignore[arg-type]
    return g.pool(x, kind=kind.split("_")[0], **window)  # type: ignore[arg-type]


def padded(
    kind: str,
    rows: tuple[int, int],
    columns: tuple[int, int],
    *,
    size: tuple[int, int] = (8, 9),
    dtype: str = "INT8",
    lowest: bool = False,
    **window: object,
) -> Model:
    """PAD in front of one window operator with VALID padding."""
    g = GraphBuilder(seed=3, dtype=dtype)
    x = image(g, 1, *size, 3, lowest=lowest)
    y = g.pad(x, [NONE, rows, columns, NONE])
    g.output(readers(g, kind, y, padding="VALID", **window))
    return g.model()


def force(model: Model) -> Model:
    """`model` with its PADs folded as if no rule forbade it."""
    model, _ = rewritten(model, lambda _: 0)
    graph = model.main
    for pad in [op for op in graph.operators if op.name.startswith("PAD")]:
        for reader in graph.consumers()[pad.outputs[0]]:
            reader.inputs[0] = pad.inputs[0]
            reader.options.pop("padding", None)
        graph.operators.remove(pad)
        graph.tensors[:] = [t for t in graph.tensors if t is not pad.outputs[0]]
    return model


def assert_folds(model: Model, count: int = 1) -> Model:
    out, folded = rewritten(model, fold_pad.run)
    assert folded == count
    assert not {"PAD", "PADV2"} & set(names(out))
    used = {t for op in out.main.operators for t in [*op.inputs, *op.outputs]}
    assert set(out.main.tensors) <= used
    assert same_bytes(model, out)
    return out


def assert_left_alone(model: Model) -> None:
    out, folded = rewritten(model, fold_pad.run)
    assert folded == 0
    assert names(out) == names(model)


@pytest.mark.parametrize("dtype", ["INT8", "INT16", "FLOAT32"])
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_pad_of_a_convolution_with_stride_one_becomes_same(kind: str, dtype: str) -> None:
    assert_folds(padded(kind, (1, 1), (1, 1), dtype=dtype, kernel=3))


def test_pad_behind_an_even_image_becomes_same_with_stride_two() -> None:
    assert_folds(padded("DEPTHWISE_CONV_2D", (0, 1), (1, 1), kernel=3, stride=2))


def test_cells_behind_that_no_window_reaches_do_not_matter() -> None:
    # 9 columns, stride 2: the second cell behind them is the first that no window reaches.
    assert_folds(padded("CONV_2D", (0, 1), (1, 2), kernel=3, stride=2))


def test_dilation_and_different_sides_are_taken_into_account() -> None:
    assert_folds(padded("CONV_2D", (2, 2), (1, 2), kernel=(3, 4), dilation=(2, 1)))


def test_pad_with_the_lowest_value_folds_into_a_max_pool() -> None:
    assert_folds(padded("MAX_POOL_2D", (1, 1), (1, 1), kernel=3, stride=1, lowest=True))


def test_pad_folds_into_a_max_pool_that_clamps_at_the_padding_value() -> None:
    assert_folds(padded("MAX_POOL_2D", (1, 1), (1, 1), kernel=3, stride=1, activation="RELU"))


def test_pad_with_several_readers_folds_when_all_of_them_can_take_it() -> None:
    g = GraphBuilder(seed=4)
    y = g.pad(image(g, 1, 6, 6, 3), [NONE, (1, 1), (1, 1), NONE])
    g.output(g.conv(y, 2, 3, padding="VALID"), g.depthwise(y, 3, padding="VALID"))
    assert_folds(g.model())


def test_pad_stays_when_one_of_its_readers_cannot_take_it() -> None:
    g = GraphBuilder(seed=4)
    y = g.pad(image(g, 1, 6, 6, 3), [NONE, (1, 1), (1, 1), NONE])
    g.output(g.conv(y, 2, 3, padding="VALID"), g.conv(y, 2, 1, padding="VALID"))
    assert_left_alone(g.model())


def padv2(value: int, kind: str = "CONV_2D") -> Model:
    g = GraphBuilder(seed=5)
    x = image(g, 1, 6, 6, 3)
    fill = g.const(np.array(value, np.int8), quantization=x.quantization)
    amounts = g.const([[0, 0], [1, 1], [1, 1], [0, 0]])
    y = g.op("PADV2", [x, amounts, fill], (1, 8, 8, 3), like=x)
    g.output(readers(g, kind, y, kernel=3, stride=1, padding="VALID"))
    model = g.model()
    assert x.quantization is not None
    if kind == "CONV_2D" and value == 0:
        fill.buffer.data = np.int8(x.quantization.zero_points[0]).tobytes()  # type: ignore[union-attr]
    return model


def test_padv2_with_the_zero_point_folds() -> None:
    assert_folds(padv2(0))


def test_padv2_with_another_value_stays_and_folding_it_would_be_wrong() -> None:
    model = padv2(100)
    assert_left_alone(model)
    assert not same_bytes(model, force(model))


def test_padv2_with_the_lowest_value_folds_into_a_max_pool_whatever_the_zero_point() -> None:
    assert_folds(padv2(-128, "MAX_POOL_2D"))


def test_symmetric_padding_before_stride_two_stays_and_folding_it_would_be_wrong() -> None:
    model = padded("CONV_2D", (1, 1), (1, 1), size=(8, 8), kernel=3, stride=2)
    assert_left_alone(model)
    assert not same_bytes(model, force(model))


def test_max_pool_sees_a_padding_value_above_the_lowest_so_pad_stays() -> None:
    model = padded("MAX_POOL_2D", (1, 1), (1, 1), kernel=3, stride=1)
    assert_left_alone(model)
    assert not same_bytes(model, force(model))


def test_average_pool_counts_padded_cells_so_pad_stays() -> None:
    model = padded("AVERAGE_POOL_2D", (1, 1), (1, 1), kernel=3, stride=1)
    assert_left_alone(model)
    assert not same_bytes(model, force(model))


def test_one_cell_more_than_same_changes_the_size_so_pad_stays() -> None:
    assert_left_alone(padded("CONV_2D", (1, 2), (1, 1), kernel=3))
    assert_left_alone(padded("CONV_2D", (2, 1), (1, 1), kernel=3))


def test_pad_in_front_of_same_padding_stays() -> None:
    g = GraphBuilder()
    y = g.pad(image(g, 1, 7, 7, 3), [NONE, (1, 0), (1, 0), NONE])
    g.output(g.conv(y, 2, 4, 2, padding="SAME"))
    assert_left_alone(g.model())
    assert not same_bytes(g.model(), force(g.model()))


def test_pad_of_channels_stays() -> None:
    g = GraphBuilder()
    y = g.pad(image(g, 1, 6, 6, 3), [NONE, (1, 1), (1, 1), (0, 1)])
    g.output(g.conv(y, 2, 3, padding="VALID"))
    assert_left_alone(g.model())


def test_pad_that_the_caller_reads_stays() -> None:
    model = padded("CONV_2D", (1, 1), (1, 1), kernel=3)
    model.main.outputs.append(model.main.operators[0].outputs[0])
    assert_left_alone(model)


def test_pad_that_a_signature_names_stays() -> None:
    g = GraphBuilder()
    y = g.pad(image(g, 1, 6, 6, 3), [NONE, (1, 1), (1, 1), NONE])
    g.output(g.conv(y, 2, 3, padding="VALID"))
    g.signature()
    g.model().signatures[0].outputs.append(("padded", y))
    assert_left_alone(g.model())


def test_pad_that_changes_the_quantisation_stays() -> None:
    model = padded("CONV_2D", (1, 1), (1, 1), kernel=3)
    zeros = model.main.inputs[0].quantization.zero_points  # type: ignore[union-attr]
    model.main.operators[0].outputs[0].quantization = Quantization((0.5,), zeros)
    assert_left_alone(model)


def test_pad_of_a_variable_stays() -> None:
    model = padded("CONV_2D", (1, 1), (1, 1), kernel=3)
    model.main.inputs[0].is_variable = True
    assert_left_alone(model)


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("shape", [(2, 8, 9), (1, 8, 9, 5), (2, 8, 9, 3), (1, 8, 9, 4)])
def test_pad_in_front_of_a_malformed_reader_stays(kind: str, shape: tuple[int, ...]) -> None:
    model = padded(kind, (1, 1), (1, 1), lowest=True, kernel=3, stride=1)
    (output,) = model.main.outputs
    if output.shape != shape:
        output.shape = shape
        assert_left_alone(model)


def test_pad_that_is_a_filter_as_well_stays() -> None:
    model = padded("CONV_2D", (1, 1), (1, 1), kernel=3)
    pad, conv = model.main.operators
    conv.inputs[2] = pad.outputs[0]
    assert_left_alone(model)


def test_pad_with_amounts_from_another_operator_stays() -> None:
    model = padded("CONV_2D", (1, 1), (1, 1), kernel=3)
    amounts = model.main.operators[0].inputs[1]
    assert amounts is not None
    amounts.buffer = None
    assert_left_alone(model)


def test_infinite_weights_times_zero_are_not_zero_so_pad_stays() -> None:
    model = padded("CONV_2D", (1, 1), (1, 1), dtype="FLOAT32", kernel=3)
    weights = model.main.operators[1].inputs[1]
    assert weights is not None and weights.buffer is not None and weights.buffer.data is not None
    weights.buffer.data = np.float32("inf").tobytes() + weights.buffer.data[4:]
    assert_left_alone(model)


def sources(outputs: int, taps: int, stride: int, dilation: int, before: int, size: int) -> list:
    """For every output and tap of one dimension, the input cell read, None for padding."""
    cells = [[o * stride - before + t * dilation for t in range(taps)] for o in range(outputs)]
    return [[cell if 0 <= cell < size else None for cell in row] for row in cells]


def equals_same(size: int, taps: int, stride: int, dilation: int, pads: tuple[int, int]) -> bool:
    """Does SAME read the same cells for the same outputs as `pads` and VALID? By listing them."""
    reach = (taps - 1) * dilation + 1
    valid = (size + sum(pads) - reach) // stride + 1
    same = -(-size // stride)
    total = max((same - 1) * stride + reach - size, 0)
    return sources(valid, taps, stride, dilation, pads[0], size) == sources(
        same, taps, stride, dilation, total // 2, size
    )


@st.composite
def dimensions(draw: st.DrawFn) -> tuple[int, int, int, int, tuple[int, int]]:
    """Size, taps, stride, dilation, and padding that is SAME's, or close to it."""
    size, taps = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    stride = draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2)) if stride == 1 else 1
    reach = (taps - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    before = total // 2 + draw(st.sampled_from([0, 0, 0, 0, 1, -1]))
    behind = total - total // 2 + draw(st.sampled_from([0, 0, 0, 1, -1, 2]))
    behind = max(behind, reach - size - before)  # at least one window
    return size, taps, stride, dilation, (max(before, 0), max(behind, 0))


@given(
    rows=dimensions(),
    columns=dimensions(),
    kind=st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"]),
    dtype=st.sampled_from(["INT8", "INT8", "INT16"]),
)
def test_pad_folds_exactly_where_same_reads_the_same_cells(rows, columns, kind, dtype) -> None:  # type: ignore[no-untyped-def]
    window = {"kernel": (rows[1], columns[1]), "stride": (rows[2], columns[2])}
    if kind == "MAX_POOL_2D":
        rows, columns, dtype = (*rows[:3], 1, rows[4]), (*columns[:3], 1, columns[4]), "INT8"
        for size, taps, _, _, pads in (rows, columns):
            if size + sum(pads) < taps:
                return
    else:
        window["dilation"] = rows[3], columns[3]
    model = padded(
        kind, rows[4], columns[4], size=(rows[0], columns[0]), dtype=dtype, lowest=True, **window
    )
    expected = equals_same(*rows) and equals_same(*columns)
    if dtype == "INT16":
        model.main.inputs[0].quantization = Quantization((0.0001,), (0,))
        model.main.operators[0].outputs[0].quantization = model.main.inputs[0].quantization
    out, folded = rewritten(model, fold_pad.run)
    assert folded == expected
    if folded:
        assert same_bytes(model, out, inputs=3)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("openmv__fomo_face_detection", 2),
        ("mltk__zip_keyword_spotting_mobilenetv2", 4),
        ("emza__ssd_slim_120x160x1_v1_int8", 9),  # the others pad both sides before stride 2
        ("cfu__presence_0_320_240_1_20220117_140437_201k_26k_96ops", 2),  # the signature has one
        ("tinyengine__vww", 0),  # all five pad both sides before stride 2
        ("openmv__blazeface_front_128", 0),  # all pad channels
    ],
)
def test_pads_of_real_models_fold(name: str, count: int) -> None:
    model = load(zoo_model(name).read_bytes())
    assert fold_pad.run(model) == count


def test_the_pass_can_be_disabled() -> None:
    model = padded("CONV_2D", (1, 1), (1, 1), kernel=3)
    run_passes(model, frozenset({"fold-pad"}))
    assert names(model) == ["PAD", "CONV_2D"]


def test_unknown_types_stay() -> None:
    model = padded("CONV_2D", (1, 1), (1, 1), kernel=3)
    for tensor in model.main.tensors:
        tensor.dtype = DType.UINT8 if tensor.dtype == DType.INT8 else tensor.dtype
    assert_left_alone(model)

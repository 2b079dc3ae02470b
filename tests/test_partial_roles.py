"""Which operators can be in a segment; what cannot stays as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arenafit.graph import Buffer, Model, Quantization
from arenafit.partial.roles import role
from arenafit.partial.segment import make_segment
from arenafit.runtime import available
from support.builder import GraphBuilder
from support.segment import same_as_tflm

needs_tflm = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")


def sliced(begin, end, strides, **masks) -> Model:
    g = GraphBuilder(seed=1)
    x = g.conv(g.input((1, 11, 9, 2)), 4, kernel=3)
    positive = [b % n if b < 0 else b for b, n in zip(begin, x.shape, strict=True)]
    stops = [e % n if e < 0 else e for e, n in zip(end, x.shape, strict=True)]
    for name, limits, whole in (("begin_mask", positive, (0,) * 4), ("end_mask", stops, x.shape)):
        for i in range(4):
            if masks.get(name, 0) >> i & 1:
                limits[i] = whole[i]
    y = g.strided_slice(x, positive, stops, strides)
    op = g.graph.operators[-1]
    for i, values in ((1, begin), (2, end)):
        op.inputs[i] = g.const(list(values))
    op.options.update(masks)
    g.output(g.conv(y, 3, kernel=3))
    return g.model()


SLICES = [
    ((0, 0, 0, 0), (1, 11, 9, 4), (1, 2, 2, 1), {}),
    ((0, 1, 2, 0), (1, 11, 9, 4), (1, 3, 2, 1), {}),
    ((0, -7, -3, 0), (1, -1, 9, 4), (1, 1, 1, 1), {}),
    ((0, 5, 0, 0), (0, 2, 0, 0), (1, 4, 2, 1), {"begin_mask": 15, "end_mask": 15}),
]


@needs_tflm
@pytest.mark.parametrize(("begin", "end", "strides", "masks"), SLICES)
def test_a_slice_of_rows_and_columns_is_a_member_with_tflms_bytes(begin, end, strides, masks):
    assert same_as_tflm(sliced(begin, end, strides, **masks), varied=True)


@pytest.mark.parametrize(
    ("begin", "end", "strides", "masks"),
    [
        ((0, 0, 0, 1), (1, 11, 9, 4), (1, 1, 1, 1), {}),  # channels
        ((0, 0, 0, 0), (1, 11, 9, 4), (1, 1, 1, 2), {}),
        ((0, 0, 0, 0), (1, 11, 9, 4), (1, 1, 1, 1), {"shrink_axis_mask": 1}),
        ((0, 0, 0, 0), (1, 11, 9, 4), (1, 1, 1, 1), {"ellipsis_mask": 2}),
    ],
)
def test_other_slices_are_none(begin, end, strides, masks):
    model = sliced(begin, end, strides, **masks)
    assert role(model.main.operators[1]) is None


def conv() -> Model:
    g = GraphBuilder(seed=2)
    g.output(g.conv(g.input((1, 8, 8, 2)), 4, kernel=3))
    return g.model()


def _weights(model: Model, **changes) -> None:
    op = model.main.operators[0]
    op.inputs[1] = replace(op.inputs[1], **changes)


def _quantised(model: Model, **changes) -> None:
    weights = model.main.operators[0].inputs[1]
    weights.quantization = replace(weights.quantization, **changes)


CHANGES = {
    "weights with a zero point": lambda m: _quantised(m, zero_points=(0, 0, 1, 0)),
    "weights with too few scales": lambda m: _quantised(m, scales=(0.1, 0.1)),
    "weights quantised along another axis": lambda m: _quantised(m, axis=3),
    "weights cut short": lambda m: _weights(m, buffer=Buffer(b"\1" * 7)),
    "weights that are computed": lambda m: _weights(m, buffer=None),
    "weights of other channels": lambda m: _weights(m, shape=(4, 3, 3, 1), buffer=Buffer(b"\1" * 36)),
    "an output of other channels": lambda m: setattr(m.main.outputs[0], "shape", (1, 8, 8, 5)),
    "an output of other rows": lambda m: setattr(m.main.outputs[0], "shape", (1, 7, 8, 4)),
    "two images": lambda m: setattr(m.main.inputs[0], "shape", (2, 8, 8, 2)),
    "no scale": lambda m: setattr(m.main.inputs[0], "quantization", None),
    "a scale of 0": lambda m: setattr(m.main.inputs[0], "quantization", Quantization((0.0,), (0,))),
    "a zero point out of range": lambda m: setattr(
        m.main.inputs[0], "quantization", Quantization((0.1,), (300,))
    ),
    "an odd padding": lambda m: m.main.operators[0].options.update(padding=7),
    "no stride": lambda m: m.main.operators[0].options.update(stride_h=0),
}  # fmt: skip


def test_the_convolution_that_is_changed_is_a_member_itself():
    assert role(conv().main.operators[0]) is not None


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_convolution_with_anything_odd_is_none(change):
    model = conv()
    change(model)
    assert role(model.main.operators[0]) is None


def test_a_result_that_nobody_reads_makes_no_segment():
    g = GraphBuilder(seed=3)
    x = g.conv(g.input((1, 8, 8, 2)), 4, kernel=3)
    g.conv(x, 4, kernel=1)
    y = g.conv(x, 2, kernel=1)
    assert make_segment(g.graph.operators, role, lambda tensor: tensor is y) is None


def test_a_tensor_that_is_seen_in_two_shapes_makes_no_segment():
    """[1, 4, 4, 8] read as [1, 2, 8, 8] rows are not the rows that were made."""
    g = GraphBuilder(seed=4)
    x = g.conv(g.input((1, 4, 4, 2)), 8, kernel=3)
    y = g.conv(g.reshape(x, (1, 2, 8, 8)), 2, kernel=1)
    assert make_segment(g.graph.operators, role, lambda tensor: tensor is y) is None


@needs_tflm
def test_a_flat_input_is_seen_as_the_image_that_it_becomes():
    g = GraphBuilder(seed=5)
    x = g.reshape(g.input((1, 192)), (1, 12, 8, 2))
    x = g.pool(g.conv(x, 4, kernel=3, stride=2), kernel=2, stride=2)
    g.output(g.fully_connected(g.reshape(x, (1, 24)), 5))
    assert same_as_tflm(g.model(), varied=True)

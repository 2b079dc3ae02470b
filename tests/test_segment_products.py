"""Segments multiply just as often as the model does: no row twice, no padded tap.

What is compared: executions of the kernels' multiplying lines, which gcov counts, with the
multiply-accumulates of TFLM's reference loops, which are counted here by going through them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arenafit.errors import ModelError
from arenafit.export import Network, Port, SegmentCall, make_network
from arenafit.graph import Model, Operator, load, save
from arenafit.partial.encoding import encode
from arenafit.partial.layout import lay_out
from arenafit.partial.lower import lower
from arenafit.passes import COSTLY_PASSES, run_passes
from arenafit.runtime.inputs import stimuli
from support.builder import GraphBuilder
from support.counting import count_products
from support.native import ROOT
from support.rewriting import tflm
from support.segment import segment_of
from support.zoo import requires_zoo, zoo_models

MODELS = sorted((ROOT / "models").glob("*.tflite"))
# Their pools leave out a last row of a convolution: nobody asks for it, so it is not made.
LAST_ROW_UNREAD = ("cfu__presence", "mlonmcu__micro_kws", "mltk__keyword_spotting_on_off_v2")

SMALL = ("lenet5_28", "ds_cnn_kws", "resnet8_cifar")


# -- the model's own ------------------------------------------------------------------------


def taps_inside(size: int, out: int, kernel: int, stride: int, dilation: int, same: bool) -> int:
    """Taps of all windows of an axis that are in the image: those whose products TFLM adds."""
    reach = (kernel - 1) * dilation + 1
    pad = max((out - 1) * stride + reach - size, 0) // 2 if same else 0
    return sum(
        0 <= position * stride - pad + tap * dilation < size
        for position in range(out)
        for tap in range(kernel)
    )


def products_of(op: Operator) -> int:
    """Multiply-accumulates of one operator in TFLM's reference kernels."""
    if op.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0
    x, weights, y = op.inputs[0], op.inputs[1], op.outputs[0]
    assert x is not None and weights is not None
    if op.name == "FULLY_CONNECTED":
        return x.elements * weights.shape[0]

    def axis(which: int) -> int:
        letter = "hw"[which]
        return taps_inside(
            x.shape[1 + which], y.shape[1 + which], weights.shape[1 + which],
            int(op.option(f"stride_{letter}")), int(op.option(f"dilation_{letter}_factor", 1)),
            int(op.option("padding")) == 0,
        )  # fmt: skip

    pixels = axis(0) * axis(1)
    channels = weights.shape[3] if op.name == "DEPTHWISE_CONV_2D" else weights.shape[0]
    depth = 1 if op.name == "DEPTHWISE_CONV_2D" else weights.shape[3]
    return pixels * channels * depth


def products_in(model: Model) -> int:
    return sum(products_of(op) for op in model.main.operators)


# -- the segments' --------------------------------------------------------------------------


def counted(network: Network, data: bytes, folder: Path) -> int:
    """What `network` does for one input, with outputs that are the real TFLM's for `data`."""
    inputs = stimuli(tflm().describe(data), 1)[0].steps[0]
    ((*expected,),) = tflm().run(data, [inputs])
    found, outputs = count_products(network, inputs, folder)
    assert outputs == [np.asarray(value).tobytes() for value in expected]
    return found


def all_of(models: list[Path], quick: tuple[str, ...]) -> list[Any]:
    return [
        pytest.param(path, id=path.stem, marks=() if path.stem in quick else pytest.mark.slow)
        for path in models
    ]


def expect_the_model_s_products(path: Path, cpu: str | None, folder: Path) -> None:
    data = path.read_bytes()
    try:
        network = make_network(load(data), cpu)
    except ModelError as error:
        pytest.skip(str(error))
    original, rewritten = load(data), load(data)
    # A PAD may become a convolution's own padding: no products with zeros.
    run_passes(rewritten, COSTLY_PASSES)
    found, wanted = counted(network, data, folder), products_in(original)
    print(f"{path.stem}: {found:,} multiply-accumulates, {wanted:,} in TFLM")
    assert 0 < found <= wanted
    if path.stem.startswith(LAST_ROW_UNREAD):
        assert 0.95 * wanted < found < wanted
    else:
        assert found == products_in(rewritten)


@pytest.mark.parametrize("cpu", [None, "cortex-m55"])
@pytest.mark.parametrize("path", all_of(MODELS, SMALL))
def test_a_shipped_model_as_segments_multiplies_as_often_as_in_tflm(path, cpu, tmp_path):
    expect_the_model_s_products(path, cpu, tmp_path)


@requires_zoo
@pytest.mark.slow
@pytest.mark.parametrize("path", zoo_models(), ids=lambda path: path.stem)
def test_a_model_of_the_zoo_as_segments_multiplies_as_often_as_in_tflm(path, tmp_path):
    expect_the_model_s_products(path, None, tmp_path)


def borders(g: GraphBuilder) -> None:
    """Windows that leave the image on every side, strided and dilated; odd numbers of channels."""
    x = g.conv(g.input((1, 9, 8, 3)), 7, 3, 2)
    x = g.conv(g.depthwise(x, 5, 1), 6, 3, dilation=2)
    x = g.depthwise(g.conv(x, 5, (4, 3)), 3, 2, multiplier=2)
    g.output(g.fully_connected(g.reshape(x, (1, x.elements)), 9))


def one_channel(g: GraphBuilder) -> None:
    g.output(g.conv(g.depthwise(g.input((1, 7, 9, 1)), 3, 2, multiplier=5), 4))


def residual(g: GraphBuilder) -> None:
    """A skip connection: rows that are read again, long after they were made."""
    x = g.conv(g.input((1, 10, 6, 4)), 8, 3)
    g.output(g.add(g.conv(g.depthwise(g.conv(x, 12), 3), 8, 3), x))


def model_of(build: Callable[[GraphBuilder], None]) -> Model:
    g = GraphBuilder(seed=4)
    build(g)
    return g.model()


@pytest.mark.parametrize("cpu", [None, "cortex-m55"])
@pytest.mark.parametrize("build", [borders, one_channel, residual], ids=lambda b: b.__name__)
def test_a_test_model_as_segments_multiplies_as_often_as_in_tflm(build, cpu, tmp_path):
    model = model_of(build)
    network = make_network(model, cpu)
    assert counted(network, save(model), tmp_path) == products_in(model)


# -- what would be noticed ------------------------------------------------------------------


def network_of(model: Model) -> Network:
    """All operators of `model` as one segment: no pass has been over them."""
    segment = segment_of(model)
    program = lay_out(lower(segment))
    offsets, at = [], 0
    for tensor in (*segment.inputs, *segment.outputs):
        offsets.append(at)
        at += -(-tensor.nbytes // 16) * 16
    ports = [
        Port("", t.dtype, t.shape, offset, t.nbytes, 1.0, 0)
        for t, offset in zip((*segment.inputs, *segment.outputs), offsets, strict=True)
    ]
    count = len(segment.inputs)
    call = SegmentCall(encode(program), tuple(offsets[:count]), tuple(offsets[count:]), at)
    return Network((call,), tuple(ports[:count]), tuple(ports[count:]), at + program.workspace)


def test_padded_taps_are_noticed(tmp_path):
    def padded(g: GraphBuilder, explicitly: bool) -> None:
        x = g.input((1, 6, 5, 3))
        if explicitly:
            x = g.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        g.output(g.conv(x, 4, 3, 1, "VALID" if explicitly else "SAME"))

    found = {}
    for explicitly in (False, True):
        model = model_of(partial(padded, explicitly=explicitly))
        folder = tmp_path / str(explicitly)
        folder.mkdir()
        found[explicitly] = counted(network_of(model), save(model), folder)
        assert found[explicitly] == products_in(model)
    inside, all_taps = (6 * 3 - 2) * (5 * 3 - 2) * 3 * 4, 6 * 3 * 5 * 3 * 3 * 4
    assert found == {False: inside, True: all_taps}


def test_rows_that_are_made_twice_are_noticed(tmp_path):
    def joined(g: GraphBuilder, twice: bool) -> None:
        x = g.input((1, 8, 6, 4))
        y = g.conv(x, 8, 3)
        z = g.depthwise(y, 3)
        if twice:
            (first,) = (op for op in g.graph.operators if op.outputs == [y])
            y = g.tensor(y.shape, quantization=y.quantization)
            g.graph.operators.append(replace(first, outputs=[y]))
        g.output(g.add(z, y))

    once, again = (model_of(partial(joined, twice=twice)) for twice in (False, True))
    found = counted(network_of(again), save(once), tmp_path)
    assert found == products_in(once) + products_of(once.main.operators[0])

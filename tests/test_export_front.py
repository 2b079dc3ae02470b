"""A network in two: its front as C, fed row by row, the rest in the real TFLM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arenafit.cli import main
from arenafit.errors import ModelError
from arenafit.export import make_network, split_front
from arenafit.graph import Model, load, save
from arenafit.runtime.inputs import stimuli
from support.builder import GraphBuilder
from support.rewriting import tflm
from support.zoo import zoo_model
from test_feed_export import compiled, rows_of

MODELS = Path(__file__).resolve().parents[1] / "models"


def turned() -> Model:
    """What is behind the transposition reads two tensors of the front, in another order; the front
    makes an output of the network, too."""
    g = GraphBuilder(seed=4)
    x = g.conv(g.input((1, 10, 8, 3)), 4, kernel=3)
    y = g.pool(x, 2)
    mean = g.mean(y)
    turned = g.transpose(y, (0, 2, 1, 3))
    z = g.conv(turned, 4, kernel=3)
    g.output(z, mean, g.add(g.conv(x, 4, kernel=3), x))
    return g.model()


def expect_the_bytes_of_tflm(data: bytes, folder: Path, count: int = 3) -> None:
    model = load(data)
    front, rest = split_front(model)
    exported = compiled(save(front), folder)
    steps = [s.steps[0] for s in stimuli(tflm().describe(data), count)]
    names = [t.name for t in model.main.outputs]
    for step, expected in zip(steps, tflm().run(data, steps), strict=True):
        made = exported.run(rows_of(step))
        ports = exported.network.outputs
        given = [
            np.frombuffer(value, np.int8).reshape(port.shape)
            for value, port in zip(made, ports, strict=True)
        ]
        (last,) = tflm().run(save(rest), [given[: len(rest.main.inputs)]])
        seen = {port.name: value for port, value in zip(ports, made, strict=True)}
        for tensor, value in zip(rest.main.outputs, last, strict=True):
            seen[tensor.name or ""] = np.asarray(value).tobytes()
        for name, value in zip(names, expected, strict=True):
            assert seen[name or ""] == np.asarray(value).tobytes()


def test_front_and_rest_one_after_the_other_give_the_bytes_of_tflm(tmp_path: Path):
    model = turned()
    expect_the_bytes_of_tflm(save(model), tmp_path)
    front, rest = split_front(model)
    assert rest.main.operators[0].name == "TRANSPOSE"
    assert len(front.main.operators) + len(rest.main.operators) == len(model.main.operators)


def test_the_rest_holds_no_weights_of_the_front():
    front, rest = split_front(turned())
    whole = len(save(turned()))
    assert max(len(save(front)), len(save(rest))) < whole
    used = {t for op in rest.main.operators for t in (*op.inputs, *op.outputs)}
    assert {*rest.main.tensors} <= used


@pytest.mark.parametrize(
    ("name", "message"), [("ds_cnn_kws", "leaves no rest"), ("wake_word_stream", "cannot be split")]
)
def test_what_cannot_be_split_is_refused_in_one_line(name: str, message: str):
    with pytest.raises(ModelError, match=message) as caught:
        split_front(load((MODELS / f"{name}.tflite").read_bytes()))
    assert "\n" not in str(caught.value)


def test_a_first_operator_that_no_segment_can_have_leaves_no_front():
    g = GraphBuilder(1)
    g.output(g.conv(g.transpose(g.input((1, 4, 6, 2)), (0, 2, 1, 3)), 3))
    with pytest.raises(ModelError, match="nothing for a front"):
        split_front(g.model())


def test_the_command_writes_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model = tmp_path / "turned.tflite"
    model.write_bytes(save(turned()))
    rest = tmp_path / "rest.tflite"
    command = ["export", str(model), "-o", str(tmp_path / "c"), "--feed-rows", "--rest", str(rest)]
    assert main(command) == 0
    assert str(rest) in capsys.readouterr().out.splitlines()
    assert load(rest.read_bytes()).main.operators[0].name == "TRANSPOSE"
    assert (tmp_path / "c" / "turned.c").is_file()


@pytest.mark.slow
def test_a_real_model_is_fed_in_an_eighth_of_its_memory(tmp_path: Path):
    data = zoo_model("tinyengine__vww").read_bytes()
    expect_the_bytes_of_tflm(data, tmp_path, count=2)
    front, _ = split_front(load(data))
    assert make_network(front, feed_rows=True).arena <= 19_920

"""The models that the repository ships are what models/README.md says they are."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from arenafit.graph import Model, Operator, load
from arenafit.runtime import Session, available, record
from arenafit.schedule.reorder import reorder

MODELS = Path(__file__).resolve().parent.parent / "models"
LIMIT = 400_000

FLATTEN = ["SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE"]
OPERATORS = {
    "mobilenet_v1_025_96": {"CONV_2D": 14, "DEPTHWISE_CONV_2D": 13, "PAD": 5, "MEAN": 1},
    "ds_cnn_kws": {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 4, "AVERAGE_POOL_2D": 1},
    "resnet8_cifar": {"CONV_2D": 9, "ADD": 3, "AVERAGE_POOL_2D": 1},
    "branching_cell_64": {"ADD": 6, "CONCATENATION": 2, "MAX_POOL_2D": 2},
    "lenet5_28": {"CONV_2D": 2, "MAX_POOL_2D": 2, "FULLY_CONNECTED": 3},
    "wake_word_stream": {"VAR_HANDLE": 5, "READ_VARIABLE": 5, "ASSIGN_VARIABLE": 5},
}

each_model = pytest.mark.parametrize("name", OPERATORS)
needs_tflm = pytest.mark.skipif(not available(), reason="the tflite-micro wheel is not here")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as made:
        yield made


def read(name: str) -> bytes:
    return (MODELS / f"{name}.tflite").read_bytes()


def table() -> dict[str, dict[str, str]]:
    """Model -> its row of the README's table."""
    lines = (MODELS / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


def names(model: Model) -> list[str]:
    return [op.name for op in model.main.operators]


def test_every_model_file_has_a_row_in_the_readme_and_none_is_missing() -> None:
    files = {path.stem for path in MODELS.glob("*.tflite")}
    assert files == set(table()) == set(OPERATORS)


@each_model
def test_the_readme_tells_operators_size_and_digest(name: str) -> None:
    data, row = read(name), table()[name]
    assert len(data) < LIMIT
    assert row["bytes"] == f"{len(data):,}"
    assert row["operators"] == str(len(load(data).main.operators))
    assert row["SHA-256"] == hashlib.sha256(data).hexdigest()


@needs_tflm
@each_model
def test_the_readme_tells_the_arena_that_stock_tflm_takes(session: Session, name: str) -> None:
    measured, row = session.measure(read(name), startup=False), table()[name]
    assert (row["stock head"], row["stock tail"]) == (f"{measured.head:,}", f"{measured.tail:,}")


@needs_tflm
@each_model
def test_outputs_tell_most_inputs_apart(session: Session, name: str) -> None:
    assert record(session, read(name), inputs=8).distinct_outputs >= 6


@each_model
def test_a_model_has_the_operators_that_it_is_there_for(name: str) -> None:
    found = Counter(names(load(read(name))))
    assert {key: found[key] for key in OPERATORS[name]} == OPERATORS[name]


@each_model
def test_activations_are_int8(name: str) -> None:
    graph = load(read(name)).main
    assert {t.dtype.name for t in (*graph.inputs, *graph.outputs)} == {"INT8"}
    assert not {op.name for op in graph.operators} & {"QUANTIZE", "DEQUANTIZE", "CUSTOM"}


def test_mobilenet_pads_explicitly_what_same_padding_would_pad() -> None:
    graph = load(read("mobilenet_v1_025_96")).main
    consumers = graph.consumers()
    pads = [op for op in graph.operators if op.name == "PAD"]
    for pad in pads:
        amounts = pad.inputs[1]
        assert amounts is not None and amounts.buffer is not None
        zeros = np.frombuffer(amounts.buffer.data or b"", np.int32).reshape(4, 2)
        assert zeros.tolist() == [[0, 0], [0, 1], [0, 1], [0, 0]]
        (user,) = consumers[pad.outputs[0]]
        assert window(user) == (3, 3, 2, 2, "VALID")
        rows = pad.outputs[0].shape[1]
        assert rows % 2 == 1  # SAME pads an even extent by one at the end
        assert user.outputs[0].shape[1] == (rows - 1) // 2


def window(op: Operator) -> tuple[int, int, int, int, str]:
    """Kernel, stride and padding of a convolution."""
    weights = op.inputs[1]
    assert weights is not None
    padding = ("SAME", "VALID")[op.option("padding")]
    return (*weights.shape[1:3], op.option("stride_h"), op.option("stride_w"), padding)


@pytest.mark.parametrize("name", ["ds_cnn_kws", "resnet8_cifar", "lenet5_28"])
def test_flatten_is_a_chain_of_shape_operators(name: str) -> None:
    assert re.search(",".join(FLATTEN), ",".join(names(load(read(name)))))


def test_the_order_of_the_branching_cells_matters() -> None:
    result = reorder(load(read("branching_cell_64")))
    assert result.optimal
    assert (result.peak_before, result.peak) == (106_496, 65_536)
    row = table()["branching_cell_64"]["shows"]
    assert f"from {result.peak_before:,} to {result.peak:,}" in row


@needs_tflm
def test_the_wake_word_answers_by_what_it_heard_before(session: Session) -> None:
    data = read("wake_word_stream")
    loud, quiet = (np.full((1, 3, 40), value, np.int8) for value in (90, -90))

    def last(first: np.ndarray) -> bytes:
        return session.run(data, [[first]] * 12 + [[loud]])[-1][0].tobytes()

    assert last(loud) != last(quiet)
    assert last(loud) == last(loud)

"""Models with segments in the real TFLM, under arenafit's planner: bytes and heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arenafit.candidates import predict_head
from arenafit.errors import ModelError
from arenafit.graph import Buffer, Model, save
from arenafit.graph.custom import SEGMENT
from arenafit.partial.encoding import decode, encode
from arenafit.partial.model import Partial
from arenafit.partial.program import Conv, Program
from arenafit.runtime import Session, available
from support.native import compiler
from support.partial import MODELS, each_model, place, streamed
from support.zoo import each_zoo_model

pytestmark = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    compiler("c++")  # skips the tests where there is none
    with Session(planner="arenafit") as opened:
        yield opened


def planned(path: Path) -> tuple[Model, Partial]:
    """The model with segments and a plan for arenafit's planner."""
    model, done = streamed(path)
    place(model)
    return model, done


def computes_the_same_in_the_predicted_head(
    path: Path, session: Session, inputs: int, gaps: float
) -> None:
    """`gaps`: how far the planner may miss the predicted head in the time that it gets."""
    model, done = planned(path)
    data = save(model)
    assert session.measure(data, startup=False).head == predict_head(model, "reference")
    assert session.measure(data, startup=False).head <= done.head * gaps
    verified = session.verify(path.read_bytes(), data, inputs=inputs, intermediates=False)
    assert verified.bit_exact and verified.distinct_outputs > 1


@each_model
def test_a_model_with_segments_computes_the_same_bytes_in_the_predicted_head(
    path: Path, session: Session
):
    computes_the_same_in_the_predicted_head(path, session, 3, 1.0)


@pytest.mark.slow
@each_zoo_model
def test_a_real_model_with_segments_computes_the_same_bytes_in_the_predicted_head(
    model: Path, session: Session
):
    computes_the_same_in_the_predicted_head(model, session, 5, 1.1)


def test_the_tail_shrinks_to_what_tflm_itself_needs(session: Session):
    path = MODELS / "mobilenet_v1_025_96.tflite"
    model, _ = planned(path)
    with Session() as stock:
        before = stock.measure(path.read_bytes(), startup=False).tail
    assert session.measure(save(model), startup=False).tail <= 1_300 < before / 20


def altered(model: Model, change: Callable[[Program], Program]) -> bytes:
    """The file with another program in its first segment."""
    op = next(op for op in model.main.operators if op.code.custom == SEGMENT)
    program = op.inputs[-1]
    assert program is not None and program.buffer is not None
    program.buffer = Buffer(encode(change(decode(program.buffer.data or b""))))
    return save(model)


def doubled(program: Program) -> Program:
    """The first operator's results are twice what they should be."""
    first = program.operators[0]
    assert isinstance(first.parameters, Conv)
    conv = replace(first.parameters, shifts=tuple(s + 1 for s in first.parameters.shifts))
    return replace(program, operators=(replace(first, parameters=conv), *program.operators[1:]))


def shortened(program: Program) -> Program:
    """A ring is one row too short."""
    tensors = list(program.tensors)
    i = next(i for i, tensor in enumerate(tensors) if 1 < tensor.ring < tensor.rows)
    tensors[i] = replace(tensors[i], ring=tensors[i].ring - 1)
    return replace(program, tensors=tuple(tensors))


def test_the_comparison_sees_a_wrong_program(session: Session):
    path = MODELS / "ds_cnn_kws.tflite"
    model, _ = planned(path)
    wrong = altered(model, doubled)
    assert not session.verify(path.read_bytes(), wrong, inputs=3, intermediates=False).bit_exact


def test_a_ring_one_row_too_short_is_refused_before_anything_runs(session: Session):
    model, _ = planned(MODELS / "ds_cnn_kws.tflite")
    with pytest.raises(ModelError):
        session.measure(altered(model, shortened), startup=False)

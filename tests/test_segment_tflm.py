"""ARENAFIT_SEGMENT in the real TFLM: the same bytes in less arena, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from arenafit.errors import ModelError
from arenafit.graph import Model, save
from arenafit.graph.model import Buffer
from arenafit.memory.build import apply_plan
from arenafit.memory.problem import align
from arenafit.partial.encoding import decode, encode
from arenafit.partial.feed import feed_inputs
from arenafit.partial.rewrite import run
from arenafit.passes import copy_model
from arenafit.runtime import Session, available, registerers
from arenafit.runtime.inputs import stimuli
from support.native import compiler
from support.segment import program_of, resealed, segment_of, with_ring
from test_segment_runs import NETWORKS, branches, model_of, padded, plain, residual

pytestmark = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    compiler("c++")  # skips the tests where there is none
    with Session(registerers=registerers()) as opened:
        yield opened


def answers(session: Session, model: Model, count: int = 4) -> list[list[bytes]]:
    data = save(model)
    steps = [s.steps[0] for s in stimuli(session.describe(data), count)]
    return [[np.asarray(o).tobytes() for o in outputs] for outputs in session.run(data, steps)]


def as_segment(model: Model) -> Model:
    """A copy of `model` that is one ARENAFIT_SEGMENT."""
    copy = copy_model(model)
    run(copy, copy.main, [segment_of(copy)])
    return copy


def program_buffer(model: Model) -> Buffer:
    tensor = model.main.operators[0].inputs[-1]
    assert tensor is not None and tensor.buffer is not None and tensor.buffer.data is not None
    return tensor.buffer


@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
def test_a_model_that_is_one_segment_gives_the_same_bytes(session, build):
    model = model_of(build, 4)
    expected = answers(session, model)
    assert len({outputs[0] for outputs in expected}) > 1
    assert answers(session, as_segment(model)) == expected


def at_distance(model: Model, distance: int) -> Model:
    """The segment of `model` with offset(input) - offset(output) = `distance`."""
    (source,), (target,) = model.main.inputs, model.main.outputs
    base = max(0, -distance)
    apply_plan(model, [target, source], [base, base + distance])
    return model


@pytest.mark.parametrize("build", [plain, residual, branches, padded], ids=lambda b: b.__name__)
def test_the_output_may_lie_over_the_dying_input_as_far_as_declared_and_no_further(session, build):
    model = model_of(build)
    expected = answers(session, model)
    ours = as_segment(model)
    low = align(decode(program_buffer(ours).data or b"").overlaps[0][0])
    assert low < model.main.outputs[0].nbytes, "nothing is shared"
    assert answers(session, at_distance(as_segment(model), low)) == expected
    with pytest.raises(ModelError, match="an output is written over an input"):
        answers(session, at_distance(as_segment(model), low - 16))


def test_the_workspace_is_scratch_that_the_planner_sees(session):
    model = as_segment(model_of(plain))
    program = decode(program_buffer(model).data or b"")
    whole = sum(align(t.nbytes) for t in (*model.main.inputs, *model.main.outputs))
    assert session.measure(save(model), startup=False).head == whole + program.workspace
    assert session.measure(save(model_of(plain)), startup=False).head > whole + program.workspace


def test_the_tail_is_that_of_one_node(session):
    stock, ours = model_of(plain), as_segment(model_of(plain))
    tails = [session.measure(save(model), startup=False).tail for model in (stock, ours)]
    assert None not in tails and tails[1] < tails[0] / 2


def damaged(name: str) -> tuple[Model, str]:
    """A segment with something wrong, and TFLM's word on it."""
    model = as_segment(model_of(plain))
    buffer, graph = program_buffer(model), model.main
    op, data = graph.operators[0], buffer.data or b""
    program = decode(data)
    if name == "checksum":
        buffer.data = data[:-1] + bytes([data[-1] ^ 1])
        return model, "wrong checksum"
    if name == "version":
        buffer.data = b"AFS2" + data[4:]
        return model, "not a program of this version"
    if name == "length":
        buffer.data = resealed(data + bytes(16))
        assert op.inputs[-1] is not None
        op.inputs[-1].shape = (len(data) + 16,)
        return model, "not as long as it says"
    if name == "ring":
        ring = next(i for i, t in enumerate(program.tensors) if t.ring > 1 and t.ring < t.rows)
        buffer.data = encode(with_ring(program, ring, program.tensors[ring].ring - 1))
        return model, "a row is lost"
    if name == "claim":
        ((distance,),) = program.overlaps
        buffer.data = encode(replace(program, overlaps=((distance - 1,),)))
        return model, "an output is written over an input"
    if name == "goal":
        ((operator, steps),) = program.goals
        buffer.data = encode(replace(program, goals=((operator, steps - 1),)))
        return model, "an output is not complete"
    if name == "shape":
        graph.inputs[0].shape = (1, 17, 14, 4)
        return model, "not those of the program"
    if name == "fed":
        fed = model_of(plain)
        feed_inputs(fed)
        buffer.data = encode(program_of(fed))
        assert op.inputs[-1] is not None
        op.inputs[-1].shape = (len(buffer.data),)
        return model, "no source of the rows"
    if name == "no program":
        del op.inputs[-1]
        return model, "needs inputs, a constant program"
    assert name == "activation for a program"
    op.inputs[-1] = graph.inputs[0]
    op.inputs.append(graph.inputs[0])
    return model, "needs inputs, a constant program"


@pytest.mark.parametrize(
    "name",
    [
        "checksum", "version", "length", "ring", "claim", "goal", "shape", "fed", "no program",
        "activation for a program",
    ],
)  # fmt: skip
def test_a_segment_that_is_not_sound_is_refused_before_anything_runs(session, name):
    model, message = damaged(name)
    with pytest.raises(ModelError, match=f"ARENAFIT_SEGMENT: .*{message}"):
        session.measure(save(model), startup=False)

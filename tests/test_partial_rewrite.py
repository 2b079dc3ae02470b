"""Segments in a model: what is left of it, and what memory planning learns of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from arenafit.candidates import overlap_rule, scratch_rule
from arenafit.errors import ModelError
from arenafit.graph import Buffer, load, save
from arenafit.graph.custom import SEGMENT, SegmentHead, has_own_operators
from arenafit.memory.access import overlaps
from arenafit.memory.build import model_problem
from arenafit.memory.placement import solve_stock
from arenafit.memory.scratch import scratch_requests
from arenafit.partial.encoding import decode, encode
from arenafit.partial.lower import lower
from arenafit.partial.model import partial_model
from arenafit.partial.program import DISJOINT
from support.builder import GraphBuilder
from support.partial import MODELS, cleaned, each_model, streamed


@each_model
def test_a_model_with_segments_is_sound_and_has_nothing_left_over(path: Path):
    model, done = streamed(path)
    own = [op for op in model.main.operators if op.code.custom == SEGMENT]
    assert has_own_operators(model) and len(own) == done.segments
    assert len(model.main.operators) == len(done.cut.steps)
    used = {t for op in model.main.operators for t in (*op.inputs, *op.outputs)}
    assert set(model.main.tensors) <= used | {*model.main.inputs, *model.main.outputs}
    again = load(save(model))
    assert [op.code.label for op in again.main.operators] == [
        op.code.label for op in model.main.operators
    ]


@each_model
def test_a_file_with_segments_is_hardly_larger_than_before(path: Path):
    model, _ = streamed(path)
    assert len(save(model)) <= 1.05 * len(path.read_bytes())


@each_model
def test_the_predicted_head_can_be_placed(path: Path):
    model, done = streamed(path)
    placing = model_problem(model, overlap_rule("reference"), scratch_rule("reference"))
    assert solve_stock(placing.problem, seconds=2).head == done.head


@each_model
def test_planning_reads_overlaps_and_workspace_from_the_program(path: Path):
    model, _ = streamed(path)
    for op in model.main.operators:
        if op.code.custom != SEGMENT:
            continue
        program = decode(op.inputs[-1].buffer.data)
        assert scratch_requests(op) == scratch_requests(op, "cmsis_nn") == [program.workspace]
        declared = {(pair.input_index, pair.output_index): pair.low for pair in overlaps(op)}
        for k, row in enumerate(program.overlaps):
            for j, distance in enumerate(row):
                if distance == DISJOINT:
                    assert (j, k) not in declared
                else:
                    assert declared[j, k] == max(distance, -op.inputs[j].nbytes)


def test_a_damaged_program_has_no_overlap_and_no_known_workspace():
    model, _ = streamed(MODELS / "resnet8_cifar.tflite")
    (op,) = (op for op in model.main.operators if op.code.custom == SEGMENT)
    program = op.inputs[-1]
    whole = program.buffer.data
    for data in (whole[:20], whole[:-16], b"\0" * 64, whole[:16] + b"\x02" + whole[17:]):
        program.buffer = Buffer(data)
        assert SegmentHead.of(op) is None
        assert scratch_requests(op) is None and not overlaps(op)


def test_without_overlaps_the_prediction_shares_nothing():
    model = cleaned(load((MODELS / "mobilenet_v1_025_96.tflite").read_bytes()))
    done = partial_model(model, None, scratch_rule("reference"))
    assert done is not None
    placing = model_problem(model, None, scratch_rule("reference"))
    assert solve_stock(placing.problem, seconds=2).head == done.head > 27_760


def test_within_a_limit_the_plan_is_faster():
    path = MODELS / "mobilenet_v1_025_96.tflite"
    _, least = streamed(path)
    _, roomy = streamed(path, limit=60_000)
    assert roomy.instructions < least.instructions
    assert least.head + least.cut.tail < roomy.head + roomy.cut.tail <= 60_000


def test_the_search_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("arenafit.partial.model._TELL_EVERY", 0)
    model, lines = cleaned(load((MODELS / "resnet8_cifar.tflite").read_bytes())), []
    done = partial_model(
        model, overlap_rule("reference"), scratch_rule("reference"), progress=lines.append
    )
    assert done is not None
    count = done.cut.simulated
    assert lines == [f"finding segments: {i} tried" for i in range(1, count + 1)]


def test_a_model_of_other_types_is_left_alone():
    g = GraphBuilder(seed=1, dtype="FLOAT32")
    g.output(g.conv(g.input((1, 8, 8, 2)), 4, kernel=3))
    model = g.model()
    before = save(model)
    assert partial_model(model) is None
    assert save(model) == before


def test_a_segment_too_large_for_the_format_is_said_to_be():
    model, done = streamed(MODELS / "ds_cnn_kws.tflite")
    del model
    (segment,) = (step.segment for step in done.cut.steps if step.segment is not None)
    with pytest.raises(ModelError, match="too large"):
        encode(replace(lower(segment), workspace=1 << 33))

"""Segments in figures and words: what each takes and saves, and what its workspace is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arenafit.graph import Buffer, DType, Model, OpCode, Operator, Tensor, load
from arenafit.graph.custom import SEGMENT
from arenafit.partial.encoding import encode
from arenafit.partial.explain import explain, lines_of, program_of
from arenafit.partial.lower import lower
from arenafit.report.inspect import format_inspection, inspect, segment_sizes
from support.builder import GraphBuilder
from support.partial import MODELS, place, streamed
from support.segment import segment_of

ROW = 16 * 8  # bytes, in `sample`


def sample():
    g = GraphBuilder(seed=1)
    x = g.conv(g.input((1, 16, 16, 3)), 8, kernel=3)
    x = g.depthwise(x, kernel=5)
    g.output(g.fully_connected(g.mean(g.conv(x, 4, kernel=1)), 2))
    return lower(segment_of(g.model()))


def test_an_explanation_has_the_tensors_inside_and_the_weights_in_bytes():
    found = explain(sample())
    assert found.operators == (
        "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED",
    )  # fmt: skip
    assert found.whole == 16 * (ROW + ROW + 16 * 4) + 4
    assert found.largest == 16 * ROW
    assert found.weights == 3 * 3 * 3 * 8 + 5 * 5 * 8 + 8 * 4 + 4 * 2
    assert found.workspace < found.whole / 5


def test_the_stack_adds_up_to_the_workspace_and_names_whose_rows_it_holds():
    found = explain(sample())
    assert sum(block.size for block in found.stack) == found.workspace
    assert [(b.operator, b.ring, b.rows, b.size) for b in found.stack] == [
        (None, 0, 0, 32),
        (0, 5, 16, 5 * ROW),
        (1, 1, 16, ROW),
        (2, 1, 16, 16 * 4),
        (3, 0, 0, 16),
    ]


def test_a_larger_ring_is_seen_in_the_stack():
    program = sample()
    tensors = tuple(
        replace(t, offset=t.offset + ROW * (t.producer > 0), ring=t.ring + (t.producer == 0))
        for t in program.tensors
    )
    accumulators = tuple(
        replace(op, accumulator=op.accumulator + ROW if op.accumulator else 0)
        for op in program.operators
    )
    wider = replace(
        program, tensors=tensors, operators=accumulators, workspace=program.workspace + ROW
    )
    assert explain(wider).stack[1].size == explain(program).stack[1].size + ROW


def test_one_by_one_counts_what_is_alive_at_the_worst_operator():
    found = explain(sample())
    assert (found.alone, found.worst) == (2 * 16 * ROW, 1)
    kept = explain(sample(), kept={0})
    assert (kept.alone, kept.worst) == (found.alone + 16 * 16 * 3, 1)


def test_the_words_have_the_largest_pieces_first():
    assert lines_of(explain(sample())) == [
        "5 operators by rows: 2 CONV_2D, DEPTHWISE_CONV_2D, MEAN, FULLY_CONNECTED",
        "inside: tensors of 5,124 bytes were they whole, the largest 2,048; 456 bytes of weights",
        "workspace of 880 bytes:",
        "        640  5 rows of CONV_2D 0",
        "        192  1 row of DEPTHWISE_CONV_2D 1, CONV_2D 2",
        "         32  state of the interpreter",
        "         16  sums of MEAN 3",
    ]


def test_only_whole_programs_are_explained():
    data = encode(sample())
    for name, blob, known in (
        (SEGMENT, data, True),
        (SEGMENT, data[:-1], False),
        ("X", data, False),
    ):
        program = Tensor("program", (len(blob),), DType.INT8, Buffer(blob))
        op = Operator(OpCode("CUSTOM", name), [None, program], [])
        assert (program_of(op) is not None) is known


def planned(name: str) -> Model:
    """A model of the repository with segments and a plan."""
    model, _ = streamed(MODELS / f"{name}.tflite")
    place(model)
    return model


@pytest.fixture(scope="module")
def mobilenet() -> Model:
    return planned("mobilenet_v1_025_96")


def test_inspect_tells_what_a_segment_takes_and_saves_and_what_binds(mobilenet: Model):
    text = format_inspection(inspect(mobilenet, "reference", "m.tflite"))
    assert "  2 segments of 29 operators; run one by one, these would bring the head to" in text
    assert text.split("\n\n")[-2:] == [
        "  segment 1: 8 operators by rows: 4 DEPTHWISE_CONV_2D, 4 CONV_2D\n"
        "    takes 27,296 bytes: 18,432 in + 9,216 out + 8,864 workspace - 9,216 shared\n"
        "    saves 28,000: one by one they would take 55,296 (at CONV_2D 1)\n"
        "    inside: tensors of 124,416 bytes were they whole, the largest 36,864; 4,504 bytes"
        " of weights\n"
        "    workspace of 8,864 bytes:\n"
        "          6,912  3 rows of CONV_2D 1 3 5\n"
        "          1,920  1 row of DEPTHWISE_CONV_2D 0 2 4 6\n"
        "             32  state of the interpreter",
        "  segment 2: 21 operators by rows: 9 DEPTHWISE_CONV_2D, 9 CONV_2D, MEAN,"
        " FULLY_CONNECTED, SOFTMAX\n"
        "    takes 27,360 bytes: 9,216 in + 16 out + 18,144 workspace - 16 shared\n"
        "    saves no head, but what TFLM keeps for each: one by one they would take 18,432"
        " (at DEPTHWISE_CONV_2D 0)\n"
        "    inside: tensors of 79,746 bytes were they whole, the largest 9,216; 203,392 bytes"
        " of weights\n"
        "    workspace of 18,144 bytes:\n"
        "         13,824  3 rows of CONV_2D 1 3 5 7 9 11\n"
        "          4,224  1 row of DEPTHWISE_CONV_2D 0 2 4 6 8 10\n"
        "             96  state of the interpreter",
    ]


def test_inspects_json_has_each_segment(mobilenet: Model):
    figures = inspect(mobilenet, "reference", "m.tflite").to_dict()
    plain, first, second = (line["segment"] for line in figures["operators"])
    assert plain is None
    assert (first["whole"], first["alone"], first["worst"]) == (124_416, 55_296, 1)
    assert sum(block["size"] for block in first["workspace"]) == 8_864
    assert len(second["operators"]) == 21
    assert figures["unsegmented"] == 55_296 > figures["head"]


@pytest.mark.parametrize("name", ["branching_cell_64", "ds_cnn_kws", "resnet8_cifar"])
def test_the_figures_of_every_segment_agree_with_the_plan(name: str):
    model = planned(name)
    seen = inspect(model, "reference", name)
    assert [s.operator for s in segment_sizes(model)] == [s.line.number for s in seen.segments]
    binding = seen.found.binding
    assert binding is not None and len(seen.segments) > 0
    for segment, size in zip(seen.segments, segment_sizes(model), strict=True):
        assert segment.inside.workspace == segment.line.scratch == size.workspace
        assert sum(block.size for block in segment.inside.stack) == size.workspace
        text = format_inspection(seen)
        mark = f"takes {segment.line.occupied:,} bytes"
        (line,) = (line for line in text.splitlines() if mark in line)
        assert line.endswith("<- binds") == (segment.line is binding)


def test_a_model_without_segments_has_none_explained():
    model = load((MODELS / "ds_cnn_kws.tflite").read_bytes())
    seen = inspect(model, "reference", "plain")
    assert seen.to_dict()["unsegmented"] is None
    assert "segment" not in format_inspection(seen)

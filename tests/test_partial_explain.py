"""Segments in figures and words."""

from __future__ import annotations

from arenafit.graph import Buffer, DType, OpCode, Operator, Tensor
from arenafit.graph.custom import SEGMENT
from arenafit.partial.encoding import encode
from arenafit.partial.explain import explain, lines_of, program_of
from arenafit.partial.lower import lower
from support.builder import GraphBuilder
from support.segment import segment_of


def sample():
    g = GraphBuilder(seed=1)
    x = g.conv(g.input((1, 16, 16, 3)), 8, kernel=3)
    x = g.depthwise(x, kernel=5)
    g.output(g.fully_connected(g.mean(g.conv(x, 4, kernel=1)), 2))
    return lower(segment_of(g.model()))


def test_an_explanation_has_rings_sums_and_weights_in_bytes():
    found = explain(sample())
    assert found.operators == (
        "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED",
    )  # fmt: skip
    row = 16 * 8
    assert [(r.number, r.ring, r.rows, r.size) for r in found.rings] == [
        (0, 5, 16, 5 * row),
        (1, 1, 16, row),
        (2, 1, 16, 16 * 4),
        (3, 1, 1, 4),
    ]
    assert found.sums == 4 * 4
    assert found.whole == 16 * (row + row + 16 * 4) + 4
    assert found.largest == 16 * row
    assert found.weights == 3 * 3 * 3 * 8 + 5 * 5 * 8 + 8 * 4 + 4 * 2
    assert found.workspace < found.whole / 5


def test_the_words_name_the_largest_ring_first():
    lines = lines_of(explain(sample()))
    assert lines[0].startswith("5 operators streamed by rows")
    assert "640 bytes: 5 of 16 rows behind operator 0 (CONV_2D)" in lines[2]
    assert lines[-1].strip() == "16 bytes of sums"


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

"""Where rings and sums lie: apart where they are alive together, over each other where not."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from arenafit.graph import load
from arenafit.memory.problem import align
from arenafit.partial.search import best_cut, least_tail
from arenafit.partial.segment import Segment
from support.builder import GraphBuilder
from support.partial import cleaned, costs_of
from support.segment import segment_of

MODELS = Path(__file__).resolve().parents[1] / "models"


def blocks(segment: Segment) -> list[tuple[int, int, int, int]]:
    """(offset, size, first step, last step) of every ring and every sum."""
    found, workspace = segment.simulation, segment.workspace
    result = []
    for i, tensor in enumerate(segment.graph.tensors):
        size = found.rings[i] * tensor.row_bytes
        result.append((workspace.rings[i], size, *found.spans[i]))
    for i, op in enumerate(segment.graph.operators):
        result.append((workspace.sums[i], op.sums, *found.sums[i]))
    return [block for block in result if block[1]]


def check(segment: Segment) -> int:
    """How many pairs of blocks share bytes; none that is alive at once may."""
    state = align(4 * len(segment.graph.operators))
    placed, sharing = blocks(segment), 0
    for offset, size, _, _ in placed:
        assert state <= offset and offset % 16 == 0
        assert offset + size <= segment.workspace.size
    for (at, size, first, last), (other, length, begin, end) in combinations(placed, 2):
        shares = at < other + length and other < at + size
        assert not (shares and first <= end and begin <= last)
        sharing += shares
    return sharing


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.tflite")), ids=lambda path: path.stem)
def test_blocks_that_are_alive_together_lie_apart(path: Path):
    costs = costs_of(cleaned(load(path.read_bytes())))
    for cut in (best_cut(costs), least_tail(costs, 1 << 40)):
        for step in cut.steps:
            if step.segment is not None:
                check(step.segment)


def test_rings_before_a_mean_share_bytes_with_those_behind_it():
    g = GraphBuilder(seed=1)
    x = g.conv(g.conv(g.input((1, 16, 16, 3)), 16, kernel=3), 32, kernel=3)
    for _ in range(3):
        x = g.fully_connected(g.mean(x) if len(x.shape) == 4 else x, 64)
    g.output(x)
    segment = segment_of(g.model())
    assert check(segment) > 0
    apart = sum(align(size) for _, size, _, _ in blocks(segment))
    assert segment.workspace.size < apart

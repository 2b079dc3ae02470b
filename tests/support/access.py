"""Judging what `overlaps` says of an operator by a trace of its kernel."""

from __future__ import annotations

from arenafit.graph.model import Operator
from arenafit.memory.access import PairOverlap, overlaps
from support.trace import Trace

__all__ = ["assert_exact", "assert_safe"]


def _stated(op: Operator, kernels: str, index: int, output: int) -> PairOverlap | None:
    for pair in overlaps(op, kernels):
        if (pair.input_index, pair.output_index) == (index, output):
            return pair
    return None


def assert_safe(
    op: Operator, trace: Trace, index: int = 0, output: int = 0, kernels: str = "reference"
) -> PairOverlap | None:
    """The stated distance is safe, and so are larger ones; returns what was stated."""
    pair = _stated(op, kernels, index, output)
    if pair is None:
        return None
    source, target = op.inputs[index], op.outputs[output]
    assert source is not None
    low, disjoint = pair.low, target.nbytes
    assert pair.high is None
    assert -source.nbytes <= low < disjoint
    step = source.dtype.bits // 8
    for distance in {low, low + 1, low + step, (low + disjoint) // 2, disjoint}:
        assert trace.survives(distance), f"{distance} is not safe, {low} was stated"
    return pair


def assert_exact(
    op: Operator, trace: Trace, index: int = 0, output: int = 0, kernels: str = "reference"
) -> None:
    """The stated distance is safe, larger ones are, and one byte less is not."""
    pair = assert_safe(op, trace, index, output, kernels)
    source, target = op.inputs[index], op.outputs[output]
    assert source is not None
    if pair is None:
        assert not trace.survives(target.nbytes - 1), "an overlap was missed"
    elif pair.low > -source.nbytes:
        assert not trace.survives(pair.low - 1), f"{pair.low - 1} is safe, {pair.low} was stated"

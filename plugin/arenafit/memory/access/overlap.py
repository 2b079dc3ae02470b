"""Which bytes an operator's output may share with an input that dies there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arenafit.errors import UsageError
from arenafit.graph.model import Operator, Tensor
from arenafit.memory.access.cmsis_nn import CMSIS_NN
from arenafit.memory.access.describe import Describe, InPlaceOnly, may_alias
from arenafit.memory.access.reference import REFERENCE
from arenafit.memory.problem import Bytes

__all__ = ["KERNELS", "PairOverlap", "overlaps"]

KERNELS: dict[str, tuple[Mapping[str, Describe], ...]] = {
    "reference": (REFERENCE,),
    "cmsis_nn": CMSIS_NN,
    "any": (REFERENCE, *CMSIS_NN),
}
"""Kernel set -> the tables of descriptions that must all allow an overlap."""


@dataclass(frozen=True, slots=True)
class PairOverlap:
    """Input `input_index` and output `output_index` of an operator may share bytes.

    They may where  low <= offset(input) - offset(output) <= high  (high None: no upper
    limit); at any other distance they must be disjoint.
    """

    input_index: int
    output_index: int
    low: Bytes
    high: Bytes | None


def overlaps(op: Operator, kernels: str = "any") -> list[PairOverlap]:
    """The overlaps that the kernels of the set `kernels` allow for `op`, by input index.

    Every pair holds wherever the other inputs lie. A tensor that is an input several times
    has an entry for each, with the same limits, or none at all. Constants, variables and
    empty tensors have none. Whether the input dies at `op` is for the caller to know.

    Raises:
        UsageError: `kernels` is not a key of `KERNELS`.
    """
    tables = KERNELS.get(kernels)
    if tables is None:
        raise UsageError(f"unknown kernels {kernels!r}: choose from {', '.join(KERNELS)}")
    if len(op.outputs) != 1:
        return []
    ranges = [_limits(op, table) for table in tables]
    found: dict[int, tuple[Bytes, Bytes | None]] = {}
    for index in set.intersection(*(set(limits) for limits in ranges)):
        met = _meet([limits[index] for limits in ranges])
        if met is not None:
            found[index] = met
    pairs = []
    for index in sorted(found):
        twins = [i for i, t in enumerate(op.inputs) if t is op.inputs[index]]
        met = _meet([found[i] for i in twins]) if all(i in found for i in twins) else None
        if met is not None:
            pairs.append(PairOverlap(index, 0, *met))
    return pairs


def _limits(op: Operator, table: Mapping[str, Describe]) -> dict[int, tuple[Bytes, Bytes | None]]:
    """Input index -> (low, high) by one table, for pairs that can share at least a byte."""
    describe = table.get(op.name)
    target = op.outputs[0]
    if describe is None or not _placeable(target):
        return {}
    limits: dict[int, tuple[Bytes, Bytes | None]] = {}
    for index, accesses in describe(op).items():
        source = op.inputs[index]
        if source is None or not _placeable(source) or not may_alias(source.dtype, target.dtype):
            continue
        if isinstance(accesses, InPlaceOnly):
            limits[index] = (0, 0)
        elif accesses.distance < target.nbytes:
            limits[index] = (max(accesses.distance, -source.nbytes), None)
    return limits


def _placeable(tensor: Tensor) -> bool:
    return not tensor.is_constant and not tensor.is_variable and tensor.nbytes > 0


def _meet(
    ranges: list[tuple[Bytes, Bytes | None]],
) -> tuple[Bytes, Bytes | None] | None:
    """The intersection of ranges (low, high), None if it is empty."""
    low = max(low for low, _ in ranges)
    highs = [high for _, high in ranges if high is not None]
    high = min(highs) if highs else None
    return None if high is not None and low > high else (low, high)

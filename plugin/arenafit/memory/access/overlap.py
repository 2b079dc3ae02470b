"""Which bytes an operator's output may share with an input that dies there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arenafit.errors import UsageError
from arenafit.graph.model import Operator, Tensor
from arenafit.memory.access.arenafit import ARENAFIT
from arenafit.memory.access.cmsis_nn import CMSIS_NN
from arenafit.memory.access.describe import Describe, InPlaceOnly, may_alias
from arenafit.memory.access.reference import REFERENCE
from arenafit.memory.problem import Bytes
from arenafit.memory.variant import Variant

__all__ = ["KERNELS", "PairOverlap", "overlaps"]

KERNELS = ("reference", "cmsis_nn", "any")


def _tables(kernels: str, variant: Variant | None) -> tuple[Mapping[str, Describe], ...]:
    """The tables of descriptions that must all allow an overlap."""
    cmsis = CMSIS_NN if variant is None else (CMSIS_NN[variant == "mve"],)
    return {"reference": (REFERENCE,), "cmsis_nn": cmsis, "any": (REFERENCE, *cmsis)}[kernels]


_Pair = tuple[int, int]  # input index, output index
_Range = tuple[Bytes, "Bytes | None"]  # low and high of offset(input) - offset(output)


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


def overlaps(
    op: Operator, kernels: str = "any", variant: Variant | None = None
) -> list[PairOverlap]:
    """The overlaps that the kernels of the set `kernels` allow for `op`, by input index.

    `variant` narrows CMSIS-NN to what one CPU runs: "c", "dsp" or "mve"; None: all three.

    Every pair holds wherever the other inputs lie. A tensor that is an input several times
    has an entry for each, with the same limits, or none at all. Constants, variables and
    empty tensors have none. Whether the input dies at `op` is for the caller to know.
    arenafit's own operators run the same kernel in every set.

    Raises:
        UsageError: `kernels` is not one of `KERNELS`.
    """
    if kernels not in KERNELS:
        raise UsageError(f"unknown kernels {kernels!r}: choose from {', '.join(KERNELS)}")
    rules = _rules(op, _tables(kernels, variant))
    if not op.inputs or not op.outputs or not rules:
        return []
    ranges = [_limits(op, rule) for rule in rules]
    found: dict[_Pair, _Range] = {}
    for pair in set.intersection(*(set(limits) for limits in ranges)):
        met = _meet([limits[pair] for limits in ranges])
        if met is not None:
            found[pair] = met
    result = []
    for source, target in sorted(found):
        twins = [(i, target) for i, t in enumerate(op.inputs) if t is op.inputs[source]]
        met = _meet([found[pair] for pair in twins]) if found.keys() >= set(twins) else None
        if met is not None:
            result.append(PairOverlap(source, target, *met))
    return result


def _rules(op: Operator, tables: tuple[Mapping[str, Describe], ...]) -> list[Describe]:
    """The descriptions of `op`, each once; none unless every table has one."""
    if op.name == "CUSTOM":
        tables = (ARENAFIT,)
    if any(op.code.label not in table for table in tables):
        return []
    return list(dict.fromkeys(table[op.code.label] for table in tables))


def _limits(op: Operator, describe: Describe) -> dict[_Pair, _Range]:
    """The limits that one description gives, for pairs that can share at least a byte."""
    limits: dict[_Pair, _Range] = {}
    for (index, output), accesses in describe(op).items():
        source, target = op.inputs[index], op.outputs[output]
        if source is None or not _placeable(source) or not _placeable(target):
            continue
        if isinstance(accesses, InPlaceOnly):
            limits[index, output] = (0, 0)
        elif accesses.distance < target.nbytes and may_alias(source.dtype, target.dtype):
            limits[index, output] = (max(accesses.distance, -source.nbytes), None)
    return limits


def _placeable(tensor: Tensor) -> bool:
    return not tensor.is_constant and not tensor.is_variable and tensor.nbytes > 0


def _meet(ranges: list[_Range]) -> _Range | None:
    """The intersection of ranges (low, high), None if it is empty."""
    low = max(low for low, _ in ranges)
    highs = [high for _, high in ranges if high is not None]
    high = min(highs) if highs else None
    return None if high is not None and low > high else (low, high)

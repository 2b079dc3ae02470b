"""Models that could be handed out, the heads they need, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from arenafit.graph.model import Model, Operator
from arenafit.memory.access import PairOverlap, overlaps
from arenafit.memory.build import OverlapRule, model_problem
from arenafit.memory.greedy import greedy
from arenafit.memory.lifetimes import ScratchSizes
from arenafit.memory.problem import Bytes, Placement
from arenafit.memory.scratch import scratch_requests
from arenafit.memory.variant import VARIANTS

__all__ = [
    "TARGETS",
    "Candidate",
    "best_first",
    "candidate",
    "overlap_rule",
    "predict_head",
    "scratch_rule",
]

TARGETS = {
    "reference": ("reference",),
    "cmsis_nn": ("cmsis_nn",),
    "any": ("reference", "cmsis_nn"),
}
"""`--kernels` -> the kernel sets under which OUT must not need more than IN; the first one
is optimised for."""


@dataclass(frozen=True)
class PassReport:
    """One step: how many places it changed, and the head before and after it (predicted)."""

    name: str
    changed: int
    head_before: Bytes
    head_after: Bytes


@dataclass
class Candidate:
    """A model that could be handed out; `data` is its file once it has been made."""

    label: str
    model: Model
    heads: dict[str, Bytes]  # predicted, by kernel set
    placement: Placement | None = None  # None: TFLM's own planner places everything
    steps: list[PassReport] = field(default_factory=list)  # what was done to it
    order_bound: Bytes | None = None  # no order of its operators has a smaller head
    instructions: int | None = None  # estimated, of the kernels that are optimised for
    data: bytes = field(default=b"", repr=False)


def scratch_rule(target: str, cpu: str | None = None) -> ScratchSizes:
    """What the kernels of `target` ask for as scratch; without a `cpu`, at most on any."""
    variant = None if cpu is None else VARIANTS[cpu]
    return lambda op: scratch_requests(op, target, variant)


def overlap_rule(kernels: str, cpu: str | None = None) -> OverlapRule:
    """What the kernels that OUT may meet allow to be written over a dying input."""
    variant = None if cpu is None else VARIANTS[cpu]

    def rule(op: Operator) -> list[PairOverlap]:
        return overlaps(op, kernels, variant)

    return rule


def predict_head(model: Model, target: str, cpu: str | None = None) -> Bytes:
    """The head that TFLM's greedy planner ends with under `target`'s kernels.

    Bit-accurate where the kernels' scratch is known, the model's own plan included.
    """
    problem = model_problem(model, None, scratch_rule(target, cpu), keep_plan=True).problem
    return greedy(problem).head


def candidate(
    label: str, model: Model, targets: Iterable[str], cpu: str | None = None, **more: Any
) -> Candidate:
    """`model` as a candidate, its head predicted under each of `targets`."""
    heads = {target: predict_head(model, target, cpu) for target in targets}
    return Candidate(label, model, heads, **more)


def best_first(candidates: list[Candidate], stock: Candidate) -> list[Candidate]:
    """Those that need no more than `stock` under every kernel set, the best first.

    The smaller sum of heads wins, then the smaller head under the first kernel set, then the
    earlier in the list.
    """
    sound = [
        found
        for found in candidates
        if all(head <= stock.heads[target] for target, head in found.heads.items())
    ]
    return sorted(sound, key=lambda found: (sum(found.heads.values()), *found.heads.values()))

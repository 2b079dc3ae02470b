"""From a model to the allocation problem that TFLM would set its planner, and back.

The requests stand in the order of TFLM's `AddBuffer` calls; what they may share is
added from the kernels' access orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from arenafit.errors import ModelError
from arenafit.graph.model import Buffer, Metadata, Model, Operator, Tensor
from arenafit.memory.access import PairOverlap
from arenafit.memory.lifetimes import ScratchSizes, Timeline, called_subgraphs, timeline
from arenafit.memory.metadata import METADATA_NAME, encode
from arenafit.memory.problem import (
    ALIGNMENT,
    ONLINE,
    Bytes,
    Overlap,
    Placement,
    Problem,
    Request,
    align,
)

__all__ = [
    "ModelProblem",
    "OverlapRule",
    "apply_placement",
    "apply_plan",
    "clear_plan",
    "drop_metadata",
    "model_problem",
    "tensor_pairs",
]

OverlapRule = Callable[[Operator], Sequence[PairOverlap]]
"""Operator -> the (input, output) pairs whose bytes its kernel allows to be shared."""


@dataclass(frozen=True)
class ModelProblem:
    """A problem, and whose requests they are: tensors first, scratch after."""

    problem: Problem
    tensors: tuple[Tensor, ...]  # request i < len(tensors) is the place of tensors[i]
    timeline: Timeline


def tensor_pairs(
    op: Operator, rule: OverlapRule
) -> list[tuple[Tensor, Tensor, Bytes, Bytes | None]]:
    """The overlaps of `op` by tensor: (input, output, low, high), bounds aligned inwards.

    A tensor that is read through several inputs must be safe through each of them; where
    one of them has no overlap, or the bounds contradict, the pair is left out.
    """
    found: dict[tuple[int, int], PairOverlap] = {
        (pair.input_index, pair.output_index): pair for pair in rule(op)
    }
    result = []
    for output_index, output in enumerate(op.outputs):
        seen: set[Tensor] = set()
        for tensor in op.activations():
            if tensor in seen:
                continue
            seen.add(tensor)
            positions = [i for i, other in enumerate(op.inputs) if other is tensor]
            pairs = [found.get((i, output_index)) for i in positions]
            known = [pair for pair in pairs if pair is not None]
            if len(known) < len(pairs):
                continue
            low = align(max(pair.low for pair in known))
            highs = [pair.high for pair in known if pair.high is not None]
            high = min(highs) // ALIGNMENT * ALIGNMENT if highs else None
            if high is None or low <= high:
                result.append((tensor, output, low, high))
    return result


def model_problem(
    model: Model,
    overlaps: OverlapRule | None = None,
    scratch_sizes: ScratchSizes | None = None,
    *,
    keep_plan: bool = False,
) -> ModelProblem:
    """The allocation problem of `model` in its present operator order.

    Args:
        model: a checked model.
        overlaps: what may be shared; without it nothing may, as in stock TFLM.
        scratch_sizes: the kernels' scratch requests, see `timeline`.
        keep_plan: take the model's own offline offsets as fixed.
    """
    lines = timeline(model, scratch_sizes)
    requests = []
    for life in lines.lifetimes:
        planned = keep_plan and model.has_offline_plan
        fixed = life.tensor.offline_offset if planned else ONLINE
        label = life.tensor.name or "(nameless)"
        requests.append(Request(align(life.size), life.first, life.last, label, fixed))
    for use in lines.scratch:
        label = f"scratch of {use.operator.code.label}"
        requests.append(Request(align(use.size), use.first, use.last, label, scratch=True))
    tensors = tuple(life.tensor for life in lines.lifetimes)
    shared = _overlaps(model, lines, tensors, requests, overlaps) if overlaps is not None else []
    return ModelProblem(Problem(tuple(requests), tuple(shared)), tensors, lines)


def _overlaps(
    model: Model,
    lines: Timeline,
    tensors: Sequence[Tensor],
    requests: Sequence[Request],
    rule: OverlapRule,
) -> list[Overlap]:
    """Pairs that `rule` allows and whose lifetimes meet in the operator's scope alone.

    An output of the graph is read once more when the last operator is done, in its scope.
    """
    index = {tensor: i for i, tensor in enumerate(tensors)}
    result = []
    for number, op in lines.operators:
        kept = model.subgraphs[number].outputs
        start, end = lines.scopes[op]
        if start != end or called_subgraphs(op):
            continue
        for source, target, low, high in tensor_pairs(op, rule):
            i, o = index.get(source), index.get(target)
            if i is None or o is None or source.is_variable or target.is_variable:
                continue
            if source in kept:
                continue
            if requests[i].last == start == requests[o].first:
                result.append(Overlap(output=o, input=i, low=low, high=high))
    return result


def apply_plan(model: Model, tensors: Sequence[Tensor], offsets: Sequence[Bytes]) -> None:
    """Write `offsets` (one a tensor; more, for scratch, are ignored) into the model's plan.

    Every other tensor is left to TFLM (-1): constants, variables, resources.
    """
    clear_plan(model)
    for tensor, offset in zip(tensors, offsets, strict=False):
        tensor.offline_offset = offset
    model.has_offline_plan = True


def apply_placement(model: Model, placing: ModelProblem, placement: Placement) -> None:
    """Write `placement` into the model for both planners: TFLM's own takes the tensors' offsets,
    arenafit's the whole plan, scratch and declared overlaps included.

    A plan too large for arenafit's format is written for TFLM alone.
    """
    apply_plan(model, placing.tensors, placement.offsets)
    with suppress(ModelError):
        blob = encode(placing.problem, placement)
        model.metadata.append(Metadata(METADATA_NAME, Buffer(blob)))


def drop_metadata(model: Model) -> None:
    """Drop the plan for arenafit's planner alone."""
    model.metadata = [entry for entry in model.metadata if entry.name != METADATA_NAME]


def clear_plan(model: Model) -> None:
    """Drop the model's plans, TFLM's and arenafit's: the planner places everything."""
    model.has_offline_plan = False
    drop_metadata(model)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.offline_offset = ONLINE

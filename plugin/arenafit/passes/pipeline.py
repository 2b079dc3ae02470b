"""The passes in the order in which they run, and the loop that runs them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from arenafit.errors import UsageError
from arenafit.graph.model import Model
from arenafit.memory.build import clear_plan
from arenafit.passes import (
    fold_constants,
    fold_pad,
    remove_dead,
    remove_identity,
    remove_unused_tensors,
    widen_filter,
)

__all__ = ["COSTLY_PASSES", "PIPELINE", "Pass", "PassResult", "copy_model", "run_passes"]

_MAX_ROUNDS = 100  # a model that still changes then keeps what it has: each round is exact


@dataclass(frozen=True)
class Pass:
    """One rewrite, bit-exact by itself.

    `extends_lifetimes`: after it, a tensor may be read later than before, so that an
    offline plan made for the old graph may put another tensor over it.
    `costs_time`: it adds multiply-accumulates, so that it is worth it only where it saves bytes.
    """

    name: str
    summary: str
    run: Callable[[Model], int]
    extends_lifetimes: bool = False
    costs_time: bool = False


@dataclass(frozen=True)
class PassResult:
    """What a pass did to a model: the number of its rewrites over all rounds."""

    name: str
    changed: int


PIPELINE: tuple[Pass, ...] = (
    Pass("fold-constants", "operators on constants and static shapes", fold_constants.run),
    Pass("remove-identity", "operators that change no byte", remove_identity.run, True),
    Pass("fold-pad", "PAD into the VALID window operator behind it", fold_pad.run, True),
    Pass("widen-filter", "PAD at the peak, by zero taps in a filter", widen_filter.run, True, True),
    Pass("remove-dead", "operators whose results nobody reads", remove_dead.run),
    Pass("remove-unused-tensors", "tensors nobody refers to", remove_unused_tensors.run),
)


COSTLY_PASSES = frozenset(step.name for step in PIPELINE if step.costs_time)


def copy_model(model: Model) -> Model:
    """A copy that passes may rewrite freely; what cannot change is shared: the constants' bytes,
    and what there is for each channel, scales and the like."""
    tensors = [tensor for subgraph in model.subgraphs for tensor in subgraph.tensors]
    shared: list[object] = [tensor.buffer for tensor in tensors]
    shared += [entry.buffer for entry in model.metadata]
    for tensor in tensors:
        if (per_channel := tensor.quantization) is not None:
            shared += [per_channel.scales, per_channel.zero_points]
            shared += [v for v in per_channel.fields.values() if isinstance(v, tuple)]
    return copy.deepcopy(model, {id(kept): kept for kept in shared if kept is not None})


def run_passes(
    model: Model,
    disable: frozenset[str] = frozenset(),
    watch: Callable[[str, int, Model], None] | None = None,
) -> list[PassResult]:
    """Rewrite `model` in place until no pass finds anything more to do.

    An offline plan in the model is kept, tensor by tensor, as long as it stays sound. Once
    a pass has lengthened a lifetime it is withdrawn as a whole (`has_offline_plan` False,
    every `offline_offset` -1), for the planner to make a new one.

    Args:
        model: rewritten in place; give a `copy_model` of what must stay.
        disable: names of passes to leave out.
        watch: called after every run of a pass that changed something, with the pass's
            name, the number of its rewrites and the model as it then is.

    Returns:
        One result a pass, in pipeline order; disabled passes are absent.

    Raises:
        UsageError: `disable` names no pass.
    """
    unknown = sorted(disable - {step.name for step in PIPELINE})
    if unknown:
        known = ", ".join(step.name for step in PIPELINE)
        raise UsageError(f"no pass is called {unknown[0]!r}; there are {known}")
    steps = [step for step in PIPELINE if step.name not in disable]
    totals = dict.fromkeys((step.name for step in steps), 0)
    for _ in range(_MAX_ROUNDS):
        before = sum(totals.values())
        for step in steps:
            changed = step.run(model)
            if changed and step.extends_lifetimes:
                clear_plan(model)
            if changed and watch is not None:
                watch(step.name, changed, model)
            totals[step.name] += changed
        if sum(totals.values()) == before:
            break
    return [PassResult(name, changed) for name, changed in totals.items()]

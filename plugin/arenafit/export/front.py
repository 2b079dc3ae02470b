"""A network in two: what segments can run, and the rest of it for an interpreter."""

from __future__ import annotations

from arenafit.errors import ModelError
from arenafit.graph.model import Model, Operator, Subgraph, Tensor
from arenafit.memory.build import clear_plan
from arenafit.memory.lifetimes import called_subgraphs
from arenafit.partial.cost import Costs
from arenafit.passes import COSTLY_PASSES, copy_model, run_passes
from arenafit.passes.rewrite import discard_unused

__all__ = ["split_front"]


def split_front(model: Model) -> tuple[Model, Model]:
    """Front and rest of `model`: run one after the other they compute its bytes.

    The front is all operators, in order, before the first that can be in no segment. Its outputs
    are what the rest reads, in the order of the rest's inputs, then those of the network's outputs
    that it makes.

    Args:
        model: left as it is.

    Raises:
        ModelError: all operators can be in segments, or not even the first; or the main subgraph
            calls others.
    """
    front = copy_model(model)
    run_passes(front, COSTLY_PASSES)
    rest = copy_model(front)
    if any(called_subgraphs(op) for op in front.main.operators):
        raise ModelError("calls other subgraphs, so it cannot be split", "subgraph 0")
    costs = Costs(front.main)
    count = len(front.main.operators)
    end = next((i for i in range(count) if not costs.eligible(i)), count)
    if end in (0, count):
        why = "leaves nothing for a front" if end == 0 else "leaves no rest: all of it is the front"
        raise ModelError(f"a split before what cannot be in a segment {why}", "subgraph 0")
    crossing = _crossing(front.main, end)
    made = {t for op in front.main.operators[:end] for t in op.outputs}
    own = [t for t in front.main.outputs if t in made and t not in crossing]
    twins = dict(zip(front.main.tensors, rest.main.tensors, strict=True))
    inputs = [twins[t] for t in crossing]
    outputs = [twins[t] for t in front.main.outputs if t not in made]
    _keep(front, front.main.operators[:end], front.main.inputs, [*crossing, *own])
    _keep(rest, rest.main.operators[end:], inputs, outputs)
    return front, rest


def _crossing(graph: Subgraph, end: int) -> list[Tensor]:
    """What operators from number `end` on read of those before it, and of the inputs."""
    before = {*graph.inputs, *(t for op in graph.operators[:end] for t in op.outputs)}
    read = (t for op in graph.operators[end:] for t in op.activations())
    return [t for t in dict.fromkeys(read) if t in before]


def _keep(
    model: Model, operators: list[Operator], inputs: list[Tensor], outputs: list[Tensor]
) -> None:
    """Nothing of the main subgraph but `operators`, and what they use."""
    graph = model.main
    graph.operators = operators
    graph.inputs, graph.outputs = inputs, outputs
    model.signatures = []
    discard_unused(model, graph, list(graph.tensors))
    clear_plan(model)

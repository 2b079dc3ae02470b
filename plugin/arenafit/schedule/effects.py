"""What must keep its order although no tensor says so: reads and writes of state.

State, for TFLM, is: resource variables (VAR_HANDLE names one, READ_VARIABLE and
ASSIGN_VARIABLE use it), variable tensors (LSTM, SVDF), and whatever a custom operator or
a called subgraph may touch. Rules, for two operators A before B in the file:

1. both use the same state and at least one writes it: A stays before B;
2. an operator that runs subgraphs uses the state that these use;
3. a custom operator, or a resource that no VAR_HANDLE of the same subgraph names, counts as
   writing all state: nobody can know what it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from arenafit.graph.model import DType, Model, Operator, Subgraph, Tensor
from arenafit.memory.lifetimes import called_subgraphs

__all__ = ["after_edges"]

_WRITERS = frozenset({"ASSIGN_VARIABLE"})
_READERS = frozenset({"READ_VARIABLE"})
State = object


@dataclass
class _Use:
    """State that one operator reads and writes; `everything` stands for all there is."""

    reads: set[State] = field(default_factory=set)
    writes: set[State] = field(default_factory=set)
    everything: bool = False

    @property
    def empty(self) -> bool:
        return not (self.reads or self.writes or self.everything)


def _named_variables(graph: Subgraph) -> dict[Tensor, str]:
    return {
        op.outputs[0]: f"{op.option('container', '')}/{op.option('shared_name', '')}"
        for op in graph.operators
        if op.name == "VAR_HANDLE" and op.outputs
    }


def _use(model: Model, op: Operator, named: dict[Tensor, str]) -> _Use:
    use = _Use()
    if op.name == "CUSTOM":
        use.everything = True
    for tensor in op.inputs:
        if tensor is None:
            continue
        if tensor.is_variable:
            use.writes.add(tensor)
        if tensor.dtype is DType.RESOURCE and op.name != "VAR_HANDLE":
            name = named.get(tensor)
            if name is None or op.name not in _WRITERS | _READERS:
                use.everything = True
            else:
                (use.writes if op.name in _WRITERS else use.reads).add(name)
    for index in called_subgraphs(op):
        for state, inner in _subgraph_use(model, model.subgraphs[index]).items():
            use.everything |= inner.everything
            (use.writes if inner.writes else use.reads).add(state)
    return use


def _subgraph_use(model: Model, graph: Subgraph) -> dict[State, _Use]:
    """State -> how the operators of `graph` use it, in sum."""
    total: dict[State, _Use] = {}
    named = _named_variables(graph)
    for op in graph.operators:
        use = _use(model, op, named)
        for name in use.reads:
            total.setdefault(name, _Use()).reads.add(name)
        for name in use.writes:
            total.setdefault(name, _Use()).writes.add(name)
        if use.everything:
            total.setdefault("*", _Use()).everything = True
    return total


def _conflict(a: _Use, b: _Use) -> bool:
    if a.everything or b.everything:
        return not (a.empty or b.empty)
    return bool(a.writes & (b.reads | b.writes) or b.writes & a.reads)


def after_edges(model: Model, graph: Subgraph) -> list[tuple[int, ...]]:
    """For every operator of `graph`, the earlier operators it must stay behind for state's sake.

    Quadratic in the operators that touch state, linear in all others.
    """
    named = _named_variables(graph)
    uses = [_use(model, op, named) for op in graph.operators]
    touching = [i for i, use in enumerate(uses) if not use.empty]
    edges: list[tuple[int, ...]] = [()] * len(uses)
    for position, i in enumerate(touching):
        edges[i] = tuple(j for j in touching[:position] if _conflict(uses[j], uses[i]))
    return edges

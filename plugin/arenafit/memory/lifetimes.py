"""When each tensor of a model needs its place in the head of the arena.

The rules are TFLM's (micro_allocation_info.cc, micro_allocator.cc), to the letter,
since what this module says is what TFLM's own planner will be asked:

1. Scope 0 is the model's start; every operator opens a new scope.
2. An operator that calls subgraphs (IF, WHILE, CALL_ONCE) opens a scope more for
   each, and the called operators' scopes lie between its outputs' creation and
   its inputs' last use.
3. A tensor is created by its producer (subgraph inputs: at the subgraph's start)
   and used last by its last consumer (subgraph outputs: at the subgraph's end).
4. Constants, variables without an offline offset, resources and empty tensors
   take no place. A tensor that no reachable operator touches lives in scope -1,
   together with all others of its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from arenafit.graph.model import DType, Model, Operator, Subgraph, Tensor
from arenafit.memory.problem import Bytes, Time

__all__ = ["Lifetime", "ScratchUse", "Timeline", "called_subgraphs", "head_bytes", "timeline"]

UNTOUCHED: Time = -1

ScratchSizes = Callable[[Operator], "list[Bytes] | None"]

_CALLS = {
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
    "CALL_ONCE": ("init_subgraph_index",),
}


@dataclass(frozen=True)
class Lifetime:
    """One tensor that takes a place in the head, and its scopes (inclusive)."""

    tensor: Tensor
    subgraph: int
    size: Bytes  # of the data, not yet rounded up
    first: Time
    last: Time


@dataclass(frozen=True)
class ScratchUse:
    """One scratch buffer that an operator's kernel asks for."""

    operator: Operator
    size: Bytes
    first: Time
    last: Time


@dataclass
class Timeline:
    """All lifetimes of a model, in the order in which TFLM hands them to its planner."""

    lifetimes: list[Lifetime] = field(default_factory=list)
    scratch: list[ScratchUse] = field(default_factory=list)
    scopes: dict[Operator, tuple[Time, Time]] = field(default_factory=dict)
    operators: list[tuple[int, Operator]] = field(default_factory=list)  # as visited
    unknown_scratch: list[Operator] = field(default_factory=list)


def called_subgraphs(op: Operator) -> list[int]:
    """Indices of the subgraphs that `op` runs, in TFLM's order; [] for plain operators."""
    return [int(op.option(key)) for key in _CALLS.get(op.name, ())]


def head_bytes(tensor: Tensor) -> Bytes:
    """Bytes TFLM's planner gives `tensor`; 0 where it takes no place in the head."""
    if tensor.is_constant or tensor.dtype is DType.RESOURCE:
        return 0
    if tensor.is_variable and tensor.offline_offset < 0:
        return 0
    if tensor.dtype is DType.INT4:  # memory_helpers.cc counts a whole byte an element
        return tensor.elements
    return tensor.nbytes


class _Walk:
    """State of one walk over the operators: the current scope, and what was seen when."""

    def __init__(self, model: Model, scratch_sizes: ScratchSizes | None) -> None:
        self.model = model
        self.scratch_sizes = scratch_sizes
        self.scope: Time = 0
        self.first: dict[Tensor, Time] = {}
        self.last: dict[Tensor, Time] = {}
        self.out = Timeline()

    def subgraph(self, index: int) -> None:
        graph: Subgraph = self.model.subgraphs[index]
        for tensor in graph.inputs:
            self.touch(tensor)
        for op in graph.operators:
            self.operator(index, op)
        for tensor in graph.outputs:
            self.touch(tensor)

    def operator(self, index: int, op: Operator) -> None:
        self.scope += 1
        start = self.scope
        for tensor in op.outputs:
            self.first.setdefault(tensor, start)
        for called in called_subgraphs(op):
            self.scope += 1
            self.subgraph(called)
        for read in op.inputs:
            if read is not None:
                self.last[read] = self.scope
        for tensor in op.outputs:
            self.last[tensor] = self.scope
        first_visit = op not in self.out.scopes
        seen = self.out.scopes.get(op, (start, self.scope))
        self.out.scopes[op] = (seen[0], self.scope)
        if first_visit:
            self.out.operators.append((index, op))

    def touch(self, tensor: Tensor) -> None:
        self.first.setdefault(tensor, self.scope)
        self.last[tensor] = self.scope

    def finish(self) -> Timeline:
        for index, graph in enumerate(self.model.subgraphs):
            for tensor in graph.tensors:
                size = head_bytes(tensor)
                if size:
                    first = self.first.get(tensor, UNTOUCHED)
                    last = self.last.get(tensor, UNTOUCHED)
                    self.out.lifetimes.append(Lifetime(tensor, index, size, first, last))
        # Scratch requests come in the order of Prepare: subgraph by subgraph.
        if self.scratch_sizes is not None:
            for graph in self.model.subgraphs:
                for op in graph.operators:
                    self.add_scratch(op, self.scratch_sizes)
        return self.out

    def add_scratch(self, op: Operator, scratch_sizes: ScratchSizes) -> None:
        sizes = scratch_sizes(op)
        if sizes is None:
            self.out.unknown_scratch.append(op)
            return
        first, last = self.out.scopes.get(op, (UNTOUCHED, UNTOUCHED))
        for size in sizes:
            if size > 0:
                self.out.scratch.append(ScratchUse(op, size, first, last))


def timeline(model: Model, scratch_sizes: ScratchSizes | None = None) -> Timeline:
    """Lifetimes of all tensors of `model` that need a place, and of its kernels' scratch.

    Args:
        model: checked by `arenafit.graph.load`; its called subgraphs are not recursive.
        scratch_sizes: bytes of each scratch buffer of an operator, None where unknown;
            without it the timeline has no scratch.

    Returns:
        Lifetimes by (subgraph, tensor index), then scratch by order of request: the order
        in which TFLM calls `AddBuffer`. Linear in tensors and operators visited.
    """
    walk = _Walk(model, scratch_sizes)
    if model.subgraphs:
        walk.subgraph(0)
    return walk.finish()

"""Is a planned model sound? Answered by playing its inference through, byte by byte.

The checker knows nothing of problems, lifetimes or placements, and shares no code with
what made the plan: it walks the operators in the order in which TFLM runs them and keeps,
for each granule of the arena, the tensor that was written there last. Reading a tensor
whose granules belong to somebody else is the error that a bad plan makes. It is quadratic
where that is simpler; it is meant to be too simple to be wrong.

What it accepts besides disjoint places is exactly this: an operator's output over an input
of the same operator, at a distance that the kernel's access order allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from arenafit.graph.model import DType, Model, Operator, Subgraph, Tensor

__all__ = ["AllowedPair", "check_plan", "check_variables"]

GRANULE = 16  # bytes; TFLM rounds every size up to this, offsets must be multiples of it
_CALL_KEYS = ("then_subgraph_index", "else_subgraph_index", "cond_subgraph_index",
              "body_subgraph_index", "init_subgraph_index")  # fmt: skip
_CALLERS = ("IF", "WHILE", "CALL_ONCE")


class AllowedPair(Protocol):
    """An input that an output may be written over, for low <= off(in) - off(out) <= high."""

    @property
    def input_index(self) -> int:
        """Position among the operator's inputs."""

    @property
    def output_index(self) -> int:
        """Position among the operator's outputs."""

    @property
    def low(self) -> int:
        """Smallest distance in bytes."""

    @property
    def high(self) -> int | None:
        """Largest distance in bytes, None without limit."""


Allowed = Callable[[Operator], Sequence[AllowedPair]]


class _Arena:
    """Who wrote each granule last."""

    def __init__(self, model: Model, errors: list[str]) -> None:
        import numpy as np

        self.errors = errors
        self.names: list[str] = []
        self.place: dict[Tensor, tuple[int, int, int]] = {}  # id, first granule, end granule
        end = 0
        for graph in model.subgraphs:
            for tensor in graph.tensors:
                if tensor.offline_offset < 0 or _needs_no_place(tensor):
                    continue
                if tensor.offline_offset % GRANULE:
                    errors.append(f"{tensor!r} at offset {tensor.offline_offset}: not aligned")
                first = tensor.offline_offset // GRANULE
                last = -(-(tensor.offline_offset + _size(tensor)) // GRANULE)
                self.place[tensor] = (len(self.names), first, last)
                self.names.append(repr(tensor))
                end = max(end, last)
        self.owner: Any = np.full(end, -1, dtype=np.int32)

    def write(self, tensor: Tensor) -> None:
        if tensor in self.place:
            number, first, last = self.place[tensor]
            self.owner[first:last] = number

    def read(self, tensor: Tensor, where: str) -> None:
        if tensor not in self.place:
            return
        number, first, last = self.place[tensor]
        foreign = self.owner[first:last] != number
        if foreign.any():
            at = first + int(foreign.argmax())
            by = int(self.owner[at])
            culprit = "nobody" if by < 0 else self.names[by]
            self.errors.append(
                f"{where} reads {tensor!r}, whose byte {(at - first) * GRANULE} "
                f"(arena {at * GRANULE}) was written by {culprit}"
            )

    def shared(self, a: Tensor, b: Tensor) -> bool:
        """True where the places of two tensors have a granule in common."""
        if a not in self.place or b not in self.place:
            return False
        _, a_first, a_last = self.place[a]
        _, b_first, b_last = self.place[b]
        return a_first < b_last and b_first < a_last


def _size(tensor: Tensor) -> int:
    return tensor.elements if tensor.dtype is DType.INT4 else tensor.nbytes


def _needs_no_place(tensor: Tensor) -> bool:
    """True for what TFLM keeps elsewhere: flash, or nothing at all."""
    return tensor.is_constant or tensor.dtype is DType.RESOURCE or _size(tensor) == 0


def check_plan(model: Model, allowed: Allowed) -> list[str]:
    """Every way in which the model's offline plan would corrupt data; [] for a sound plan.

    Tensors that the plan leaves to TFLM (offset -1) are TFLM's to place, around the planned
    ones; they are not followed. Loops are played twice, so that what one iteration leaves
    behind meets the next.

    Args:
        model: as loaded from the file that is going to be handed out.
        allowed: which of an operator's inputs its outputs may overwrite, and how.
    """
    errors: list[str] = []
    if not model.has_offline_plan or not model.subgraphs:
        return errors
    arena = _Arena(model, errors)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.is_variable and tensor in arena.place:
                for other in arena.place:
                    if other is not tensor and arena.shared(tensor, other):
                        errors.append(f"variable {tensor!r} shares its place with {other!r}")
                arena.write(tensor)
    _play(model, model.main, "", arena, allowed)
    return errors


def _play(model: Model, graph: Subgraph, prefix: str, arena: _Arena, allowed: Allowed) -> None:
    for tensor in graph.inputs:
        arena.write(tensor)
    for number, op in enumerate(graph.operators):
        where = f"{prefix}operator {number} ({op.code.label})"
        inputs = [t for t in op.inputs if t is not None]
        for tensor in inputs:
            arena.read(tensor, where)
        _check_outputs(op, where, arena, allowed)
        for tensor in op.outputs:
            arena.write(tensor)
        if op.name in _CALLERS:
            called = [int(op.options[key]) for key in _CALL_KEYS if key in op.options]
            called = called or [0]
            for _ in range(2 if op.name == "WHILE" else 1):
                for index in called:
                    _play(model, model.subgraphs[index], f"{where}, ", arena, allowed)
                    for tensor in inputs:
                        arena.read(tensor, f"{where} after subgraph {index}")
        for tensor in op.outputs:
            arena.read(tensor, f"{where} (its own output)")
    for tensor in graph.outputs:
        arena.read(tensor, f"{prefix}the end of the graph")


def _check_outputs(op: Operator, where: str, arena: _Arena, allowed: Allowed) -> None:
    """Outputs against each other, and against the inputs of the same operator."""
    clashes = []
    for position, output in enumerate(op.outputs):
        for other in op.outputs[position + 1 :]:
            if arena.shared(output, other):
                arena.errors.append(f"{where}: outputs {output!r} and {other!r} share bytes")
        for index, tensor in enumerate(op.inputs):
            if tensor is not None and arena.shared(output, tensor):
                clashes.append((index, tensor, position, output))
    if not clashes:
        return
    rules = {(rule.input_index, rule.output_index): rule for rule in allowed(op)}
    for index, tensor, position, output in clashes:
        distance = tensor.offline_offset - output.offline_offset
        rule = rules.get((index, position))
        if rule is None:
            arena.errors.append(f"{where}: {output!r} is written over its input {tensor!r}")
        elif distance < rule.low or (rule.high is not None and distance > rule.high):
            arena.errors.append(
                f"{where}: {output!r} is written over its input {tensor!r} at distance "
                f"{distance}, the kernel's order allows {rule.low} to {rule.high}"
            )


def check_variables(before: Model, after: Model) -> list[str]:
    """Ways in which `after` reads a resource variable at another moment than `before`.

    For every READ_VARIABLE (known by its output's name) the assignments that come before it
    must be the same in number, and so must the assignments in all. Subgraph by subgraph.
    """
    errors = []
    for index, (old, new) in enumerate(zip(before.subgraphs, after.subgraphs, strict=False)):
        was, total_before = _moments(old)
        now, total_after = _moments(new)
        for key in sorted(now.keys() & was.keys()):
            if was[key] != now[key]:
                errors.append(
                    f"subgraph {index}: {key} happens after {now[key]} assignments, "
                    f"it was after {was[key]}"
                )
        for name in sorted(total_before.keys() | total_after.keys()):
            if total_before.get(name, 0) != total_after.get(name, 0):
                errors.append(
                    f"subgraph {index}: {name} is assigned {total_after.get(name, 0)} times, "
                    f"it was {total_before.get(name, 0)}"
                )
    return errors


def _moments(graph: Subgraph) -> tuple[dict[str, int], dict[str, int]]:
    """For each read, and for each variable, the number of assignments before it, or in all."""
    variable: dict[Tensor, str] = {}
    assigned: dict[str, int] = {}
    moments: dict[str, int] = {}
    for op in graph.operators:
        if op.name == "VAR_HANDLE":
            variable[op.outputs[0]] = str(op.option("shared_name", ""))
        elif op.name == "ASSIGN_VARIABLE" and op.inputs and op.inputs[0] is not None:
            name = variable.get(op.inputs[0], repr(op.inputs[0].name))
            assigned[name] = assigned.get(name, 0) + 1
        elif op.name == "READ_VARIABLE" and op.inputs and op.inputs[0] is not None:
            name = variable.get(op.inputs[0], repr(op.inputs[0].name))
            moments[f"the read of {name} into {op.outputs[0].name!r}"] = assigned.get(name, 0)
    return moments, assigned

"""Prefixes of a model: cut short behind an operator, memory plan unchanged.

A tensor in the middle of a model with a memory plan can be read only while it
lives; afterwards others lie on its bytes. A model that ends there makes it a graph
output. Every operator of the prefix finds its tensors at the same offsets
as in the whole model; only what the plan leaves to TFLM's own planner (offset -1,
and scratch) may lie elsewhere.

Tensors correspond by name: a pass that changes what a tensor holds must rename it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from arenafit.graph import DType, Model, Operator, Tensor, load, save
from arenafit.graph.custom import PLAN_METADATA
from arenafit.runtime.interface import Port

__all__ = ["Prefix", "prefixes", "without_plan"]

_READABLE = {
    DType.FLOAT32: "float32",
    DType.INT8: "int8",
    DType.UINT8: "uint8",
    DType.INT16: "int16",
    DType.INT32: "int32",
    DType.INT64: "int64",
    DType.BOOL: "bool",
}


@dataclass(frozen=True)
class Prefix:
    """A model that ends behind one operator of another, with that operator's outputs."""

    operator: int  # index in the whole model's subgraph 0
    model: bytes
    tensors: list[Port]  # the graph outputs
    reference_indices: list[int]  # those tensors' indices in the reference's subgraph 0


def prefixes(reference: bytes, model: bytes, limit: int | None) -> list[Prefix]:
    """Prefixes of `model` whose outputs the reference has, too, by name, type and shape.

    Args:
        reference: the model whose tensors are right by definition.
        model: the model to cut.
        limit: at most so many, evenly spaced, the last possible one among them; None: all.

    Raises:
        ModelError: one of the files cannot be read.
    """
    known = _named_results(load(reference))
    whole = load(model)
    final = set(whole.main.outputs)
    found: list[tuple[int, dict[Tensor, int]]] = []
    for position in range(len(whole.main.operators) - 1):
        if not _variables_have_memory(whole, position):
            continue
        shared = {
            tensor: known[tensor.name][1]
            for tensor in whole.main.operators[position].outputs
            if tensor.name in known
            and tensor not in final
            and _alike(tensor, known[tensor.name][0])
        }
        if shared:
            found.append((position, shared))
    return [
        Prefix(
            position,
            save(_cut(whole, position, list(shared))),
            [Port(t.name or "", t.shape, _READABLE[t.dtype]) for t in shared],
            list(shared.values()),
        )
        for position, shared in _spread(found, limit)
    ]


def without_plan(model: bytes) -> bytes:
    """The model without its memory plan, tensors at the same indices.

    TFLM's planner for preserving all tensors accepts no offsets (memory_planner.h).

    Raises:
        ModelError: the file cannot be read.
    """
    loaded = load(model)
    if not loaded.has_offline_plan:
        return model
    return save(replace(loaded, has_offline_plan=False))


def _named_results(model: Model) -> dict[str | None, tuple[Tensor, int]]:
    """Name -> tensor and index, for what operators of subgraph 0 write, names that are unique."""
    names: dict[str | None, list[tuple[Tensor, int]]] = {}
    produced = model.main.producers()
    for index, tensor in enumerate(model.main.tensors):
        names.setdefault(tensor.name, []).append((tensor, index))
    return {
        name: entries[0]
        for name, entries in names.items()
        if name and len(entries) == 1 and entries[0][0] in produced
    }


def _alike(one: Tensor, other: Tensor) -> bool:
    return (
        one.dtype in _READABLE
        and one.nbytes > 0
        and (one.dtype, one.shape) == (other.dtype, other.shape)
    )


def _variables_have_memory(whole: Model, position: int) -> bool:
    """False where a prefix reads a variable that only operators behind it write.

    TFLM allocates a resource variable when it prepares an ASSIGN_VARIABLE (assign_variable.cc).
    """
    called = [operator for graph in whole.subgraphs[1:] for operator in graph.operators]
    kept = [*whole.main.operators[: position + 1], *called]
    names = {
        op.outputs[0]: op.option("shared_name", None) for op in kept if op.name == "VAR_HANDLE"
    }

    def variables(kind: str) -> set[str | None]:
        return {names.get(op.inputs[0]) for op in kept if op.name == kind and op.inputs[0]}

    return variables("READ_VARIABLE") <= variables("ASSIGN_VARIABLE")


def _spread(
    found: list[tuple[int, dict[Tensor, int]]], limit: int | None
) -> list[tuple[int, dict[Tensor, int]]]:
    """At most `limit` of `found`, evenly spaced, the last one always."""
    if limit is None or len(found) <= limit:
        return found
    return [found[(number + 1) * len(found) // limit - 1] for number in range(limit)]


def _cut(whole: Model, position: int, outputs: list[Tensor]) -> Model:
    """`whole` without the operators of subgraph 0 behind `position`."""
    operators = whole.main.operators[: position + 1]
    used = set(_tensors(operators)) | set(whole.main.inputs)
    main = replace(
        whole.main,
        tensors=[tensor for tensor in whole.main.tensors if tensor in used],
        outputs=outputs,
        operators=operators,
    )
    metadata = [entry for entry in whole.metadata if entry.name != PLAN_METADATA]  # of the whole
    return replace(whole, subgraphs=[main, *whole.subgraphs[1:]], signatures=[], metadata=metadata)


def _tensors(operators: Iterable[Operator]) -> Iterable[Tensor]:
    for operator in operators:
        for group in (operator.inputs, operator.outputs, operator.intermediates):
            yield from (tensor for tensor in group if tensor is not None)

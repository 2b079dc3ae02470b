"""What the passes share: questions about tensors, and small safe edits of a subgraph.

The edits keep one promise for all passes: a tensor that an edit leaves without any
use is taken out of its subgraph at once, because TFLM allocates every tensor that
the file lists, used or not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from arenafit.graph.model import DType, Model, Operator, Quantization, Subgraph, Tensor

__all__ = [
    "ACT_NONE",
    "ACT_RELU",
    "ACT_RELU6",
    "PADDING_VALID",
    "anchored",
    "discard_unused",
    "int_values",
    "merge_into",
    "remove_operator",
    "replace_uses",
    "same_quantization",
    "same_type",
    "zero_point",
]

# Enumerators of the TFLite schema, as options hold them.
ACT_NONE, ACT_RELU, ACT_RELU6 = 0, 1, 3  # enum ActivationFunctionType
PADDING_VALID = 1  # enum Padding; SAME is 0, the default, and so absent from options

_UNQUANTIZED = Quantization()


def same_quantization(a: Tensor, b: Tensor) -> bool:
    """True where both tensors give every stored value the same meaning."""
    first, second = a.quantization or _UNQUANTIZED, b.quantization or _UNQUANTIZED
    if (first.scales, first.zero_points) != (second.scales, second.zero_points):
        return False
    return len(first.scales) <= 1 or first.axis == second.axis


def same_type(a: Tensor, b: Tensor) -> bool:
    """True where both tensors have one element type and one quantisation."""
    return a.dtype == b.dtype and same_quantization(a, b)


def zero_point(tensor: Tensor) -> int | None:
    """The zero point of a tensor quantised as a whole; None for any other tensor."""
    quantization = tensor.quantization
    if quantization is None or len(quantization.scales) != 1 or len(quantization.zero_points) != 1:
        return None
    return quantization.zero_points[0]


def int_values(tensor: Tensor | None) -> tuple[int, ...] | None:
    """The elements of a constant INT32 or INT64 tensor, flat; None for any other tensor."""
    if tensor is None or tensor.buffer is None or not tensor.buffer.data or tensor.is_variable:
        return None
    letter = {DType.INT32: "i", DType.INT64: "q"}.get(tensor.dtype)
    if letter is None or len(tensor.buffer.data) != tensor.nbytes:
        return None
    return struct.unpack(f"<{tensor.elements}{letter}", tensor.buffer.data)


def anchored(model: Model, subgraph: Subgraph) -> set[Tensor]:
    """Tensors that the world outside `subgraph` knows: its inputs, outputs and signatures'."""
    found = {*subgraph.inputs, *subgraph.outputs}
    for signature in model.signatures:
        if signature.subgraph is subgraph:
            found.update(tensor for _, tensor in signature.inputs)
            found.update(tensor for _, tensor in signature.outputs)
    return found


def discard_unused(model: Model, subgraph: Subgraph, candidates: Iterable[Tensor | None]) -> int:
    """Take those `candidates` out of `subgraph` that nothing refers to; returns how many."""
    used: set[Tensor | None] = {*anchored(model, subgraph)}
    for op in subgraph.operators:
        used.update(op.inputs)
        used.update(op.outputs)
        used.update(op.intermediates)
    unused = {tensor for tensor in candidates if tensor is not None and tensor not in used}
    before = len(subgraph.tensors)
    subgraph.tensors[:] = [tensor for tensor in subgraph.tensors if tensor not in unused]
    return before - len(subgraph.tensors)


def remove_operator(model: Model, subgraph: Subgraph, op: Operator) -> None:
    """Delete `op`, and the tensors that only it was using."""
    subgraph.operators.remove(op)
    discard_unused(model, subgraph, [*op.inputs, *op.outputs, *op.intermediates])


def replace_uses(readers: Iterable[Operator], old: Tensor, new: Tensor) -> None:
    """Make `readers` read `new` where they read `old`."""
    for op in readers:
        op.inputs[:] = [new if tensor is old else tensor for tensor in op.inputs]


def merge_into(model: Model, subgraph: Subgraph, op: Operator, source: Tensor) -> bool:
    """Delete `op`, whose only output holds the very bytes, shape and type of `source`.

    One of the two tensors takes the place of the other; neither may be a variable. False,
    and nothing done, where both must stay: the world outside knows both, or knows the
    output, and no operator could write it in the source's place.
    """
    copy = op.outputs[0]
    known = anchored(model, subgraph)
    if copy not in known:
        replace_uses(subgraph.operators, copy, source)
    elif source not in known and not source.is_constant:
        producer = subgraph.producers().get(source)
        if producer is None:
            return False
        producer.outputs[:] = [copy if t is source else t for t in producer.outputs]
        replace_uses(subgraph.operators, source, copy)
    else:
        return False
    remove_operator(model, subgraph, op)
    discard_unused(model, subgraph, [source, copy])
    return True

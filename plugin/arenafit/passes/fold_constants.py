"""Operators whose result is known before the model runs, on shapes above all.

Keras' Flatten leaves SHAPE, STRIDED_SLICE, PACK in front of its RESHAPE. TFLM has no
dynamic shapes (every tensor is allocated with the extents the file gives, and the SHAPE
kernel answers just these), so that the whole chain is constant, though a converter that
keeps the batch open (-1 in shape_signature) cannot say so.

Acts on an operator when all of these hold:

1. It is one of
   a. SHAPE of any tensor of fixed size;
   b. RESHAPE, SQUEEZE, EXPAND_DIMS of a constant of whatever type: the result shares the
      constant's data, so the file does not grow;
   c. STRIDED_SLICE, PACK, CONCATENATION, GATHER, ADD, SUB, MUL, REDUCE_PROD, CAST on constant
      INT32 and INT64 tensors of at most one dimension and at most 1024 elements.
2. All inputs it computes with are constant; it has no fused activation.
3. The result has the type and shape that the file states for the output, and no value
   overflows its type.

The output tensor itself becomes the constant: its readers do not change.

Must not act:

4. on outputs of a subgraph or a signature (someone reads the arena there), nor on variables;
5. on anything quantised or floating that would have to be computed: (c) knows whole numbers
   alone, where there is one right answer;
6. where an option is used that (c) does not model (new axes, ellipsis, batch dimensions).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from arenafit.graph.model import Buffer, DType, Model, Operator, Subgraph, Tensor
from arenafit.passes.rewrite import (
    ACT_NONE,
    anchored,
    int_values,
    remove_operator,
    same_type,
)

__all__ = ["run"]

_MAX_ELEMENTS = 1024
_LETTERS = {DType.INT32: "i", DType.INT64: "q"}


@dataclass(frozen=True)
class _Ints:
    """A scalar or a vector of whole numbers."""

    shape: tuple[int, ...]  # () or (n,)
    values: tuple[int, ...]


def _vector(values: tuple[int, ...]) -> _Ints:
    return _Ints((len(values),), values)


def _strided_slice(op: Operator, data: _Ints, begin: _Ints, end: _Ints, step: _Ints) -> _Ints:
    if any(map(op.option, ("ellipsis_mask", "new_axis_mask", "offset"))) or data.shape == ():
        raise ValueError
    (first,), (last,), (stride,) = begin.values, end.values, step.values
    if op.option("shrink_axis_mask") & 1:
        return _Ints((), (data.values[first],))  # both count negative indices from the end
    chosen = slice(
        None if op.option("begin_mask") & 1 else first,
        None if op.option("end_mask") & 1 else last,
        stride,
    )
    return _vector(data.values[chosen])


def _pack(op: Operator, *parts: _Ints) -> _Ints:
    if any(part.shape != () for part in parts) or op.option("axis") not in (0, -1):
        raise ValueError
    return _vector(tuple(part.values[0] for part in parts))


def _concatenation(op: Operator, *parts: _Ints) -> _Ints:
    if any(part.shape == () for part in parts) or op.option("axis") not in (0, -1):
        raise ValueError
    return _vector(tuple(value for part in parts for value in part.values))


def _gather(op: Operator, data: _Ints, indices: _Ints) -> _Ints:
    if op.option("axis") not in (0, -1) or op.option("batch_dims") or data.shape == ():
        raise ValueError
    if min(indices.values) < 0:
        raise ValueError
    return _Ints(indices.shape, tuple(data.values[i] for i in indices.values))


def _reduce_prod(op: Operator, data: _Ints, axes: _Ints) -> _Ints:
    if data.shape == () or set(axes.values) - {0, -1} or not axes.values:
        raise ValueError
    return _Ints((1,) if op.option("keep_dims", False) else (), (math.prod(data.values),))


def _cast(op: Operator, data: _Ints) -> _Ints:
    return data


def _elementwise(function: Callable[[int, int], int]) -> Callable[..., _Ints]:
    def apply(op: Operator, a: _Ints, b: _Ints) -> _Ints:
        shape = max(a.shape, b.shape, key=lambda s: (len(s), s))
        count = math.prod(shape)
        if len(a.values) not in (1, count) or len(b.values) not in (1, count):
            raise ValueError
        left = a.values * count if len(a.values) == 1 else a.values
        right = b.values * count if len(b.values) == 1 else b.values
        return _Ints(shape, tuple(map(function, left, right)))

    return apply


_ARITHMETIC: dict[str, Callable[..., _Ints]] = {
    "STRIDED_SLICE": _strided_slice,
    "PACK": _pack,
    "CONCATENATION": _concatenation,
    "GATHER": _gather,
    "REDUCE_PROD": _reduce_prod,
    "CAST": _cast,
    "ADD": _elementwise(lambda a, b: a + b),
    "SUB": _elementwise(lambda a, b: a - b),
    "MUL": _elementwise(lambda a, b: a * b),
}


def _operand(tensor: Tensor | None) -> _Ints:
    values = int_values(tensor)
    if tensor is None or values is None or len(tensor.shape) > 1 or len(values) > _MAX_ELEMENTS:
        raise ValueError
    if tensor.quantization is not None and tensor.quantization.scales:
        raise ValueError
    return _Ints(tensor.shape, values)


def _computed(op: Operator) -> _Ints | None:
    """The result of `op` by rules 1a and 1c; None where they do not apply."""
    if op.name == "SHAPE":
        source = op.inputs[0] if len(op.inputs) == 1 else None
        if source is None or source.dtype.bits == 0 or min(source.shape, default=0) < 0:
            return None
        return _vector(source.shape)
    apply = _ARITHMETIC.get(op.name)
    if apply is None or op.option("fused_activation_function") != ACT_NONE:
        return None
    try:
        return apply(op, *map(_operand, op.inputs))
    except (ValueError, IndexError, TypeError):  # not constant, or not as modelled
        return None


def _constant(op: Operator) -> Buffer | None:
    """The data of the only output of `op`, where they are known."""
    output = op.outputs[0]
    if op.name in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
        source = op.inputs[0] if op.inputs else None
        if source is None or not source.is_constant or "sparsity" in source.fields:
            return None
        same = same_type(source, output) and source.nbytes == output.nbytes
        return source.buffer if same and not source.is_variable else None
    letter, result = _LETTERS.get(output.dtype), _computed(op)
    if letter is None or result is None or result.shape != output.shape or not result.values:
        return None
    try:
        return Buffer(struct.pack(f"<{len(result.values)}{letter}", *result.values))
    except struct.error:  # overflow
        return None


def run(model: Model) -> int:
    """Turn known results into constants; returns the number of operators removed."""
    return sum(_fold_in(model, subgraph) for subgraph in model.subgraphs)


def _fold_in(model: Model, subgraph: Subgraph) -> int:
    folded = 0
    known = anchored(model, subgraph)
    for op in list(subgraph.operators):
        if len(op.outputs) != 1 or op.outputs[0] in known or op.outputs[0].is_variable:
            continue
        data = _constant(op)
        if data is not None:
            op.outputs[0].buffer = data
            op.outputs[0].offline_offset = -1
            remove_operator(model, subgraph, op)
            folded += 1
    return folded

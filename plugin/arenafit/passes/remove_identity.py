"""Operators that change no byte.

Acts on an operator whose one output then stands for its data input, or the other way
round, when all of these hold:

1. It provably copies its input, element by element in order:
   RESHAPE, SQUEEZE, EXPAND_DIMS to whatever shape;
   PAD, PADV2, MIRROR_PAD of nothing;
   SLICE, and STRIDED_SLICE with steps of 1, of everything;
   TRANSPOSE whose permutation moves no dimension but those of extent 1;
   CONCATENATION of one tensor, SPLIT and SPLIT_V into one;
   CAST to the same type, QUANTIZE of int8 or int16 to the same scale and zero point;
   MAX_POOL_2D and AVERAGE_POOL_2D of 1x1 with stride 1, no activation, int8 or int16;
   RELU of int8 or int16 whose zero point is the lowest value of its type.
2. Input and output have the same type and quantisation.
3. Their shapes are equal; or every reader of the output ignores its input's shape: the
   data of a RESHAPE (of chains, the last one is left), or a FULLY_CONNECTED without
   keep_num_dims, which takes rows as long as its weights' one after the other.

An output of the subgraph keeps its tensor: then the input's producer writes it directly.

Must not act:

4. when input and output are both known outside the subgraph, or the output is and the input
   is constant: there is a copy to be made;
5. on variable tensors: a copy keeps the value of its time;
6. on float pooling and RELU: a clamp changes NaN or infinity;
7. on DEQUANTIZE and QUANTIZE pairs, and on QUANTIZE chains: each step rounds.
"""

from __future__ import annotations

from arenafit.graph.model import DType, Model, Operator, Subgraph, Tensor
from arenafit.passes.rewrite import (
    ACT_NONE,
    anchored,
    discard_unused,
    int_values,
    merge_into,
    remove_operator,
    replace_uses,
    same_type,
    zero_point,
)

__all__ = ["copied_input", "run"]

_RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
_CASTABLE = (DType.INT8, DType.INT16, DType.INT32, DType.UINT32, DType.FLOAT32)
_LOWEST = {DType.INT8: -128, DType.INT16: -32768}


def copied_input(op: Operator) -> Tensor | None:
    """The input whose bytes the only output of `op` repeats (rules 1 and 2), else None."""
    if len(op.outputs) != 1:
        return None
    index = 1 if op.name == "SPLIT" else 0
    source = op.inputs[index] if len(op.inputs) > index else None
    copy = op.outputs[0]
    if source is None or not same_type(source, copy) or source.elements != copy.elements:
        return None
    if source.is_variable or copy.is_variable or source.dtype.bits == 0:
        return None
    if op.name in _RESHAPES:
        return source
    if op.name == "TRANSPOSE":
        return source if _moves_nothing(source, op) else None
    return source if source.shape == copy.shape and _copies(op, source) else None


def _moves_nothing(source: Tensor, op: Operator) -> bool:
    order = int_values(op.inputs[1]) if len(op.inputs) == 2 else None
    if order is None or sorted(order) != list(range(len(source.shape))):
        return False
    moved = [axis for axis in order if source.shape[axis] != 1]
    return moved == sorted(moved) and op.outputs[0].shape == tuple(source.shape[i] for i in order)


def _copies(op: Operator, source: Tensor) -> bool:
    """Rule 1 for the operators whose output has the shape of their input."""
    if op.name in ("PAD", "PADV2", "MIRROR_PAD"):
        return len(op.inputs) > 1 and _all(op.inputs[1], 0)
    if op.name == "STRIDED_SLICE":
        masks = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset")
        return len(op.inputs) == 4 and _all(op.inputs[3], 1) and not any(map(op.option, masks))
    if op.name == "CONCATENATION":
        return _unclamped(op)
    if op.name in ("SLICE", "SPLIT", "SPLIT_V"):
        return True
    if op.name == "CAST":
        return source.dtype in _CASTABLE
    if op.name == "QUANTIZE":
        return source.dtype in _LOWEST and zero_point(source) is not None
    if op.name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        extents = ("filter_height", "filter_width", "stride_h", "stride_w")
        return source.dtype in _LOWEST and _unclamped(op) and {1} == set(map(op.option, extents))
    if op.name == "RELU":
        return source.dtype in _LOWEST and zero_point(source) == _LOWEST[source.dtype]
    return False


def _all(tensor: Tensor | None, value: int) -> bool:
    values = int_values(tensor)
    return values is not None and set(values) == {value}


def _unclamped(op: Operator) -> bool:
    return bool(op.option("fused_activation_function") == ACT_NONE)


def _ignores_shape(reader: Operator, tensor: Tensor) -> bool:
    """True where `reader` reads `tensor` as a row of elements, whatever its shape (rule 3)."""
    if reader.inputs[0] is not tensor or any(t is tensor for t in reader.inputs[1:]):
        return False
    if reader.name == "FULLY_CONNECTED":
        return not reader.option("keep_num_dims", False)
    return reader.name == "RESHAPE"


def run(model: Model) -> int:
    """Remove operators that only copy; returns how many."""
    return sum(_remove_in(model, subgraph) for subgraph in model.subgraphs)


def _remove_in(model: Model, subgraph: Subgraph) -> int:
    removed = 0
    for op in list(subgraph.operators):
        source = copied_input(op)
        if source is None:
            continue
        if source.shape == op.outputs[0].shape:
            removed += merge_into(model, subgraph, op, source)
        else:
            removed += _bypass(model, subgraph, op, source)
    return removed


def _bypass(model: Model, subgraph: Subgraph, op: Operator, source: Tensor) -> bool:
    """Let the readers of `op` read `source`, where none of them minds the other shape."""
    copy = op.outputs[0]
    readers = [reader for reader in subgraph.operators if copy in reader.inputs]
    if not readers or source.is_constant or copy in anchored(model, subgraph):
        return False
    if not all(_ignores_shape(reader, copy) for reader in readers):
        return False
    replace_uses(readers, copy, source)
    remove_operator(model, subgraph, op)
    discard_unused(model, subgraph, [copy])
    return True

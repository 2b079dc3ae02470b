"""Operators whose results nobody reads.

Acts when all of these hold:

1. The operator is a builtin that computes its outputs from its inputs alone: listed in
   `_PURE`, so that an operator which this file does not know is kept.
2. None of its outputs is read by an operator, is an output of
   the subgraph, or is named by a signature.
3. It touches no variable tensor.

Rules are applied until they find nothing, so whole dead branches go.

Must not act:

4. on whatever can be seen later or elsewhere: ASSIGN_VARIABLE and CALL_ONCE, control flow
   (the called subgraphs may assign), operators with state of their own (SVDF, LSTM),
   random numbers, custom operators;
5. on READ_VARIABLE or VAR_HANDLE while anything reads their result. Without a reader they
   may go: reading a variable does not change it, and every other handle of the same name
   makes the variable known by itself.
"""

from __future__ import annotations

from arenafit.graph.model import Model, Operator, Subgraph, Tensor
from arenafit.passes.rewrite import anchored, remove_operator

__all__ = ["run"]

_PURE_NAMES = """
    ABS ADD ADD_N ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS
    BROADCAST_TO CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D
    DEQUANTIZE DIV ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD
    FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION
    L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOG_SOFTMAX LOGICAL_AND LOGICAL_NOT LOGICAL_OR
    LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 POW
    PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU
    RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2
    ROUND RSQRT SELECT SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT
    SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH TRANSPOSE
    TRANSPOSE_CONV UNPACK VAR_HANDLE ZEROS_LIKE
"""
_PURE = frozenset(_PURE_NAMES.split())


def run(model: Model) -> int:
    """Delete dead operators in every subgraph; returns how many."""
    return sum(_remove_in(model, subgraph) for subgraph in model.subgraphs)


def _remove_in(model: Model, subgraph: Subgraph) -> int:
    removed = 0
    known = anchored(model, subgraph)
    while dead := _dead_operators(subgraph, known):
        for op in dead:
            remove_operator(model, subgraph, op)
        removed += len(dead)
    return removed


def _dead_operators(subgraph: Subgraph, known: set[Tensor]) -> list[Operator]:
    wanted = known | {t for op in subgraph.operators for t in op.inputs if t is not None}
    return [op for op in subgraph.operators if _is_pure(op) and wanted.isdisjoint(op.outputs)]


def _is_pure(op: Operator) -> bool:
    touched = [t for t in [*op.inputs, *op.outputs] if t is not None]
    return op.name in _PURE and not any(tensor.is_variable for tensor in touched)

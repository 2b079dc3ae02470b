"""Recurrent kernels: step by step through time, each step's input read before its output is written."""

from __future__ import annotations

from collections.abc import Collection

from arenafit.graph.model import DType, Operator
from arenafit.memory.access.describe import Describe, Description
from arenafit.memory.access.order import reads, writes

__all__ = ["lstm"]

_INPUTS = 24  # of the full TFLite LSTM signature, absent ones included
_NONE: Description = {}


def lstm(types: Collection[DType]) -> Describe:
    """UNIDIRECTIONAL_SEQUENCE_LSTM on activations of `types`.

    lstm_eval.h (`EvalLstm`, `LstmStep`): all gates of a step are computed from its rows of the
    input and the hidden state, a variable; then the step's rows of the output are written. Steps
    run in the order in which the rows lie in memory, whichever of time and batch is outer.
    arm_lstm_unidirectional_s8.c and arm_nn_lstm_step_s8.c do the same, but read the hidden state
    back from the step's predecessor in the output, which no input lies under any more.
    """

    def describe(op: Operator) -> Description:
        source, target = op.inputs[0] if op.inputs else None, op.outputs[0]
        if source is None or len(op.inputs) != _INPUTS or len(op.outputs) != 1:
            return _NONE
        if source.dtype not in types or target.dtype is not source.dtype:
            return _NONE
        if len(source.shape) != 3 or len(target.shape) != 3 or source.shape[:2] != target.shape[:2]:
            return _NONE
        outer, inner, _ = source.shape
        element = source.dtype.bits // 8
        # Time-major, all rows of the batch belong to one step; else each row is its own.
        rows = inner if op.option("time_major", False) else 1
        steps = outer * inner // max(rows, 1)
        read, write = (rows * t.shape[2] * element for t in (source, target))
        return {(0, 0): reads().then(writes(write)).repeat(steps, read, write)}

    return describe

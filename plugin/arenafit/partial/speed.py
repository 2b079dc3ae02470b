"""How many instructions an operator takes on a Cortex-M4, nearly: enough to compare plans by.

An operator has work of a few sorts, and each kernel set takes so many instructions for a unit of
each. The factors are fitted (least squares of relative errors) to the instructions that QEMU counts
for whole networks: 18 in TFLM with its reference kernels and with CMSIS-NN, and 20 as exported
segments (`tools/bench_segments.py`). The networks they were fitted to are met within about 20 %.
On another CPU the numbers are others; which plan is faster hardly changes.
"""

from __future__ import annotations

from collections.abc import Mapping

from arenafit.graph.custom import MAX_POOL_2D, PROGRAM_OPERATORS, MaxPool2D
from arenafit.graph.model import Model, Operator, Tensor

__all__ = ["CALL", "another_slice", "builtin", "member", "model_instructions", "work_of"]

Work = dict[str, int]
"""Sort of work -> how much there is of it; the sorts are those of the factors."""

# Instructions for a multiply-accumulate of a convolution; for a pixel of its filter, by output
# value; for multiply-accumulates of the two others; for a value that these three requantise; for
# a value of ADD, SUB and MUL; for a value that is pooled, or summed up over the image; for one
# that is just moved; for one of any other function; for an operator.
_REFERENCE: Mapping[str, float] = {
    "convolved": 5.7, "tap": 35, "depthwise": 25, "dense": 6.5, "requantized": 140,
    "elementwise": 55, "pooled": 20, "summed": 15, "moved": 11, "mapped": 75, "operator": 3_500,
}  # fmt: skip
_CMSIS_NN: Mapping[str, float] = {
    "convolved": 1.7, "tap": 3.3, "depthwise": 2.5, "dense": 1.6, "requantized": 45,
    "elementwise": 35, "pooled": 9, "summed": 10, "moved": 5, "mapped": 110, "operator": 4_500,
}  # fmt: skip
_SEGMENT: Mapping[str, float] = {
    "convolved": 1.15, "tap": 2.4, "depthwise": 3.1, "dense": 1.1, "requantized": 31,
    "elementwise": 10, "pooled": 20, "summed": 4, "moved": 2, "mapped": 10, "operator": 2_000,
}  # fmt: skip
CALL = 4_500  # of TFLM's for a segment
_STEP = 1_000  # of the interpreter of segments: a row of an operator
_SUM = 8  # to add to a sum that was begun by another slice

_KERNELS = {"reference": _REFERENCE, "cmsis_nn": _CMSIS_NN}

_MOVED = frozenset({"CONCATENATION", "PAD", "PADV2", "RESHAPE", "STRIDED_SLICE", "TRANSPOSE"})


def builtin(op: Operator, kernels: str) -> int:
    """Instructions of `op` as it is, with the "reference" or the "cmsis_nn" kernels."""
    return _instructions(work_of(op), _KERNELS[kernels])


def member(op: Operator, steps: int) -> int:
    """Instructions of `op` in a segment.

    Args:
        op: what it is.
        steps: rows that it makes or, if it reduces, reads.
    """
    return _instructions(work_of(op), _SEGMENT) + _STEP * steps


def another_slice(steps: int, sums: int = 0) -> int:
    """What an operator takes more for each slice of channels but the first, though nothing is
    multiplied twice.

    Args:
        steps: see `member`.
        sums: how many there are, if it is the one that sums over channels.
    """
    return round(_SEGMENT["operator"]) + _STEP * steps + _SUM * sums


def model_instructions(model: Model, kernels: str) -> int | None:
    """Instructions of all operators of `model`, each counted once; None where some are programs."""
    operators = [op for graph in model.subgraphs for op in graph.operators]
    if any(op.code.custom in PROGRAM_OPERATORS for op in operators):
        return None
    return sum(builtin(op, kernels) for op in operators)


def _instructions(work: Work, factors: Mapping[str, float]) -> int:
    return round(sum(factors[sort] * amount for sort, amount in work.items()))


def work_of(op: Operator) -> Work:
    """What there is to do; of operators that are not known, as of a function of each value."""
    made = sum(tensor.elements for tensor in op.outputs)
    weights = op.inputs[1] if len(op.inputs) > 1 else None
    rank = 0 if weights is None else len(weights.shape)
    if op.name == "CONV_2D" and weights is not None and rank == 4:
        taps = weights.shape[1] * weights.shape[2]
        work = {"convolved": made * taps * weights.shape[3], "tap": made * taps}
        work["requantized"] = made
    elif op.name == "DEPTHWISE_CONV_2D" and weights is not None and rank == 4:
        work = {"depthwise": made * weights.shape[1] * weights.shape[2], "requantized": made}
    elif op.name == "FULLY_CONNECTED" and weights is not None:
        depth = weights.shape[-1] if rank else 1
        work = {"dense": made * depth, "requantized": made}
    elif op.name in ("ADD", "SUB", "MUL"):
        work = {"elementwise": made}
    elif op.name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        work = {"pooled": made * op.option("filter_height") * op.option("filter_width")}
    elif op.code.custom == MAX_POOL_2D:
        options = MaxPool2D.decode(op.custom_options)
        taps = 1 if options is None else options.filter[0] * options.filter[1]
        work = {"pooled": made * taps}
    elif op.name == "MEAN":
        work = {"summed": _elements(op.inputs[0] if op.inputs else None)}
    elif op.name in _MOVED:
        work = {"moved": made}
    else:
        work = {"mapped": made}
    return {**work, "operator": 1}


def _elements(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.elements

"""MAX_POOL_2D into ARENAFIT_MAX_POOL_2D, whose output may lie over its input.

CMSIS-NN's max-pool keeps its maxima in the output while it reads, so that output and input
must lie apart by a pixel at least, and with several images by far more. arenafit's kernel
reads before it writes. It needs arenafit's runtime, so this is no pass for stock TFLM.

Acts when all of these hold:

1. The operator is MAX_POOL_2D of an int8, int16 or float32 tensor of four dimensions, and its
   output has the same type and quantisation, and the extents that follow from its options.
2. Its fused activation is none, RELU, RELU6 or RELU_N1_TO_1; for integers, the bounds of the
   last three follow from the output's quantisation as TFLM rounds them
   (tensorflow/lite/kernels/kernel_util.cc, CalculateActivationRangeQuantized).
3. arenafit's kernel takes it: tensors, filters and strides are not too large.
4. Its output may come nearer to its input than with the kernel it would run otherwise, by a
   step of the arena's alignment and at most right upon it (beyond, nothing is saved). So
   nothing is done where the reference kernels run, whose order is that of arenafit's.
5. The caller wants it.

The overlap that the operator's options claim is what the kernel's order allows; whether the
plan makes use of it is the planner's business.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import replace

from arenafit.graph.custom import MAX_POOL_2D, NO_OVERLAP, MaxPool2D
from arenafit.graph.model import DType, Model, OpCode, Operator, Tensor
from arenafit.memory.access import overlaps
from arenafit.memory.access.describe import spatial_image
from arenafit.memory.problem import Bytes, align
from arenafit.passes.rewrite import ACT_NONE, ACT_RELU, ACT_RELU6, same_type

__all__ = ["pool_options", "replacement", "run"]

_ACT_RELU_N1_TO_1 = 2  # enum ActivationFunctionType
_REAL_RANGES = {  # fused activation -> real numbers between which it keeps, None: no bound
    ACT_NONE: (None, None),
    ACT_RELU: (0.0, None),
    _ACT_RELU_N1_TO_1: (-1.0, 1.0),
    ACT_RELU6: (0.0, 6.0),
}
_LARGEST_FLOAT = 3.4028234663852886e38
_STORED = {DType.INT8: (-128, 127), DType.INT16: (-32768, 32767)}
_INT32 = 1 << 31

Wanted = Callable[[Operator], bool]


def run(model: Model, kernels: str = "any", wanted: Wanted | None = None) -> int:
    """Rewrite every pool that the rules admit; returns how many.

    Args:
        model: rewritten in place.
        kernels: the builtin kernels that the pools would meet, a key of
            `arenafit.memory.access.KERNELS`.
        wanted: rule 5, asked once for each pool that the other rules admit; without it, all
            of them are.
    """
    changed = 0
    for subgraph in model.subgraphs:
        for i, op in enumerate(subgraph.operators):
            made = replacement(op, kernels)
            if made is not None and (wanted is None or wanted(op)):
                subgraph.operators[i] = made
                changed += 1
    return changed


def replacement(op: Operator, kernels: str) -> Operator | None:
    """The operator that computes what `op` does in less memory, None where rules 1 to 4 fail."""
    options = pool_options(op)
    if options is None:
        return None
    made = replace(
        op,
        code=OpCode("CUSTOM", MAX_POOL_2D),
        options_type="",
        options={},
        custom_options=options.encode(),
    )
    ours, theirs = _least(made, kernels), _least(op, kernels)
    if theirs is None:
        theirs = op.outputs[0].nbytes
    if ours is None or max(align(ours), 0) >= align(theirs):
        return None
    made.custom_options = replace(options, overlap=ours).encode()
    return made


def _least(op: Operator, kernels: str) -> Bytes | None:
    """The overlap distance of `op`, None where its tensors must be disjoint."""
    return next((pair.low for pair in overlaps(op, kernels)), None)


def pool_options(op: Operator) -> MaxPool2D | None:
    """A MAX_POOL_2D in terms of the kernel's options, with no overlap claimed; rules 1 and 2."""
    if op.name != "MAX_POOL_2D" or len(op.inputs) != 1 or len(op.outputs) != 1:
        return None
    source, target = op.inputs[0], op.outputs[0]
    if source is None or not same_type(source, target):
        return None
    filter_ = op.option("filter_height"), op.option("filter_width")
    stride = op.option("stride_h"), op.option("stride_w")
    image = spatial_image(op, filter_)
    clamp = _clamp(op.option("fused_activation_function"), target)
    if image is None or clamp is None:
        return None
    return MaxPool2D(filter_, stride, (image.rows.pad, image.columns.pad), clamp, NO_OVERLAP)


def _clamp(activation: int, target: Tensor) -> tuple[int, int] | None:
    """The range of stored values, as the options have it."""
    if activation not in _REAL_RANGES:
        return None
    low, high = _REAL_RANGES[activation]
    if target.dtype is DType.FLOAT32:
        bounds = -_LARGEST_FLOAT if low is None else low, _LARGEST_FLOAT if high is None else high
        return struct.unpack("<2i", struct.pack("<2f", *bounds))
    if target.dtype not in _STORED:
        return None
    lowest, highest = _STORED[target.dtype]
    first, last = _quantized(low, lowest, target), _quantized(high, highest, target)
    if first is None or last is None:
        return None
    first, last = max(first, lowest), min(last, highest)
    return (first, last) if first <= last else None


def _quantized(real: float | None, unbounded: int, target: Tensor) -> int | None:
    """`real` as a stored value of `target`; None where TFLM could not compute it."""
    if real is None:
        return unbounded
    quantization = target.quantization
    if quantization is None or not quantization.scales or not quantization.zero_points:
        return None
    scale = quantization.scales[0]
    if not scale > 0 or not math.isfinite(scale):
        return None
    # float32 arithmetic: the quotient of two floats, rounded from double, is the float quotient.
    try:
        (quotient,) = struct.unpack("<f", struct.pack("<f", real / scale))
    except OverflowError:
        return None
    steps = math.copysign(math.floor(abs(quotient) + 0.5), quotient)
    if not -_INT32 <= steps < _INT32:
        return None
    return quantization.zero_points[0] + int(steps)

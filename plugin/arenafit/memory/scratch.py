"""Scratch buffers: what each kernel asks for in Prepare (RequestScratchBufferInArena).

Sizes are bytes before TFLM rounds them up to 16, in the order of the requests. They follow
tensorflow/lite/micro/kernels/*.cc, and cmsis_nn/*.cc with CMSIS-NN's `*_get_buffer_size`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from arenafit.errors import UsageError
from arenafit.graph.custom import MAX_POOL_2D, PROGRAM_OPERATORS, SegmentHead
from arenafit.graph.model import DType, Operator, Tensor
from arenafit.memory.access.describe import spatial_image
from arenafit.memory.access.window import Image
from arenafit.memory.problem import Bytes
from arenafit.memory.variant import Variant

__all__ = ["scratch_requests"]

Sizes = list[Bytes]

_WITHOUT_SCRATCH = frozenset({MAX_POOL_2D})  # arenafit's operators

_POINTER = 8  # bytes, on a 64-bit host; a Cortex-M asks for half
_LSTM_HIDDEN, _LSTM_CELL = 18, 19  # input indices, lstm_shared.h


def scratch_requests(
    op: Operator, kernels: str = "reference", variant: Variant | None = None
) -> Sizes | None:
    """Bytes of each scratch buffer that the kernel of `op` requests, None where unknown.

    Args:
        op: an operator of a loaded model.
        kernels: ``reference`` or ``cmsis_nn``.
        variant: of CMSIS-NN; without it each buffer has the largest size of all three.

    Custom operators that are not arenafit's are unknown, as are inputs that the kernel itself
    would refuse.

    Raises:
        UsageError: no such kernels.
    """
    if kernels not in ("reference", "cmsis_nn"):
        raise UsageError(f"unknown kernels {kernels!r}: choose from reference, cmsis_nn")
    if op.name == "CUSTOM":
        if op.code.custom in PROGRAM_OPERATORS:
            return _segment(op)
        return [] if op.code.custom in _WITHOUT_SCRATCH else None
    if kernels == "cmsis_nn" and op.name in _CMSIS_NN:
        rule = _CMSIS_NN[op.name]
        if variant is not None:
            return _guarded(lambda: rule(op, variant))
        answers = [_guarded(lambda v=v: rule(op, v)) for v in get_args(Variant)]  # type: ignore[misc]
        known = [sizes for sizes in answers if sizes is not None]
        if len(known) < len(answers):
            return None
        longest = max(len(sizes) for sizes in known)
        padded = [sizes + [0] * (longest - len(sizes)) for sizes in known]
        return [max(sizes) for sizes in zip(*padded, strict=True)]
    if op.name in _REFERENCE:
        return _guarded(lambda: _REFERENCE[op.name](op))
    return []


def _segment(op: Operator) -> Sizes | None:
    """kernels/tflm/src/segment.cc: the workspace, rings and sums of all that it streams."""
    head = SegmentHead.of(op)
    return None if head is None else [head.workspace]


def _guarded(rule: Callable[[], Sizes | None]) -> Sizes | None:
    """What `rule` says; None where the operator lacks what its kernel would read."""
    try:
        return rule()
    except (IndexError, ZeroDivisionError, _Missing):
        return None


class _Missing(Exception):
    """An input that the kernel needs is not there."""


def _input(op: Operator, index: int) -> Tensor:
    tensor = op.inputs[index]
    if tensor is None:
        raise _Missing
    return tensor


def _unpacked_weights(op: Operator) -> Sizes:
    """conv_common.cc, depthwise_conv_common.cc, fully_connected.cc: int4 weights as int8."""
    weights = _input(op, 1)
    return [weights.elements] if weights.dtype is DType.INT4 else []


def _reduction(op: Operator) -> Sizes:
    """reduce_common.cc, PrepareMinMaxHelper and PrepareAllHelper: two index vectors."""
    return [4 * len(_input(op, 0).shape), 4 * _input(op, 1).elements]


def _mean_or_sum(op: Operator) -> Sizes:
    """reduce_common.cc, PrepareMeanOrSumHelper: sums of the integer types come first."""
    quantised = _input(op, 0).dtype in (DType.INT8, DType.INT16)
    return [4 * op.outputs[0].elements] * quantised + _reduction(op)


def _transpose_conv(op: Operator) -> Sizes:
    """transpose_conv.cc: accumulators, and a wide copy of an int16 bias."""
    source, bias = _input(op, 2), op.inputs[3] if len(op.inputs) > 3 else None
    elements = op.outputs[0].elements
    if source.dtype is DType.INT8:
        return [4 * elements]
    if source.dtype is not DType.INT16:
        return []
    narrow = bias is not None and bias.dtype is DType.INT16
    return [8 * elements] + ([8 * bias.elements] if bias is not None and narrow else [])


def _add_n(op: Operator) -> Sizes:
    """add_n.cc: a pointer an input."""
    return [_POINTER * len(op.inputs)]


def _mirror_pad(op: Operator) -> Sizes:
    """mirror_pad.cc: two index vectors."""
    return [4 * len(_input(op, 0).shape)] * 2


def _svdf(op: Operator) -> Sizes:
    """svdf_common.cc: the filters' results, and for int8 the output before it is rescaled."""
    source, features = _input(op, 0), _input(op, 1)
    batches, filters = source.shape[0], features.shape[0]
    if source.dtype is not DType.INT8:
        return [4 * batches * filters]
    return [4 * batches * filters, 4 * batches * (filters // op.option("rank"))]


def _lstm_gate(op: Operator) -> Bytes:
    source, hidden = _input(op, 0), _input(op, _LSTM_HIDDEN)
    batches = source.shape[1 if op.option("time_major", False) else 0]
    return batches * hidden.shape[1] * (_input(op, _LSTM_CELL).dtype.bits // 8)


def _lstm(op: Operator) -> Sizes:
    """unidirectional_sequence_lstm.cc: four gates of a step."""
    return [_lstm_gate(op)] * 4


_REFERENCE: dict[str, Callable[[Operator], Sizes | None]] = {
    "ADD_N": _add_n,
    "CONV_2D": _unpacked_weights,
    "DEPTHWISE_CONV_2D": _unpacked_weights,
    "FULLY_CONNECTED": _unpacked_weights,
    "MEAN": _mean_or_sum,
    "MIRROR_PAD": _mirror_pad,
    "REDUCE_ALL": _reduction,
    "REDUCE_MAX": _reduction,
    "REDUCE_MIN": _reduction,
    "SUM": _mean_or_sum,
    "SVDF": _svdf,
    "TRANSPOSE_CONV": _transpose_conv,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}
"""Operators whose reference kernel asks for scratch; no other builtin does."""


def _wanted(size: Bytes) -> Sizes:
    """CMSIS-NN's glue makes no request of 0 bytes."""
    return [size] if size > 0 else []


def _window(op: Operator, kernel: tuple[int, int]) -> Image:
    window = spatial_image(op, kernel, dilated=True)
    if window is None:
        raise _Missing
    return window


def _columns(depth: int, taps: int, variant: Variant) -> Bytes:
    """arm_convolve_get_buffer_sizes_s8.c: two windows as int16; four as int8 with MVE."""
    length = depth * taps
    if variant == "mve":
        return 4 * 16 * -(-length // 16)
    return 2 * 2 * 4 * -(-length // 4)


def _conv_s8(window: Image, depth: int, grouped: bool, variant: Variant) -> Bytes:
    """arm_convolve_wrapper_s8_get_buffer_size()."""
    rows, columns = window.rows, window.columns
    taps = rows.kernel * columns.kernel
    undilated = rows.dilation == columns.dilation == 1
    if not grouped and taps == 1 and undilated and rows.pad == columns.pad == 0:
        return 0
    if (
        variant == "mve"
        and not grouped
        and rows.size == rows.kernel == columns.dilation == 1
        and columns.stride * depth % 4 == 0
    ):
        return _conv_1_x_n_mve(window, depth)
    return _columns(depth, taps, variant)


def _conv_1_x_n_mve(window: Image, depth: int) -> Bytes:
    """arm_convolve_1_x_n_s8_get_buffer_size_mve(): the padded ends of the row."""
    x = window.columns
    total = (x.out - 1) * x.stride + x.kernel - x.size
    odd = total - 2 * int(total / 2)  # the sign of `total`, as in C
    right = max(1, (x.pad + odd + x.stride - 1) // x.stride) if x.pad + odd else 0
    left = max(1, (x.pad + x.stride - 1) // x.stride) if x.pad else 0
    if right + max(x.out - (right + left), 0) + left != x.out:
        return _columns(depth, x.kernel, "mve")
    after = right if odd else x.pad
    return depth * max(x.kernel + x.pad, x.kernel - 1 + after)


def _cmsis_conv_2d(op: Operator, variant: Variant) -> Sizes:
    source, weights = _input(op, 0), _input(op, 1)
    window = _window(op, (weights.shape[1], weights.shape[2]))
    depth = source.shape[3]
    if source.dtype is DType.INT8:
        return _wanted(_conv_s8(window, depth, weights.shape[3] != depth, variant))
    bias = op.inputs[2] if len(op.inputs) > 2 else None
    if source.dtype is DType.INT16 and (bias is None or bias.dtype is DType.INT64):
        length = depth * weights.shape[1] * weights.shape[2]
        # arm_convolve_s16_get_buffer_size(): two windows, four in whole registers with MVE
        return _wanted(2 * 4 * 8 * -(-length // 8) if variant == "mve" else 2 * 2 * length)
    return []


def _cmsis_depthwise(op: Operator, variant: Variant) -> Sizes | None:
    """arm_depthwise_conv_wrapper_s8_get_buffer_size(); none for int16 and float."""
    source, weights = _input(op, 0), _input(op, 1)
    if source.dtype is not DType.INT8:
        return []
    if weights.dtype is not DType.INT8:
        return None
    window = _window(op, (weights.shape[1], weights.shape[2]))
    depth, outputs = source.shape[3], weights.shape[3]
    taps = weights.shape[1] * weights.shape[2]
    if variant == "mve" and depth == 1 and outputs > 1:
        return _wanted(_conv_s8(window, 1, False, variant) + weights.elements)
    rows, columns = window.rows, window.columns
    if depth != outputs or window.batches != 1 or (rows.dilation, columns.dilation) != (1, 1):
        return []
    if variant == "mve":
        return [4 * 124 * taps]
    if variant == "c" or (
        rows.kernel == columns.kernel == 3 and rows.pad <= 1 and columns.pad <= 1
    ):
        return []
    return [2 * depth * taps]


def _cmsis_average_pool(op: Operator, variant: Variant) -> Sizes:
    """arm_avgpool_s8_get_buffer_size(), _s16: int32 sums of a pixel, with DSP."""
    source = _input(op, 0)
    if source.dtype is DType.FLOAT32 or variant != "dsp":
        return []
    return [4 * source.shape[3]]


def _cmsis_fully_connected(op: Operator, variant: Variant) -> Sizes | None:
    """cmsis_nn/fully_connected.cc: per-channel factors for 1x1; kernel sums with MVE."""
    source, weights, target = _input(op, 0), _input(op, 1), op.outputs[0]
    if source.dtype is not DType.INT8:
        return []
    if weights.dtype is not DType.INT8:
        return None
    if len(target.shape) > 2 and weights.shape[-1] % 4 == 0:
        quantization = weights.quantization
        per_channel = quantization is not None and len(quantization.scales) > 1
        return [] if per_channel else [8 * target.shape[-1]]
    # Built for speed (the default), constant sums are made once, in the tail.
    if variant != "mve" or weights.is_constant:
        return []
    return [4 * target.shape[-1]]


def _cmsis_lstm(op: Operator, variant: Variant) -> Sizes:
    """cmsis_nn/unidirectional_sequence_lstm.cc: three gates where CMSIS-NN has the kernel."""
    del variant
    integer = _input(op, 0).dtype in (DType.INT8, DType.INT16)
    return [_lstm_gate(op)] * (3 if integer and _input(op, _LSTM_CELL).dtype is DType.INT16 else 4)


def _unknown(op: Operator, variant: Variant) -> None:
    del op, variant


_CMSIS_NN: dict[str, Callable[[Operator, Variant], Sizes | None]] = {
    "AVERAGE_POOL_2D": _cmsis_average_pool,
    "BATCH_MATMUL": _unknown,
    "CONV_2D": _cmsis_conv_2d,
    "DEPTHWISE_CONV_2D": _cmsis_depthwise,
    "FULLY_CONNECTED": _cmsis_fully_connected,
    "TRANSPOSE_CONV": _unknown,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _cmsis_lstm,
}
"""Operators whose CMSIS-NN kernel asks for other scratch than the reference's."""

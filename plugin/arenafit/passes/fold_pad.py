"""PAD folded into the VALID window operator behind it, which becomes SAME.

Stock TFLM gives a PAD a tensor of its own, often the largest of the network, while
its convolutions pad for nothing when their own padding is SAME.

Acts when all of these hold:

1. The operator is PAD, or PADV2 with a constant scalar, of a 4-D int8, int16 or float32
   tensor; it keeps type and quantisation; its amounts are constant, none is negative, and
   batch and channels get none.
2. Every reader is a CONV_2D, DEPTHWISE_CONV_2D or MAX_POOL_2D with VALID padding that
   reads the padded tensor as its data and as nothing else.
3. In both dimensions, SAME on the unpadded tensor has the output size that the reader has
   now, and puts as much in front of it as PAD did (TFLM: half of the total, rounded down;
   tensorflow/lite/kernels/padding.h). Output sizes being equal, what PAD put behind can
   exceed SAME's amount only by cells that no window reaches.
4. The cells that PAD adds do nothing in the reader:
   a. in a convolution they hold the zero point of an int8 tensor, 0 of an int16 one (its
      kernels subtract no zero point), and so add 0 to a sum; in a float32 one they hold 0
      and the weights are constant and finite;
   b. MAX_POOL_2D skips what SAME adds: the cells hold the lowest value of their type, or
      nothing above the lower end of the pool's own RELU or RELU6.

Must not act:

5. on a PAD that is an output of its subgraph or in a signature, or has no reader;
6. when one reader of several cannot take it: the padded tensor would stay and the unpadded
   one would live longer;
7. in front of AVERAGE_POOL_2D: SAME divides by the cells inside the image alone;
8. on a variable tensor, whose value may change between PAD and its reader.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from arenafit.graph.model import DType, Model, Operator, Subgraph, Tensor
from arenafit.passes.rewrite import (
    ACT_RELU,
    ACT_RELU6,
    PADDING_VALID,
    anchored,
    int_values,
    remove_operator,
    same_type,
    zero_point,
)

__all__ = ["Pad", "Window", "read_pad", "read_window", "run", "same_padding"]

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_LOWEST = {DType.INT8: -128, DType.INT16: -32768, DType.FLOAT32: -3.4028234663852886e38}
_FORMAT = {DType.INT8: "<b", DType.INT16: "<h", DType.FLOAT32: "<f"}


@dataclass(frozen=True)
class Pad:
    """A PAD of rows and columns: cells before and after, and the stored value they hold."""

    source: Tensor  # unpadded
    before: tuple[int, int]  # rows, columns
    after: tuple[int, int]
    value: float


@dataclass(frozen=True)
class Window:
    """What a window operator reads for one output, (rows, columns) each."""

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)

    @property
    def reach(self) -> tuple[int, int]:
        """Cells from the first to the last of a window, both counted."""
        (height, width), (down, right) = self.size, self.dilation
        return (height - 1) * down + 1, (width - 1) * right + 1


def same_padding(extent: int, reach: int, stride: int) -> tuple[int, int]:
    """Output size, and cells before the first input, of SAME padding in one dimension."""
    outputs = -(-extent // stride)
    total = max((outputs - 1) * stride + reach - extent, 0)
    return outputs, total // 2


def read_pad(op: Operator) -> Pad | None:
    """`op` as a `Pad` that rule 1 admits; None for every other operator."""
    if len(op.inputs) != {"PAD": 2, "PADV2": 3}.get(op.name) or len(op.outputs) != 1:
        return None
    source, output = op.inputs[0], op.outputs[0]
    amounts = int_values(op.inputs[1])
    if source is None or source.dtype not in _LOWEST or not same_type(source, output):
        return None
    if source.is_variable or len(source.shape) != 4 or amounts is None or len(amounts) != 8:
        return None
    if min(amounts) < 0 or amounts[:2] != (0, 0) or amounts[6:] != (0, 0):
        return None
    grown = tuple(n + amounts[2 * i] + amounts[2 * i + 1] for i, n in enumerate(source.shape))
    value = _pad_value(op, output)
    if output.shape != grown or value is None:
        return None
    return Pad(source, (amounts[2], amounts[4]), (amounts[3], amounts[5]), value)


def _pad_value(op: Operator, output: Tensor) -> float | None:
    if op.name == "PADV2":
        fill = op.inputs[2]
        if fill is None or fill.buffer is None or fill.dtype != output.dtype:
            return None
        data = fill.buffer.data
        if data is None or len(data) != fill.nbytes or fill.elements != 1:
            return None
        return float(struct.unpack(_FORMAT[fill.dtype], data)[0])
    # TFLM's PAD writes the output's zero point for int8, and 0 for every other type.
    return zero_point(output) if output.dtype == DType.INT8 else 0


def read_window(op: Operator) -> Window | None:
    """The window of a convolution or max-pool, None where `op` is neither or is malformed."""
    if not op.inputs or op.inputs[0] is None or len(op.outputs) != 1:
        return None
    source, output = op.inputs[0].shape, op.outputs[0].shape
    if len(source) != 4 or len(output) != 4 or source[0] != output[0] or 0 in source:
        return None
    channels = source[3]
    if op.name in _CONVOLUTIONS:
        weights = op.inputs[1] if len(op.inputs) > 1 else None
        if weights is None or len(weights.shape) != 4:
            return None
        channels = weights.shape[0 if op.name == "CONV_2D" else 3]
        size = weights.shape[1], weights.shape[2]
        dilation = op.option("dilation_h_factor", 1), op.option("dilation_w_factor", 1)
    elif op.name == "MAX_POOL_2D":
        size = op.option("filter_height"), op.option("filter_width")
        dilation = 1, 1
    else:
        return None
    stride = op.option("stride_h"), op.option("stride_w")
    if min(*size, *stride, *dilation) < 1 or output[3] != channels:
        return None
    return Window(size, stride, dilation)


def _adds_nothing(pad: Pad, reader: Operator) -> bool:
    """Rule 4."""
    if reader.name == "MAX_POOL_2D":
        lowest = _LOWEST[pad.source.dtype]
        if reader.option("fused_activation_function") in (ACT_RELU, ACT_RELU6):
            clamp = 0 if pad.source.dtype == DType.FLOAT32 else zero_point(reader.outputs[0])
            lowest = max(lowest, lowest if clamp is None else clamp)
        return pad.value <= lowest
    if pad.source.dtype == DType.INT8:
        return pad.value == zero_point(pad.source)
    return pad.value == 0 and (pad.source.dtype == DType.INT16 or _finite(reader.inputs[1]))


def _finite(weights: Tensor | None) -> bool:
    if weights is None or weights.dtype != DType.FLOAT32 or weights.buffer is None:
        return False
    data = weights.buffer.data
    if not data or len(data) != weights.nbytes:
        return False
    return all(math.isfinite(value) for (value,) in struct.iter_unpack("<f", data))


def _folds(pad: Pad, padded: Tensor, reader: Operator) -> bool:
    """Rules 2 to 4 for one reader."""
    window = read_window(reader)
    if window is None or reader.option("padding") != PADDING_VALID:
        return False
    if reader.inputs[0] is not padded or any(t is padded for t in reader.inputs[1:]):
        return False
    output = reader.outputs[0]
    for axis in (0, 1):
        outputs, before = same_padding(
            pad.source.shape[axis + 1], window.reach[axis], window.stride[axis]
        )
        if outputs != output.shape[axis + 1] or before != pad.before[axis]:
            return False
    return _adds_nothing(pad, reader)


def run(model: Model) -> int:
    """Fold every PAD that the rules admit; returns how many."""
    return sum(_fold_in(model, subgraph) for subgraph in model.subgraphs)


def _fold_in(model: Model, subgraph: Subgraph) -> int:
    folded = 0
    consumers, known = subgraph.consumers(), anchored(model, subgraph)
    for op in list(subgraph.operators):
        pad = read_pad(op)
        if pad is None:
            continue
        padded = op.outputs[0]
        readers = consumers.get(padded, [])
        if not readers or padded in known:
            continue
        if all(_folds(pad, padded, reader) for reader in readers):
            for reader in readers:
                reader.inputs[0] = pad.source
                reader.options.pop("padding")
            remove_operator(model, subgraph, op)
            folded += 1
    return folded

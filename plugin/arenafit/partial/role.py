"""What it takes to describe an operator as a member of a segment."""

from __future__ import annotations

from dataclasses import dataclass

from arenafit.graph.model import DType, Operator, Tensor
from arenafit.memory.access.window import Axis
from arenafit.partial.program import TensorType
from arenafit.partial.rows import Lookup, Window

__all__ = [
    "FEED",
    "MAX_OPERANDS",
    "MAX_TAPS",
    "TYPES",
    "Role",
    "Shape",
    "alike",
    "flat",
    "operand_shape",
    "rows_of",
    "source_of",
]

Shape = tuple[int, int, int]
"""Rows, columns, channels."""

FEED = "FEED"
"""Name of an operator without inputs that makes its output from rows that are fed: no file has it,
`arenafit.partial.feed` puts it in. Its option "input" says which input of the network it is."""

MAX_TAPS = 32  # ARENAFIT_MAX_TAPS, program.h
MAX_OPERANDS = 16  # ARENAFIT_MAX_OPERANDS

TYPES = {
    DType.INT8: TensorType.S8,
    DType.UINT8: TensorType.U8,
    DType.INT16: TensorType.S16,
    DType.FLOAT32: TensorType.F32,
}
"""Types of activations that segments can have."""


@dataclass(frozen=True, slots=True)
class Role:
    """An operator as a member of a segment.

    `inputs` are its activations, `shapes` how it sees each of them (None: as whatever another
    user of the tensor does), `windows` which of their rows its steps read (None: row for row).
    """

    kind: str  # as in program.h, but for RESHAPE
    inputs: tuple[Tensor, ...]
    shapes: tuple[Shape | None, ...]
    windows: tuple[Window | Lookup | None, ...]
    output: Tensor
    shape: Shape | None  # of the output
    image: tuple[Axis, Axis] | None = None  # rows and columns of a sliding window
    lookup: tuple[tuple[int, ...], tuple[int, ...]] | None = None  # rows and columns of a resize
    axis: int = 0  # of a concatenation, as in program.h
    reduces: bool = False


def flat(tensor: Tensor) -> Shape:
    """`tensor` as it is without a partner that knows better."""
    if len(tensor.shape) == 4:
        return tensor.shape[1], tensor.shape[2], tensor.shape[3]
    return 1, 1, tensor.elements


def operand_shape(tensor: Tensor) -> Shape:
    """`tensor` as broadcasting sees it: aligned to the right."""
    rows, width, channels = (1, 1, 1, *tensor.shape)[-3:]
    return rows, width, channels


def source_of(op: Operator) -> Tensor | None:
    """The operator's first input where that is an activation."""
    source = op.inputs[0]
    return None if source is None or source.is_constant else source


def rows_of(axis: Axis) -> Window:
    """The rows that the steps along an axis read."""
    return Window(axis.size, axis.kernel, axis.stride, axis.dilation, axis.pad)


def alike(a: Tensor, b: Tensor) -> bool:
    """True where elements of one mean the same in the other."""
    if a.dtype is not b.dtype or a.dtype is DType.FLOAT32:
        return a.dtype is b.dtype
    assert a.quantization is not None and b.quantization is not None
    return (a.quantization.scales, a.quantization.zero_points) == (
        b.quantization.scales,
        b.quantization.zero_points,
    )

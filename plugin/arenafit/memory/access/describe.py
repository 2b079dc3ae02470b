"""What a description of a kernel says of one operator, and the reading of its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from arenafit.graph.model import DType, Operator, Tensor
from arenafit.memory.access.order import Accesses, reads, writes
from arenafit.memory.access.window import Axis, Image
from arenafit.memory.problem import Bytes

__all__ = [
    "IN_PLACE_ONLY",
    "Describe",
    "Description",
    "InPlaceOnly",
    "copied",
    "element",
    "elementwise",
    "image",
    "may_alias",
    "rows_of",
    "spatial_image",
]


@dataclass(frozen=True, slots=True)
class InPlaceOnly:
    """The kernel tests for equal pointers and copies with memcpy otherwise."""


IN_PLACE_ONLY = InPlaceOnly()

Description = Mapping[tuple[int, int], "Accesses | InPlaceOnly"]
"""(Input index, output index) -> how the two are accessed. Pairs left out must be disjoint."""

Describe = Callable[[Operator], Description]

_CHARACTERS = {DType.INT8, DType.UINT8}
_SIGNED = {DType.UINT16: DType.INT16, DType.UINT32: DType.INT32, DType.UINT64: DType.INT64}


def may_alias(read: DType, written: DType) -> bool:
    """Whether C++ lets an object be read as `read` and written as `written` in one loop.

    Under strict aliasing a compiler may move the store of an int16_t past the load of a
    float; it may not where one of the two is a character type, or both are the same
    integer type but for the sign.
    """
    if read in _CHARACTERS or written in _CHARACTERS:
        return True
    return _SIGNED.get(read, read) == _SIGNED.get(written, written)


def element(size: Bytes) -> Accesses:
    """One output element of `size` bytes: what it needs is read, then it is written."""
    return reads().then(writes(size))


def copied(size: Bytes) -> Accesses:
    """A memcpy of `size` bytes: source and target must be disjoint, so the write comes first."""
    return writes(size).then(reads())


def elementwise(read: Tensor, written: Tensor) -> Accesses:
    """Output element i from input element i, in ascending order."""
    size = written.dtype.bits // 8
    return element(size).repeat(written.elements, read.dtype.bits // 8, size)


def image(
    read: Tensor,
    written: Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: int,
) -> Image | None:
    """The sliding window of an NHWC operator; None where shapes and parameters do not agree.

    Pairs are (rows, columns); `padding` is the schema's enum.
    """
    if len(read.shape) != 4 or len(written.shape) != 4 or read.shape[0] != written.shape[0]:
        return None
    axes = [
        Axis.of(read.shape[i + 1], written.shape[i + 1], kernel[i], stride[i], dilation[i], padding)
        for i in (0, 1)
    ]
    if axes[0] is None or axes[1] is None:
        return None
    pixel = (t.shape[3] * t.dtype.bits // 8 for t in (read, written))
    return Image(read.shape[0], axes[0], axes[1], *pixel)


def spatial_image(op: Operator, kernel: tuple[int, int], dilated: bool = False) -> Image | None:
    """`image` of input 0 and output 0, with stride, dilation and padding from the options."""
    source, target = op.inputs[0], op.outputs[0]
    if source is None:
        return None
    stride = (op.option("stride_h"), op.option("stride_w"))
    dilation = (1, 1)
    if dilated:
        dilation = (op.option("dilation_h_factor", 1), op.option("dilation_w_factor", 1))
    return image(source, target, kernel, stride, dilation, op.option("padding"))


def rows_of(tensor: Tensor) -> tuple[int, int]:
    """(rows, elements a row) of a tensor seen as a matrix along its last axis."""
    depth = tensor.shape[-1] if tensor.shape else 1
    return math.prod(tensor.shape[:-1]), depth

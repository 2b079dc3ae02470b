"""What a description of a kernel says of one operator, and the reading of its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
    "integers",
    "may_alias",
    "operand",
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

_INTEGERS = {DType.INT32: 4, DType.INT64: 8}
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


def spatial_image(op: Operator, kernel: tuple[int, int], dilated: bool = False) -> Image | None:
    """The sliding window from input 0 to output 0, both NHWC; `kernel` is (rows, columns).

    Stride, padding and, if `dilated`, dilation come from the options. None where shapes and
    parameters do not agree.
    """
    read, written = op.inputs[0], op.outputs[0]
    if read is None or len(read.shape) != 4 or len(written.shape) != 4:
        return None
    if read.shape[0] != written.shape[0]:
        return None
    stride = (op.option("stride_h"), op.option("stride_w"))
    dilation = (1, 1)
    if dilated:
        dilation = (op.option("dilation_h_factor", 1), op.option("dilation_w_factor", 1))
    rows, columns = (
        Axis.of(
            read.shape[i + 1], written.shape[i + 1], kernel[i], stride[i], dilation[i],
            op.option("padding"),
        )
        for i in (0, 1)
    )  # fmt: skip
    if rows is None or columns is None:
        return None
    read_pixel, write_pixel = (t.shape[3] * t.dtype.bits // 8 for t in (read, written))
    return Image(read.shape[0], rows, columns, read_pixel, write_pixel)


def operand(op: Operator, index: int, types: Sequence[DType]) -> Tensor | None:
    """Input `index`, where it and all outputs have one and the same type, among `types`."""
    tensor = op.inputs[index] if index < len(op.inputs) else None
    if tensor is None or tensor.dtype not in types or not op.outputs:
        return None
    return tensor if all(t.dtype is tensor.dtype for t in op.outputs) else None


def integers(op: Operator, index: int, count: int) -> tuple[int, ...] | None:
    """The `count` integers of constant input `index`; None where it is not that."""
    tensor = op.inputs[index] if index < len(op.inputs) else None
    if tensor is None or tensor.dtype not in _INTEGERS or tensor.elements != count:
        return None
    data, size = tensor.buffer.data if tensor.buffer is not None else None, _INTEGERS[tensor.dtype]
    if data is None or len(data) != count * size:
        return None
    starts = range(0, len(data), size)
    return tuple(int.from_bytes(data[i : i + size], "little", signed=True) for i in starts)


def rows_of(tensor: Tensor) -> tuple[int, int]:
    """(rows, elements a row) of a tensor seen as a matrix along its last axis."""
    depth = tensor.shape[-1] if tensor.shape else 1
    return math.prod(tensor.shape[:-1]), depth

"""Operators to ask for overlaps, made without a model around them."""

from __future__ import annotations

from arenafit.graph.model import Buffer, DType, OpCode, Operator, Tensor

__all__ = ["constant", "integers", "operator", "same_padding", "tensor", "valid_extent"]


def tensor(*shape: int, dtype: DType = DType.INT8) -> Tensor:
    return Tensor("activation", tuple(shape), dtype)


def constant(*shape: int, dtype: DType = DType.INT8, data: bytes | None = None) -> Tensor:
    held = Tensor("constant", tuple(shape), dtype)
    held.buffer = Buffer(bytes(held.nbytes) if data is None else data)
    return held


def integers(*values: int | tuple[int, ...], dtype: DType = DType.INT32) -> Tensor:
    """A constant vector of numbers, or a matrix of rows of them."""
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    size = dtype.bits // 8
    data = b"".join(n.to_bytes(size, "little", signed=True) for row in rows for n in row)
    shape = (len(values), len(rows[0])) if isinstance(values[0], tuple) else (len(values),)
    return constant(*shape, dtype=dtype, data=data)


def operator(
    name: str, inputs: list[Tensor | None], outputs: list[Tensor], **options: object
) -> Operator:
    return Operator(OpCode(name), inputs, outputs, options=options)


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """(output extent, padding before) of padding SAME."""
    out = (size + stride - 1) // stride
    return out, max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size) // 2


def valid_extent(size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Output extent of padding VALID."""
    return (size - (kernel - 1) * dilation - 1) // stride + 1

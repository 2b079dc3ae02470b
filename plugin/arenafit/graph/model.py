"""The in-memory graph: what a ``.tflite`` says, as objects that point at each other.

Operators refer to `Tensor` objects, tensors to `Buffer` objects; indices exist
in the file alone and are made anew on saving. So a pass may reorder, drop and
insert freely, and nothing goes stale but what it touched.

All classes compare by identity. Fields that no pass needs are kept as the
decoded `Table` they came in (`fields`), so that saving loses nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Buffer",
    "DType",
    "Metadata",
    "Model",
    "OpCode",
    "Operator",
    "Quantization",
    "Signature",
    "Subgraph",
    "Table",
    "Tensor",
]

Table = dict[str, Any]
"""A decoded flatbuffer table: field name -> value; fields at rest are absent."""


class DType(enum.IntEnum):
    """Element types, numbered as in the TFLite schema (enum TensorType)."""

    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    STRING = 5
    BOOL = 6
    INT16 = 7
    COMPLEX64 = 8
    INT8 = 9
    FLOAT64 = 10
    COMPLEX128 = 11
    UINT64 = 12
    RESOURCE = 13
    VARIANT = 14
    UINT32 = 15
    UINT16 = 16
    INT4 = 17
    BFLOAT16 = 18
    INT2 = 19
    UINT4 = 20
    FLOAT8_E4M3FN = 21
    FLOAT8_E5M2 = 22

    @property
    def bits(self) -> int:
        """Bits an element takes; 0 for types with no fixed size (STRING, RESOURCE, VARIANT)."""
        return _BITS[self]


_BITS = {
    DType.FLOAT32: 32, DType.FLOAT16: 16, DType.INT32: 32, DType.UINT8: 8,
    DType.INT64: 64, DType.STRING: 0, DType.BOOL: 8, DType.INT16: 16,
    DType.COMPLEX64: 64, DType.INT8: 8, DType.FLOAT64: 64, DType.COMPLEX128: 128,
    DType.UINT64: 64, DType.RESOURCE: 0, DType.VARIANT: 0, DType.UINT32: 32,
    DType.UINT16: 16, DType.INT4: 4, DType.BFLOAT16: 16, DType.INT2: 2,
    DType.UINT4: 4, DType.FLOAT8_E4M3FN: 8, DType.FLOAT8_E5M2: 8,
}  # fmt: skip


@dataclass(eq=False)
class Buffer:
    """Constant data. Several tensors may share one; ``None`` = the file has no data vector."""

    data: bytes | None = None


@dataclass(eq=False)
class Quantization:
    """Affine quantisation: real = scale * (stored - zero_point), per tensor or per axis."""

    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    fields: Table = field(default_factory=dict)  # min, max, details ...


@dataclass(eq=False)
class Tensor:
    """One tensor of a subgraph.

    `buffer` is None where the file points at its empty buffer 0: an activation,
    unless `is_variable`. `offline_offset` is the byte offset in the arena that the
    model's OfflineMemoryAllocation metadata asks for, -1 where it leaves it to TFLM.
    """

    name: str | None
    shape: tuple[int, ...]
    dtype: DType
    buffer: Buffer | None = None
    is_variable: bool = False
    quantization: Quantization | None = None
    offline_offset: int = -1
    fields: Table = field(default_factory=dict)  # sparsity, shape_signature, has_rank ...

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    @property
    def nbytes(self) -> int:
        """Bytes of the data, as TFLM counts them (sub-byte types rounded up; 0 for RESOURCE)."""
        return (self.elements * self.dtype.bits + 7) // 8

    @property
    def is_constant(self) -> bool:
        """True where the file carries the data."""
        return self.buffer is not None and bool(self.buffer.data)

    def __repr__(self) -> str:
        return f"<Tensor {self.name!r} {list(self.shape)} {self.dtype.name}>"


@dataclass(eq=False)
class OpCode:
    """What an operator is: a builtin's name (``CONV_2D``), or ``CUSTOM`` and its custom name."""

    name: str
    custom: str | None = None
    version: int = 1
    fields: Table = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name a person uses: the builtin's, or the custom operator's own."""
        return self.custom or self.name if self.name == "CUSTOM" else self.name


@dataclass(eq=False)
class Operator:
    """One operator. Absent optional inputs (index -1 in the file) are None.

    `options` holds the fields of the builtin options table that differ from the schema's
    defaults; read them with `option`. `options_type` is the union's member
    ("Conv2DOptions"), "" where there is none.
    """

    code: OpCode
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    intermediates: list[Tensor | None] = field(default_factory=list)
    options_type: str = ""
    options: Table = field(default_factory=dict)
    custom_options: bytes | None = None
    fields: Table = field(default_factory=dict)  # builtin_options_2, mutating_variable_inputs ...

    @property
    def name(self) -> str:
        """Short for ``code.name``: ``CONV_2D``, ``CUSTOM`` ..."""
        return self.code.name

    def option(self, key: str, default: Any = 0) -> Any:
        """The builtin option `key`; `default` must be the schema's default for that field."""
        return self.options.get(key, default)

    def activations(self) -> Iterator[Tensor]:
        """Inputs that are neither absent nor constant, duplicates kept."""
        for tensor in self.inputs:
            if tensor is not None and not tensor.is_constant:
                yield tensor

    def __repr__(self) -> str:
        return f"<Operator {self.code.label} -> {self.outputs}>"


@dataclass(eq=False)
class Subgraph:
    """Operators in execution order, and the tensors they use."""

    name: str | None = None
    tensors: list[Tensor] = field(default_factory=list)
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    fields: Table = field(default_factory=dict)

    def producers(self) -> dict[Tensor, Operator]:
        """Tensor -> the operator that writes it."""
        return {t: op for op in self.operators for t in op.outputs}

    def consumers(self) -> dict[Tensor, list[Operator]]:
        """Tensor -> the operators that read it, in order, each once."""
        found: dict[Tensor, list[Operator]] = {}
        for op in self.operators:
            for tensor in dict.fromkeys(t for t in op.inputs if t is not None):
                found.setdefault(tensor, []).append(op)
        return found


@dataclass(eq=False)
class Metadata:
    """A named blob, other than the offline plan (which lives in `Tensor.offline_offset`)."""

    name: str | None
    buffer: Buffer


@dataclass(eq=False)
class Signature:
    """A signature: named inputs and outputs of one subgraph."""

    key: str | None
    subgraph: Subgraph
    inputs: list[tuple[str | None, Tensor]] = field(default_factory=list)
    outputs: list[tuple[str | None, Tensor]] = field(default_factory=list)
    fields: Table = field(default_factory=dict)


@dataclass(eq=False)
class Model:
    """A whole ``.tflite``; subgraph 0 is the one that runs first."""

    subgraphs: list[Subgraph]
    version: int = 3
    description: str | None = None
    metadata: list[Metadata] = field(default_factory=list)
    signatures: list[Signature] = field(default_factory=list)
    has_offline_plan: bool = False
    fields: Table = field(default_factory=dict)

    @property
    def main(self) -> Subgraph:
        """Subgraph 0."""
        return self.subgraphs[0]

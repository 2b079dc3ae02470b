"""Nested dicts -> flatbuffer bytes: the inverse of `reader.decode`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arenafit.graph import schema
from arenafit.graph.model import Table

if TYPE_CHECKING:
    import flatbuffers

__all__ = ["encode"]


def encode(root: Table) -> bytes:
    """The flatbuffer whose root table is `root`, in the form that `reader.decode` gives.

    Equal strings and equal vectors of numbers are stored once, except for buffers' data:
    which buffers are shared is the model's business.

    Raises:
        KeyError: a table has a field that the schema does not know.
    """
    import flatbuffers  # brings numpy with it

    builder = flatbuffers.Builder(_room(root))
    start = _Writer(builder).table(schema.ROOT, root)
    builder.Finish(start, file_identifier=schema.FILE_IDENTIFIER)
    return bytes(builder.Output())


def _room(root: Table) -> int:
    """Bytes to begin with, so that large models are not copied over and over while growing."""
    data = sum(len(buffer.get("data") or b"") + 64 for buffer in root.get("buffers", ()))
    return data + (1 << 16)


class _Writer:
    def __init__(self, builder: flatbuffers.Builder) -> None:
        self.builder = builder
        self.vectors: dict[tuple[str, bytes], int] = {}  # (format, elements) -> offset

    def table(self, name: str, values: Table) -> int:
        """Write a table and what hangs on it; its offset."""
        fields = schema.fields(name)
        unknown = values.keys() - {field.name for field in fields}
        if unknown:
            raise KeyError(f"{name} has no field {', '.join(sorted(unknown))}")
        children = {
            field.name: self.child(field, values[field.name])
            for field in fields
            if field.kind != "scalar" and values.get(field.name) is not None
        }
        builder = self.builder
        builder.StartObject(len(schema.slot_widths(name)))
        # Largest first, so that no padding is needed between them.
        for field in sorted(fields, key=lambda field: -field.width):
            if field.name in children:
                if children[field.name]:
                    builder.PrependUOffsetTRelativeSlot(field.slot, children[field.name], 0)
            elif field.kind == "scalar" and field.name in values:
                self.scalar(field, values[field.name])
        for field in fields:
            if field.kind == "union" and field.name in children:
                tag = schema.union(field.type).index(values[field.name][0])
                builder.PrependUint8Slot(field.slot - 1, tag, 0)
        end: int = builder.EndObject()
        return end

    def scalar(self, field: schema.Field, value: Any) -> None:
        prepend = getattr(self.builder, _PREPEND[field.format])
        prepend(field.slot, value, field.default)

    def child(self, field: schema.Field, value: Any) -> int:
        """Write what `field` points at; its offset, or 0 for a union without a value."""
        if field.kind == "string":
            return int(self.builder.CreateSharedString(value))
        if field.kind == "scalars":
            return self.vector_of_scalars(field, value)
        if field.kind == "tables":
            return self.vector_of_tables(field, value)
        if field.kind == "table":
            return self.table(field.type, value)
        member, table = value
        return 0 if table is None else self.table(member, table)

    def vector_of_tables(self, field: schema.Field, tables: list[Table]) -> int:
        offsets = [self.table(field.type, table) for table in tables]
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def vector_of_scalars(self, field: schema.Field, values: Any) -> int:
        import numpy as np

        if not isinstance(values, bytes):
            values = np.asarray(values, _NUMPY[field.format]).tobytes()
        if field.align > 4:  # buffers' data
            return self.elements(field, values)
        key = (field.format, values)
        if key not in self.vectors:
            self.vectors[key] = self.elements(field, values)
        return self.vectors[key]

    def elements(self, field: schema.Field, raw: bytes) -> int:
        """Write a vector whose little-endian elements are `raw`.

        As Builder.CreateByteVector does, which however cannot align.
        """
        builder = self.builder
        builder.StartVector(field.size, len(raw) // field.size, max(field.size, field.align))
        builder.head -= len(raw)
        builder.Bytes[builder.head : builder.head + len(raw)] = raw
        return int(builder.EndVector())


_PREPEND = {
    "?": "PrependBoolSlot", "b": "PrependInt8Slot", "B": "PrependUint8Slot",
    "h": "PrependInt16Slot", "H": "PrependUint16Slot", "i": "PrependInt32Slot",
    "I": "PrependUint32Slot", "q": "PrependInt64Slot", "Q": "PrependUint64Slot",
    "f": "PrependFloat32Slot", "d": "PrependFloat64Slot",
}  # fmt: skip

_NUMPY = {
    "?": "?", "b": "i1", "B": "u1", "h": "<i2", "H": "<u2", "i": "<i4",
    "I": "<u4", "q": "<i8", "Q": "<u8", "f": "<f4", "d": "<f8",
}  # fmt: skip

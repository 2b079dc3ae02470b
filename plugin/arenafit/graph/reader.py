"""Flatbuffer bytes -> nested dicts, with every offset checked before it is followed.

The rules are those of flatbuffers' own ``Verifier`` (offsets forward, inside the file and
aligned; vtables even; strings ended by a zero byte; union types known), and two more:

1. A table with fields that our schema does not have is refused, for they would be lost.
2. Work is bounded by the file's size: a file whose vectors overlap, or whose tables are
   shared over and over, would grow without limit when decoded. The schema has no table
   inside itself, so nesting is bounded too.
"""

from __future__ import annotations

import struct
from typing import Any, NoReturn

from arenafit.errors import ModelError
from arenafit.graph import schema
from arenafit.graph.model import Table

__all__ = ["decode"]

_UOFFSET = struct.Struct("<I")
_SOFFSET = struct.Struct("<i")
_VTABLE_HEAD = struct.Struct("<HH")

# Writers leave out a vtable's empty end, so that a long one is no honest file's.
_MAX_UNKNOWN = 128  # bytes


def decode(data: bytes) -> Table:
    """The root table of the flatbuffer `data`.

    A table becomes a dict from field name to value, without the fields that are absent or
    at their default; a vector of numbers a tuple, one of ubyte bytes; an enum its number;
    a union a pair (member's name, table), or (name, None) where its value is missing.

    Raises:
        ModelError: the file is damaged, or newer than our schema.
    """
    if len(data) < 8:
        raise ModelError(f"the file is cut off: {len(data)} bytes cannot hold a header")
    return _Reader(data).table(schema.ROOT, _UOFFSET.unpack_from(data)[0], "model")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        # A table is reached by an offset of 4 bytes, and numbers are decoded once for each
        # place they lie at, so that a file where nothing overlaps cannot spend all of this.
        self.tables_left = self.size // 4
        self.bytes_left = 2 * self.size
        self.decoded: dict[tuple[int, str], Any] = {}

    def table(self, name: str, start: int, where: str) -> Table:
        """The table `name` at byte `start`."""
        self.tables_left -= 1
        if self.tables_left < 0:
            self.fail("tables are shared too often", where)
        slots = self.slots(name, start, where)
        found: Table = {}
        for field in schema.fields(name):
            at = slots[field.slot]
            if field.kind == "union":
                member = self.member(field, start, slots[field.slot - 1], where)
                if member:
                    place = f"{where}.{field.name}"
                    value = (
                        self.table(member, self.follow(start + at, place), place) if at else None
                    )
                    found[field.name] = (member, value)
            elif at:
                value = self.value(field, start + at, where)
                if value != field.default or field.kind != "scalar":
                    found[field.name] = value
        return found

    def slots(self, name: str, start: int, where: str) -> tuple[int, ...]:
        """Byte offset of each field from the table's `start`, 0 = absent, all checked."""
        self.need(start, 4, 4, where)
        vtable = start - _SOFFSET.unpack_from(self.data, start)[0]
        self.need(vtable, 4, 2, where)
        vtable_size, table_size = _VTABLE_HEAD.unpack_from(self.data, vtable)
        if vtable_size < 4 or vtable_size % 2:
            self.fail(f"its vtable has an impossible size of {vtable_size} bytes", where)
        self.need(vtable, vtable_size, 2, where)
        self.need(start, table_size, 4, where)
        widths = schema.slot_widths(name)
        known = 4 + 2 * len(widths)
        unknown = self.data[vtable + known : vtable + vtable_size]
        if any(unknown[:_MAX_UNKNOWN]) or len(unknown) > _MAX_UNKNOWN:
            self.fail(f"arenafit's schema is too old for this {name}: it has unknown fields", where)
        count = (min(vtable_size, known) - 4) // 2
        slots: tuple[int, ...] = struct.unpack_from(f"<{count}H", self.data, vtable + 4)
        for at, width in zip(slots, widths, strict=False):
            if at and not 4 <= at <= table_size - width:
                self.fail(f"a field lies outside of its {name}", where)
        return (*slots, *(0 for _ in widths[count:]))

    def value(self, field: schema.Field, at: int, where: str) -> Any:
        """The value of a field that is stored at byte `at` and is not a union."""
        if field.kind == "scalar":
            self.need(at, field.size, field.size, where)
            value = struct.unpack_from("<" + field.format, self.data, at)[0]
            if field.values and not 0 <= value < field.values:
                self.fail(f"arenafit's schema has no {field.type} {value}", f"{where}.{field.name}")
            return value
        where = f"{where}.{field.name}"
        target = self.follow(at, where)
        if field.kind == "table":
            return self.table(field.type, target, where)
        if field.kind == "tables":
            return self.vector_of_tables(field.type, target, where)
        key = (target, field.type)
        if key not in self.decoded:
            read = self.string if field.kind == "string" else self.vector_of_scalars
            self.decoded[key] = read(field, target, where)
        return self.decoded[key]

    def member(self, field: schema.Field, start: int, slot: int, where: str) -> str:
        """Name of a union's member, whose type is `slot` bytes behind `start`; "" for none."""
        if not slot:
            return ""
        self.need(start + slot, 1, 1, where)
        tag = self.data[start + slot]
        members = schema.union(field.type)
        if tag >= len(members):
            self.fail(f"arenafit's schema has no {field.type} {tag}", f"{where}.{field.name}")
        return members[tag]

    def string(self, field: schema.Field, start: int, where: str) -> str:
        count = self.length(start, 1, 1, where)
        self.need(start + 4, count + 1, 1, where)
        if self.data[start + 4 + count]:
            self.fail("the string has no end", where)
        try:
            return self.data[start + 4 : start + 4 + count].decode()
        except UnicodeDecodeError:
            self.fail("the string is not UTF-8", where)

    def vector_of_scalars(
        self, field: schema.Field, start: int, where: str
    ) -> bytes | tuple[Any, ...]:
        count = self.length(start, field.size, field.size, where)
        if field.format == "B" and not field.values:
            return self.data[start + 4 : start + 4 + count]
        values = struct.unpack_from(f"<{count}{field.format}", self.data, start + 4)
        if field.values and not all(0 <= value < field.values for value in values):
            self.fail(f"arenafit's schema is too old for a {field.type}", where)
        return values

    def vector_of_tables(self, name: str, start: int, where: str) -> list[Table]:
        count = self.length(start, 4, 4, where)
        first = start + 4
        return [
            self.table(name, self.follow(first + 4 * i, where), f"{where}[{i}]")
            for i in range(count)
        ]

    def length(self, start: int, size: int, align: int, where: str) -> int:
        """Element count of the vector at `start`, whose elements of `size` bytes fit the file."""
        self.need(start, 4, 4, where)
        count: int = _UOFFSET.unpack_from(self.data, start)[0]
        if count:
            self.need(start + 4, count * size, align, where)
        self.bytes_left -= count * size
        if self.bytes_left < 0:
            self.fail("vectors overlap", where)
        return count

    def follow(self, at: int, where: str) -> int:
        """Where the unsigned offset at byte `at` points to."""
        self.need(at, 4, 4, where)
        offset: int = _UOFFSET.unpack_from(self.data, at)[0]
        if not offset:
            self.fail("an offset points at itself", where)
        return at + offset

    def need(self, start: int, size: int, align: int, where: str) -> None:
        """Check that `size` bytes from `start` are inside the file, and aligned."""
        if start < 0 or start + size > self.size:
            needed = f"{size} bytes at {start} are needed, there are {self.size} in all"
            self.fail(f"the file is damaged or cut off: {needed}", where)
        if start % align:
            self.fail(f"the file is damaged: byte {start} is not a multiple of {align}", where)

    def fail(self, what: str, where: str) -> NoReturn:
        raise ModelError(what, where)

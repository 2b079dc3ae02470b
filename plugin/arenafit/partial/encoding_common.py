"""What writing and reading programs takes, whatever the type of their tensors."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from arenafit.memory.problem import Bytes
from arenafit.partial.program import ALIGNMENT, Kind, ProgramTensor, Window

__all__ = ["Sections", "take", "weight_count"]


class Sections:
    """The bytes of a program as they come; what is filled in later is reserved first.

    Equal data is stored once: networks run at several scales share their weights.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self._stored: dict[bytes, int] = {}

    def reserve(self, size: Bytes, alignment: int = ALIGNMENT) -> int:
        """`size` zero bytes at a multiple of `alignment`; their offset."""
        self.data += bytes(-len(self.data) % alignment)
        offset = len(self.data)
        self.data += bytes(size)
        return offset

    def append(self, data: bytes) -> int:
        """`data` at a multiple of 16; its offset."""
        if data not in self._stored:
            self._stored[data] = self.reserve(0)
            self.data += data
        return self._stored[data]

    def words(self, values: Iterable[int]) -> int:
        """int32 values; their offset."""
        numbers = tuple(values)
        return self.append(struct.pack(f"<{len(numbers)}i", *numbers))


def take(data: bytes, offset: int, size: Bytes) -> bytes:
    """Bytes of a program.

    Raises:
        ValueError: they are not all in it.
    """
    if offset + size > len(data):
        raise ValueError("an offset")
    return data[offset : offset + size]


def weight_count(
    kind: Kind, window: Window, groups: int, source: ProgramTensor, target: ProgramTensor
) -> int:
    """How many weights a convolution or fully connected layer has.

    Raises:
        ValueError: there are no groups.
    """
    if groups == 0:
        raise ValueError("a number of groups")
    taps = window.kernel[0] * window.kernel[1]
    return target.channels * {
        Kind.CONV_2D: taps * (source.channels // groups),
        Kind.DEPTHWISE_CONV_2D: taps,
    }.get(kind, source.rows * source.width * source.channels)

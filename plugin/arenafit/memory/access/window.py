"""Sliding windows: where convolutions and pools find their inputs.

Padding follows tensorflow/lite/kernels/padding.h: half of what is missing, rounded down,
goes before the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from arenafit.memory.access.order import NOTHING, Accesses

__all__ = ["MAX_EXTENT", "PADDING_SAME", "PADDING_VALID", "Axis", "Image"]

PADDING_SAME = 0  # schema enum Padding
PADDING_VALID = 1

MAX_EXTENT = 1 << 16
"""Output rows or columns that are looked at one by one; a larger image has no overlap."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis of a sliding window; extents in pixels."""

    size: int  # of the input
    out: int  # of the output
    kernel: int
    stride: int
    dilation: int
    pad: int  # pixels before the image

    @classmethod
    def of(
        cls, size: int, out: int, kernel: int, stride: int, dilation: int, padding: int
    ) -> Axis | None:
        """The axis as TFLM computes it; None where the output's extent is not what follows."""
        if min(size, out, kernel, stride, dilation) < 1 or out > MAX_EXTENT:
            return None
        reach = (kernel - 1) * dilation + 1
        if padding == PADDING_SAME:
            expected = -(-size // stride)
        elif padding == PADDING_VALID:
            expected = (size - reach + stride) // stride
        else:
            return None
        if out != expected:
            return None
        return cls(
            size, out, kernel, stride, dilation, max(0, (out - 1) * stride + reach - size) // 2
        )

    @property
    def pad_after(self) -> int:
        """Pixels that the last window reads behind the image; below 0, pixels nobody reads."""
        reach = (self.kernel - 1) * self.dilation + 1
        return (self.out - 1) * self.stride + reach - self.pad - self.size

    def first(self, position: int) -> int:
        """Lowest input pixel that output `position` reads; NOTHING if all taps are padding."""
        origin = position * self.stride - self.pad
        skipped = -(origin // self.dilation) if origin < 0 else 0
        pixel = origin + skipped * self.dilation
        return pixel if skipped < self.kernel and pixel < self.size else NOTHING


@dataclass(frozen=True, slots=True)
class Image:
    """NHWC input and output of a sliding window; pixel sizes in bytes."""

    batches: int
    rows: Axis
    columns: Axis
    read_pixel: int  # bytes of an input pixel
    write_pixel: int  # bytes of an output pixel

    def raster(self, pixel: Accesses) -> Accesses:
        """`pixel` for every output pixel, batch by batch and row by row.

        `pixel` is described with its window's first pixel at byte 0 of the input.
        """
        return self.each_batch(self.one_batch(pixel))

    def one_batch(self, pixel: Accesses) -> Accesses:
        """`pixel` for every output pixel of the first batch, row by row."""
        return _one_batch(self.rows, self.columns, self.read_pixel, self.write_pixel, pixel)

    def each_batch(self, image: Accesses) -> Accesses:
        """`image`, described for the first batch, for all batches in turn."""
        read = self.rows.size * self.columns.size * self.read_pixel
        write = self.rows.out * self.columns.out * self.write_pixel
        return image.repeat(self.batches, read, write)


@lru_cache(maxsize=1024)  # models repeat their shapes, and their kernels share loops
def _one_batch(
    rows: Axis, columns: Axis, read_pixel: int, write_pixel: int, pixel: Accesses
) -> Accesses:
    row = pixel.repeat_at(_shifts(columns, read_pixel, write_pixel))
    return row.repeat_at(_shifts(rows, columns.size * read_pixel, columns.out * write_pixel))


def _shifts(axis: Axis, read_step: int, write_step: int) -> Iterator[tuple[int, int]]:
    for position in range(axis.out):
        first = axis.first(position)
        yield (NOTHING if first == NOTHING else first * read_step, position * write_step)

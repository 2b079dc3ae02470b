"""Access orders: what a loop nest reads and writes when, boiled down to three numbers.

A kernel is described by composing the same few steps its source is made of::

    reads(4).then(writes(4))          one output element: all its reads, then its write
        .repeat(channels, 4, 4)       the channels of a pixel
        .repeat_at(columns, ...)      the pixels of a row

The composition is exact, not a bound: every byte that `read_low` and `write_end` name is
read and written, so the distance it gives is the smallest safe one. It costs a few
integer operations a loop, whatever the size of the tensors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["NEVER", "NOTHING", "NO_ACCESS", "Accesses", "reads", "writes"]

NOTHING = 1 << 60
"""Address of a read that does not happen; below it, `-NOTHING` is the end of no write."""

NEVER = -NOTHING
"""Distance of accesses in which no write precedes a read: every placement is safe."""

_LIMIT = 1 << 50  # beyond any real address: what passes it was a sentinel, shifted


def _address(value: int) -> int:
    """`value`, with shifted sentinels turned back into sentinels."""
    if value > _LIMIT:
        return NOTHING
    return -NOTHING if value < -_LIMIT else value


@dataclass(frozen=True, slots=True)
class Accesses:
    """A sequence of reads of one input and writes of one output, in the kernel's order.

    Addresses are bytes, each relative to the start of its own tensor.
    """

    read_low: int  # lowest byte read anywhere in the sequence, NOTHING without a read
    write_end: int  # one past the highest byte written, -NOTHING without a write
    distance: int
    """Largest `end of a write - start of a later read`, NEVER if no write comes before a read.

    With d = offset(input) - offset(output), byte o of the output is byte i of the input
    where d = o - i. So no write meets a byte that is still to be read when d >= distance,
    and at d = distance - 1 one does.
    """

    def then(self, later: Accesses) -> Accesses:
        """This sequence, followed by `later`."""
        return Accesses(
            min(self.read_low, later.read_low),
            max(self.write_end, later.write_end),
            _address(max(self.distance, later.distance, self.write_end - later.read_low)),
        )

    def at(self, read: int, write: int) -> Accesses:
        """The same accesses, `read` bytes further in the input and `write` in the output."""
        return Accesses(
            _address(self.read_low + read),
            _address(self.write_end + write),
            _address(self.distance + write - read),
        )

    def repeat_at(self, shifts: Iterable[tuple[int, int]]) -> Accesses:
        """The sequence once a pair of `shifts` (read, write), each time moved by the pair."""
        low, end, distance = NOTHING, -NOTHING, NEVER
        for read, write in shifts:
            first = self.read_low + read
            distance = max(distance, end - first, self.distance + write - read)
            low, end = min(low, first), max(end, self.write_end + write)
        return Accesses(_address(low), _address(end), _address(distance))

    def repeat(self, count: int, read_step: int, write_step: int) -> Accesses:
        """The sequence `count` times; each repetition moves by the two steps (bytes, >= 0).

        Closed form of `repeat_at`: both kinds of distance are linear in the repetition, so
        that their largest values lie at the first or at the last one.
        """
        if count < 1:
            return NO_ACCESS
        last = count - 1
        drift = write_step - read_step
        distance = max(self.distance, self.distance + last * drift)
        if count > 1:  # a repetition's writes against the next one's reads
            gap = self.write_end - self.read_low - read_step
            distance = max(distance, gap, gap + (last - 1) * drift)
        end = _address(self.write_end + last * write_step)
        return Accesses(self.read_low, end, _address(distance))


NO_ACCESS = Accesses(NOTHING, -NOTHING, NEVER)
"""The empty sequence."""


def reads(at: int = 0) -> Accesses:
    """Reads whose lowest byte is `at`."""
    return Accesses(at, -NOTHING, NEVER)


def writes(size: int, at: int = 0) -> Accesses:
    """A write of `size` bytes from byte `at` on."""
    return Accesses(NOTHING, at + size, NEVER)

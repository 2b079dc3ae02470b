"""Traces of kernels: who touches which byte when, and whether sharing bytes would show.

Independent of arenafit's own descriptions: a kernel's loops are written out, run on a small
shape, and each access is recorded. A placement is then judged by replaying the record.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Trace"]


@dataclass
class Trace:
    """The accesses of one input and one output by a run of a kernel, in order.

    Indices are elements, counted in each tensor; `read_size` and `write_size` are bytes an
    element. Copies by memcpy are recorded apart, since their order is unknown.
    """

    read_size: int = 1
    write_size: int = 1
    events: list[tuple[str, int, int]] = field(default_factory=list)  # kind, first byte, bytes

    def read(self, index: int) -> None:
        self.events.append(("read", index * self.read_size, self.read_size))

    def write(self, index: int) -> None:
        self.events.append(("write", index * self.write_size, self.write_size))

    def memcpy(self, target: int, source: int, count: int) -> None:
        """A call of memcpy: `count` elements from input `source` to output `target`."""
        self.events.append(("from", source * self.read_size, count * self.read_size))
        self.events.append(("to", target * self.write_size, count * self.write_size))

    def survives(self, distance: int) -> bool:
        """Whether the kernel is right with offset(input) - offset(output) = `distance` bytes.

        It is not if a byte is read as input after it was written as output, or if the two
        ranges of a memcpy share a byte.
        """
        written: set[int] = set()
        copied: range = range(0)
        for kind, start, size in self.events:
            if kind in ("write", "to"):
                if kind == "to" and set(copied) & set(range(start, start + size)):
                    return False
                written.update(range(start, start + size))
            else:
                copied = range(start + distance, start + distance + size)
                if not written.isdisjoint(copied):
                    return False
        return True

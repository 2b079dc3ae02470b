"""The head of the arena over time, drawn with characters: operators across, addresses up."""

from __future__ import annotations

from collections.abc import Sequence

from arenafit.memory.problem import Bytes
from arenafit.report.profile import Occupancy

__all__ = ["draw"]

_COLOURS = (36, 33, 35, 32, 34, 31, 96, 93, 95, 92, 94, 91)  # ANSI foregrounds, cycled
_SHADES = "█▓▒"


def draw(
    found: Occupancy, *, top: Bytes, width: int = 72, height: int = 10, colour: bool = False
) -> str:
    """A chart of `found`, up to the address `top`.

    Each column is an operator (several, where there are more than `width`), each row a
    slice of the arena; neighbouring buffers differ in shade, or in colour. A dot is
    a slice that is free while that operator runs, but below the head.

    Args:
        found: what to draw.
        top: address of the upper edge in bytes; give two charts the same one to compare them.
        width: columns at most.
        height: rows.
        colour: use ANSI colours; for terminals only.

    Returns:
        `height` lines with the address of their lower edge, and one with the operators' range.
    """
    scopes = max((r.last for r in found.requests), default=0) + 1
    columns = min(width, scopes)
    lines = []
    for row in reversed(range(height)):
        low, high = top * row // height, top * (row + 1) // height
        cells = []
        for column in range(columns):
            first = scopes * column // columns
            last = max(first, scopes * (column + 1) // columns - 1)
            cells.append(_cell(found, (low + high) // 2, (first, last), colour))
        lines.append(f"{low:>10,} │{''.join(cells)}".rstrip())
    lines.append(f"{'':>10} └{'─' * columns}")
    lines.append(f"{'':>12}operators 1 to {len(found.operators)}, in the order in which they run")
    return "\n".join(lines)


def _cell(found: Occupancy, address: Bytes, scopes: tuple[int, int], colour: bool) -> str:
    owner = _owner(found, address, scopes)
    if owner is None:
        return "·" if address < found.head else " "
    if colour:
        return f"\x1b[{_COLOURS[owner % len(_COLOURS)]}m█\x1b[0m"
    return _SHADES[owner % len(_SHADES)]


def _owner(found: Occupancy, address: Bytes, scopes: Sequence[int]) -> int | None:
    """The youngest buffer on `address` during `scopes`; None where the byte is free."""
    first, last = scopes
    here = [
        i
        for i, (request, offset) in enumerate(zip(found.requests, found.offsets, strict=True))
        if request.first <= last
        and first <= request.last
        and offset <= address < offset + request.size
    ]
    return max(here, key=lambda i: found.requests[i].first, default=None)

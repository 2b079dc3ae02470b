"""What the rings of a segment take at the least, known without simulating it.

Take an operator through which all that is before it in the segment must go: its *anchor*.
When the anchor does its first step, exactly those rows are made that this step asks for. A
tensor of which some row is there, and some row is still to be read, has its ring at that
time, as wide as its widest reader. So the rings of all such tensors lie side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arenafit.graph.model import Operator, Tensor
from arenafit.memory.problem import Bytes, align
from arenafit.partial.roles import Role, flat
from arenafit.partial.rows import Window

__all__ = ["ring_floors"]

_ALL = 1 << 30  # rows: more than there are


@dataclass(frozen=True, slots=True)
class _Reading:
    """How one operator reads one input."""

    tensor: Tensor
    last: tuple[int, ...]  # by step: rows that must have been made, never descending
    width: Bytes  # of the ring that its widest step needs; 0 where that is not known


def ring_floors(
    operators: Sequence[Operator],
    roles: Mapping[Operator, Role | None],
    born: Mapping[Tensor, int],
    dies: Mapping[Tensor, int],
) -> list[list[Bytes]]:
    """[i][j]: no segment of operators i .. j - 1 has rings of fewer bytes in all.

    Args:
        operators: in execution order.
        roles: what each can be in a segment.
        born, dies: positions of the operator that makes a tensor, and of its last reader.

    Time is quadratic in the operators.
    """
    count = len(operators)
    readings = [_readings(roles[op]) for op in operators]
    needed, widths = _needed(operators, roles, readings)
    table = [[0] * (count + 1) for _ in range(count + 1)]
    for anchor, op in enumerate(operators):
        if roles[op] is None:
            continue
        floor = 0
        rows: dict[Tensor, int] = {}  # made when the anchor does its first step
        for i in range(anchor, -1, -1):
            found = roles[operators[i]]
            if found is None or (i < anchor and dies[found.output] > anchor):
                break
            goal = 1 if i == anchor else rows.get(found.output, 0)
            if i < anchor and 0 < goal < needed.get(found.output, 0):
                floor += widths.get(found.output, 0)
            table[i][anchor + 1] = floor
            for reading in readings[i]:
                steps = len(reading.last)
                made = reading.last[0 if i == anchor else min(goal, steps) - 1] if goal else 0
                if i < anchor and found.reduces:
                    made = _ALL
                rows[reading.tensor] = max(rows.get(reading.tensor, 0), made)
    for row in table:
        for j in range(1, count + 1):
            row[j] = max(row[j], row[j - 1])
    return table


def _readings(role: Role | None) -> list[_Reading]:
    if role is None:
        return []
    found = []
    for tensor, shape, window in zip(role.inputs, role.shapes, role.windows, strict=True):
        if role.kind == "RESHAPE" or shape is None or role.shape is None:
            found.append(_Reading(tensor, (_ALL,), 0))  # its rows may be others
            continue
        rows, row_bytes = shape[0], shape[1] * shape[2] * tensor.dtype.bits // 8
        seen = Window(rows) if window is None else window
        taps = [seen.taps(step) for step in range(rows if role.reduces else role.shape[0])]
        last, highest = [], 0
        for read in taps:
            highest = max(highest, read[-1] + 1 if read else 0)
            last.append(highest)
        widest = max((read[-1] - read[0] + 1 for read in taps if read), default=1)
        found.append(_Reading(tensor, tuple(last), align(widest * row_bytes)))
    return found


def _needed(
    operators: Sequence[Operator],
    roles: Mapping[Operator, Role | None],
    readings: Sequence[Sequence[_Reading]],
) -> tuple[dict[Tensor, int], dict[Tensor, Bytes]]:
    """Rows that are made of each tensor wherever the order is cut, and the width of its ring.

    A tensor without readers in segments is made whole. One with several shapes has no width.
    """
    needed: dict[Tensor, int] = {}
    widths: dict[Tensor, Bytes] = {}
    for op, reads in zip(reversed(operators), reversed(readings), strict=True):
        found = roles[op]
        if found is None:
            needed.update((t, flat(t)[0]) for t in op.activations())
            continue
        goal = needed.setdefault(found.output, flat(found.output)[0])
        for reading in reads:
            steps = len(reading.last) if found.reduces else min(goal, len(reading.last))
            made = reading.last[steps - 1] if steps else 0
            if made == _ALL:
                made = 0
            needed[reading.tensor] = max(needed.get(reading.tensor, 0), made)
            widths[reading.tensor] = max(widths.get(reading.tensor, 0), reading.width)
    return needed, widths

"""A good order when no proof can be had in time: the best few down-sets of every size."""

from __future__ import annotations

from random import Random

from arenafit.memory.problem import Bytes
from arenafit.schedule.lattice import DownSet, Lattice, bits
from arenafit.schedule.problem import StepId

__all__ = ["beam"]

_Candidate = tuple[Bytes, Bytes, float, DownSet, DownSet, StepId]


def beam(
    lattice: Lattice, low: DownSet, high: DownSet, width: int, random: Random | None = None
) -> tuple[list[StepId], Bytes]:
    """An order of the steps between two down-sets, and its peak; no promise how good it is.

    Args:
        lattice: the problem.
        low: finished before.
        high: finished after; holds `low`.
        width: down-sets kept of each size: those of the lowest peak so far, then of the
            fewest live bytes. Takes time in proportion.
        random: breaks ties, if given.
    """
    layer: dict[DownSet, tuple[Bytes, Bytes]] = {low: (0, lattice.live(low))}
    ready = {low: sum(1 << i for i in bits(high & ~low) if not lattice.before[i] & ~low)}
    came: list[dict[DownSet, tuple[DownSet, StepId]]] = []
    for _ in range((high & ~low).bit_count()):
        best: dict[DownSet, _Candidate] = {}
        for state, (top, live) in layer.items():
            for step in bits(ready[state]):
                died, saved = lattice.ending(step, state)
                need = max(top, live + lattice.during[step] - saved)
                further = state | 1 << step
                if further not in best or need < best[further][0]:
                    tie = random.random() if random else 0.0
                    after = live + lattice.kept[step] - died
                    best[further] = (need, after, tie, further, state, step)
        chosen = sorted(best.values())[:width]
        layer = {further: (need, live) for need, live, _, further, _, _ in chosen}
        came.append({further: (state, step) for _, _, _, further, state, step in chosen})
        ready = {
            further: _ready_after(lattice, ready[state], further, step) & high
            for _, _, _, further, state, step in chosen
        }
    order: list[StepId] = []
    state = high
    for back in reversed(came):
        state, step = back[state]
        order.append(step)
    return order[::-1], layer[high][0]


def _ready_after(lattice: Lattice, ready: int, state: DownSet, step: StepId) -> int:
    ready &= ~(1 << step)
    for i in bits(lattice.after[step]):
        if not lattice.before[i] & ~state:
            ready |= 1 << i
    return ready

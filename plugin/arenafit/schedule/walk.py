"""Walking through the down-sets of a problem, from the start on or from the end back.

Seen from the end, a finished step is one that every order still to be found comes before; a
step is ready when all that need it are finished. What a step costs is the same either way.
"""

from __future__ import annotations

from arenafit.memory.problem import Bytes
from arenafit.schedule.lattice import DownSet, Lattice, bits
from arenafit.schedule.problem import StepId

__all__ = ["Done", "Move", "Walk"]

Done = int  # bit i: step i is finished, as seen from the end where the walk began
Move = tuple[Bytes, Bytes, StepId]  # bytes live during the step, bytes live beyond it, which

_CHAIN_LIMIT = 12  # steps


class Walk:
    """The moves of one direction."""

    def __init__(self, lattice: Lattice, *, backward: bool) -> None:
        self.lattice = lattice
        self.backward = backward
        self._before = lattice.after if backward else lattice.before
        self._after = lattice.before if backward else lattice.after

    def down_set(self, done: Done) -> DownSet:
        """The steps that come first, by either way of counting; its own inverse."""
        return self.lattice.full & ~done if self.backward else done

    def live(self, done: Done) -> Bytes:
        """Bytes live where the walk stands."""
        return self.lattice.live(self.down_set(done))

    def ready(self, done: Done, limit: Done) -> int:
        """Bit set of the steps in `limit` that may follow `done`."""
        return sum(1 << i for i in bits(limit & ~done) if not self._before[i] & ~done)

    def ready_after(self, done: Done, ready: int, step: StepId) -> int:
        """`ready` brought up to date: `done` and then `step` are finished."""
        done |= 1 << step
        ready &= ~(1 << step)
        for i in bits(self._after[step]):
            if not self._before[i] & ~done:
                ready |= 1 << i
        return ready

    def moves(self, done: Done, live: Bytes, ready: int) -> list[Move]:
        """One move for every step in `ready`."""
        lattice, found = self.lattice, []
        for step in bits(ready):
            if self.backward:
                died, saved = lattice.ending(step, lattice.full & ~(done | 1 << step))
                beyond = live - lattice.kept[step] + died
                need = beyond + lattice.during[step] - saved
            else:
                died, saved = lattice.ending(step, done)
                beyond = live + lattice.kept[step] - died
                need = live + lattice.during[step] - saved
            found.append((need, beyond, step))
        return found

    def chain(
        self, done: Done, live: Bytes, ready: int, moves: list[Move], level: Bytes, limit: Done
    ) -> tuple[tuple[StepId, ...], Bytes] | None:
        """A few steps, each made ready by the one before, that end with no more live bytes.

        All within `level` and `limit`, with the bytes live in the end; None where `moves`
        begin no such chain.
        """
        for need, beyond, step in moves:
            if need <= level and beyond <= live:
                return (step,), beyond
        heads: list[tuple[Done, int, tuple[StepId, ...], Bytes]] = [
            (done, ready, (step,), beyond) for need, beyond, step in moves if need <= level
        ]
        while heads:
            at, waiting, steps, height = heads.pop()
            if height <= live:
                return steps, height
            if len(steps) < _CHAIN_LIMIT:
                waiting = self.ready_after(at, waiting, steps[-1])
                at |= 1 << steps[-1]
                fresh = waiting & self._after[steps[-1]] & limit
                for need, beyond, step in self.moves(at, height, fresh):
                    if need <= level:
                        heads.append((at, waiting, (*steps, step), beyond))
        return None

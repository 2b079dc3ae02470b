"""One end of the two-ended search: the states reached from the start, or back from the end.

The search asks "is there an order within `level` bytes?" for a level that rises. States with a
move that needs more wait (`parked`); when there are no others, the level is refuted, and the
next one worth a try is the smallest such need. So the first order found is optimal.
"""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random

from arenafit.memory.problem import Bytes
from arenafit.schedule.lattice import Lattice
from arenafit.schedule.problem import StepId
from arenafit.schedule.rules import Rules
from arenafit.schedule.valley import lowest_between
from arenafit.schedule.walk import Done, Walk

__all__ = ["Front"]

_Entry = tuple[Bytes, float, int, Done, int]  # live, tie, -steps, the state, what is ready


class Front:
    """States reached from one end; the lowest goes on first."""

    def __init__(
        self,
        lattice: Lattice,
        root: Done,
        limit: Done,
        *,
        backward: bool,
        rules: Rules,
        random: Random | None,
    ) -> None:
        self.walk = Walk(lattice, backward=backward)
        self.root = root  # settled: some best order passes through it
        self.limit = limit  # where this end meets the other
        self.path: list[StepId] = []  # from the end to the root
        self.states = 0
        self._rules = rules
        self._random = random
        self._restart(root, self.walk.live(root))

    def _restart(self, root: Done, live: Bytes) -> None:
        self.root = root
        self._root_live = live
        self._from: dict[Done, tuple[Done, tuple[StepId, ...]]] = {root: (root, ())}
        self._open: list[_Entry] = [(live, 0.0, 0, root, self.walk.ready(root, self.limit))]
        self._parked: list[tuple[Bytes, _Entry]] = []
        self._shortened: set[Done] = set()  # cut down to the limit and looked at since it moved

    def shorten(self, limit: Done) -> None:
        """Bring the limit nearer, to where the other end has settled."""
        if limit != self.limit:
            self.limit = limit
            self._shortened = set()

    @property
    def exhausted(self) -> bool:
        """True where the level is refuted: it allows no state that has not been looked at."""
        return not self._open

    @property
    def next_level(self) -> Bytes:
        """The smallest level at which an exhausted front has more to do."""
        return self._parked[0][0]

    def release(self, level: Bytes) -> None:
        """Take up again the states that waited for a level up to this one."""
        while self._parked and self._parked[0][0] <= level:
            heappush(self._open, heappop(self._parked)[1])

    def advance(self, level: Bytes) -> bool:
        """Look at one more state; True when it is the limit, and `path` leads there."""
        live, _, _, done, ready = heappop(self._open)
        self.states += 1
        if done & ~self.limit:  # the other end has settled since: so much of it is enough
            origin = self._from[done]
            done &= self.limit
            if done in self._shortened:
                return False
            self._shortened.add(done)
            self._from.setdefault(done, origin)
            live, ready = self.walk.live(done), self.walk.ready(done, self.limit)
        while True:
            if done == self.limit:
                self.path += self._steps_to(done)
                return True
            if self._rules.valleys and live <= self._root_live and done != self.root:
                self._settle(done, live)
                return False
            moves = self.walk.moves(done, live, ready & self.limit)
            if self._random:
                self._random.shuffle(moves)
            if not self._rules.free_chains:
                break
            free = self.walk.chain(done, live, ready, moves, level, self.limit)
            if free is None:
                break
            steps, live = free
            origin = (done, steps)
            for step in steps:
                ready = self.walk.ready_after(done, ready, step)
                done |= 1 << step
            if done in self._from:
                return False
            self._from[done] = origin
        later: list[Bytes] = []
        for need, beyond, step in moves:
            further = done | 1 << step
            if further in self._from:
                continue
            if need > level:
                later.append(need)
                continue
            self._from[further] = (done, (step,))
            tie = self._random.random() if self._random else 0.0
            waiting = self.walk.ready_after(done, ready, step)
            heappush(self._open, (beyond, tie, -further.bit_count(), further, waiting))
        if later:
            heappush(self._parked, (min(later), (live, 0.0, -done.bit_count(), done, ready)))
        return False

    def _steps_to(self, done: Done) -> list[StepId]:
        """Steps from the root to `done`, less those that the other end has settled."""
        goal, parts = done, []
        while done != self.root:
            done, steps = self._from[done]
            parts.append(steps)
        return [step for steps in reversed(parts) for step in steps if goal >> step & 1]

    def _settle(self, done: Done, live: Bytes) -> None:
        """Make the lowest state between the root and `done` the new root."""
        steps = self._steps_to(done)
        low, high = sorted((self.walk.down_set(self.root), self.walk.down_set(done)))
        lowest, depth = lowest_between(self.walk.lattice, low, high)
        bottom = (live if self.walk.backward else self._root_live) - depth
        if bottom < live:
            done, live = self.walk.down_set(lowest), bottom
        self.path += [step for step in steps if done >> step & 1]
        self._restart(done, live)

"""One end of the two-ended search: the states reached from the start, or back from the end.

The search answers "is there an order within `level` bytes?" for the smallest level at which
that is not yet refuted. States that need more wait (`parked`); when nothing else is left the
level is proved too low and rises to the smallest need among them.

What keeps the number of states small is one fact. Live bytes are a submodular function of the
down-set, and so is what a step needs (a dying input counts at least what overlap saves on
it). So if a set Y is reachable from D within the level, and no set between D and Y has fewer
live bytes than Y, then every order that goes on from D can go through Y first, at no higher
cost: all other ways on from D may be forgotten. Backwards, from the end, the same holds.
This is the hill-valley argument of Liu (1987) for trees, carried over to any graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from arenafit.memory.problem import Bytes
from arenafit.schedule.lattice import DownSet, Lattice, bits
from arenafit.schedule.problem import StepId
from arenafit.schedule.valley import lowest_between

__all__ = ["Front", "Rules"]


@dataclass(frozen=True)
class Rules:
    """Each idea that makes the search smaller; none changes the optimum."""

    step_bound: bool = True  # start at a level that some step needs anyway:
    # all lower levels are refuted at once
    sections: bool = True  # solve apart what lies between two sets that every order passes:
    # the costs of such sections add instead of multiplying
    both_ends: bool = True  # search from the end as well:
    # a stretch that only grows has its valleys in that direction
    free_steps: bool = True  # take a step at once that leaves no more live bytes than before:
    # a valley of one step, so alternatives need no look
    free_chains: bool = True  # the same for a few steps that each wait for the last only:
    # nothing lies between them but themselves
    valleys: bool = True  # forget all but the valley when a state is as low as the root:
    # the flow in `valley` finds the lowest set below it


_CHAIN_LIMIT = 12  # steps; longer ones are left to `valleys`

_Move = tuple[Bytes, Bytes, StepId]  # need during the step, live after it, which
_Entry = tuple[Bytes, float, int, DownSet, int]  # live, tie, -steps, finished, ready


class Front:
    """States reached from one end. `done` is what is finished as seen from that end."""

    def __init__(
        self,
        lattice: Lattice,
        root: DownSet,
        limit: DownSet,
        *,
        backward: bool,
        rules: Rules,
        random: Random | None,
    ) -> None:
        self._lattice = lattice
        self._backward = backward
        self._rules = rules
        self._random = random
        self._before = lattice.after if backward else lattice.before
        self._after = lattice.before if backward else lattice.after
        self.limit = limit  # steps that this end may still take, and `root`
        self.path: list[StepId] = []  # settled: from the end to `root`
        self.states = 0
        live = lattice.live(self._state(root))
        ready = sum(1 << i for i in bits(limit & ~root) if not self._before[i] & ~root)
        self._restart(root, live, ready)

    def _restart(self, root: DownSet, live: Bytes, ready: int) -> None:
        self.root = root
        self._root_live = live
        self._seen: dict[DownSet, tuple[DownSet, tuple[StepId, ...]]] = {root: (root, ())}
        self._open: list[_Entry] = [(live, 0.0, 0, root, ready)]
        self._parked: list[tuple[Bytes, StepId, DownSet, _Entry]] = []

    def _state(self, done: DownSet) -> DownSet:
        return self._lattice.full & ~done if self._backward else done

    @property
    def exhausted(self) -> bool:
        """True where the level is refuted: no state is left that it allows."""
        return not self._open

    @property
    def next_level(self) -> Bytes:
        """The smallest level at which there is more to do; only when there is."""
        return self._parked[0][0]

    def release(self, level: Bytes) -> None:
        """Take up the states that were waiting for a level up to `level`."""
        while self._parked and self._parked[0][0] <= level:
            _, step, parent, entry = heappop(self._parked)
            if entry[3] not in self._seen:
                self._seen[entry[3]] = (parent, (step,))
                heappush(self._open, entry)

    def advance(self, level: Bytes) -> bool:
        """Expand one state; True when the other end is reached, and `path` leads there."""
        live, _, _, done, ready = heappop(self._open)
        self.states += 1
        if done & ~self.limit:  # the other end has settled since
            parent, steps = self._seen[done]
            done, ready = done & self.limit, ready & self.limit
            if done in self._seen and done != self.limit:
                return False
            self._seen.setdefault(done, (parent, steps))
            live = self._lattice.live(self._state(done))
            ready = self._ready(done)
        while True:
            if done == self.limit:
                self.path += self._steps_to(done)
                return True
            if self._rules.valleys and live <= self._root_live and done != self.root:
                self._settle(done, live, ready)
                return False
            moves = self._moves(done, live, ready)
            free = self._free(done, live, ready, moves, level)
            if free is None:
                break
            further, live, ready, steps = free
            if further in self._seen:
                return False
            self._seen[further] = (done, steps)
            done = further
        for need, after, step in moves:
            further = done | 1 << step
            if further not in self._seen:
                tie = self._random.random() if self._random else 0.0
                entry = (after, tie, -further.bit_count(), further, self._next(done, ready, step))
                if need <= level:
                    self._seen[further] = (done, (step,))
                    heappush(self._open, entry)
                else:
                    heappush(self._parked, (need, step, done, entry))
        return False

    def _ready(self, done: DownSet) -> int:
        return sum(1 << i for i in bits(self.limit & ~done) if not self._before[i] & ~done)

    def _next(self, done: DownSet, ready: int, step: StepId) -> int:
        """What is ready after `step`."""
        done |= 1 << step
        ready &= ~(1 << step)
        for i in bits(self._after[step]):
            if not self._before[i] & ~done:
                ready |= 1 << i
        return ready

    def _moves(self, done: DownSet, live: Bytes, ready: int) -> list[_Move]:
        lattice, found = self._lattice, []
        for step in bits(ready & self.limit):
            if self._backward:
                died, saved = lattice.ending(step, lattice.full & ~(done | 1 << step))
                after = live - lattice.kept[step] + died
                found.append((after + lattice.during[step] - saved, after, step))
            else:
                died, saved = lattice.ending(step, done)
                after = live + lattice.kept[step] - died
                found.append((live + lattice.during[step] - saved, after, step))
        return found

    def _free(
        self, done: DownSet, live: Bytes, ready: int, moves: list[_Move], level: Bytes
    ) -> tuple[DownSet, Bytes, int, tuple[StepId, ...]] | None:
        """A step or chain that is a valley: where it leads, or None."""
        if self._rules.free_steps:
            for need, after, step in moves:
                if need <= level and after <= live:
                    return done | 1 << step, after, self._next(done, ready, step), (step,)
        if self._rules.free_chains:
            chains = [(done, ready, (m[2],), m[1]) for m in moves if m[0] <= level]
            while chains:
                start, waiting, steps, height = chains.pop()
                if height <= live:
                    return (
                        start | 1 << steps[-1],
                        height,
                        self._next(start, waiting, steps[-1]),
                        steps,
                    )
                if len(steps) < _CHAIN_LIMIT:
                    further = start | 1 << steps[-1]
                    waiting = self._next(start, waiting, steps[-1])
                    fresh = waiting & self._after[steps[-1]]
                    chains += [
                        (further, waiting, (*steps, step), after)
                        for need, after, step in self._moves(further, height, fresh)
                        if need <= level
                    ]
        return None

    def _steps_to(self, done: DownSet) -> list[StepId]:
        """Steps from the root to `done`, the other end's settled ones left out."""
        parts = []
        goal = done
        while done != self.root:
            done, steps = self._seen[done]
            parts.append(steps)
        return [step for steps in reversed(parts) for step in steps if goal >> step & 1]

    def _settle(self, done: DownSet, live: Bytes, ready: int) -> None:
        """Make the lowest set between root and `done` the new root."""
        ends = (self._state(self.root), self._state(done))
        low, below = lowest_between(self._lattice, min(ends), max(ends))
        steps = self._steps_to(done)
        lowest = (self._root_live if not self._backward else live) - below
        if lowest < live:
            done = self._state(low)
            live, ready = lowest, self._ready(done)
            steps = [step for step in steps if done >> step & 1]
        self.path += steps
        self._restart(done, live, ready)

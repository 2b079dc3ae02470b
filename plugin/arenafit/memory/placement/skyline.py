"""Depth-first packing from the ground up, for hundreds of buffers without overlaps.

After MiniMalloc (Moffitt 2023, "MiniMalloc: A Lightweight Memory Allocator for
Hardware-Accelerated Machine Learning"): some best placement is *settled*, every buffer lying on
the ground or on another one. So buffers are placed in order of offset, each at the lowest one that
those below leave it, and a moment whose buffers no longer fit above what lies there ends the
branch. What is new here is `postpone`: a buffer for which every placement at its lowest offset
has been refuted must lie higher, and lies on a buffer that is still to come; that lifts its
lowest offset for all the branches that follow, and mostly ends them (MiniMalloc's canonical order
follows from it: what was passed over is out of the way). And what has failed once is
remembered: the ground below what is unplaced says all about a state, however it was reached.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from arenafit.memory.placement.instance import INFINITY, Instance, is_plain
from arenafit.memory.placement.search import OutOfNodes
from arenafit.memory.placement.techniques import Techniques

__all__ = ["RANKINGS", "Skyline"]

Ints = npt.NDArray[np.int64]

PLACED = INFINITY  # the lowest offset of what has been placed: it is out of the race

RANKINGS = ("TWA", "TAW", "WAT")
"""Orders among buffers of equal lowest offset, by letter, larger first: the largest Total load
that the buffer lives through, Width in time, Area. Each is quick where another one is hopeless."""


@dataclass(slots=True)
class _State:
    """What the placements made so far leave; copied, never changed back."""

    lowest: Ints  # for each buffer, the lowest offset possible; PLACED once it is placed
    ground: Ints  # for each buffer, the highest top of a placed neighbour
    total: Ints  # for each section, the sizes still to be placed
    cuts: Ints  # for each section, the buffers still to be placed that live into the next one


@dataclass(slots=True)
class _Part:
    """Unplaced buffers that share no time with the other unplaced ones."""

    members: Ints  # in the order of the ranking
    begin: int  # sections
    end: int


class Skyline:
    """A search over one instance; `nodes` counts the placements tried in all its runs.

    Guarantee: `within` answers exactly, or raises OutOfNodes. Complexity: exponential in the
    worst case; a node costs a few numpy calls on the pairs and sections of one buffer.
    Measured: 8,000 to 20,000 nodes a second on 150 to 450 buffers, one core.
    """

    def __init__(self, instance: Instance, techniques: Techniques | None = None) -> None:
        if not is_plain(instance):
            raise ValueError("fixed offsets and overlaps are not for this search")
        self.instance = instance
        self.techniques = techniques or Techniques()
        self.nodes = 0
        self._failures: dict[int, set[bytes]] = {}
        self._size = np.array(instance.sizes, dtype=np.int64)
        self._sections(instance)
        around: list[list[int]] = [[] for _ in instance.sizes]
        for pair in instance.pairs:
            around[pair.i].append(pair.j)
            around[pair.j].append(pair.i)
        self._around: list[Ints] = [np.array(sorted(a), dtype=np.int64) for a in around]
        # The sections that a change to a buffer's neighbours can touch.
        self._reach = [
            (
                min([self._first[k], *self._first[self._around[k]]]),
                max([self._last[k], *self._last[self._around[k]]]) + 1,
            )
            for k in range(len(instance.sizes))
        ]

    def within(
        self,
        height: int,
        budget: int,
        ranking: str = RANKINGS[0],
        deadline: float = float("inf"),
    ) -> list[int] | None:
        """A placement with a head of at most `height` units, or None: there is none.

        `deadline` is compared with time.monotonic(). A run cut short is not lost: what it has
        refuted is remembered for the next one with the same height, whatever its ranking.

        Raises:
            OutOfNodes: neither `budget` placements nor the time till `deadline` settled it.
        """
        n = len(self.instance.sizes)
        self._height = height
        self._ranking = ranking
        self._left = budget
        self._deadline = deadline
        self._failed = self._failures.setdefault(height, set())
        self._offsets = [0] * n
        total = np.zeros(len(self._starts), dtype=np.int64)
        cuts = np.zeros(len(self._starts), dtype=np.int64)
        for k in range(n):
            total[self._first[k] : self._last[k] + 1] += self._size[k]
            cuts[self._first[k] : self._last[k]] += 1
        if n == 0 or total.max() > height:
            return [] if n == 0 else None
        state = _State(np.zeros(n, np.int64), np.zeros(n, np.int64), total, cuts)
        with _recursion(4 * n + 200):
            seams = [s + 1 for s in np.flatnonzero(cuts[:-1] == 0).tolist()]
            borders = [0, *(seams if self.techniques.split else ()), len(total)]
            found = self._place_apart(_Part(np.arange(n), 0, len(total)), state, borders)
        return list(self._offsets) if found else None

    def _sections(self, instance: Instance) -> None:
        """Each clique is a section; a buffer's cliques follow each other."""
        n = len(instance.sizes)
        first, last = [-1] * n, [-1] * n
        for s, clique in enumerate(instance.cliques):
            for k in clique:
                if first[k] < 0:
                    first[k] = s
                last[k] = s
        self._first = np.array(first, dtype=np.int64)
        self._last = np.array(last, dtype=np.int64)
        # Members of all sections in one array, section s from _starts[s] on.
        self._flat = np.array([k for c in instance.cliques for k in c], dtype=np.int64)
        lengths = [len(c) for c in instance.cliques]
        self._starts = np.array([0, *np.cumsum(lengths)[:-1]], dtype=np.int64)
        self._stops = np.cumsum(lengths)

    def _fits(self, begin: int, end: int, lowest: Ints, total: Ints) -> bool:
        """False where what is still to be placed in a section overtops the height."""
        base = self._starts[begin]
        members = self._flat[base : self._stops[end - 1]]
        floor = np.minimum.reduceat(lowest[members], self._starts[begin:end] - base)
        rest = total[begin:end]
        return not bool(((floor + rest > self._height) & (rest > 0)).any())

    def _solve(self, members: Ints, begin: int, end: int, state: _State) -> bool:
        """Rank the members of a part, and place them."""
        peak = {int(k): int(state.total[self._first[k] : self._last[k] + 1].max()) for k in members}

        def key(k: int) -> tuple[int, ...]:
            first, last = self.instance.lifetimes[k]
            size = self.instance.sizes[k]
            values = {"T": peak[k], "W": last - first + 1, "A": size * (last - first + 1)}
            return (*(-values[letter] for letter in self._ranking), k)

        ranked = np.array(sorted(peak, key=key), dtype=np.int64)
        return self._place(_Part(ranked, begin, end), state)

    def _place(self, part: _Part, state: _State) -> bool:
        """Place the members still unplaced."""
        unplaced = part.members[state.lowest[part.members] < PLACED]
        if not len(unplaced):
            return True
        if not self.techniques.memory:
            return self._branch(part, state)
        # A digest of 128 bits: two states that share one are not to be feared.
        unplaced.sort()
        digest = blake2b(unplaced.tobytes(), digest_size=16)
        digest.update(state.ground[unplaced].tobytes())
        key = digest.digest()
        if key in self._failed:
            return False
        if self._branch(part, state):
            return True
        self._failed.add(key)
        return False

    def _branch(self, part: _Part, state: _State) -> bool:
        """Try each member that may come next. `state` belongs to this call, which changes it."""
        lowest = state.lowest
        values = lowest[part.members]
        unplaced = values < PLACED
        ceiling = int((values + self._size[part.members])[unplaced].min())
        if not self.techniques.dominance:
            ceiling = PLACED
        # Whatever comes next, all that is unplaced lies at its offset or higher.
        ceiling = min(ceiling, self._height - int(state.total[part.begin : part.end].max()) + 1)
        candidates = np.flatnonzero(values < ceiling)
        for rank in candidates[np.argsort(values[candidates], kind="stable")].tolist():
            k = int(part.members[rank])
            at = int(values[rank])
            around = lowest[self._around[k]]
            buried = bool((around < PLACED).any())  # something unplaced may come to lie on it
            if state.ground[k] == at:
                if self._try(part, state, k, at):
                    return True
                if not buried:
                    return False  # what covers nothing lies best at its lowest offset
            if self.techniques.postpone:
                if not buried:
                    continue
                # Not at its lowest offset: then it lies on a neighbour that is still to come.
                support = int((around + self._size[self._around[k]]).min())
                if support > at:
                    lowest[k] = support
                    begin, end = int(self._first[k]), int(self._last[k]) + 1
                    if not self._fits(begin, end, lowest, state.total):
                        return False
        return False

    def _try(self, part: _Part, state: _State, k: int, at: int) -> bool:
        """Place buffer k at offset `at`, and all others after it."""
        if self._left <= 0 or (self.nodes & 255 == 0 and time.monotonic() > self._deadline):
            raise OutOfNodes
        self._left -= 1
        self.nodes += 1
        size = self._size[k]
        around = self._around[k]
        lowest, total = state.lowest.copy(), state.total.copy()
        lowest[around] = np.maximum(lowest[around], at + size)
        lowest[k] = PLACED
        first, last = int(self._first[k]), int(self._last[k])
        total[first : last + 1] -= size
        if not self._fits(*self._reach[k], lowest, total):
            return False
        ground, cuts = state.ground.copy(), state.cuts.copy()
        ground[around] = np.maximum(ground[around], at + size)
        cuts[first:last] -= 1
        self._offsets[k] = at
        after = _State(lowest, ground, total, cuts)
        if not self.techniques.split:
            return self._place(part, after)
        seams = [first + int(s) + 1 for s in np.flatnonzero(cuts[first:last] == 0)]
        if not seams:
            return self._place(part, after)
        return self._place_apart(part, after, [part.begin, *seams, part.end])

    def _place_apart(self, part: _Part, state: _State, borders: list[int]) -> bool:
        """Place the members between each two borders by themselves, the fewest first."""
        pieces: list[tuple[int, int, int, Ints]] = []
        unplaced = part.members[state.lowest[part.members] < PLACED]
        for begin, end in pairwise(borders):
            inside = (self._first[unplaced] < end) & (self._last[unplaced] >= begin)
            members = unplaced[inside]
            if len(members):
                pieces.append((len(members), begin, end, members))
        for _, begin, end, members in sorted(pieces, key=lambda piece: piece[:2]):
            copy = _State(state.lowest.copy(), state.ground, state.total, state.cuts)
            if not self._solve(members, begin, end, copy):
                return False
        return True


@contextmanager
def _recursion(depth: int) -> Iterator[None]:
    """Room for `depth` more frames than there are."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + depth)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)

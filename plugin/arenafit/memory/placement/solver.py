"""Our own placement: the smallest head, with a proof."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from arenafit.memory.placement import cpsat
from arenafit.memory.placement.bounds import lower_bound
from arenafit.memory.placement.firstfit import best_first_fit, first_fit
from arenafit.memory.placement.instance import Instance, is_plain, restrict, sweep
from arenafit.memory.placement.reduce import components, peel
from arenafit.memory.placement.search import OutOfNodes, Search
from arenafit.memory.placement.techniques import Techniques
from arenafit.memory.problem import Bytes, Placement, Problem

if TYPE_CHECKING:
    from arenafit.memory.placement.skyline import Skyline

__all__ = ["Progress", "Solver", "solve"]

Progress = Callable[[Bytes, Bytes], None]
"""Called with the head found so far and the bound proved so far, in bytes."""

SECONDS = 20.0
PATIENCE = 2000  # placements tried by the first attempt of each kind to pack
WORK = 400_000  # of the search over pairs: nodes times pairs


def solve(
    problem: Problem, *, seconds: float = SECONDS, progress: Progress | None = None
) -> Placement:
    """The placement with the smallest head that can be found in about `seconds`.

    Guarantee: valid, with every fixed offset kept; `bound` is proved; `optimal` is claimed only
    where the head equals it. The same problem gets the same answer, unless the time runs out.
    Complexity: exponential in the worst case; the node budget and `seconds` bound it.
    Measured, one core: made networks with skips and overlaps of 30, 60 and 150 buffers (40 each)
    1.6, 3.3 and 6.8 ms in the middle, 24 ms at most, all proved; of MiniMalloc's
    eleven problems of 154 to 454 buffers nine are proved in 0.1 to 3 s, and two, which have room
    to spare, fit their capacity in seconds and are improved until the time is up.

    Raises:
        ValueError: the problem breaks its own rules (sizes and fixed offsets are multiples of
            ALIGNMENT, lifetimes not empty, overlaps between two of the buffers).
    """
    return Solver(seconds=seconds, progress=progress).solve(problem)


class Solver:
    """`solve` with its switches and counters."""

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        progress: Progress | None = None,
        techniques: Techniques | None = None,
        work: int = WORK,
    ) -> None:
        self.techniques = techniques or Techniques()
        self.nodes = 0  # branchings so far
        self._work = work
        self._seconds = seconds
        self._progress = progress
        self._methods: list[str] = []

    def solve(self, problem: Problem) -> Placement:
        """See the function of the same name."""
        deadline = time.monotonic() + self._seconds
        instance = sweep(problem)
        bound = lower_bound(instance)
        offsets, bound = self._whole(instance, bound, deadline)
        head = instance.height(offsets)
        if self._progress is not None:
            self._progress(head * instance.unit, bound * instance.unit)
        return Placement(
            tuple(offset * instance.unit for offset in offsets),
            head * instance.unit,
            bound * instance.unit,
            head == bound,
            " + ".join(dict.fromkeys(self._methods)),
        )

    def _whole(self, instance: Instance, bound: int, deadline: float) -> tuple[list[int], int]:
        """Part by part, then what was set aside; a placement and a bound on any."""
        everything = list(range(len(instance.sizes)))
        self._instance = instance
        aside = peel(instance, bound) if self.techniques.peel else []
        kernel = sorted(set(everything) - set(aside))
        if self.techniques.decompose:
            parts = [(restrict(instance, part), part) for part in components(instance, kernel)]
        else:
            parts = [(restrict(instance, kernel), kernel)]
        # The hardest first: the others need not get below it.
        parts.sort(key=lambda part: -lower_bound(part[0]))
        placed = list(instance.fixed)
        head = bound
        for part, members in parts:
            offsets, part_bound = self._part(part, members, head, deadline)
            bound = max(bound, part_bound)
            head = max(head, part.height(offsets))
            for k, offset in zip(members, offsets, strict=True):
                placed[k] = offset
        return first_fit(instance, aside, instance.adjacency(), placed), bound

    def _part(
        self, part: Instance, members: list[int], enough: int, deadline: float
    ) -> tuple[list[int], int]:
        """Offsets of a part and a bound on its head; no head below `enough` is looked for."""
        bound = lower_bound(part)
        goal = max(bound, enough)
        if self.techniques.first_fit:
            best = best_first_fit(part, goal)
        else:
            best = first_fit(part, range(len(part.sizes)), part.adjacency())
        self._methods.append("first fit")
        if part.height(best) > goal:
            if is_plain(part):
                best, bound = self._plain(part, members, best, bound, enough, deadline)
            else:
                best, bound = self._tangled(part, best, bound, enough, deadline)
        return best, bound

    def _tangled(
        self, part: Instance, best: list[int], bound: int, enough: int, deadline: float
    ) -> tuple[list[int], int]:
        """With overlaps or fixed offsets: bisect with the search over pairs, or else CP-SAT."""
        search = Search(part, self.techniques)
        budget = self._work // max(1, len(part.pairs))
        goal = max(bound, enough)
        try:
            while part.height(best) > goal:
                found = search.within(goal, budget)
                if found is not None:
                    best = found
                    self._methods.append("pairs")
                else:
                    bound = goal + 1
                goal = max(enough, bound, (bound + part.height(best) - 1) // 2)
        except OutOfNodes:
            self._report(part, best, bound)
            left = deadline - time.monotonic()
            if left > 0:
                self._methods.append("CP-SAT")
                floor = max(bound, enough)
                best, proved = cpsat.improve(part, best, floor, left)
                if proved > floor:  # else the floor was met, which is no bound but a wish
                    bound = proved
        self.nodes += search.nodes
        return best, bound

    def _plain(
        self,
        part: Instance,
        members: list[int],
        best: list[int],
        bound: int,
        enough: int,
        deadline: float,
    ) -> tuple[list[int], int]:
        """Without: pack from the ground up, with ever more patience.

        Each round tries the bound itself, for the proof, and then goes down from the best head in
        steps, which halve when one fails.
        """
        from arenafit.memory.placement.skyline import Skyline

        self._methods.append("skyline")
        packers = [(Skyline(part, self.techniques), list(range(len(members))))]
        if len(members) < len(self._instance.sizes) and is_plain(self._instance):
            # What was set aside makes no head larger, but the search takes another course with it.
            packers.append((Skyline(self._instance, self.techniques), members))
        low, high = max(bound, enough), part.height(best)
        step, patience = high - low, PATIENCE
        while high > low and time.monotonic() < deadline:
            goal = low
            while high > low:
                found, refuted = _pack(packers, goal, patience, deadline)
                if found is not None:
                    best, high = found, part.height(found)
                elif refuted:
                    low = bound = goal + 1
                elif goal > low:
                    break
                step = max(1, min(step, (high - low) // 2))
                if goal == high - step:
                    break
                goal = high - step
            step = max(1, step // 2)
            patience *= 2
            self._report(part, best, bound)
        self.nodes += sum(skyline.nodes for skyline, _ in packers)
        return best, bound

    def _report(self, part: Instance, best: list[int], bound: int) -> None:
        if self._progress is not None:
            self._progress(part.height(best) * part.unit, bound * part.unit)


def _pack(
    packers: list[tuple[Skyline, list[int]]], goal: int, patience: int, deadline: float
) -> tuple[list[int] | None, bool]:
    """A placement within `goal` by any of the packers, and whether there is proved to be none."""
    from arenafit.memory.placement.skyline import RANKINGS

    for ranking in RANKINGS:
        for skyline, members in packers:
            try:
                found = skyline.within(goal, patience, ranking, deadline)
            except OutOfNodes:
                continue
            return (None, True) if found is None else ([found[k] for k in members], False)
    return None, False

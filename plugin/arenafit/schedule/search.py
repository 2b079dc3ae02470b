"""The operator order with the smallest peak, with a proof where time allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from time import monotonic

from arenafit.memory.problem import Bytes
from arenafit.schedule.beam import beam
from arenafit.schedule.front import Front
from arenafit.schedule.lattice import DownSet, Lattice, bits
from arenafit.schedule.problem import OrderProblem, OrderResult, StepId, check_problem
from arenafit.schedule.profile import peak, profile
from arenafit.schedule.rules import Rules

__all__ = ["order"]

_PROOF_SHARE = 2 / 3  # of the time; the rest is for the fall-back
_GROWTH = 4
_WIDTHS = tuple(_GROWTH**n for n in range(8))  # of the fall-back's beam
_CLOCK_EVERY = 64  # turns between two looks at the clock
_TELL_EVERY = 1.0  # seconds


def order(
    problem: OrderProblem,
    *,
    seconds: float = 10.0,
    progress: Callable[[str], None] | None = None,
    seed: int = 0,
    rules: Rules | None = None,
) -> OrderResult:
    """The order of the steps with the smallest peak of live bytes.

    Optimal, with the proof, where the search ends in time; otherwise the best order found and
    the bound proved so far. Never worse than the file's order; parts of the graph in which the
    file's order does no harm keep it, so a file that is in a best order comes back unchanged.

    The time grows with the states between two valleys (see `Rules`), exponentially at worst:
    milliseconds for chains, residual networks and cells of 100 operators, half a second for
    the 567 of NASNet-A mobile, out of reach for some random graphs of 200 operators.
    The same problem gives the same order unless the time ran out.

    Args:
        problem: the steps, in the file's order.
        seconds: about how long to try.
        progress: told in a line, at most once a second, how far the proof is.
        seed: if not 0, ties are broken at random and the file's order is not favoured: a way
            to other orders with the same peak.
        rules: which prunings to use; all by default.

    Raises:
        ModelError: the problem has no order, or is inconsistent (see `check_problem`).
    """
    check_problem(problem)
    rules = rules or Rules()
    heights = profile(problem, range(len(problem.steps)))
    lattice = Lattice(problem)
    start = monotonic()
    search = _Search(
        lattice=lattice,
        rules=rules,
        random=Random(seed) if seed else None,
        proof_ends=start + seconds * _PROOF_SHARE,
        ends=start + seconds,
        progress=progress,
        level=lattice.step_bound() if rules.step_bound else heights[0],
    )
    sections = _sections(lattice, heights, rules)
    orders = {
        section.low: search.solve(section)
        for section in sorted(sections, key=lambda section: -section.height)
    }
    result: list[StepId] = []
    for section in sections:
        result += orders[section.low]
    best = peak(problem, result)
    if not seed:
        result = _near_file_order(result, heights, best)
    return OrderResult(
        order=tuple(result),
        peak=best,
        bound=search.level,
        optimal=best == search.level,
        file_order_peak=max(heights),
        states=search.states,
    )


def _near_file_order(
    order: Sequence[StepId], heights: Sequence[Bytes], peak: Bytes
) -> list[StepId]:
    """`order` with the file's own order in every stretch of the file where that fits `peak`."""
    result: list[StepId] = []
    furthest = -1
    for place, step in enumerate(order):
        furthest = max(furthest, step)
        if furthest == place:  # so far the same steps as in the file
            stretch = range(len(result), place + 1)
            fits = all(heights[i + 1] <= peak for i in stretch)
            result += stretch if fits else order[stretch.start : stretch.stop]
    return result


@dataclass(frozen=True)
class _Section:
    """What lies between two down-sets that every order passes through."""

    low: DownSet
    high: DownSet
    steps: tuple[StepId, ...]  # in the file's order
    height: Bytes  # the file's order's peak in here


def _sections(lattice: Lattice, heights: Sequence[Bytes], rules: Rules) -> list[_Section]:
    sections = []
    for low, high in pairwise(lattice.forced() if rules.sections else (0, lattice.full)):
        steps = tuple(bits(high & ~low))
        sections.append(_Section(low, high, steps, max((heights[i + 1] for i in steps), default=0)))
    return sections


@dataclass
class _Search:
    """The two-ended search of one section after the other, with one level for all."""

    lattice: Lattice
    rules: Rules
    random: Random | None
    proof_ends: float  # by the clock
    ends: float
    progress: Callable[[str], None] | None
    level: Bytes  # no order has a smaller peak
    states: int = 0
    told: float = field(default_factory=monotonic)

    def solve(self, section: _Section) -> Sequence[StepId]:
        """An order of the section's steps; its peak is at most `level` unless time ran out."""
        if len(section.steps) == 1:
            self.level = max(self.level, section.height)
        if len(section.steps) <= 1 or (section.height <= self.level and not self.random):
            return section.steps
        full = self.lattice.full
        fronts = [
            Front(
                self.lattice,
                full & ~section.high if backward else section.low,
                full & ~section.low if backward else section.high,
                backward=backward,
                rules=self.rules,
                random=self.random,
            )
            for backward in ((False, True) if self.rules.both_ends else (False,))
        ]
        met = self._meet(fronts, section)
        self.states += sum(front.states for front in fronts)
        if met:
            return _joined(fronts, [])
        return section.steps if section.height <= self.level else self._guess(fronts, section)

    def _meet(self, fronts: list[Front], section: _Section) -> bool:
        """Raise the level until the ends meet; False: out of time, or the file's order is best."""
        turns = 0
        while True:
            for front, other in zip(fronts, reversed(fronts), strict=True):
                if front.advance(self.level):
                    return True
                if other is not front:
                    other.shorten(self.lattice.full & ~front.root)
                while front.exhausted:
                    self.level = front.next_level
                    for either in fronts:
                        either.release(self.level)
            if section.height <= self.level and not self.random:
                return False
            turns += 1
            if turns % _CLOCK_EVERY == 0:
                self._tell(len(section.steps), self.states + sum(f.states for f in fronts))
                if monotonic() > self.proof_ends:
                    return False

    def _guess(self, fronts: list[Front], section: _Section) -> Sequence[StepId]:
        """A better order than the file's, if one is found: beams below the best peak so far."""
        best: Sequence[StepId] = section.steps
        height = section.height
        took = 0.0
        for width in _WIDTHS:
            for front in fronts:
                while height > self.level:
                    began = monotonic()
                    if began + took > self.ends:
                        return best
                    steps = beam(front.walk, front.root, front.limit, width, height - 1)
                    took = (monotonic() - began) * _GROWTH
                    if steps is None:
                        break
                    best = _joined(fronts, steps[::-1] if front.walk.backward else steps)
                    height = self._peak(section, best)
        return best

    def _peak(self, section: _Section, steps: Sequence[StepId]) -> Bytes:
        """The section's peak in that order."""
        lattice, state, live, top = self.lattice, section.low, self.lattice.live(section.low), 0
        for step in steps:
            died, saved = lattice.ending(step, state)
            top = max(top, live + lattice.during[step] - saved)
            live += lattice.kept[step] - died
            state |= 1 << step
        return top

    def _tell(self, steps: int, states: int) -> None:
        if self.progress and monotonic() > self.told + _TELL_EVERY:
            self.told = monotonic()
            self.progress(
                f"ordering {steps} operators: no order needs less than {self.level:,} bytes, "
                f"{states:,} states seen"
            )


def _joined(fronts: Sequence[Front], middle: Sequence[StepId]) -> list[StepId]:
    tail = fronts[1].path[::-1] if len(fronts) > 1 else []
    return [*fronts[0].path, *middle, *tail]

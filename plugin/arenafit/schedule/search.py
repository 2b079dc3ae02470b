"""The operator order with the smallest peak, with a proof where time allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from time import monotonic

from arenafit.memory.problem import Bytes
from arenafit.schedule.beam import beam
from arenafit.schedule.front import Front, Rules
from arenafit.schedule.lattice import DownSet, Lattice, bits
from arenafit.schedule.problem import OrderProblem, OrderResult, StepId, check_problem
from arenafit.schedule.profile import peak, profile

__all__ = ["order"]

_BEAM_WIDTHS = (1, 8, 64, 256, 1024)
_CLOCK_EVERY = 64  # states


def order(
    problem: OrderProblem,
    *,
    seconds: float = 10.0,
    progress: Callable[[str], None] | None = None,
    seed: int = 0,
    rules: Rules | None = None,
) -> OrderResult:
    """The order of the steps with the smallest peak of live bytes.

    The result is optimal, and says so, where the search ends in `seconds`; otherwise it is
    the best order found and the bound proved so far. It is never worse than the file's
    order, and parts where the file's order does no harm keep it. The time to a proof grows with
    the number of states between two valleys (see `front`): exponential at worst, some
    milliseconds for chains and residual networks. The same input gives the same result
    unless the time ran out.

    Args:
        problem: the steps, in the file's order.
        seconds: about how long to try; the fall-back takes up to a third of it.
        progress: told in a line now and then how far the proof is.
        seed: other than 0, ties are broken at random and the file's order is not favoured:
            another order with the same peak, where there is one.
        rules: which prunings to use; all by default.

    Raises:
        ModelError: the problem has no order, or is inconsistent (see `check_problem`).
    """
    check_problem(problem)
    rules = rules or Rules()
    random = Random(seed) if seed else None
    file_order = tuple(range(len(problem.steps)))
    heights = profile(problem, file_order)
    lattice = Lattice(problem)
    search = _Search(
        lattice=lattice,
        rules=rules,
        random=random,
        deadline=monotonic() + max(0.0, seconds) * 2 / 3,
        end=monotonic() + max(0.0, seconds),
        progress=progress,
        level=lattice.step_bound() if rules.step_bound else heights[0],
    )
    sections = _sections(lattice, heights, rules)
    found = {section: search.solve(section) for section in sections}
    sections.sort(key=lambda section: section.low)
    result = [
        step
        for section in sections
        for step in (
            section.steps if section.height <= search.level and not seed else found[section]
        )
    ]
    best = peak(problem, result)
    return OrderResult(
        order=tuple(result),
        peak=best,
        bound=search.level,
        optimal=best == search.level,
        file_order_peak=max(heights),
        states=search.states,
    )


@dataclass(frozen=True)
class _Section:
    """What lies between two down-sets that every order passes through."""

    low: DownSet
    high: DownSet
    steps: tuple[StepId, ...]  # in the file's order
    height: Bytes  # the file's order's peak here


def _sections(lattice: Lattice, heights: tuple[Bytes, ...], rules: Rules) -> list[_Section]:
    """The sections, the highest first."""
    cuts = lattice.forced() if rules.sections else [0, lattice.full]
    sections = []
    for low, high in zip(cuts, cuts[1:], strict=False):
        steps = tuple(bits(high & ~low))
        sections.append(_Section(low, high, steps, max((heights[i + 1] for i in steps), default=0)))
    return sorted(sections, key=lambda section: -section.height)


@dataclass
class _Search:
    """The two-ended search of one section after the other, with one level for all."""

    lattice: Lattice
    rules: Rules
    random: Random | None
    deadline: float  # of proofs
    end: float  # of the fall-back
    progress: Callable[[str], None] | None
    level: Bytes  # no order has a smaller peak
    states: int = 0

    def solve(self, section: _Section) -> tuple[StepId, ...]:
        """An order of the section's steps; its peak is at most `level` unless time ran out."""
        if len(section.steps) < 2 or (section.height <= self.level and not self.random):
            return section.steps
        return self._prove(section) or self._guess(section)

    def _prove(self, section: _Section) -> tuple[StepId, ...] | None:
        full = self.lattice.full
        ends = (section.low, section.high), (full & ~section.high, full & ~section.low)
        fronts = [
            Front(self.lattice, root, limit, backward=i == 1, rules=self.rules, random=self.random)
            for i, (root, limit) in enumerate(ends[: 1 + self.rules.both_ends])
        ]
        met, turns = False, 0
        while not met:
            for front, other in zip(fronts, reversed(fronts), strict=True):
                if met := front.advance(self.level):
                    break
                if other is not front:
                    other.limit = full & ~front.root
                while front.exhausted:
                    self.level = front.next_level
                    self._tell(section)
                    for either in fronts:
                        either.release(self.level)
            turns += 1
            if turns % _CLOCK_EVERY == 0 and monotonic() > self.deadline:
                break
            if self.level >= section.height and not self.random:
                break
        self.states += sum(front.states for front in fronts)
        if not met:
            return section.steps if self.level >= section.height else None
        tail = fronts[1].path[::-1] if len(fronts) == 2 else []
        return (*fronts[0].path, *tail)

    def _guess(self, section: _Section) -> tuple[StepId, ...]:
        best, height = section.steps, section.height
        for width in _BEAM_WIDTHS:
            started = monotonic()
            steps, top = beam(self.lattice, section.low, section.high, width, self.random)
            if top < height:
                best, height = tuple(steps), top
            took = monotonic() - started
            if height <= self.level or monotonic() + 8 * took > self.end:
                break
        return best

    def _tell(self, section: _Section) -> None:
        if self.progress:
            self.progress(
                f"ordering {len(section.steps)} operators: no order needs fewer than "
                f"{self.level:,} bytes, {self.states:,} states"
            )

"""The sets of finished steps that an order can pass through, as bit sets.

Such a set (a *down-set*: with a step it holds all that the step needs) says all there is to
know about memory: which tensors are live follows from it, whatever the order was. An order
is a path from the empty set to the full one, and the best order a path with the smallest
largest cost (Liberis & Lane, arXiv 1910.05110, section 3; Ahn et al., Serenity, MLSys 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import or_

from arenafit.memory.problem import Bytes
from arenafit.schedule.problem import OrderProblem, StepId
from arenafit.schedule.profile import step_saving

__all__ = ["DownSet", "Lattice", "bits"]

DownSet = int  # bit i: step i is finished


def bits(mask: int) -> Iterator[int]:
    """Indices of the bits set in `mask`, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Lattice:
    """All the down-sets of a problem, none of them listed: how to walk, and what it costs."""

    def __init__(self, problem: OrderProblem) -> None:
        count = len(problem.steps)
        self.problem = problem
        self.full: DownSet = (1 << count) - 1
        self.before = list(problem.predecessors)  # direct predecessors
        self.after = [0] * count  # direct successors
        for i, mask in enumerate(self.before):
            for j in bits(mask):
                self.after[j] |= 1 << i
        self.ancestors = self._closure(range(count), self.before)
        self.descendants = self._closure(range(count - 1, -1, -1), self.after)
        self.kept: list[Bytes] = []  # outputs that outlive their step
        self.during: list[Bytes] = []  # all outputs, and scratch
        self.final = set(problem.outputs)
        # What ends with a step depends on which inputs others have done with: for each step
        # (bit, those others), and for each sum of such bits that came up what then ends.
        self._shared: list[list[tuple[int, int]]] = []
        self._ends: list[dict[int, tuple[Bytes, Bytes]]] = []
        for i, step in enumerate(problem.steps):
            lasting = (t for t in step.writes if problem.readers[t] or t in self.final)
            self.kept.append(sum(problem.sizes[t] for t in lasting))
            self.during.append(sum(problem.sizes[t] for t in step.writes) + step.scratch)
            shared = {problem.readers[t] & ~(1 << i) for t in self._mortal(i)} - {0}
            self._shared.append([(1 << n, others) for n, others in enumerate(sorted(shared))])
            self._ends.append({})

    @staticmethod
    def _closure(order: range, direct: list[int]) -> list[int]:
        closed = [0] * len(direct)
        for i in order:
            closed[i] = reduce(or_, (closed[j] | 1 << j for j in bits(direct[i])), 0)
        return closed

    def _mortal(self, step: StepId) -> list[int]:
        """What `step` reads and may be the last to need."""
        return [t for t in dict.fromkeys(self.problem.steps[step].reads) if t not in self.final]

    def ending(self, step: StepId, state: DownSet) -> tuple[Bytes, Bytes]:
        """Bytes of the inputs that die when `step` follows `state`; bytes that overlaps save."""
        pattern = 0
        for bit, others in self._shared[step]:
            if not others & ~state:
                pattern |= bit
        known = self._ends[step].get(pattern)
        if known is None:
            readers, own = self.problem.readers, 1 << step
            dying = {t for t in self._mortal(step) if not readers[t] & ~(state | own)}
            died = sum(self.problem.sizes[t] for t in dying)
            known = self._ends[step][pattern] = (died, step_saving(self.problem, step, dying))
        return known

    def live(self, state: DownSet) -> Bytes:
        """Bytes live between the last step of `state` and the next one."""
        problem, total = self.problem, 0
        for tensor, size in enumerate(problem.sizes):
            writer = problem.writer[tensor]
            there = writer < 0 or state >> writer & 1
            if there and (problem.readers[tensor] & ~state or tensor in self.final):
                total += size
        return total

    def forced(self) -> list[DownSet]:
        """The down-sets that every order passes through, ascending.

        Such a set is a prefix of the file's order, and all outside needs all inside.
        """
        found = [self.full]
        needed = self.full  # by all steps from `count` on
        for count in range(len(self.before) - 1, -1, -1):
            needed &= self.ancestors[count]
            prefix = (1 << count) - 1
            if not prefix & ~needed:
                found.append(prefix)
        return found[::-1]

    def step_bound(self) -> Bytes:
        """A lower bound on every order's peak: the most that one step needs wherever it stands.

        Live with a step are its inputs and outputs, and every tensor that an ancestor (or
        nobody) writes and a descendant reads.
        """
        problem = self.problem
        beside = list(self.during)
        for tensor, size in enumerate(problem.sizes):
            writer = problem.writer[tensor]
            there = self.full if writer < 0 else self.descendants[writer]
            wanted = there if tensor in self.final else 0
            for i in bits(problem.readers[tensor]):
                wanted |= there & (self.ancestors[i] | 1 << i)
            for i in bits(wanted) if size else ():
                beside[i] += size
        best = sum(problem.sizes[t] for t in problem.from_start)
        for i, total in enumerate(beside):
            mortal = {t for t in self._mortal(i) if not problem.readers[t] & self.descendants[i]}
            best = max(best, total - step_saving(problem, i, mortal))
        return best

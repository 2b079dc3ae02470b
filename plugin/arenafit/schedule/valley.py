"""The down-set with the fewest live bytes between two others, by a maximum flow.

Live bytes are a cost for every step that is finished (the outputs it leaves behind) less a
reward for every tensor whose readers are all finished: a project selection problem, solved
by the minimum cut between rewards and costs (Picard 1976, maximal closure of a graph).
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from arenafit.memory.problem import Bytes
from arenafit.schedule.lattice import DownSet, Lattice, bits

__all__ = ["lowest_between"]


def lowest_between(lattice: Lattice, low: DownSet, high: DownSet) -> tuple[DownSet, Bytes]:
    """A down-set between `low` and `high`, both included, with the fewest live bytes.

    Returns:
        that down-set, and by how many bytes it is below `low`. Of several the smallest.
    """
    middle = high & ~low
    rewards: dict[int, Bytes] = {}  # steps that must be finished first -> bytes set free
    for tensor in {t for i in bits(middle) for t in lattice.problem.steps[i].reads}:
        readers = lattice.problem.readers[tensor]
        if not readers & ~high and tensor not in lattice.final:
            needs = reduce(or_, (lattice.ancestors[i] | 1 << i for i in bits(readers)), 0)
            needs &= middle
            rewards[needs] = rewards.get(needs, 0) + lattice.problem.sizes[tensor]
    flow = _Flow(sorted(rewards, key=int.bit_count), rewards, lattice.kept)
    while flow.augment():
        pass
    return low | flow.reached, sum(flow.supply.values())


class _Flow:
    """Rewards pay for the steps they need; each may pay for any of them, in any share."""

    def __init__(self, sources: list[int], rewards: dict[int, Bytes], costs: list[Bytes]) -> None:
        self.supply = dict(rewards)  # bytes of each reward not yet spent
        self.room = {i: costs[i] for i in bits(reduce(or_, sources, 0))}  # not yet paid for
        self.paid: dict[int, dict[int, Bytes]] = {i: {} for i in self.room}  # step -> by whom
        self.reached = 0  # steps seen by the last, failed, `augment`
        for source in sources:
            for step in bits(source):
                self._pay(source, step, min(self.supply[source], self.room[step]))

    def _pay(self, source: int, step: int, amount: Bytes) -> None:
        if amount > 0:
            self.supply[source] -= amount
            self.room[step] -= amount
            self.paid[step][source] = self.paid[step].get(source, 0) + amount

    def augment(self) -> bool:
        """Spend some more, by the shortest chain of other payments moved; False: no more can be."""
        start = [source for source, left in self.supply.items() if left]
        came: dict[int, tuple[int, int] | None] = dict.fromkeys(start)  # source <- (source, step)
        queue, self.reached = start, 0
        for source in queue:
            for step in bits(source & ~self.reached):
                self.reached |= 1 << step
                if self.room[step]:
                    self._move(source, step, came)
                    return True
                for other, amount in self.paid[step].items():
                    if amount and other not in came:
                        came[other] = (source, step)
                        queue.append(other)
        return False

    def _move(self, source: int, step: int, came: dict[int, tuple[int, int] | None]) -> None:
        chain, last = [(source, step)], source
        amount = self.room[step]
        while (link := came[last]) is not None:
            amount = min(amount, self.paid[link[1]][last])
            chain.append(link)
            last = link[0]
        amount = min(amount, self.supply[last])
        self.supply[last] -= amount
        self.room[step] -= amount
        for place, (payer, target) in enumerate(chain):
            self.paid[target][payer] = self.paid[target].get(payer, 0) + amount
            if place + 1 < len(chain):
                self.paid[chain[place + 1][1]][payer] -= amount

"""Making a problem smaller before any search."""

from __future__ import annotations

from arenafit.memory.placement.instance import Instance
from arenafit.memory.problem import ONLINE

__all__ = ["components", "peel"]


def peel(instance: Instance, height: int) -> list[int]:
    """Buffers that need no search: put in last, in this order, each finds room below `height`.

    A buffer of size s with neighbours n_1 .. n_m is set aside when
    height - sum(n) > (m + 1) * (s - 1): the m neighbours leave at most m + 1 gaps, and were all
    of them too small, they would add up to less than is free. What is set aside is no longer
    anybody's neighbour, so the test is repeated until it changes nothing.

    Guarantee: a placement of the others with a head of at least `height` extends to all by
    `first_fit` with no larger head. Complexity: O(buffers * pairs) at worst.
    """
    around: list[set[int]] = [set() for _ in instance.sizes]
    for pair in instance.pairs:
        if not pair.is_free:
            around[pair.i].add(pair.j)
            around[pair.j].add(pair.i)
    aside: list[int] = []
    waiting = {k for k in range(len(instance.sizes)) if instance.fixed[k] == ONLINE}
    candidates = sorted(waiting)
    while candidates:
        k = candidates.pop()
        free = height - sum(instance.sizes[n] for n in around[k])
        if k in waiting and free > (len(around[k]) + 1) * (instance.sizes[k] - 1):
            waiting.discard(k)
            aside.append(k)
            for n in around[k]:
                around[n].discard(k)
            candidates.extend(sorted(n for n in around[k] if n in waiting))
    return aside[::-1]


def components(instance: Instance, members: list[int]) -> list[list[int]]:
    """`members` split into sets that no pair connects, in order of their first buffers."""
    leader = {k: k for k in members}

    def find(k: int) -> int:
        while leader[k] != k:
            leader[k] = leader[leader[k]]
            k = leader[k]
        return k

    for pair in instance.pairs:
        if pair.i in leader and pair.j in leader and not pair.is_free:
            a, b = sorted((find(pair.i), find(pair.j)))
            leader[b] = a
    found: dict[int, list[int]] = {}
    for k in members:
        found.setdefault(find(k), []).append(k)
    return list(found.values())

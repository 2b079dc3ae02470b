"""Lower bounds on the head that need no search."""

from __future__ import annotations

from collections.abc import Sequence

from arenafit.memory.placement.instance import Instance, Pair
from arenafit.memory.problem import ONLINE

__all__ = ["loads", "lower_bound", "saving", "weights"]


def lower_bound(instance: Instance) -> int:
    """The largest load of any moment, and no less than the highest end of a fixed buffer.

    Guarantee: no placement of the instance has a smaller head.
    Complexity: linear in the sizes of the cliques and the number of pairs.
    """
    highest = max(
        (f + s for f, s in zip(instance.fixed, instance.sizes, strict=True) if f != ONLINE),
        default=0,
    )
    return max([highest, *loads(instance, weights(instance))])


def loads(instance: Instance, weight: Sequence[int]) -> list[int]:
    """For each clique, the number of units that its buffers cover at least."""
    found: list[int] = []
    for clique in instance.cliques:
        free = sum(weight[k] for k in clique if instance.fixed[k] == ONLINE)
        # Fixed buffers may lie on each other: count what they cover.
        top = 0
        for start, size in sorted(
            (instance.fixed[k], instance.sizes[k]) for k in clique if instance.fixed[k] != ONLINE
        ):
            free += max(0, start + size - max(start, top))
            top = max(top, start + size)
        found.append(free)
    return found


def weights(instance: Instance) -> list[int]:
    """Units that each buffer must cover of its own, when every overlap saves all it can.

    Lay the buffers down in the order in which they come to life: a union is as large as the
    parts by which each one adds to what lies there already. Buffer k adds its size less what it
    shares with those before it, which only declared overlaps allow, and never less than nothing.
    So for any set of buffers alive at once the sum of their weights bounds the units they cover,
    however many inputs an output is written over and however long the chain of overlaps is.
    A fixed buffer counts by where it lies, so a free one is charged for sharing with it.
    """
    weight = list(instance.sizes)
    for pair in instance.pairs:
        shared = saving(pair, instance.sizes)
        if shared:
            later = max(pair.i, pair.j, key=lambda k: (_rank(instance, k), k))
            weight[later] -= shared
    return [max(0, w) for w in weight]


def saving(pair: Pair, sizes: Sequence[int]) -> int:
    """The most units that the two buffers can share."""
    best = 0
    for least, most in pair.options:
        # What they share at difference d rises from d = -size_i on, is flat, falls until size_j.
        size_i, size_j = sizes[pair.i], sizes[pair.j]
        flat = sorted((0, size_j - size_i))
        nearest = min(max(least, flat[0]), most) if least <= flat[1] else least
        shared = min(nearest + size_i, size_j) - max(nearest, 0)
        best = max(best, shared)
    return best


def _rank(instance: Instance, k: int) -> tuple[int, int]:
    return (0 if instance.fixed[k] != ONLINE else 1, instance.lifetimes[k][0])

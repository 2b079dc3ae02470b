"""Quick placements: first fit in some order, which respects overlaps and uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from arenafit.memory.placement.bounds import loads
from arenafit.memory.placement.instance import Instance
from arenafit.memory.problem import ONLINE

__all__ = ["best_first_fit", "first_fit", "orders"]


def first_fit(
    instance: Instance,
    order: Sequence[int],
    adjacency: Sequence[Sequence[int]],
    placed: Sequence[int] | None = None,
) -> list[int]:
    """Each buffer of `order` at the lowest offset that those before it leave.

    `placed` has the offsets given beforehand (ONLINE: none yet); by default the fixed ones.

    Guarantee: valid. Complexity: O(p log p) in the number of pairs.
    """
    pairs = instance.pairs
    offsets = list(instance.fixed if placed is None else placed)
    for k in order:
        if offsets[k] != ONLINE:
            continue
        forbidden: list[tuple[int, int]] = []  # ranges of offset k, inclusive
        for p in adjacency[k]:
            pair = pairs[p]
            other = pair.j if pair.i == k else pair.i
            at = offsets[other]
            if at == ONLINE:
                continue
            for (_, below), (above, _) in pairwise(pair.options):
                if pair.i == k:
                    forbidden.append((at + below + 1, at + above - 1))
                else:
                    forbidden.append((at - above + 1, at - below - 1))
        forbidden.sort()
        candidate = 0
        for least, most in forbidden:
            if least > candidate:
                break
            candidate = max(candidate, most + 1)
        offsets[k] = candidate
    return offsets


def orders(instance: Instance) -> Iterator[list[int]]:
    """Orders worth trying, the ones that most often win first."""
    sizes, lifetimes = instance.sizes, instance.lifetimes
    peak = [0] * len(sizes)  # the largest load that a buffer lives through
    for clique, load in zip(instance.cliques, loads(instance, sizes), strict=True):
        for k in clique:
            peak[k] = max(peak[k], load)

    def span(k: int) -> int:
        return lifetimes[k][1] - lifetimes[k][0] + 1

    keys: list[Callable[[int], tuple[int, ...]]] = [
        lambda k: (-sizes[k], lifetimes[k][0]),
        lambda k: (-peak[k], -sizes[k]),
        lambda k: (-sizes[k] * span(k), -sizes[k]),
        lambda k: (-span(k), -sizes[k]),
        lambda k: (-peak[k], -span(k), -sizes[k]),
        lambda k: (lifetimes[k][0], -sizes[k]),
        lambda k: (-lifetimes[k][1], -sizes[k]),
    ]
    for key in keys:
        yield sorted(range(len(sizes)), key=lambda k: (key(k), k))


def best_first_fit(instance: Instance, target: int) -> list[int]:
    """The lowest of the first fits over `orders`; stops at the first that reaches `target`."""
    adjacency = instance.adjacency()
    best: list[int] = []
    for order in orders(instance):
        offsets = first_fit(instance, order, adjacency)
        if not best or instance.height(offsets) < instance.height(best):
            best = offsets
        if instance.height(best) <= target:
            break
    return best

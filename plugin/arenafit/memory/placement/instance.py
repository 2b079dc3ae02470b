"""The problem as the solver sees it: whole numbers, pairs, and sets that are alive at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arenafit.memory.problem import ALIGNMENT, ONLINE, Overlap, Problem, Request

__all__ = ["INFINITY", "Instance", "Options", "Pair", "is_plain", "must_part", "restrict", "sweep"]

INFINITY = 1 << 60

Options = tuple[tuple[int, int], ...]
"""Allowed ranges (least, most) of a pair's offset difference, ascending and disjoint."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two buffers that meet: offset(i) - offset(j) must lie in one of `options`."""

    i: int
    j: int
    options: Options

    def allows(self, difference: int) -> bool:
        """True where offset(i) - offset(j) may be `difference`."""
        return any(least <= difference <= most for least, most in self.options)

    @property
    def is_free(self) -> bool:
        """True where any difference will do: the overlap leaves nothing to decide."""
        return self.options == ((-INFINITY, INFINITY),)


@dataclass(frozen=True, slots=True)
class Instance:
    """A problem in units of the largest common divisor of its sizes and distances.

    The least solution of a set of difference constraints is a sum of their constants, so some
    best placement uses whole units: nothing is lost by leaving the bytes behind.
    """

    unit: int  # bytes
    sizes: tuple[int, ...]
    fixed: tuple[int, ...]  # offset, ONLINE where it is to be chosen
    lifetimes: tuple[tuple[int, int], ...]  # (first, last), inclusive
    pairs: tuple[Pair, ...]
    cliques: tuple[tuple[int, ...], ...]  # maximal sets of buffers alive at once, by time

    def adjacency(self) -> list[list[int]]:
        """For each buffer, the indices of the pairs that constrain it."""
        found: list[list[int]] = [[] for _ in self.sizes]
        for p, pair in enumerate(self.pairs):
            if not pair.is_free:
                found[pair.i].append(p)
                found[pair.j].append(p)
        return found

    def height(self, offsets: Sequence[int]) -> int:
        """The head of a placement, in units."""
        return max((o + s for o, s in zip(offsets, self.sizes, strict=True)), default=0)


def sweep(problem: Problem) -> Instance:
    """The instance of a problem.

    Pairs of buffers that both have a fixed offset are left out: they lie as told.

    Raises:
        ValueError: a size, lifetime, fixed offset or overlap that `Problem` does not allow.
    """
    requests = problem.requests
    for k, request in enumerate(requests):
        _check(k, request)
    overlaps: dict[tuple[int, int], list[Overlap]] = {}
    for overlap in problem.overlaps:
        ends = (overlap.output, overlap.input)
        if not all(0 <= k < len(requests) for k in ends) or ends[0] == ends[1]:
            raise ValueError(f"overlap of buffers {ends}: there are {len(requests)} buffers")
        overlaps.setdefault((min(ends), max(ends)), []).append(overlap)

    in_bytes: list[tuple[int, int, Options]] = []
    for i, first in enumerate(requests):
        for j in range(i + 1, len(requests)):
            second = requests[j]
            if first.meets(second) and (first.fixed == ONLINE or second.fixed == ONLINE):
                options = _options(i, first.size, second.size, overlaps.get((i, j), ()))
                in_bytes.append((i, j, options))

    lengths = [r.size for r in requests] + [r.fixed for r in requests if r.fixed > 0]
    ends_of_ranges = (e for _, _, options in in_bytes for o in options for e in o)
    unit = math.gcd(*lengths, *(e for e in ends_of_ranges if abs(e) < INFINITY)) or ALIGNMENT

    def scale(value: int) -> int:
        return value if abs(value) == INFINITY else value // unit

    lifetimes = tuple((r.first, r.last) for r in requests)
    return Instance(
        unit,
        tuple(r.size // unit for r in requests),
        tuple(r.fixed if r.fixed == ONLINE else r.fixed // unit for r in requests),
        lifetimes,
        tuple(
            Pair(i, j, tuple((scale(least), scale(most)) for least, most in options))
            for i, j, options in in_bytes
        ),
        _cliques(lifetimes),
    )


def restrict(instance: Instance, members: Sequence[int]) -> Instance:
    """The instance of some of the buffers alone, renumbered in the order of `members`."""
    number = {old: new for new, old in enumerate(members)}
    lifetimes = tuple(instance.lifetimes[k] for k in members)
    pairs: list[Pair] = []
    for pair in instance.pairs:
        if pair.i in number and pair.j in number:
            pairs.append(Pair(number[pair.i], number[pair.j], pair.options))
    return Instance(
        instance.unit,
        tuple(instance.sizes[k] for k in members),
        tuple(instance.fixed[k] for k in members),
        lifetimes,
        tuple(pairs),
        _cliques(lifetimes),
    )


def must_part(pair: Pair, sizes: Sequence[int]) -> bool:
    """True where the two may not share anything."""
    return pair.options == ((-INFINITY, -sizes[pair.i]), (sizes[pair.j], INFINITY))


def is_plain(instance: Instance) -> bool:
    """True where there are neither fixed offsets nor overlaps."""
    return all(f == ONLINE for f in instance.fixed) and all(
        must_part(pair, instance.sizes) for pair in instance.pairs
    )


def _check(k: int, request: Request) -> None:
    if request.size <= 0 or request.size % ALIGNMENT:
        raise ValueError(f"buffer {k}: size {request.size} is no multiple of {ALIGNMENT}")
    if request.last < request.first:
        raise ValueError(f"buffer {k}: lives from {request.first} to {request.last}")
    if request.fixed != ONLINE and (request.fixed < 0 or request.fixed % ALIGNMENT):
        raise ValueError(f"buffer {k}: offset {request.fixed} is no multiple of {ALIGNMENT}")


def _options(i: int, size_i: int, size_j: int, overlaps: Iterable[Overlap]) -> Options:
    """Allowed ranges of offset(i) - offset(j), in bytes, multiples of ALIGNMENT."""
    ranges = [(-INFINITY, -size_i), (size_j, INFINITY)]
    for overlap in overlaps:
        least = -(-overlap.low // ALIGNMENT) * ALIGNMENT
        most = INFINITY if overlap.high is None else overlap.high // ALIGNMENT * ALIGNMENT
        if overlap.output == i:
            least, most = -most, -least
        if least <= most:
            ranges.append((least, most))
    ranges.sort()
    merged = [ranges[0]]
    for least, most in ranges[1:]:
        if least <= merged[-1][1] + ALIGNMENT:
            merged[-1] = (merged[-1][0], max(most, merged[-1][1]))
        else:
            merged.append((least, most))
    return tuple(merged)


def _cliques(lifetimes: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    """Maximal sets of intervals with a common time: each ends where a last use follows a start."""
    cliques: list[tuple[int, ...]] = []
    alive: set[int] = set()
    grown = False
    # At equal times starts come before ends, because both ends of a lifetime are inclusive.
    events = sorted(
        [(first, 0, k) for k, (first, _) in enumerate(lifetimes)]
        + [(last, 1, k) for k, (_, last) in enumerate(lifetimes)]
    )
    for _, ending, k in events:
        if ending:
            if grown:
                cliques.append(tuple(sorted(alive)))
            alive.discard(k)
            grown = False
        else:
            alive.add(k)
            grown = True
    return tuple(cliques)

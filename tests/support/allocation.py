"""A naive checker and a brute force for allocation problems, for the placement tests."""

from __future__ import annotations

import random

from arenafit.memory.problem import ALIGNMENT, ONLINE, Overlap, Placement, Problem, Request, align


def clash(problem: Problem, i: int, j: int, at_i: int, at_j: int) -> bool:
    """True where two buffers at these offsets share bytes that they must not share."""
    a, b = problem.requests[i], problem.requests[j]
    if a.last < b.first or b.last < a.first:
        return False
    if at_i + a.size <= at_j or at_j + b.size <= at_i:
        return False
    for overlap in problem.overlaps:
        if {overlap.output, overlap.input} == {i, j}:
            distance = at_i - at_j if overlap.input == i else at_j - at_i
            if overlap.low <= distance and (overlap.high is None or distance <= overlap.high):
                return False
    return not (a.fixed != ONLINE and b.fixed != ONLINE)


def check(problem: Problem, placement: Placement) -> None:
    """Assert that a placement is valid and tells the truth about its own head."""
    requests, offsets = problem.requests, placement.offsets
    assert len(offsets) == len(requests)
    for request, offset in zip(requests, offsets, strict=True):
        assert offset >= 0
        assert offset % ALIGNMENT == 0
        assert request.fixed in (ONLINE, offset)
    for i in range(len(requests)):
        for j in range(i):
            assert not clash(problem, i, j, offsets[i], offsets[j]), (i, j)
    ends = [o + r.size for o, r in zip(offsets, requests, strict=True)]
    assert placement.head == max(ends, default=0)
    assert placement.bound <= placement.head
    assert placement.optimal == (placement.head == placement.bound)


def smallest_head(problem: Problem) -> int:
    """The least head of any placement, by trying every offset of every buffer."""
    requests = problem.requests
    height = max((r.fixed + r.size for r in requests if r.fixed != ONLINE), default=0)
    while not _fits(problem, height):
        height += ALIGNMENT
    return height


def _fits(problem: Problem, height: int) -> bool:
    placed: list[int] = []

    def extend() -> bool:
        k = len(placed)
        if k == len(problem.requests):
            return True
        request = problem.requests[k]
        given = request.fixed != ONLINE
        places = [request.fixed] if given else range(0, height - request.size + 1, ALIGNMENT)
        for offset in places:
            if not any(clash(problem, k, j, offset, placed[j]) for j in range(k)):
                placed.append(offset)
                if extend():
                    return True
                placed.pop()
        return False

    return extend()


def chain(*sizes: int) -> Problem:
    """A chain of operators: buffer k is written at time k and read for the last time at k + 1."""
    last = len(sizes) - 1
    return Problem(
        tuple(Request(size, k, min(k + 1, last), f"t{k}") for k, size in enumerate(sizes))
    )


def grid(rows: list[tuple[int, int, int]], overlaps: tuple[Overlap, ...] = ()) -> Problem:
    """A problem from rows of (size in units of ALIGNMENT, first, last)."""
    return Problem(tuple(Request(size * ALIGNMENT, *time) for size, *time in rows), overlaps)


def packed(seed: int, count: int, height: int, kept: float = 1.0) -> Problem:
    """A rectangle of time and memory cut into `count` buffers: they fit `height` units exactly.

    `kept` is the share of them that stay, and leave holes.
    """
    rng = random.Random(seed)
    pieces = [(0, count, 0, height)]
    while len(pieces) < count:
        k = max(range(len(pieces)), key=lambda k: _area(pieces[k]) * rng.uniform(0.3, 1.0))
        first, end, bottom, top = pieces[k]
        if rng.random() < 0.5 and end - first > 1:
            cut = rng.randint(first + 1, end - 1)
            pieces[k] = (first, cut, bottom, top)
            pieces.append((cut, end, bottom, top))
        elif top - bottom > 1:
            cut = rng.randint(bottom + 1, top - 1)
            pieces[k] = (first, end, bottom, cut)
            pieces.append((first, end, cut, top))
    rng.shuffle(pieces)
    return Problem(
        tuple(
            Request(ALIGNMENT * (top - bottom), first, end - 1)
            for first, end, bottom, top in pieces
            if rng.random() <= kept
        )
    )


def residual(seed: int, count: int) -> Problem:
    """A made network with skip connections, overlaps of every distance, and no scratch."""
    rng = random.Random(seed)
    sizes = [
        ALIGNMENT * rng.choice((64, 128, 256, 512, 768, 1024, 1152, 100, 77)) for _ in range(count)
    ]
    last = [
        min(count, k + rng.randint(2, 4)) if rng.random() < 0.2 else min(k + 1, count)
        for k in range(count)
    ]
    overlaps = []
    for k in range(1, count):
        for j in range(k):
            if last[j] == k:
                lows = (0, 0, 64, 160, sizes[k] - sizes[j] + 160, align(sizes[k] // 4))
                overlaps.append(Overlap(k, j, rng.choice(lows)))
    requests = (Request(size, k, last[k]) for k, size in enumerate(sizes))
    return Problem(tuple(requests), tuple(overlaps))


def _area(piece: tuple[int, int, int, int]) -> int:
    return (piece[1] - piece[0]) * (piece[3] - piece[2])


__all__ = ["chain", "check", "clash", "grid", "packed", "residual", "smallest_head"]

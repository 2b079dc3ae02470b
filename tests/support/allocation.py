"""A naive checker and a brute force for allocation problems, for the placement tests."""

from __future__ import annotations

from arenafit.memory.problem import ALIGNMENT, ONLINE, Overlap, Placement, Problem, Request


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


__all__ = ["chain", "check", "clash", "grid", "smallest_head"]

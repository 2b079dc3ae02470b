"""Placement for unmodified TFLM, which takes offsets for tensors but places scratch itself."""

from __future__ import annotations

from dataclasses import replace

from arenafit.memory.greedy import place
from arenafit.memory.placement.solver import SECONDS, Progress, solve
from arenafit.memory.problem import ONLINE, Bytes, Placement, Problem, Request

__all__ = ["solve_stock"]

Lifetime = tuple[int, int]


def solve_stock(
    problem: Problem, *, seconds: float = SECONDS, progress: Progress | None = None
) -> Placement:
    """Offsets for all tensors such that the head is small once TFLM has placed the scratch.

    First scratch is planned like any other buffer, and TFLM's first fit is run around the
    tensors. One scratch buffer at a time always ends where the plan has it, or lower. Several of
    one operator can get in each other's way; where they end above the plan, the plan is made
    again with one block in their place. A block of their total size always holds them: first
    fit fills it from below, and what it puts elsewhere lies lower still.

    Guarantee: valid; the offsets of scratch buffers are TFLM's own, and `head` with them;
    `bound` is that of the problem in which scratch could be placed at will.
    Complexity: that of `solve`, once more for each operator whose scratch does not fit at first;
    no known model needs more than one.

    Raises:
        ValueError: as `solve`.
    """
    plan = solve(problem, seconds=seconds, progress=progress)
    best = simulate(problem, plan)
    blocks: set[Lifetime] = set()
    while best.head > plan.bound:
        late = _above(problem, simulate(problem, plan), plan.head) - blocks
        if not late:
            break
        blocks |= late
        plan = replace(_with_blocks(problem, blocks, seconds), bound=plan.bound)
        best = min(best, simulate(problem, plan), key=lambda placement: placement.head)
    return best


def simulate(problem: Problem, plan: Placement) -> Placement:
    """What TFLM makes of a plan: the tensors as planned, its scratch where it puts them."""
    offsets = place(
        problem.requests,
        [
            ONLINE if request.scratch else offset
            for request, offset in zip(problem.requests, plan.offsets, strict=True)
        ],
    )
    head = _head(problem, offsets)
    return Placement(tuple(offsets), head, plan.bound, head == plan.bound, plan.method)


def _head(problem: Problem, offsets: list[Bytes]) -> Bytes:
    return max((o + r.size for o, r in zip(offsets, problem.requests, strict=True)), default=0)


def _above(problem: Problem, placement: Placement, head: Bytes) -> set[Lifetime]:
    """Lifetimes of the scratch buffers that end above `head`."""
    return {
        (request.first, request.last)
        for request, offset in zip(problem.requests, placement.offsets, strict=True)
        if request.scratch and offset + request.size > head
    }


def _with_blocks(problem: Problem, blocks: set[Lifetime], seconds: float) -> Placement:
    """A plan in which all scratch of a lifetime in `blocks` is one buffer."""
    leader: dict[Lifetime, int] = {}
    members: list[int] = []  # requests that stay, blocks by their first scratch buffer
    totals: dict[Lifetime, Bytes] = {}
    for k, request in enumerate(problem.requests):
        lifetime = (request.first, request.last)
        if request.scratch and lifetime in blocks:
            totals[lifetime] = totals.get(lifetime, 0) + request.size
            if lifetime in leader:
                continue
            leader[lifetime] = k
        members.append(k)

    def merged(k: int) -> Request:
        request = problem.requests[k]
        lifetime = (request.first, request.last)
        if leader.get(lifetime) != k:
            return request
        return replace(request, size=totals[lifetime])

    number = {old: new for new, old in enumerate(members)}
    overlaps = tuple(
        replace(overlap, output=number[overlap.output], input=number[overlap.input])
        for overlap in problem.overlaps
        if overlap.output in number and overlap.input in number
    )
    plan = solve(Problem(tuple(merged(k) for k in members), overlaps), seconds=seconds)
    # Scratch that went into a block has no offset of its own yet; TFLM's simulation gives it one.
    offsets = tuple(
        plan.offsets[number[k]] if k in number else 0 for k in range(len(problem.requests))
    )
    return replace(plan, offsets=offsets)

"""The static allocation problem, stated by types before any algorithm.

Times are TFLM's allocation scopes: 0 before the first operator, then one an
operator (micro_allocation_info.cc). Both ends of a lifetime are inclusive.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ALIGNMENT",
    "ONLINE",
    "Bytes",
    "Overlap",
    "Placement",
    "Problem",
    "Request",
    "Time",
    "align",
]

Bytes = int
Time = int

ALIGNMENT = 16  # of every offset and size in TFLM's arena (micro_arena_constants.h)
ONLINE = -1  # offset of a buffer that is left to TFLM's own planner


def align(size: Bytes) -> Bytes:
    """`size` rounded up to ALIGNMENT."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, slots=True)
class Request:
    """One buffer that needs a place in the head of the arena."""

    size: Bytes  # already a multiple of ALIGNMENT, > 0
    first: Time  # scope in which it is created
    last: Time  # scope of its last use, >= first
    label: str = ""  # for people
    fixed: Bytes = ONLINE  # offset that is given, not to be chosen
    scratch: bool = False  # a kernel's scratch: stock TFLM places it itself, by greedy

    def meets(self, other: Request) -> bool:
        """True where the two lifetimes share a scope."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Overlap:
    """Leave for an operator's output to be written over its dying input.

    The two buffers, which meet in the operator's own scope and in no other, may share
    bytes where  low <= offset(input) - offset(output) <= high  (high None: no upper limit).
    Without a declared Overlap, buffers that meet must be disjoint.
    """

    output: int  # index into Problem.requests
    input: int
    low: Bytes  # the overlap distance, rounded up to ALIGNMENT; may be negative
    high: Bytes | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Buffers, and the pairs among them that may share bytes."""

    requests: tuple[Request, ...]
    overlaps: tuple[Overlap, ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """An answer: one offset a request, in the problem's order."""

    offsets: tuple[Bytes, ...]  # multiples of ALIGNMENT
    head: Bytes  # max(offset + size), 0 without requests
    bound: Bytes  # proved lower bound on the head of any answer
    optimal: bool  # head == bound, or a search that ended proved it
    method: str = ""  # what found it, for the report

"""The solver's ideas, each with a switch: off, answers stay right and take more nodes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Techniques"]


@dataclass(frozen=True, slots=True)
class Techniques:
    """Switches, for tests and measurements; a user has no reason to turn one off."""

    first_fit: bool = True
    """Try a few first fits before any search: most models' plans are found by one of them,
    and reach the lower bound, so that there is nothing left to search."""

    decompose: bool = True
    """Solve parts that no pair connects one by one: the head is the largest of theirs, and a
    part need not be searched below what another one needs anyway."""

    peel: bool = True
    """Set a buffer aside when its neighbours cannot keep it out of the head wherever they lie:
    it goes in last. Logits, scratch and short tails vanish; what is left is the real problem."""

    identical: bool = True
    """Order buffers of equal size and lifetime and no overlap by index: swapping two of them
    changes nothing, so only one of their k! orders need be searched."""

    mirror: bool = True
    """Decide the first pair one way only: without fixed offsets and overlaps, a placement
    turned upside down is one too."""

    load: bool = True
    """Fail when buffers alive at once cannot fit between the lowest start and the highest end
    left to them: pairs alone never see that three buffers are too many."""

    urgency: bool = True
    """Branch on the pair with the least room left (Smith and Cheng 1993): it decides the most
    others, and a wrong turn shows early. Off, the first open pair is taken."""

    dominance: bool = True
    """Skyline: never leave a gap that would take a whole unplaced buffer: the buffer could be
    moved there, and nothing would be the worse for it."""

    postpone: bool = True
    """Skyline: what has been refuted at its lowest offset lies on something still to come:
    lift it at once, and see whether its sections still fit (see `skyline`)."""

    split: bool = True
    """Skyline: when nothing unplaced crosses a moment any more, the two sides are problems of
    their own: a failure in one is not answered by searching the other again."""

    memory: bool = True
    """Skyline: remember states that failed by the ground below what is unplaced: many ways of
    piling up the same buffers leave the same state, and restarts need not repeat themselves."""

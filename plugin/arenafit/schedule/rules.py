"""The ideas that make the search smaller, each with a switch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rules"]


@dataclass(frozen=True)
class Rules:
    """Which prunings the search uses. None changes the optimum, each saves states.

    What makes most of them right is one fact. Live bytes are a submodular function of the set
    of finished steps, and so is what a step needs, because an overlap saves no more than the
    input that dies. So if a set Y can be reached from D within the level, and no set between
    them has fewer live bytes than Y, then whatever can be done from D can be done through Y,
    at no higher cost: all other ways on from D may be forgotten. Call such a Y a *valley*.
    The same holds backwards, from the end. This is the hill-valley argument of Liu (1987,
    "An application of generalized tree pebbling to sparse matrix factorization") for trees,
    carried over to any graph.
    """

    step_bound: bool = True
    """Start at the level that some step needs wherever it stands: all lower ones are refuted
    without a look at any state."""

    sections: bool = True
    """Solve apart what lies between two sets that every order passes through: where the file's
    order fits nothing is searched, and one part that is too hard does not spoil the others."""

    both_ends: bool = True
    """Search back from the end as well: a stretch where memory only grows has no valley
    from the start, but seen from the end it only falls."""

    free_chains: bool = True
    """Take a step at once if it leaves no more live bytes than before, or a few that do, each
    waiting for the last only: nothing lies between but themselves, so the end is a valley."""

    valleys: bool = True
    """Settle for a state that is no higher than the root, or for the lowest set below it
    (a minimum cut, see `valley`), and forget all others."""

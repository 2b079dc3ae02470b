"""The ideas that make the search smaller, each with a switch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rules"]


@dataclass(frozen=True)
class Rules:
    """Which prunings the search uses. None changes the optimum, each saves states.

    Most of them rest on one fact. Let D be a set of finished steps and Y a larger one that can
    be reached from it within the level, and let no set between them have fewer live bytes
    than Y. Then whatever can be done from D can be done through Y, within the same level: all
    other ways on from D may be forgotten. Such a Y is called a *valley* of D.

    Why: live bytes are submodular, live(Q | Y) + live(Q & Y) <= live(Q) + live(Y). For a state
    Q on a way from D, Q & Y lies between D and Y and has no fewer live bytes than Y, so
    live(Q | Y) <= live(Q); and a step sees at least as many inputs die after Q | Y as after Q.
    So the way on from D, with Y put before it, needs nowhere more. If Y is the lowest set
    between D and some set that was reached within the level, Y can be reached as well: leave
    out of the steps those not in Y. By the same inequality live(Q & Y) <= live(Q), and where an
    input no longer dies, because a reader was left out, it has that input's size to spare,
    which is at least what an overlap with it saved. Backwards, from the end, all this holds
    with | and & exchanged.

    For trees this is the hill-valley argument of Liu (1987, "An application of generalized
    tree pebbling to sparse matrix factorization").
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

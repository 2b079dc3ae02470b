"""A good order when no proof can be had in time: few states of every size, free steps first."""

from __future__ import annotations

from arenafit.memory.problem import Bytes
from arenafit.schedule.problem import StepId
from arenafit.schedule.walk import Done, Move, Walk

__all__ = ["beam"]


def beam(walk: Walk, root: Done, limit: Done, width: int, level: Bytes) -> list[StepId] | None:
    """Steps from `root` to `limit` that need no more than `level`; None where none was found.

    Of the states with equally many steps finished only the `width` lowest go on, and a step
    that leaves no more live bytes than before is the only one taken. On networks width 1
    is often enough; time grows with width x steps x steps that are ready at once.
    """
    layer = [(walk.live(root), root, walk.ready(root, limit))]
    layers: list[dict[Done, tuple[Done, StepId]]] = []
    for _ in range((limit & ~root).bit_count()):
        reached: dict[Done, tuple[Bytes, int, Done, StepId]] = {}
        for live, done, ready in layer:
            for _, beyond, step in _worthwhile(walk.moves(done, live, ready), live, level):
                reached.setdefault(done | 1 << step, (beyond, ready, done, step))
        chosen = sorted((item[0], done) for done, item in reached.items())[:width]
        if not chosen:
            return None
        layers.append({done: reached[done][2:] for _, done in chosen})
        layer = []
        for live, done in chosen:
            _, ready, origin, step = reached[done]
            layer.append((live, done, walk.ready_after(origin, ready, step) & limit))
    steps = []
    done = limit
    for came_from in reversed(layers):
        done, step = came_from[done]
        steps.append(step)
    return steps[::-1]


def _worthwhile(moves: list[Move], live: Bytes, level: Bytes) -> list[Move]:
    within = [move for move in moves if move[0] <= level]
    free = [move for move in within if move[1] <= live]
    return free[:1] or within

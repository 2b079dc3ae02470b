"""Optimal placement with a proof: the answer to the static allocation problem.

In the order of a run: `instance` (the data, and the sweep over time), `bounds`, `reduce`,
`firstfit`, `search` (exact), `cpsat` (the fall-back), `solver` (which of them when), and
`stock` (for a runtime that places scratch buffers itself).
"""

from arenafit.memory.placement.solver import Progress, Solver, solve
from arenafit.memory.placement.stock import solve_stock
from arenafit.memory.placement.techniques import Techniques

__all__ = ["Progress", "Solver", "Techniques", "solve", "solve_stock"]

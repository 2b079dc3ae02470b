"""What a whole network costs on a Cortex-M: instructions, by operator, and all of its memory."""

from __future__ import annotations

from arenafit.bench.figures import Bench, Flash, Operator
from arenafit.bench.measure import Progress, bench

__all__ = ["Bench", "Flash", "Operator", "Progress", "bench"]

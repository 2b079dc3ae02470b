"""Overlap distances, derived from the order in which the kernels read and write."""

from arenafit.memory.access.overlap import KERNELS, PairOverlap, overlaps

__all__ = ["KERNELS", "PairOverlap", "overlaps"]

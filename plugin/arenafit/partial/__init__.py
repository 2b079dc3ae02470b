"""Partial execution: finding segments, their cost, their program (stage 3)."""

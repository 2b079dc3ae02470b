"""Lifetimes, access orders and overlaps, placement, bounds, and the checking of plans."""

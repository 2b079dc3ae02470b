"""Partial execution: pieces of a network that run without holding their tensors whole, streamed
by rows or split by channels.

`arenafit.partial.model.partial_model` is the way in.
"""

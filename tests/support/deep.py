"""A model that splitting by channels is for."""

from __future__ import annotations

from arenafit.graph import Model
from support.builder import GraphBuilder

__all__ = ["deep"]


def deep(features: int = 1024) -> Model:
    """Small maps of many channels, and a vector of `features` between two layers."""
    g = GraphBuilder(seed=5)
    x = g.conv(g.input((1, 4, 4, 16)), 192, kernel=1, activation="RELU6")
    x = g.conv(g.depthwise(x, kernel=3, activation="RELU6"), 16, kernel=1)
    x = g.fully_connected(g.reshape(x, (1, 256)), features, activation="RELU")
    g.output(g.fully_connected(x, 12))
    return g.model()

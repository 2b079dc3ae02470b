"""MobileNetV2 with random weights: Sandler et al. 2018, arXiv 1801.04381, table 2."""

from __future__ import annotations

from arenafit.graph import Model, Tensor
from support.builder import GraphBuilder

__all__ = ["mobilenet_v2"]

# Expansion, output channels, blocks, stride of the first of them.
_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


def mobilenet_v2(
    size: int = 224, alpha: float = 1.0, stages: int = len(_STAGES), classes: int = 1000
) -> Model:
    """For images of `size` x `size` x 3; of the bottlenecks' stages only the first `stages`."""
    g = GraphBuilder(seed=22)
    x = g.conv(g.input((1, size, size, 3)), _channels(32 * alpha), 3, 2, "SAME", activation="RELU6")
    for expansion, channels, blocks, stride in _STAGES[:stages]:
        for block in range(blocks):
            x = _bottleneck(g, x, expansion, _channels(channels * alpha), 1 if block else stride)
    x = g.conv(x, max(1280, _channels(1280 * alpha)), 1, activation="RELU6")
    g.output(g.softmax(g.fully_connected(g.mean(x), classes)))
    return g.model()


def _bottleneck(g: GraphBuilder, x: Tensor, expansion: int, channels: int, stride: int) -> Tensor:
    y = x
    if expansion > 1:
        y = g.conv(y, expansion * x.shape[3], 1, activation="RELU6")
    y = g.depthwise(y, 3, stride, "SAME", activation="RELU6")
    y = g.conv(y, channels, 1)
    return g.add(x, y) if stride == 1 and channels == x.shape[3] else y


def _channels(wanted: float) -> int:
    """A multiple of 8, and not below 90 % of what is wanted."""
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded

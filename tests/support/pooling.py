"""A model whose max-pool is arenafit's and writes over its input, and the model it stands for."""

from __future__ import annotations

from arenafit.graph import Model
from arenafit.memory.problem import align
from arenafit.passes import inplace_max_pool
from support.builder import GraphBuilder

__all__ = ["pooled", "pooled_in_place"]


def pooled(seed: int = 5) -> Model:
    """conv -> MAX_POOL_2D -> conv; the pool's input and output are the peak."""
    g = GraphBuilder(seed=seed)
    x = g.conv(g.input((1, 16, 16, 2), name="image"), 16, kernel=3)
    g.output(g.conv(g.pool(x, 2, kind="MAX"), 4, kernel=3))
    return g.model()


def pooled_in_place(seed: int = 5, distance: int = 0) -> Model:
    """The same function by way of ARENAFIT_MAX_POOL_2D, planned offline.

    The output of the pool begins `distance` bytes behind its input: 0 is safe.
    """
    model = pooled(seed)
    assert inplace_max_pool.run(model, kernels="cmsis_nn") == 1
    convolved, pool, last = model.subgraphs[0].operators
    (image, *_), (big,), (small,) = convolved.inputs, convolved.outputs, pool.outputs
    (end,) = last.outputs
    assert image is not None
    big.offline_offset = 0
    small.offline_offset = distance
    image.offline_offset = align(big.nbytes)
    end.offline_offset = align(distance + small.nbytes)
    model.has_offline_plan = True
    return model

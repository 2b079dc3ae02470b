"""Tensors that nothing refers to.

TFLM allocates every tensor a subgraph lists, read or not, and keeps 16 to 24 bytes of
bookkeeping for each, constants included.

Acts when:

1. no operator of the subgraph has the tensor among its inputs, outputs or intermediates,
   it is no input or output of the subgraph, and no signature names it.

Must not act:

2. on metadata, whoever reads them;
3. on a tensor that only the operator of another subgraph would name: there is none, a
   tensor's index is good in its own subgraph alone.

The data of a constant go with its last tensor, since a saved file holds the buffers that
something refers to.
"""

from __future__ import annotations

from arenafit.graph.model import Model
from arenafit.passes.rewrite import discard_unused

__all__ = ["run"]


def run(model: Model) -> int:
    """Delete every tensor without a use; returns how many."""
    return sum(discard_unused(model, graph, list(graph.tensors)) for graph in model.subgraphs)

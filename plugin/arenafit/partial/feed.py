"""Inputs that come row by row: operators that make them, in the place of whole tensors.

To the rest of `arenafit.partial` a fed input is what an operator makes that reads nothing. So in a
segment with its readers it is a ring; should they be in several segments, then it is whole in the
arena again, filled by a segment that does nothing else.
"""

from __future__ import annotations

from arenafit.errors import ModelError
from arenafit.graph.custom import SEGMENT
from arenafit.graph.model import Model, OpCode, Operator
from arenafit.partial.role import FEED

__all__ = ["feed_inputs"]


def feed_inputs(model: Model) -> None:
    """Take the inputs from the main subgraph of `model`, and put operators there that make them.

    Each stands before the first operator that reads it. Such a model can be run by segments
    alone, and in no file.

    Args:
        model: rewritten in place; give a copy.

    Raises:
        ModelError: nothing reads an input, or it is an output, too; or there are segments already,
            whose programs read it whole.
    """
    graph = model.main
    if any(op.code.custom == SEGMENT for op in graph.operators):
        raise ModelError(
            "has segments, which read their inputs whole; rows can be fed to the model that it "
            "was made from", "subgraph 0",
        )  # fmt: skip
    code = OpCode(FEED)
    consumers = graph.consumers()
    for number, tensor in enumerate(graph.inputs):
        if tensor in graph.outputs or tensor not in consumers or graph.inputs.count(tensor) > 1:
            raise ModelError(
                "cannot be fed by rows: it is an output, too, or an input twice, or nobody reads it",
                f"tensor {tensor.name!r}",
            )
        feed = Operator(code, [], [tensor], options={"input": number})
        graph.operators.insert(graph.operators.index(consumers[tensor][0]), feed)
    graph.inputs = []
    model.signatures = []

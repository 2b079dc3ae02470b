"""A model from a table of its operators and shapes, such as the zoo's swiftnet_cell_graph.tsv.

One operator a line, in the order of the file: number, name, ``in``, the numbers of its
activations, their shapes, ``->``, the number of its output, the output's shape, and for
windows their geometry: ``k3x3 s1 act0 pad0`` (kernel, stride, activation NONE, padding
SAME = 0 or VALID = 1). Weights are random.
"""

from __future__ import annotations

import ast
import re

from arenafit.graph import DType, Model, Quantization, Tensor
from support.builder import GraphBuilder

__all__ = ["model_from_table"]


class _AlikeBuilder(GraphBuilder):
    """Quantises all activations alike: TFLM joins only tensors that are."""

    def quantization(self, dtype: DType, activation: str = "NONE") -> Quantization | None:
        return Quantization((0.03125,), (3,)) if dtype == DType.INT8 else None


def model_from_table(table: str, seed: int = 0) -> Model:
    """The table's operators in its order; its one input and its last output are the model's.

    Raises:
        ValueError: an operator that `_add` does not know, or a shape other than the table's.
    """
    g = _AlikeBuilder(seed)
    made: dict[int, Tensor] = {}
    for line in table.splitlines():
        _, name, _, inputs, shapes, _, output, shape, *rest = line.split("\t")
        numbers: list[int] = ast.literal_eval(inputs)
        for number, extent in zip(numbers, ast.literal_eval(shapes), strict=True):
            if number not in made:
                made[number] = g.input(extent)
        window = re.match(r"k(\d+)x(\d+) s(\d+) .*pad([01])", "".join(rest))
        result = _add(g, name, [made[n] for n in numbers], ast.literal_eval(shape), window)
        if list(result.shape) != ast.literal_eval(shape):
            raise ValueError(f"{name} -> {output}: {list(result.shape)}, the table has {shape}")
        made[int(output)] = result
    g.output(result)
    return g.model()


def _add(
    g: GraphBuilder, name: str, x: list[Tensor], shape: list[int], window: re.Match[str] | None
) -> Tensor:
    if window:
        kernel, stride = (int(window[1]), int(window[2])), int(window[3])
        padding = ("SAME", "VALID")[int(window[4])]
        if name == "CONV_2D":
            return g.conv(x[0], shape[3], kernel, stride, padding)
        if name == "DEPTHWISE_CONV_2D":
            return g.depthwise(x[0], kernel, stride, padding)
        if name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
            return g.pool(x[0], kernel, stride, padding, kind=name.partition("_")[0])
    if name == "CONCATENATION":
        return g.concat(x)
    if name == "ADD":
        return g.add(*x)
    if name == "SPLIT":
        return g.split(x[0], 1)[0]
    if name == "FULLY_CONNECTED":
        return g.fully_connected(x[0], shape[1])
    if name == "SOFTMAX":
        return g.softmax(x[0])
    raise ValueError(f"do not know how to build {name}")

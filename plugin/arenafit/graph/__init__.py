"""The graph, and the only code that knows the flatbuffer."""

from arenafit.graph.load import load
from arenafit.graph.model import (
    Buffer,
    DType,
    Metadata,
    Model,
    OpCode,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Table,
    Tensor,
)
from arenafit.graph.save import save

__all__ = [
    "Buffer",
    "DType",
    "Metadata",
    "Model",
    "OpCode",
    "Operator",
    "Quantization",
    "Signature",
    "Subgraph",
    "Table",
    "Tensor",
    "load",
    "save",
]

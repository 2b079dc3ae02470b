"""`Model` -> ``.tflite`` bytes: the inverse of `load`, with indices made anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arenafit.errors import ModelError
from arenafit.graph import schema
from arenafit.graph.checks import printable
from arenafit.graph.model import (
    Buffer,
    Model,
    OpCode,
    Operator,
    Quantization,
    Subgraph,
    Table,
    Tensor,
)
from arenafit.graph.offline import OFFLINE_PLAN, offline_plan
from arenafit.graph.writer import encode

__all__ = ["code_key", "save"]

_PLACEHOLDER = 127  # what older runtimes read for codes that a byte cannot hold


def save(model: Model) -> bytes:
    """The ``.tflite`` file's bytes.

    Operators and tensors keep their order. Buffers and operator codes that nothing refers to
    are not written; a buffer that several tensors share is written once.

    Raises:
        ModelError: an operator, output or signature uses a tensor that its subgraph lacks.
    """
    return encode(_Saver(model).model())


def code_key(code: OpCode) -> tuple[str, str | None, int]:
    """What two operator codes have in common that are written as one."""
    return code.name, code.custom, code.version


class _Saver:
    def __init__(self, source: Model) -> None:
        self.source = source
        self.buffers: list[Table] = [{}]  # number 0 is the empty one
        self.buffer_index: dict[Buffer, int] = {}
        self.codes: list[Table] = []
        self.code_index: dict[Any, int] = {}
        self.tensor_index: list[dict[Tensor, int]] = [
            {tensor: i for i, tensor in enumerate(graph.tensors)} for graph in source.subgraphs
        ]

    def model(self) -> Table:
        source = self.source
        table = dict(source.fields)
        unused = table.pop("unused_operator_codes", [])
        subgraphs = [self.subgraph(i, graph) for i, graph in enumerate(source.subgraphs)]
        for code in unused:
            self.code(code)
        metadata = [{"name": m.name, "buffer": self.buffer(m.buffer)} for m in source.metadata]
        if source.has_offline_plan:
            plan = Buffer(offline_plan(source))
            metadata.append({"name": OFFLINE_PLAN, "buffer": self.buffer(plan)})
        if "metadata_buffer" in table:
            table["metadata_buffer"] = [self.buffer(b) for b in table["metadata_buffer"]]
        if metadata:
            table["metadata"] = metadata
        if source.signatures:
            table["signature_defs"] = [self.signature(i) for i in range(len(source.signatures))]
        return table | {
            "version": source.version,
            "description": source.description,
            "operator_codes": self.codes,
            "subgraphs": subgraphs,
            "buffers": self.buffers,
        }

    def buffer(self, buffer: Buffer) -> int:
        """The buffer's index; written at its first use."""
        if buffer not in self.buffer_index:
            self.buffer_index[buffer] = len(self.buffers)
            self.buffers.append({"data": buffer.data})
        return self.buffer_index[buffer]

    def code(self, code: OpCode) -> int:
        """The operator code's index; equal codes are one."""
        key = code_key(code)
        if key not in self.code_index:
            self.code_index[key] = len(self.codes)
            number = schema.enum("BuiltinOperator").index(code.name)
            self.codes.append(
                code.fields
                | {
                    "deprecated_builtin_code": min(number, _PLACEHOLDER),
                    "builtin_code": number,
                    "custom_code": code.custom,
                    "version": code.version,
                }
            )
        return self.code_index[key]

    def subgraph(self, i: int, graph: Subgraph) -> Table:
        where = f"subgraph {i}"
        return graph.fields | {
            "name": graph.name,
            "tensors": [self.tensor(tensor) for tensor in graph.tensors],
            "inputs": self.indices(i, graph.inputs, f"{where}, inputs"),
            "outputs": self.indices(i, graph.outputs, f"{where}, outputs"),
            "operators": [
                self.operator(i, op, f"{where}, operator {k} ({printable(op.code.label)})")
                for k, op in enumerate(graph.operators)
            ],
        }

    def indices(self, graph: int, tensors: Iterable[Tensor | None], where: str) -> list[int]:
        """Indices of tensors of a subgraph, -1 for None."""
        index = self.tensor_index[graph]
        try:
            return [-1 if tensor is None else index[tensor] for tensor in tensors]
        except KeyError as error:
            raise ModelError(f"{error.args[0]!r} is not in the subgraph", where) from None

    def tensor(self, tensor: Tensor) -> Table:
        table = tensor.fields | {
            "name": tensor.name,
            "shape": tensor.shape,
            "type": int(tensor.dtype),
            "is_variable": tensor.is_variable,
        }
        if tensor.buffer is not None:
            table["buffer"] = self.buffer(tensor.buffer)
        if tensor.quantization is not None:
            table["quantization"] = _quantization(tensor.quantization)
        return table

    def operator(self, graph: int, op: Operator, where: str) -> Table:
        table = op.fields | {
            "opcode_index": self.code(op.code),
            "inputs": self.indices(graph, op.inputs, where),
            "outputs": self.indices(graph, op.outputs, where),
            "custom_options": op.custom_options,
        }
        if op.intermediates:
            table["intermediates"] = self.indices(graph, op.intermediates, where)
        if op.options_type:
            table["builtin_options"] = (op.options_type, op.options)
        return table

    def signature(self, i: int) -> Table:
        signature = self.source.signatures[i]
        where = f"signature {i}"
        try:
            graph = self.source.subgraphs.index(signature.subgraph)
        except ValueError:
            raise ModelError("its subgraph is not in the model", where) from None

        def ends(named: list[tuple[str | None, Tensor]]) -> list[Table]:
            indices = self.indices(graph, [tensor for _, tensor in named], where)
            return [
                {"name": name, "tensor_index": index}
                for (name, _), index in zip(named, indices, strict=True)
            ]

        return signature.fields | {
            "signature_key": signature.key,
            "subgraph_index": graph,
            "inputs": ends(signature.inputs),
            "outputs": ends(signature.outputs),
        }


def _quantization(quantization: Quantization) -> Table:
    table = quantization.fields | {"quantized_dimension": quantization.axis}
    if quantization.scales:
        table["scale"] = quantization.scales
    if quantization.zero_points:
        table["zero_point"] = quantization.zero_points
    return table

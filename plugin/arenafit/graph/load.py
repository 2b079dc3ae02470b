"""``.tflite`` bytes -> `Model`: indices become objects, and all that the file claims is checked.

`reader` vouches for the flatbuffer; here every index, size and count that the tables hold
is checked, and `checks` proves that the graph can be executed in the order it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from arenafit.errors import ModelError
from arenafit.graph import checks, schema, schema_options
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
from arenafit.graph.offline import OFFLINE_PLAN, apply_offline_plan
from arenafit.graph.reader import decode
from arenafit.graph.save import code_key

__all__ = ["load"]

_T = TypeVar("_T")

_VERSION = 3  # TFLITE_SCHEMA_VERSION; all that came later is in new fields

# Tensor indices and data layouts of TFLM's tensor compression live in this metadata's
# blob; we could not keep them true, and they need a TFLM built for them (compression.h).
_COMPRESSION = "COMPRESSION_METADATA"


def load(data: bytes) -> Model:
    """The model in a ``.tflite`` file's bytes.

    `Model.fields` holds, besides tables that no pass needs, the objects that only saving
    looks at: "unused_operator_codes" (list of OpCode) and "metadata_buffer" (list of Buffer,
    the deprecated form of metadata).

    Raises:
        ModelError: the file is not a TFLite model, is damaged, or says what no TFLM can run.
    """
    checks.check_is_tflite(data)
    root = decode(data)
    version = root.pop("version", 0)
    if version != _VERSION:
        raise ModelError(f"schema version {version}: TFLM runs version {_VERSION} only")
    buffers = [_buffer(table, f"buffer {i}") for i, table in enumerate(root.pop("buffers", []))]
    if buffers and buffers[0].data:
        raise ModelError("buffer 0 must be empty, it stands for tensors without data")
    codes = [
        _code(table, f"operator code {i}") for i, table in enumerate(root.pop("operator_codes", []))
    ]
    tables = root.pop("subgraphs", [])
    if not tables:
        raise ModelError("the model has no subgraph")
    subgraphs = [
        _subgraph(table, codes, buffers, f"subgraph {i}") for i, table in enumerate(tables)
    ]
    model = Model(
        subgraphs,
        version=version,
        description=root.pop("description", None),
        signatures=[
            _signature(table, subgraphs, f"signature {i}")
            for i, table in enumerate(root.pop("signature_defs", []))
        ],
        fields=root,
    )
    if "metadata_buffer" in root:
        root["metadata_buffer"] = [
            _pick(buffers, i, "buffer", "metadata_buffer") for i in root["metadata_buffer"]
        ]
    unused = _unused(codes, subgraphs)
    if unused:
        root["unused_operator_codes"] = unused
    _metadata(model, root.pop("metadata", []), buffers)
    checks.check_execution(model)
    return model


def _pick(items: Sequence[_T], index: int, what: str, where: str) -> _T:
    """``items[index]``, for an index that comes from the file."""
    if not 0 <= index < len(items):
        raise ModelError(f"{what} index {index} is out of range, there are {len(items)}", where)
    return items[index]


def _picks(tensors: list[Tensor], indices: Iterable[int], what: str, where: str) -> list[Tensor]:
    return [_pick(tensors, t, "tensor", f"{where}, {what} {i}") for i, t in enumerate(indices)]


def _optional(
    tensors: list[Tensor], indices: Iterable[int], what: str, where: str
) -> list[Tensor | None]:
    """Like `_picks`, where -1 stands for an absent tensor."""
    return [
        None if t == -1 else _pick(tensors, t, "tensor", f"{where}, {what} {i}")
        for i, t in enumerate(indices)
    ]


def _buffer(table: Table, where: str) -> Buffer:
    # Up to 1, the two fields are place-holders that the converter did not fill.
    if table.get("offset", 0) > 1 or table.get("size", 0) > 1:
        raise ModelError("its data is stored outside of the flatbuffer, TFLM cannot read it", where)
    return Buffer(table.get("data"))


def _code(table: Table, where: str) -> OpCode:
    """An operator code; its number is the larger of two fields (schema_utils.cc)."""
    number = max(table.pop("builtin_code", 0), table.pop("deprecated_builtin_code", 0))
    custom = table.pop("custom_code", None)
    version = table.pop("version", 1)
    return OpCode(schema.enum("BuiltinOperator")[number], custom, version, table)


def _unused(codes: list[OpCode], subgraphs: list[Subgraph]) -> list[OpCode]:
    """The codes that no operator uses, each once."""
    used = {code_key(op.code) for graph in subgraphs for op in graph.operators}
    return list({code_key(code): code for code in codes if code_key(code) not in used}.values())


def _subgraph(table: Table, codes: list[OpCode], buffers: list[Buffer], where: str) -> Subgraph:
    tensors = [
        _tensor(tensor, buffers, f"{where}, tensor {i}")
        for i, tensor in enumerate(table.pop("tensors", []))
    ]
    return Subgraph(
        table.pop("name", None),
        tensors,
        _picks(tensors, table.pop("inputs", ()), "input", where),
        _picks(tensors, table.pop("outputs", ()), "output", where),
        [
            _operator(op, codes, tensors, f"{where}, operator {i}")
            for i, op in enumerate(table.pop("operators", []))
        ],
        table,
    )


def _tensor(table: Table, buffers: list[Buffer], where: str) -> Tensor:
    if table.get("external_buffer"):
        raise ModelError("its data is stored in another file, TFLM cannot read it", where)
    name = table.pop("name", None)
    if name:
        where = f"{where} ({name!r})"
    index = table.pop("buffer", 0)
    buffer = _pick(buffers, index, "buffer", where)
    quantization = table.pop("quantization", None)
    tensor = Tensor(
        name,
        table.pop("shape", ()),
        DType(table.pop("type", 0)),
        buffer if index else None,
        table.pop("is_variable", False),
        fields=table,
    )
    checks.check_size(tensor, where)
    if quantization is not None:
        tensor.quantization = _quantization(quantization, tensor.shape, where)
    return tensor


def _quantization(table: Table, shape: tuple[int, ...], where: str) -> Quantization:
    details = table.get("details", ("",))[0]
    if details not in ("", "CustomQuantization"):
        raise ModelError(f"TFLM has no {details}", where)
    scales = table.pop("scale", ())
    zero_points = table.pop("zero_point", ())
    quantization = Quantization(scales, zero_points, table.pop("quantized_dimension", 0), table)
    checks.check_quantization(quantization, shape, where)
    return quantization


def _operator(table: Table, codes: list[OpCode], tensors: list[Tensor], where: str) -> Operator:
    code = _pick(codes, table.pop("opcode_index", 0), "operator code", where)
    where = f"{where} ({checks.printable(code.label)})"
    if max(table.get(f"large_custom_options_{part}", 0) for part in ("offset", "size")) > 1:
        raise ModelError("its options are stored outside of the flatbuffer", where)
    if code.name == "CUSTOM" and not code.custom:
        raise ModelError("a custom operator without a name", where)
    options_type, options = "", {}
    # A member without its table stays as it is: to the runtimes, that's not all defaults.
    if table.get("builtin_options", ("", None))[1] is not None:
        options_type, options = table.pop("builtin_options")
        expected = schema_options.options_of(code.name)
        if expected and options_type != expected and (options or schema.has_fields(expected)):
            raise ModelError(f"its options are {options_type}, not {expected}", where)
    return Operator(
        code,
        _optional(tensors, table.pop("inputs", ()), "input", where),
        _picks(tensors, table.pop("outputs", ()), "output", where),
        _optional(tensors, table.pop("intermediates", ()), "intermediate", where),
        options_type,
        options,
        table.pop("custom_options", None),
        table,
    )


def _signature(table: Table, subgraphs: list[Subgraph], where: str) -> Signature:
    graph = _pick(subgraphs, table.pop("subgraph_index", 0), "subgraph", where)

    def ends(name: str) -> list[tuple[str | None, Tensor]]:
        return [
            (
                end.get("name"),
                _pick(graph.tensors, end.get("tensor_index", 0), "tensor", f"{where}, {name} {i}"),
            )
            for i, end in enumerate(table.pop(name, []))
        ]

    return Signature(
        table.pop("signature_key", None), graph, ends("inputs"), ends("outputs"), table
    )


def _metadata(model: Model, tables: list[Table], buffers: list[Buffer]) -> None:
    """Add the named blobs to `model`; the offline plan goes to its tensors instead."""
    for i, table in enumerate(tables):
        name: Any = table.get("name")
        where = f"metadata {i} ({name!r})"
        buffer = _pick(buffers, table.get("buffer", 0), "buffer", where)
        if name == _COMPRESSION:
            raise ModelError("models with TFLM's compressed tensors are not supported", where)
        if name != OFFLINE_PLAN:
            model.metadata.append(Metadata(name, buffer))
        elif model.has_offline_plan:
            raise ModelError("a second offline plan", where)
        else:
            apply_offline_plan(model, buffer.data or b"", where)

"""What a model must fulfil, beyond indices in range, before anybody may trust it."""

from __future__ import annotations

from collections.abc import Iterator

from arenafit.errors import ModelError
from arenafit.graph import schema
from arenafit.graph.model import Model, Operator, Quantization, Subgraph, Tensor

__all__ = [
    "MAX_TENSOR_BYTES",
    "check_execution",
    "check_is_tflite",
    "check_quantization",
    "check_size",
    "printable",
    "subgraph_indices",
]

MAX_TENSOR_BYTES = 2**31 - 1  # sizes and offsets are int32 in the file and in TFLM

_FOREIGN = {
    b"\x1f\x8b": "gzip, unpack it first",
    b"PK\x03\x04": "a zip archive, unpack it first",
    b"<": "a web page (HTML or XML): was the download right?",
    b"\x89HDF": "HDF5 (a Keras .h5): convert it to TFLite first",
    b"version https://git-lfs": "a Git LFS pointer: fetch the file itself (git lfs pull)",
    b"\x08": "perhaps ONNX or a TensorFlow SavedModel: convert it to TFLite first",
}

_CALLS = ("CALL", "CALL_ONCE", "IF", "WHILE")


def printable(text: str) -> str:
    """`text` from a file, fit for one line of an error."""
    return text if text.isprintable() else ascii(text)


def check_is_tflite(data: bytes) -> None:
    """Raise ModelError unless `data` begins like a ``.tflite`` file."""
    if not data:
        raise ModelError("the file is empty")
    if data[4:8] == schema.FILE_IDENTIFIER:
        return
    for start, what in _FOREIGN.items():
        if data.lstrip().startswith(start) if start == b"<" else data.startswith(start):
            raise ModelError(f"not a TFLite model: this is {what}")
    raise ModelError("not a TFLite model: bytes 4 to 7 are not 'TFL3'")


def check_size(tensor: Tensor, where: str) -> None:
    """Raise ModelError for an impossible shape, or constant data of another size than it says."""
    shape = list(tensor.shape)
    bits = max(tensor.dtype.bits, 1)
    for extent in shape:
        if extent < 0:
            raise ModelError(f"extent {extent} is negative, TFLM has no dynamic shapes", where)
        bits *= max(extent, 1)
        if bits > 8 * MAX_TENSOR_BYTES:
            raise ModelError("its shape takes more than 2 GiB", where)
    if tensor.is_constant and tensor.dtype.bits and "sparsity" not in tensor.fields:
        assert tensor.buffer is not None and tensor.buffer.data is not None
        held = len(tensor.buffer.data)
        if held != tensor.nbytes:
            raise ModelError(
                f"its buffer holds {held} bytes, {tensor.dtype.name} {shape} takes {tensor.nbytes}",
                where,
            )


def check_quantization(quantization: Quantization, shape: tuple[int, ...], where: str) -> None:
    """Raise ModelError where scales, zero points, axis and shape do not fit each other."""
    scales = len(quantization.scales)
    if scales > 1:
        # The old converter (TOCO) gave biases, which are vectors, the axis of their filter.
        axis = 0 if len(shape) == 1 else quantization.axis
        if not 0 <= axis < len(shape):
            raise ModelError(
                f"quantized dimension {axis} is out of range, shape is {list(shape)}", where
            )
        if scales != shape[axis]:
            raise ModelError(f"{scales} scales for dimension {axis} of shape {list(shape)}", where)
    if len(quantization.zero_points) not in (0, 1, scales):
        raise ModelError(f"{len(quantization.zero_points)} zero points for {scales} scales", where)


def check_execution(model: Model) -> None:
    """Raise ModelError unless every subgraph can run from its first operator to its last.

    That is: each tensor is written once, before it is read; constants and inputs are never
    written; calls go to subgraphs that exist and never come back to their caller.
    TFLM checks none of this: it would read what lies in the arena, or run for ever.
    """
    for i, graph in enumerate(model.subgraphs):
        _check_order(graph, f"subgraph {i}")
    _check_calls(model)


def _check_order(graph: Subgraph, where: str) -> None:
    inputs = set(graph.inputs)
    producer: dict[Tensor, int] = {}
    for k, op in enumerate(graph.operators):
        place = f"{where}, operator {k} ({printable(op.code.label)})"
        for output in op.outputs:
            if output in producer:
                raise ModelError(
                    f"writes {output!r}, which operator {producer[output]} writes too", place
                )
            if output in inputs or output.is_constant:
                kind = "an input of the subgraph" if output in inputs else "constant"
                raise ModelError(f"writes {output!r}, which is {kind}", place)
            producer[output] = k
    for k, op in enumerate(graph.operators):
        for tensor in op.inputs:
            if tensor is None or producer.get(tensor, k) < k or _has_value(tensor, inputs):
                continue
            place = f"{where}, operator {k} ({printable(op.code.label)})"
            if tensor in producer:
                raise ModelError(
                    f"reads {tensor!r} before operator {producer[tensor]} writes it", place
                )
            raise ModelError(f"reads {tensor!r}, which nothing writes", place)
    for output in graph.outputs:
        if output not in producer and not _has_value(output, inputs):
            raise ModelError(f"output {output!r} is never written", where)


def _has_value(tensor: Tensor, inputs: set[Tensor]) -> bool:
    """True where a tensor needs no operator to write it."""
    empty = tensor.dtype.bits > 0 and not tensor.elements
    return tensor in inputs or tensor.is_constant or tensor.is_variable or empty


def _check_calls(model: Model) -> None:
    graphs = model.subgraphs
    calls: list[set[int]] = []
    for i, graph in enumerate(graphs):
        calls.append(set())
        for k, op in enumerate(graph.operators):
            place = f"subgraph {i}, operator {k} ({printable(op.code.label)})"
            if op.name in _CALLS and not op.options_type:
                raise ModelError("has no options to say which subgraph it calls", place)
            for callee in subgraph_indices(op):
                if not 0 <= callee < len(graphs):
                    raise ModelError(
                        f"subgraph index {callee} is out of range, there are {len(graphs)}", place
                    )
                calls[i].add(callee)
    # Take away subgraphs that call nothing that is left, until none is left or all are in a ring.
    callers: list[list[int]] = [[] for _ in graphs]
    for i, callees in enumerate(calls):
        for callee in callees:
            callers[callee].append(i)
    waiting = [len(callees) for callees in calls]
    free = [i for i, count in enumerate(waiting) if not count]
    while free:
        for i in callers[free.pop()]:
            waiting[i] -= 1
            if not waiting[i]:
                free.append(i)
    ring = [i for i, count in enumerate(waiting) if count]
    if ring:
        raise ModelError("its calls lead back to a caller, for ever", f"subgraph {ring[0]}")


def subgraph_indices(op: Operator) -> Iterator[int]:
    """Indices of the subgraphs that the operator's options name."""
    tables = [(op.options_type, op.options), op.fields.get("builtin_options_2", ("", None))]
    for name, values in tables:
        if not name or values is None:
            continue
        for field in schema.fields(name):
            if "subgraph" not in field.name and field.name != "called_computations":
                continue
            if field.kind == "scalars":
                yield from values.get(field.name, ())
            else:
                yield values.get(field.name, field.default)

"""Structural equality of two models, for tests."""

from __future__ import annotations

import struct
from typing import Any

from arenafit.graph import Buffer, Model, Operator, Quantization, Tensor

__all__ = ["describe", "equal"]


def equal(a: Model, b: Model) -> bool:
    """True where two models say the same; object identity counts as sharing only."""
    return describe(a) == describe(b)


def describe(model: Model) -> dict[str, Any]:
    """All that a model says, in plain values: tensors and buffers by number."""
    buffers: dict[Buffer, int] = {}

    def buffer(b: Buffer | None) -> Any:
        return None if b is None else (buffers.setdefault(b, len(buffers)), b.data)

    def tensor(t: Tensor) -> Any:
        q = t.quantization
        return {
            "name": t.name,
            "shape": t.shape,
            "dtype": t.dtype,
            "buffer": buffer(t.buffer),
            "is_variable": t.is_variable,
            "quantization": q and _quantization(q),
            "offline_offset": t.offline_offset,
            "fields": _plain(t.fields),
        }

    graphs = []
    places: dict[Tensor, tuple[int, int]] = {}
    for g, graph in enumerate(model.subgraphs):
        places.update({t: (g, i) for i, t in enumerate(graph.tensors)})

        def place(ts: Any) -> Any:
            return [t and places[t] for t in ts]

        def operator(op: Operator, place: Any = place) -> Any:
            return {
                "code": (op.code.name, op.code.custom, op.code.version, op.code.fields),
                "inputs": place(op.inputs),
                "outputs": place(op.outputs),
                "intermediates": place(op.intermediates),
                "options": (op.options_type, _plain(op.options)),
                "custom_options": op.custom_options,
                "fields": _plain(op.fields),
            }

        graphs.append(
            {
                "name": graph.name,
                "tensors": [tensor(t) for t in graph.tensors],
                "inputs": place(graph.inputs),
                "outputs": place(graph.outputs),
                "operators": [operator(op) for op in graph.operators],
                "fields": _plain(graph.fields),
            }
        )
    fields = dict(model.fields)
    unused = [(c.name, c.custom, c.version) for c in fields.pop("unused_operator_codes", [])]
    legacy = [buffer(b) for b in fields.pop("metadata_buffer", [])]
    return {
        "subgraphs": graphs,
        "version": model.version,
        "description": model.description,
        "metadata": [(m.name, buffer(m.buffer)) for m in model.metadata],
        "signatures": [
            (
                s.key,
                model.subgraphs.index(s.subgraph),
                [(name, places[t]) for name, t in s.inputs],
                [(name, places[t]) for name, t in s.outputs],
                _plain(s.fields),
            )
            for s in model.signatures
        ],
        "has_offline_plan": model.has_offline_plan,
        "unused_operator_codes": unused,
        "metadata_buffer": legacy,
        "fields": _plain(fields),
    }


def _quantization(q: Quantization) -> Any:
    return (_plain(q.scales), q.zero_points, q.axis, _plain(q.fields))


def _plain(value: Any) -> Any:
    """`value` with floats as their bits, so that NaN equals itself."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value

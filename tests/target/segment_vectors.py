"""Shipped models as nothing but segments, and what the real TFLM makes of the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arenafit.export import Network, make_network
from arenafit.graph import Model, load, save
from arenafit.partial.encoding import decode
from arenafit.partial.program import TensorType
from arenafit.runtime import Session
from support.deep import deep

MODELS = Path(__file__).resolve().parents[2] / "models"
NAMES = ("lenet5_28", "ds_cnn_kws", "resnet8_cifar")


def vectors() -> dict[str, Any]:
    found: dict[str, Any] = {}
    rng = np.random.default_rng(7)
    with Session() as session:
        for name in NAMES:
            data = (MODELS / f"{name}.tflite").read_bytes()
            model = load(data)
            found |= _network(name, model, data, session, rng)
            fed = make_network(model, feed_rows=True)
            ((rows,), (target,)) = fed.fed, fed.outputs
            found |= _calls(f"{name}_fed", fed)
            found[f"{name}_fed_row"] = rows.row_bytes
            found[f"{name}_fed_output_at"] = target.offset
        model = deep(256)
        found |= _network("deep", model, save(model), session, rng)
    programs = [decode(call.program) for call in make_network(model).calls]
    sums = [t for program in programs for t in program.tensors if t.type is TensorType.S32]
    assert len(sums) > 4, "hardly split by channels"
    return found


def _network(
    name: str, model: Model, data: bytes, session: Session, rng: np.random.Generator
) -> dict[str, Any]:
    """The network, an image, and TFLM's answer."""
    network = make_network(model)
    ((source,), (target,)) = network.inputs, network.outputs
    image = rng.integers(-128, 128, source.shape).astype(np.int8)
    ((expected,),) = session.run(data, [[image]])
    assert len(set(expected.ravel().tolist())) > 2, "an answer that says little"
    return {
        **_calls(name, network),
        f"{name}_input_at": source.offset,
        f"{name}_output_at": target.offset,
        f"{name}_input": image,
        f"{name}_expected": np.asarray(expected),
    }


def _calls(name: str, network: Network) -> dict[str, Any]:
    """The programs, one after the other; and of each: start, size, input, output, workspace."""
    calls, start = [], 0
    for call in network.calls:
        (written,) = call.outputs
        read = call.inputs[0] if call.inputs else 0  # of no program then
        calls.append((start, len(call.program), read, written, call.workspace))
        start += len(call.program)
    return {
        f"{name}_programs": np.frombuffer(b"".join(c.program for c in network.calls), np.uint8),
        f"{name}_calls": np.array(calls, np.int32),
        f"{name}_arena": network.arena,
    }

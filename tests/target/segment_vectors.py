"""Shipped models as nothing but segments, and what the real TFLM makes of the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arenafit.export import Network, make_network
from arenafit.graph import load
from arenafit.runtime import Session

MODELS = Path(__file__).resolve().parents[2] / "models"
NAMES = ("lenet5_28", "ds_cnn_kws", "resnet8_cifar")


def vectors() -> dict[str, Any]:
    found: dict[str, Any] = {}
    rng = np.random.default_rng(7)
    with Session() as session:
        for name in NAMES:
            data = (MODELS / f"{name}.tflite").read_bytes()
            model = load(data)
            network = make_network(model)
            ((source,), (target,)) = network.inputs, network.outputs
            image = rng.integers(-128, 128, source.shape).astype(np.int8)
            ((expected,),) = session.run(data, [[image]])
            assert len(set(expected.ravel().tolist())) > 2, "an answer that says little"
            found |= _calls(name, network)
            found[f"{name}_input_at"] = source.offset
            found[f"{name}_output_at"] = target.offset
            found[f"{name}_input"] = image
            found[f"{name}_expected"] = np.asarray(expected)
            fed = make_network(model, feed_rows=True)
            ((rows,), (target,)) = fed.fed, fed.outputs
            found |= _calls(f"{name}_fed", fed)
            found[f"{name}_fed_row"] = rows.row_bytes
            found[f"{name}_fed_output_at"] = target.offset
    return found


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

"""Shipped models as nothing but segments, and what the real TFLM makes of the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arenafit.export import make_network
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
            network = make_network(load(data))
            ((source,), (target,)) = network.inputs, network.outputs
            image = rng.integers(-128, 128, source.shape).astype(np.int8)
            ((expected,),) = session.run(data, [[image]])
            assert len(set(expected.ravel().tolist())) > 2, "an answer that says little"
            calls, start = [], 0
            for call in network.calls:
                ((read,), (written,)) = call.inputs, call.outputs
                calls.append((start, len(call.program), read, written, call.workspace))
                start += len(call.program)
            programs = b"".join(call.program for call in network.calls)
            found[f"{name}_programs"] = np.frombuffer(programs, np.uint8)
            found[f"{name}_calls"] = np.array(calls, np.int32)
            found[f"{name}_arena"] = network.arena
            found[f"{name}_input_at"] = source.offset
            found[f"{name}_output_at"] = target.offset
            found[f"{name}_input"] = image
            found[f"{name}_expected"] = np.asarray(expected)
    return found

"""Small networks of floats, of int16, and of int8 between other types; and what the real TFLM makes
of them. All arrays are bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from arenafit.graph import DType, Model, Quantization, save
from arenafit.memory.problem import align
from arenafit.partial.encoding import encode
from arenafit.runtime import Session
from support.builder import GraphBuilder
from support.segment import program_of


def _network(dtype: DType) -> Model:
    g = GraphBuilder(11, dtype)
    x = g.conv(g.input((1, 12, 10, 3)), 8, 3, 2, activation="RELU6")
    y = g.unary("LEAKY_RELU", g.depthwise(x, 3, multiplier=1), alpha=0.1)
    z = g.pool(g.add(y, x), 3, 1, "SAME", "AVERAGE")
    g.output(g.fully_connected(g.mean(g.mul(z, g.pool(z, 2, 1, "SAME"))), 6))
    return g.model()


def _between() -> Model:
    g = GraphBuilder(12)
    x = g.tensor((1, 12, 10, 3), dtype=DType.UINT8, quantization=Quantization((1 / 64,), (128,)))
    g.graph.inputs.append(x)
    y = g.resize(g.conv(g.quantize(x, DType.INT8), 4, 3, 2), (12, 10))
    g.output(g.dequantize(g.quantize(g.conv(y, 3, 3), DType.INT16)))
    return g.model()


def vectors() -> dict[str, Any]:
    found: dict[str, Any] = {}
    rng = np.random.default_rng(3)
    models = {
        "floats": _network(DType.FLOAT32), "wide": _network(DType.INT16), "between": _between(),
    }  # fmt: skip
    with Session() as session:
        for name, model in models.items():
            program, (source,), (target,) = (
                program_of(model), model.main.inputs, model.main.outputs,
            )  # fmt: skip
            output_at = align(source.nbytes)
            workspace_at = output_at + align(target.nbytes)
            image = _image(rng, source.dtype, source.shape)
            ((expected,),) = session.run(save(model), [[image]])
            assert len(set(np.asarray(expected).ravel().tolist())) > 2
            found[f"{name}_program"] = np.frombuffer(encode(program), np.uint8)
            found[f"{name}_arena"] = workspace_at + program.workspace
            found[f"{name}_workspace_at"] = workspace_at
            found[f"{name}_input_at"] = 0
            found[f"{name}_output_at"] = output_at
            found[f"{name}_input"] = np.frombuffer(image.tobytes(), np.uint8)
            found[f"{name}_expected"] = np.frombuffer(np.asarray(expected).tobytes(), np.uint8)
    return found


def _image(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Any:
    if dtype is DType.FLOAT32:
        return rng.normal(0, 1, shape).astype(np.float32)
    if dtype is DType.UINT8:
        return rng.integers(0, 256, shape).astype(np.uint8)
    return rng.integers(-(1 << 15), 1 << 15, shape).astype(np.int16)

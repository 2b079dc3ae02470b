"""Max-pools of each type, with what the real TFLM makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from arenafit.graph import DType, save
from arenafit.passes.inplace_max_pool import pool_options
from arenafit.runtime import Session
from support.builder import GraphBuilder
from support.max_pool import random_input

CASES: dict[str, tuple[DType, tuple[int, ...], dict[str, Any]]] = {
    "halving": (DType.INT8, (1, 16, 16, 32), {}),
    "odd": (DType.INT8, (2, 9, 7, 21), {"kernel": 3, "stride": 2, "padding": "SAME"}),
    "padded": (DType.INT8, (1, 9, 8, 24), {"kernel": 3, "stride": 1, "padding": "SAME"}),
    "clamped": (DType.INT8, (1, 8, 8, 5), {"kernel": (3, 1), "activation": "RELU"}),
    "wide": (DType.INT16, (1, 9, 9, 19), {"kernel": 3, "stride": 2, "padding": "SAME"}),
    "real": (DType.FLOAT32, (1, 8, 7, 6), {"stride": 1, "activation": "RELU6"}),
}


def vectors() -> dict[str, Any]:
    found: dict[str, Any] = {}
    rng = np.random.default_rng(20)
    with Session() as session:
        for name, (dtype, shape, pool) in CASES.items():
            g = GraphBuilder(seed=2, dtype=dtype)
            image = g.input(shape)
            g.output(g.pool(image, **pool))
            op = g.graph.operators[0]
            options = pool_options(op)
            assert options is not None
            data = random_input(image, rng)
            ((expected,),) = session.run(save(g.model()), [[data]])
            found[f"{name}_input"] = data
            found[f"{name}_expected"] = np.asarray(expected)
            found[f"{name}_options"] = np.frombuffer(options.encode(), np.uint8)
            found[f"{name}_dims"] = np.array([image.shape, op.outputs[0].shape], np.int32)
    return found

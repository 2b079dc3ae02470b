"""Parameters of operators whose tensors are floats, as TFLM's kernels have them.

Activations clamp to bounds of CalculateActivationRange (kernels/kernel_util.h), where "none" is
from the lowest to the largest float: infinities do not get through.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from arenafit.graph.model import Operator
from arenafit.partial.arithmetic import f32
from arenafit.partial.lower_common import data_of, image_of
from arenafit.partial.program import (
    ConvF32,
    LeakyReluF32,
    Parameters,
    PoolF32,
    RangeF32,
    Window,
)
from arenafit.partial.role import Role

__all__ = ["FLOAT_PARAMETERS"]

_LARGEST = f32(3.4028234663852886e38)

# By fused_activation_function: none, RELU, RELU_N1_TO_1, RELU6.
_BOUNDS = {0: (-_LARGEST, _LARGEST), 1: (0.0, _LARGEST), 2: (-1.0, 1.0), 3: (0.0, 6.0)}

_RELUS = {"RELU": (0.0, math.inf), "RELU6": (0.0, 6.0)}  # micro/kernels/activations_common.cc


def _bounds(op: Operator) -> tuple[float, float] | None:
    return _BOUNDS.get(int(op.option("fused_activation_function")))


def _conv(op: Operator, role: Role) -> Parameters | None:
    weights = op.inputs[1]
    bias = op.inputs[2] if len(op.inputs) > 2 else None
    clamp = _bounds(op)
    if weights is None or clamp is None:
        return None
    return ConvF32(
        image_of(role) if role.image is not None else Window(), clamp, data_of(weights),
        None if bias is None else data_of(bias),
    )  # fmt: skip


def _pool(op: Operator, role: Role) -> Parameters | None:
    clamp = _bounds(op)
    window = Window() if role.reduces else image_of(role)
    return None if clamp is None else PoolF32(window, clamp)


def _average(op: Operator, role: Role) -> Parameters | None:
    """Of a pool over everything, or a MEAN, which clamps nothing."""
    if op.name != "MEAN":
        return _pool(op, role)
    return PoolF32(Window(), (-math.inf, math.inf))


def _arithmetic(op: Operator, role: Role) -> Parameters | None:
    del role
    clamp = _bounds(op)
    return None if clamp is None else RangeF32(*clamp)


def _clamp(op: Operator, role: Role) -> Parameters:
    del role
    return RangeF32(*_RELUS[op.name])


def _leaky_relu(op: Operator, role: Role) -> Parameters:
    del role
    return LeakyReluF32(f32(op.option("alpha", 0.0)))


FLOAT_PARAMETERS: dict[str, Callable[[Operator, Role], Parameters | None]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "FULLY_CONNECTED": _conv,
    "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool,
    "GLOBAL_AVERAGE_POOL": _average,
    "GLOBAL_MAX_POOL": _pool,
    "ADD": _arithmetic,
    "SUB": _arithmetic,
    "MUL": _arithmetic,
    "CLAMP": _clamp,
    "LEAKY_RELU": _leaky_relu,
}
"""By kind: the parameters of an operator, None where a program cannot have them."""

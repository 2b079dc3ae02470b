"""Structured inputs for verification, deterministic by seed.

Uniform noise alone is a weak test: many classifiers answer it with one constant
output. So every kind of field that a sensor may deliver takes its turn, from
smooth ones to saturated ones; a sequence for a stateful model is one such field
with time as its first axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arenafit.runtime.interface import Interface, Port

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from arenafit.runtime.protocol import Array

    Field = npt.NDArray[np.float64]  # values in [0, 1]
    Shape = tuple[int, ...]

__all__ = ["KINDS", "Stimulus", "stimuli"]

_FLOAT_RANGES = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))  # what float-edged models are fed
_INDICES = 8  # integers without a scale are taken for indices: small, so that they stay in range


@dataclass(frozen=True)
class Stimulus:
    """Inputs for consecutive invocations."""

    kind: str
    steps: list[list[Array]]  # for each invocation one array a graph input


def stimuli(interface: Interface, count: int, steps: int = 1, seed: int = 0) -> list[Stimulus]:
    """`count` stimuli of `steps` invocations each, their kinds in turn.

    Args:
        interface: dtypes, shapes and scales of the graph inputs.
        count: number of stimuli.
        steps: invocations in each.
        seed: same seed, same bytes.
    """
    import numpy as np

    kinds = list(KINDS)
    made = []
    for index in range(count):
        series = []
        for position, port in enumerate(interface.inputs):
            kind = kinds[(index + position) % len(kinds)]
            rng = np.random.default_rng([seed, index, position])
            field = KINDS[kind]((steps, *port.shape), rng)
            series.append(_as_dtype(field, port, index))
        invocations = [[array[step] for array in series] for step in range(steps)]
        made.append(Stimulus(kinds[index % len(kinds)], invocations))
    return made


def _as_dtype(field: Field, port: Port, index: int) -> Array:
    """`field` over the range of values that an input like `port` takes."""
    import numpy as np

    dtype = np.dtype(port.dtype)
    if dtype.kind == "b":
        return field > 0.5
    if dtype.kind in "fc":
        low, high = _FLOAT_RANGES[index % len(_FLOAT_RANGES)]
        return (low + field * (high - low)).astype(dtype)
    if dtype.itemsize >= 4:
        scaled = any(scale > 0 for scale in port.scales)
        low, high = (-(1 << 15), 1 << 15) if scaled and dtype.kind == "i" else (0, _INDICES - 1)
    else:
        limits = np.iinfo(dtype)
        low, high = int(limits.min), int(limits.max)
    return np.rint(low + field * (high - low)).astype(dtype)


def _waves(shape: Shape, rng: np.random.Generator, cycles: float) -> Field:
    """A few plane waves of up to `cycles` periods along each axis, stretched to [0, 1]."""
    import numpy as np

    total = np.zeros(shape)
    for _ in range(4):
        phase = np.full(shape, rng.uniform(0, 2 * np.pi))
        for axis in _axes(shape):
            phase = phase + 2 * np.pi * rng.uniform(-cycles, cycles) * axis
        total += rng.uniform(0.3, 1.0) * np.cos(phase)
    return _stretched(total)


def _smooth(shape: Shape, rng: np.random.Generator) -> Field:
    return _waves(shape, rng, 2.0)


def _texture(shape: Shape, rng: np.random.Generator) -> Field:
    return _waves(shape, rng, 20.0)


def _low_contrast(shape: Shape, rng: np.random.Generator) -> Field:
    return rng.uniform(0.2, 0.8) + 0.08 * (_smooth(shape, rng) - 0.5)


def _two_levels(shape: Shape, rng: np.random.Generator) -> Field:
    """Patches at the two ends of the range."""
    return (_smooth(shape, rng) > 0.5).astype(float)


def _blobs(shape: Shape, rng: np.random.Generator) -> Field:
    """Bright Gaussian spots on a dark ground."""
    import numpy as np

    brightest = np.zeros(shape)
    for _ in range(int(rng.integers(2, 6))):
        distance = np.zeros(shape)
        for axis in _axes(shape):
            distance = distance + ((axis - rng.uniform()) / rng.uniform(0.08, 0.5)) ** 2
        brightest = np.maximum(brightest, rng.uniform(0.4, 1.0) * np.exp(-distance))
    return brightest


def _ramp(shape: Shape, rng: np.random.Generator) -> Field:
    import numpy as np

    total = np.zeros(shape)
    for axis in _axes(shape):
        total = total + rng.uniform(-1.0, 1.0) * axis
    return _stretched(total)


def _noise(shape: Shape, rng: np.random.Generator) -> Field:
    return rng.uniform(size=shape)


def _impulses(shape: Shape, rng: np.random.Generator) -> Field:
    """A flat field with a few elements at the ends of the range."""
    import numpy as np

    field = np.full(shape, rng.uniform(0.3, 0.7))
    if field.size:
        where = rng.integers(0, field.size, size=max(1, field.size // 64))
        field.reshape(-1)[where] = rng.integers(0, 2, size=where.size)
    return field


KINDS: dict[str, Callable[[Shape, np.random.Generator], Field]] = {
    "smooth": _smooth,
    "blobs": _blobs,
    "noise": _noise,
    "ramp": _ramp,
    "low contrast": _low_contrast,
    "texture": _texture,
    "two levels": _two_levels,
    "impulses": _impulses,
}


def _axes(shape: Shape) -> list[Field]:
    """For each axis longer than 1 its coordinate in [0, 1], ready to broadcast."""
    import numpy as np

    axes = []
    for axis, extent in enumerate(shape):
        if extent > 1:
            view = [1] * len(shape)
            view[axis] = extent
            axes.append(np.linspace(0.0, 1.0, extent, dtype=np.float64).reshape(view))
    return axes


def _stretched(field: Field) -> Field:
    """`field` mapped to [0, 1]; 0.5 where it is flat."""
    import numpy as np

    if not field.size or field.max() == field.min():
        return np.full(field.shape, 0.5)
    return np.asarray((field - field.min()) / (field.max() - field.min()))

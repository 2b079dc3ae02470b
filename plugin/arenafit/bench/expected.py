"""What a model is fed on the device, and what it must answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arenafit.errors import CheckFailed
from arenafit.graph.model import Model, Tensor
from arenafit.runtime.host import best_oracle, session_for
from arenafit.runtime.inputs import stimuli
from arenafit.runtime.interface import Interface, Port

if TYPE_CHECKING:
    from arenafit.runtime.protocol import Array

__all__ = ["Expected", "expect"]


@dataclass(frozen=True, slots=True)
class Expected:
    """Inputs of consecutive invocations with their outputs, each as bytes in a row."""

    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...] | None  # None where nobody could compute them
    oracle: str  # who did; "" where nobody
    tensors: tuple[Tensor, ...]  # the graph's outputs

    def check(self, outputs: Sequence[bytes]) -> None:
        """Compares the device's outputs with these, if there are any.

        Raises:
            CheckFailed: a byte differs; the message names the first element that does.
        """
        for index, (got, wanted) in enumerate(zip(outputs, self.outputs or outputs, strict=True)):
            if got != wanted:
                raise CheckFailed(
                    f"NOT bit-identical: input {index}: {_difference(got, wanted, self.tensors)}"
                )


def expect(model_bytes: bytes, model: Model, count: int) -> Expected:
    """`count` invocations of a model, whose outputs the best oracle of this machine computes.

    Raises:
        ModelError: the oracle refuses the model.
    """
    best, graph = best_oracle(), model.main
    if best is None:
        ports = tuple(map(_port, graph.inputs))
        steps = [s.steps[0] for s in stimuli(Interface(ports, (), False), count)]
        return Expected(_rows(steps), None, "", tuple(graph.outputs))
    with session_for(model_bytes, best) as session:
        steps = [s.steps[0] for s in stimuli(session.describe(model_bytes), count)]
        outputs = session.run(model_bytes, steps)
        return Expected(_rows(steps), _rows(outputs), session.oracle, tuple(graph.outputs))


def _port(tensor: Tensor) -> Port:
    found = tensor.quantization
    scales, zero_points = ((), ()) if found is None else (found.scales, found.zero_points)
    name = tensor.dtype.name.lower()
    return Port(tensor.name or "", tensor.shape, name, tuple(scales), tuple(zero_points))


def _rows(steps: Sequence[Sequence[Array]]) -> tuple[bytes, ...]:
    return tuple(b"".join(array.tobytes() for array in step) for step in steps)


def _difference(got: bytes, wanted: bytes, tensors: Sequence[Tensor]) -> str:
    import numpy as np

    if len(got) != len(wanted):
        return f"{len(got)} bytes on the device, {len(wanted)} in TFLM"
    at = next(i for i, (ours, theirs) in enumerate(zip(got, wanted, strict=True)) if ours != theirs)
    start = 0
    for tensor in tensors:
        if at < start + tensor.nbytes:
            break
        start += tensor.nbytes
    kind = np.dtype(tensor.dtype.name.lower())
    element = (at - start) // kind.itemsize
    ours, theirs = (np.frombuffer(row, kind, 1, at - (at - start) % kind.itemsize)[0]
                    for row in (got, wanted))  # fmt: skip
    return f"output {tensor.name!r}, element {element} is {ours} on the device, {theirs} in TFLM"

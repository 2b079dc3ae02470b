"""What a model shows to its caller, and the figures that a runtime reports about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Interface", "Measured", "Port"]


@dataclass(frozen=True, slots=True)
class Port:
    """One graph input or output."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # numpy's name: "int8", "float32", "bool" ...
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def __str__(self) -> str:
        return f"{self.name!r} {self.dtype}{list(self.shape)}"


@dataclass(frozen=True, slots=True)
class Interface:
    """Inputs and outputs of subgraph 0, in the file's order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    stateful: bool  # an invocation may depend on those before it

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Interface:
        """The inverse of ``dataclasses.asdict`` and JSON.

        Raises:
            KeyError, TypeError, ValueError: `fields` is not of that form.
        """

        def port(entry: Mapping[str, Any]) -> Port:
            return Port(
                str(entry["name"]),
                tuple(int(extent) for extent in entry["shape"]),
                str(entry["dtype"]),
                tuple(float(scale) for scale in entry["scales"]),
                tuple(int(zero) for zero in entry["zero_points"]),
            )

        return cls(
            tuple(port(entry) for entry in fields["inputs"]),
            tuple(port(entry) for entry in fields["outputs"]),
            bool(fields["stateful"]),
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """Arena bytes, as TFLM's recording allocator reports them on this host."""

    head: int  # activations and scratch
    tail: int  # persistent data; larger on a 64-bit host than on a Cortex-M
    total: int  # head + tail = arena_used_bytes()
    startup: int | None = None  # smallest multiple of 16 that AllocateTensors() accepts

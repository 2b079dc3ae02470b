"""The figures of a network on a CPU, and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Bench", "Flash", "Operator"]


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of a segment's program."""

    name: str  # its kind and its number in the network, as in "CONV_2D 3"
    segment: int  # whose operator it is, by number
    output: tuple[int, int, int]  # rows, width and channels of what it makes
    macs: int  # its multiply-accumulates by weights
    instructions: int  # of all its steps


@dataclass(frozen=True, slots=True)
class Flash:
    """What a network adds to firmware, in bytes; libc's memcpy and memset are not counted."""

    programs: int  # weights, biases, multipliers, and what is to be done with them
    code: int  # of the kernels that it needs, and of the functions around them
    constants: int  # of that code

    @property
    def total(self) -> int:
        """All of it."""
        return self.programs + self.code + self.constants


@dataclass(frozen=True, slots=True)
class Bench:
    """One inference on one CPU. Instructions are exact; they are not cycles."""

    model: str
    target: str  # what stood for the CPU
    cpu: str
    machine: str
    compiler: str
    instructions: int  # of the slowest of the inputs, as are those below; they add up to these
    interpreter: int  # of choosing whose turn it is, and of calling segments
    operators: tuple[Operator, ...]  # in the order of the network
    head: int  # of the arena: inputs, outputs, all between them, workspace
    stack: int  # bytes below the caller that were written to
    flash: Flash
    inputs: int  # how many were compared
    oracle: str  # what computed the outputs that were expected; "" if nothing could be compared

    @property
    def tail(self) -> int:
        """Of the arena. None by construction: all but constants and stack is in the head."""
        return 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON; sizes in bytes."""
        return {
            "model": self.model,
            "target": self.target,
            "cpu": self.cpu,
            "machine": self.machine,
            "compiler": self.compiler,
            "instructions": self.instructions,
            "interpreter": self.interpreter,
            "operators": [asdict(operator) for operator in self.operators],
            "arena": {"head": self.head, "tail": self.tail},
            "stack": self.stack,
            "flash": self.flash.total,
            "flash_sections": asdict(self.flash),
            "verified": {
                "bit_exact": True if self.oracle else None,
                "inputs": self.inputs,
                "oracle": self.oracle,
            },
        }

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

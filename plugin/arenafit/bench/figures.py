"""The figures of a network on a CPU, and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from arenafit.partial.program import Conv, ConvF32, ConvS16, Program, TensorType

__all__ = ["Bench", "Flash", "Operator", "operator_macs", "program_macs"]


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of a segment's program, or of a model in TFLM."""

    name: str  # its kind and its number in the network or model, as in "CONV_2D 3"
    segment: int | None  # whose operator it is, by number; None in TFLM
    output: tuple[int, ...]  # rows, width and channels of what it makes; in TFLM its shape
    macs: int  # its multiply-accumulates by weights
    instructions: int  # of all its steps


@dataclass(frozen=True, slots=True)
class Flash:
    """What a network adds to firmware, in bytes; libc's memcpy and memset are not counted."""

    programs: int  # weights, biases, multipliers, and what is to be done with them; the model
    code: int  # of the kernels that it needs, and of the functions around them, or of TFLM
    constants: int  # of that code

    @property
    def total(self) -> int:
        """All of it."""
        return self.programs + self.code + self.constants


@dataclass(frozen=True, slots=True)
class Bench:
    """One inference on one CPU. Instructions are exact; they are not cycles."""

    model: str
    runtime: str  # what ran it
    target: str  # what stood for the CPU
    cpu: str
    machine: str
    compiler: str
    instructions: int  # of the slowest of the inputs, as are those below; they add up to these
    interpreter: int  # in no operator: choosing whose turn it is, calling segments; TFLM's own
    operators: tuple[Operator, ...]  # in the order of the network
    head: int  # of the arena: inputs, outputs, all between them, workspace
    tail: int  # of the arena: what TFLM keeps; 0 without it, as there is nothing else
    stack: int  # bytes below the caller that were written to
    flash: Flash
    inputs: int  # how many were compared
    oracle: str  # what computed the outputs that were expected; "" if nothing could be compared

    def to_dict(self) -> dict[str, Any]:
        """For JSON; sizes in bytes."""
        return {
            "model": self.model,
            "runtime": self.runtime,
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


def program_macs(program: Program) -> int:
    """Multiply-accumulates by weights of all operators of a segment."""
    return sum(operator_macs(program, index) for index in range(len(program.operators)))


def operator_macs(program: Program, index: int) -> int:
    """Multiply-accumulates by weights of one operator: each weight is used for each pixel."""
    operator = program.operators[index]
    made = program.tensors[operator.output]
    if not isinstance(operator.parameters, Conv | ConvS16 | ConvF32):
        return 0
    size = TensorType.F32.size if isinstance(operator.parameters, ConvF32) else 1
    return made.rows * made.width * len(operator.parameters.weights) // size

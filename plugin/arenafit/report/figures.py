"""The report of one optimisation: data only, and its JSON form (the contract's names)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from arenafit.candidates import PassReport
from arenafit.memory.problem import Bytes

__all__ = ["Arena", "Flash", "Heads", "Instructions", "Report", "SegmentSize", "Verified"]


@dataclass(frozen=True)
class Arena:
    """What a model asks of TFLM's arena, in bytes; None where it is not known.

    `measured` is true when the figures were read from TFLM itself (64-bit host: a
    Cortex-M has the same head, but for scratch, and a smaller tail). `startup` is the
    smallest arena in which AllocateTensors succeeds: planning takes tables of its own.
    """

    head: Bytes
    tail: Bytes | None = None
    total: Bytes | None = None
    startup: Bytes | None = None
    measured: bool = False


@dataclass(frozen=True)
class Verified:
    """How OUT was compared with IN; `bit_exact` None: it was not."""

    bit_exact: bool | None = None
    inputs: int = 0
    steps: int = 1
    oracle: str = ""
    note: str = ""


@dataclass(frozen=True)
class Heads:
    """Heads predicted for one kernel set, its scratch included, in bytes."""

    before: Bytes
    after: Bytes


@dataclass(frozen=True)
class Instructions:
    """Estimated instructions of one inference on a Cortex-M4; None where they are not known."""

    before: int | None = None
    after: int | None = None


@dataclass(frozen=True)
class Flash:
    """Size of the file in bytes."""

    before: Bytes
    after: Bytes


@dataclass(frozen=True)
class SegmentSize:
    """One ARENAFIT_SEGMENT of OUT."""

    operator: int  # its number in the main subgraph
    operators: int  # that it runs
    workspace: Bytes


@dataclass
class Report:
    """Everything that `arenafit optimize` found and did."""

    model: str
    runtime: str
    kernels: str
    before: Arena
    after: Arena
    bound: Bytes
    optimal: bool
    proof: str  # what `optimal` rests on, in words
    binding: str  # the operator that bounds the head of OUT
    predicted: dict[str, Heads] = field(default_factory=dict)  # by kernel set
    passes: list[PassReport] = field(default_factory=list)
    segments: list[SegmentSize] = field(default_factory=list)
    verified: Verified = field(default_factory=Verified)
    seconds: float = 0.0
    instructions: Instructions = field(default_factory=Instructions)
    flash: Flash = field(default_factory=lambda: Flash(0, 0))
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, with the names of the interface contract."""
        data = asdict(self)
        data["bound"] = {"head": self.bound}
        return data

    def to_json(self) -> str:
        """The report as JSON text; all sizes in bytes."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

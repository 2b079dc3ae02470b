"""A job: a model, its inputs, a planner, as ``job.h`` has it; and what running it printed."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from arenafit.errors import CheckFailed

__all__ = ["ARENA_BYTES", "PLANNERS", "Answer", "JobError", "job_bytes", "read_answer"]

PLANNERS = ("greedy", "arenafit")
ARENA_BYTES = 8 << 20  # enough for any model here; what counts is how much of it is used

_HEADER = struct.Struct("<10I")
_MAGIC = 0x324A4641  # "AFJ2"
_EVENT = re.compile(r"EVENT (.+) (\d+)")
_RAN = re.compile(r"RAN instructions=(\d+) stack=(\d+)")


class JobError(CheckFailed):
    """The program did not come to its end; the message is the last that it said."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run of a model gave. Sizes in bytes."""

    head: int  # activations and scratch
    used: int  # the arena in all
    instructions: tuple[int, ...]  # of each invocation; 0 where they are not counted
    stack: int  # most of all invocations; 0 where it is not measured
    outputs: tuple[bytes, ...]  # of each invocation, all graph outputs in a row
    notes: tuple[str, ...] = ()  # what arenafit's code logged
    operators: tuple[tuple[tuple[str, int], ...], ...] = ()
    """Of each invocation, with a profile: the operators' names and instructions, in order. None
    where the library was built to be silent."""

    @property
    def tail(self) -> int:
        """Persistent data."""
        return self.used - self.head


def job_bytes(
    model: bytes,
    inputs: Sequence[bytes],
    planner: str,
    *,
    variables: int = 0,
    profile: bool = False,
) -> bytes:
    """The job's file, up to where the arena begins.

    Args:
        model: the ``.tflite``.
        inputs: for each invocation all graph inputs in a row; all of one size.
        planner: one of PLANNERS.
        variables: how many resource variables the model has at most.
        profile: measure each operator instead of the whole.

    Raises:
        ValueError: no inputs, or of several sizes.
    """
    if len({len(entry) for entry in inputs}) != 1:
        raise ValueError("inputs must be given, and all have one size")
    model_at = _aligned(_HEADER.size)
    inputs_at = _aligned(model_at + len(model))
    arena_at = _aligned(inputs_at + len(inputs) * len(inputs[0]))
    header = _HEADER.pack(
        _MAGIC,
        PLANNERS.index(planner),
        model_at,
        inputs_at,
        len(inputs[0]),
        len(inputs),
        arena_at,
        ARENA_BYTES,
        variables,
        profile,
    )
    start = (header.ljust(model_at, b"\0") + model).ljust(inputs_at, b"\0")
    return (start + b"".join(inputs)).ljust(arena_at, b"\0")


def read_answer(lines: Sequence[str], exit_code: int | None, invocations: int) -> Answer:
    """What a program's lines say.

    Args:
        lines: all that it printed.
        exit_code: its status; None if it was stopped.
        invocations: how often the model should have run.

    Raises:
        JobError: it did not end well, or did not run the model so often.
    """
    if exit_code != 0 or "END" not in lines:
        why = "; ".join(lines[-3:]) or "it printed nothing"
        raise JobError(
            f"{why} (exit status {exit_code})" if exit_code is not None else "no end in time"
        )
    figures = {}
    ran: list[tuple[int, int]] = []
    events: list[tuple[str, int]] = []
    operators: list[tuple[tuple[str, int], ...]] = []
    outputs: list[bytes] = []
    notes: list[str] = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word in ("HEAD", "USED") and rest.isdecimal():
            figures[word] = int(rest)
        elif match := _RAN.fullmatch(line):
            ran.append((int(match[1]), int(match[2])))
            outputs.append(b"")
            operators.append(tuple(events))
            events = []
        elif event := _EVENT.fullmatch(line):
            events.append((event[1], int(event[2])))
        elif word == "OUT" and outputs:
            outputs[-1] += bytes.fromhex(rest)
        elif word == "arenafit:":
            notes.append(rest)
    if len(ran) != invocations or len(figures) != 2 or not all(outputs):
        raise JobError(f"{len(ran)} of {invocations} invocations gave an output")
    instructions, stacks = zip(*ran, strict=True)
    sizes = figures["HEAD"], figures["USED"]
    profile = tuple(operators) if any(operators) else ()
    return Answer(*sizes, instructions, max(stacks), tuple(outputs), tuple(notes), profile)


def _aligned(size: int) -> int:
    return -(-size // 16) * 16

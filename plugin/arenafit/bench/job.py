"""What ``bench.c`` is given, and what it prints."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from arenafit.errors import CheckFailed, UsageError
from arenafit.target.qemu import Printed

__all__ = ["Invocation", "job_bytes", "read_invocations"]

_RAN = re.compile(r"RAN instructions=(\d+) stack=(\d+)")
_COUNT = re.compile(r"(INTERPRETER|OPERATOR) (\d+)")
_OUT = re.compile(r"OUT ([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One inference."""

    instructions: int
    interpreter: int  # of these, those in no operator's steps
    operators: tuple[int, ...]  # those of each operator
    stack: int  # bytes
    output: bytes  # all outputs in a row


def job_bytes(inputs: Sequence[bytes]) -> bytes:
    """The job: for each invocation all inputs in a row."""
    return struct.pack("<I12x", len(inputs)) + b"".join(inputs)


def read_invocations(printed: Printed, count: int) -> list[Invocation]:
    """The `count` invocations that a program reports.

    Raises:
        UsageError: it had too little time.
        CheckFailed: it did not come to its end, or did something else.
    """
    if printed.exit_code is None:
        raise UsageError("the device is not done in time: give it more, --timeout SECONDS")
    if printed.exit_code != 0 or printed.lines[-1:] != ("END",):
        said = "; ".join(line for line in printed.lines[-3:] if line) or "nothing"
        raise CheckFailed(f"the device stopped with exit code {printed.exit_code}, saying: {said}")
    found: list[Invocation] = []
    figures: list[int] = []
    counts: list[int] = []
    output = b""

    def finish() -> None:
        if figures and counts and output:
            instructions, stack = figures
            found.append(Invocation(instructions, counts[0], tuple(counts[1:]), stack, output))

    for line in printed.lines:
        if ran := _RAN.fullmatch(line):
            finish()
            figures, counts, output = [int(ran[1]), int(ran[2])], [], b""
        elif counted := _COUNT.fullmatch(line):
            counts.append(int(counted[2]))
        elif out := _OUT.fullmatch(line):
            output += bytes.fromhex(out[1])
    finish()
    if len(found) != count:
        raise CheckFailed(f"the device reported {len(found)} of {count} inferences")
    return found

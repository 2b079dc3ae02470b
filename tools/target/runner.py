"""Runs a test program and reads its report.

The report is what ``tests/target/harness.c`` prints. A program succeeds only if it says so, test
by test and at its end: an exit status of 0 alone is not believed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from arenafit.target.cpus import Cpu
from arenafit.target.qemu import execute
from arenafit.target.qemu import run_in_qemu as run

__all__ = [
    "GET_FVP",
    "Outcome",
    "Report",
    "find_fvp",
    "read_report",
    "run_in_fvp",
    "run_in_qemu",
]

GET_FVP = (
    "no Corstone-300 FVP on PATH or in FVP_CORSTONE_300; it is free, from "
    "https://developer.arm.com/downloads/-/arm-ecosystem-fvps"
)
_FVP_NAMES = (
    "FVP_Corstone_SSE-300_Ethos-U55",
    "FVP_Corstone_SSE-300_Ethos-U65",
    "FVP_Corstone_SSE-300",
)
_FVP_OPTIONS = (
    "cpu0.semihosting-enable=1",
    "mps3_board.visualisation.disable-visualisation=1",
    "mps3_board.telnetterminal0.start_telnet=0",
    "mps3_board.telnetterminal1.start_telnet=0",
    "mps3_board.telnetterminal2.start_telnet=0",
    "mps3_board.telnetterminal5.start_telnet=0",
)

_RUN = re.compile(r"RUN (\w+)")
_TEST = re.compile(r"TEST (\w+) (PASS|FAIL) instructions=(\d+) ticks=(\d+) stack=(\d+)")
_DONE = re.compile(r"DONE passed=(\d+) failed=(\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test."""

    name: str
    status: str  # passed | failed | crashed | timed out
    instructions: int | None  # None where the test did not come to its end, or none are counted
    ticks: int | None  # of SysTick
    stack: int | None  # bytes, the high-water mark
    messages: tuple[str, ...]  # what was printed while it ran

    def __str__(self) -> str:
        """One line, and the messages below it if it is no success."""
        line = f"{'PASS' if self.status == 'passed' else 'FAIL'} {self.name}"
        if self.status in ("crashed", "timed out"):
            line += f" ({self.status})"
        elif self.instructions is not None:
            line += f" instructions={self.instructions} stack={self.stack}"
        else:
            line += f" ticks={self.ticks} stack={self.stack}"
        messages = () if self.status == "passed" else self.messages
        return "\n".join([line, *(f"    {message}" for message in messages)])


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a program."""

    outcomes: tuple[Outcome, ...]  # in the order in which the tests began
    complete: bool  # it came to its end, and said how many tests it had
    exit_code: int | None  # None: it ran out of time
    lines: tuple[str, ...]  # all that was printed

    @property
    def succeeded(self) -> bool:
        """Every test passed, there was one, and the program ended as it should."""
        passed = all(outcome.status == "passed" for outcome in self.outcomes)
        return bool(self.outcomes) and passed and self.complete and self.exit_code == 0

    def outcome(self, name: str) -> Outcome:
        """The outcome of that test; one that never began counts as crashed."""
        for outcome in self.outcomes:
            if outcome.name == name:
                return outcome
        status = "timed out" if self.exit_code is None else "crashed"
        return Outcome(name, status, None, None, None, ("never began", *self.lines[-5:]))


def run_in_qemu(elf: Path, cpu: Cpu, *, timeout: float = 60) -> Report:
    """Runs a program on QEMU's machine for that CPU, for `timeout` seconds at most."""
    printed = run(elf, cpu, timeout=timeout)
    return read_report(printed.lines, printed.exit_code)


def find_fvp() -> str | None:
    """The Corstone-300 FVP: FVP_CORSTONE_300, or the first on PATH with one of its names."""
    named = os.environ.get("FVP_CORSTONE_300")
    if named:
        return shutil.which(named)
    return next((path for name in _FVP_NAMES if (path := shutil.which(name))), None)


def run_in_fvp(elf: Path, fvp: str, *, timeout: float = 300) -> Report:
    """Runs a program for cortex-m55 on Arm's Corstone-300 FVP.

    Its clock counts time that Arm's model makes up; instructions are not known.
    """
    options = [word for option in _FVP_OPTIONS for word in ("-C", option)]
    printed = execute([fvp, *options, "-a", str(elf)], timeout)
    report = read_report(printed.lines, printed.exit_code)
    outcomes = tuple(replace(outcome, instructions=None) for outcome in report.outcomes)
    return replace(report, outcomes=outcomes)


def read_report(lines: Sequence[str], exit_code: int | None) -> Report:
    """What a program printed, by test.

    A test that began and did not end has crashed, or run out of time if `exit_code` is None.
    """
    unfinished = "timed out" if exit_code is None else "crashed"
    outcomes: list[Outcome] = []
    messages: list[str] = []
    name: str | None = None  # of the test that is running
    complete = False
    for line in lines:
        if begun := _RUN.fullmatch(line):
            if name is not None:
                outcomes.append(Outcome(name, unfinished, None, None, None, tuple(messages)))
            name, messages = begun[1], []
        elif (ended := _TEST.fullmatch(line)) and ended[1] == name:
            status = "passed" if ended[2] == "PASS" else "failed"
            figures = int(ended[3]), int(ended[4]), int(ended[5])
            outcomes.append(Outcome(ended[1], status, *figures, tuple(messages)))
            name, messages = None, []
        elif done := _DONE.fullmatch(line):
            complete = name is None and int(done[1]) + int(done[2]) == len(outcomes)
        else:
            messages.append(line)
    if name is not None:
        outcomes.append(Outcome(name, unfinished, None, None, None, tuple(messages)))
    return Report(tuple(outcomes), complete, exit_code, tuple(lines))

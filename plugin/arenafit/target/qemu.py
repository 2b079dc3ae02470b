"""Runs a program on QEMU's model of a board, and hands on what it printed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arenafit.target.cpus import Cpu

__all__ = ["QEMU", "Printed", "execute", "in_memory", "run_in_qemu"]

QEMU = "qemu-system-arm"


@dataclass(frozen=True, slots=True)
class Printed:
    """What a program said, and how it ended."""

    lines: tuple[str, ...]  # standard output and error, as they came
    exit_code: int | None  # None: it ran out of time


def run_in_qemu(
    elf: Path, cpu: Cpu, *, timeout: float = 60, options: Sequence[str] = ()
) -> Printed:
    """Runs a program on QEMU's machine for that CPU, for `timeout` seconds at most.

    `options` are further ones of QEMU's. Each instruction lasts as long as any other, so that the
    program's clock counts them.
    """
    command = [QEMU, "-M", cpu.machine, "-kernel", str(elf)]
    command += ["-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]
    command += ["-semihosting-config", "enable=on,target=native"]
    return execute([*command, *options], timeout)


def in_memory(file: Path, address: int) -> list[str]:
    """Options of QEMU's with which a file lies in memory when the program starts."""
    name = str(file).replace(",", ",,")
    return ["-device", f"loader,file={name},addr={address:#x},force-raw=on"]


def execute(command: Sequence[str], timeout: float) -> Printed:
    """Runs a command for `timeout` seconds at most."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
            status: int | None = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            status = None
    return Printed(tuple(output.decode("utf-8", "replace").splitlines()), status)

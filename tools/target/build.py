"""Test programs: the harness, the kernels and a test, within the memory of a real board."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from arenafit.target.build import build_library as build_kernels
from arenafit.target.build import compile_object, link
from arenafit.target.cpus import Cpu

__all__ = ["HARNESS", "ROOT", "build_library", "build_program"]

ROOT = Path(__file__).resolve().parents[2]
HARNESS = ROOT / "tests" / "target"


def build_library(
    cpu: Cpu,
    folder: Path,
    sources: Sequence[Path] | None = None,
    *,
    defines: Iterable[str] = (),
    optimise: str = "-O2",
) -> Path:
    """Compiles the kernels (or other sources) with start-up code and harness; the library.

    Raises:
        BuildError: with the compiler's message.
    """
    further = [HARNESS / "harness.c"]
    return build_kernels(
        cpu,
        folder,
        sources,
        further=further,
        include=[HARNESS],
        defines=defines,
        optimise=optimise,
    )


def build_program(
    cpu: Cpu,
    source: Path,
    library: Path,
    folder: Path,
    *,
    include: Iterable[Path] = (),
    defines: Iterable[str] = (),
    stack_bytes: int = 16 * 1024,
) -> Path:
    """Compiles one test program and links it with `library`; returns the ELF file in `folder`.

    Raises:
        BuildError: with the message of compiler or linker, which does not let a program be
            larger than the CPU's board.
    """
    folder.mkdir(parents=True, exist_ok=True)
    code = compile_object(
        cpu, source, folder / f"{source.stem}.o", include=[*include, HARNESS], defines=defines
    )
    elf = folder / f"{source.stem}.elf"
    return link(cpu, [code, library], elf, memory=cpu.memory, stack_bytes=stack_bytes)

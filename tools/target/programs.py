"""The test programs: ``tests/target/test_NAME.c``, one ELF file each.

``NAME_vectors.py`` beside a program, if there is one, has a function ``vectors()`` that returns
arrays and numbers by name; the program includes them as ``NAME_vectors.h``.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arenafit.target.cpus import Cpu
from target.build import HARNESS, build_program
from target.vectors import c_header

__all__ = ["Program", "build", "find_program", "find_programs", "write_vectors"]

_TEST = re.compile(r"^TEST\((\w+)\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """One program."""

    name: str  # NAME of test_NAME.c
    source: Path
    tests: tuple[str, ...]  # in the source's order
    vectors: Path | None  # the Python file that makes them


def find_programs() -> list[Program]:
    """All programs, by name."""
    return [find_program(source) for source in sorted(HARNESS.glob("test_*.c"))]


def find_program(source: Path) -> Program:
    """The program of which that is the source.

    Raises:
        ValueError: it has no test, or two of one name.
    """
    name = source.stem.removeprefix("test_")
    tests = tuple(_TEST.findall(source.read_text(encoding="utf-8")))
    if not tests or len(set(tests)) < len(tests):
        raise ValueError(f"{source}: no test, or two of one name")
    vectors = source.with_name(f"{name}_vectors.py")
    return Program(name, source, tests, vectors if vectors.exists() else None)


def write_vectors(program: Program, folder: Path) -> None:
    """Makes the program's vectors, if it has any, and writes their header into `folder`."""
    if program.vectors is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    header = folder / f"{program.vectors.stem}.h"
    header.write_text(c_header(_load(program.vectors)), encoding="ascii")


def build(program: Program, cpu: Cpu, library: Path, folder: Path, vectors: Path) -> Path:
    """The program's ELF file, in `folder`; `vectors` is where `write_vectors` wrote to.

    Raises:
        BuildError: with the message of compiler or linker.
    """
    return build_program(cpu, program.source, library, folder, include=[vectors])


def _load(path: Path) -> Mapping[str, Any]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vectors: Mapping[str, Any] = module.vectors()
    return vectors

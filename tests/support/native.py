"""C and C++ compiled for the tests, with the host's own compiler.

Nothing is kept in the repository: results go to a folder of this process, and each set of
sources and flags is compiled once. Where there is no compiler the calling test is skipped,
except in continuous integration (CI=true), where it fails.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

__all__ = [
    "C_FLAGS",
    "KERNELS",
    "SANITIZE",
    "compile_program",
    "compile_shared",
    "compiler",
    "new_file",
]

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "kernels"

C_FLAGS = (
    "-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", f"-I{KERNELS}/core/include",
)  # fmt: skip
"""What all of kernels/core is compiled with, on every target."""

SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@cache
def compiler(language: str = "c") -> str:
    """The compiler of "c" or "c++": $CC or $CXX, else the system's; skips without one."""
    variable, names = {"c": ("CC", ("cc", "gcc", "clang")), "c++": ("CXX", ("c++", "g++"))}[
        language
    ]
    found = os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = f"no compiler for {language} (looked for {', '.join(names)}; or set {variable})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def compile_shared(sources: Iterable[Path], *flags: str) -> ctypes.CDLL:
    """A shared library of `sources`, loaded."""
    return ctypes.CDLL(str(_build(tuple(sources), ("-O2", "-fPIC", "-shared", *flags))))


def compile_program(sources: Iterable[Path], *flags: str) -> Path:
    """A program of `sources`; give it SANITIZE for a build that finds out what C forgives."""
    return _build(tuple(sources), ("-O1", *flags))


@cache
def _folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="arenafit-native-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def new_file(name: str) -> Path:
    """Where nothing is yet, for as long as this process runs; its name begins with a number."""
    return _folder() / f"{len(list(_folder().iterdir()))}-{name}"


@cache
def _build(sources: tuple[Path, ...], flags: tuple[str, ...]) -> Path:
    language = "c++" if any(source.suffix == ".cc" for source in sources) else "c"
    target = new_file(sources[0].stem)
    command = [compiler(language), *flags, *map(str, sources), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return target

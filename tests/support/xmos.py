"""TFLM's own headers and a library made with them, from PyPI: the package xmos-ai-tools.

They are TFLM of October 2023, in a namespace of its own, without TF_LITE_STATIC_MEMORY. What
users compile with is not what the wheel of arenafit's host runtime needs (kernels/host), so
kernels/tflm is compiled and run with these as well.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest

from support.native import C_FLAGS, KERNELS, compiler

__all__ = ["Ran", "Xmos"]

GEMMLOWP = Path("/usr/include/gemmlowp")  # Debian's libgemmlowp-dev
RUNNER = Path(__file__).resolve().parents[1] / "glue" / "run_model.cc"

_CXX_FLAGS = (
    "-std=c++17", "-O1", "-fno-rtti", "-fno-exceptions", "-Wall", "-Wextra", "-Werror",
)  # fmt: skip
_TIMEOUT = 300.0


@dataclass(frozen=True)
class Ran:
    """What run_model said."""

    outputs: bytes  # of all invocations
    head: int  # bytes
    used: int  # bytes


class Xmos:
    """The package, or the reason to skip; `folder` is where programs go."""

    def __init__(self, folder: Path) -> None:
        found = importlib.util.find_spec("xmos_ai_tools")
        if found is None or not found.submodule_search_locations:
            _skip("xmos-ai-tools is not installed (pip install --no-deps -r requirements-tflm.txt)")
        if not (GEMMLOWP / "fixedpoint" / "fixedpoint.h").is_file():
            _skip(f"no gemmlowp in {GEMMLOWP} (apt-get install libgemmlowp-dev)")
        assert found is not None and found.submodule_search_locations
        package = Path(found.submodule_search_locations[0])
        self._include = package / "runtime" / "include"
        self._libraries = package / "xinterpreters" / "libs" / "linux"
        self._folder = folder

    def run(self, model: bytes, inputs: Sequence[npt.NDArray[Any]], planner: str) -> Ran:
        """Run a model in that TFLM with a planner: greedy, arenafit or offline.

        Raises:
            subprocess.CalledProcessError: TFLM refuses it; `stderr` has its log.
        """
        paths = [self._folder / f"{name}-{os.getpid()}" for name in ("model", "inputs")]
        for path, data in zip(paths, (model, b"".join(x.tobytes() for x in inputs)), strict=True):
            path.write_bytes(data)
        command = [self._runner, *paths, planner]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
        _, head, _, used = done.stderr.decode().splitlines()[-1].split()
        return Ran(done.stdout, int(head), int(used))

    @cached_property
    def _runner(self) -> Path:
        """The program; compiled once for all processes that run tests (~10 s)."""
        program = self._folder / "run_model"
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.exists():
                self._compile(program)
        return program

    def _compile(self, program: Path) -> None:
        scratch = program.with_suffix(".objects")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        core = sorted((KERNELS / "core" / "src").glob("*.c"))
        glue = sorted((KERNELS / "tflm" / "src").glob("*.cc"))
        _call([compiler("c"), *C_FLAGS, "-O1", "-c", *core], scratch)
        _call(
            [
                *(compiler("c++"), *_CXX_FLAGS, "-Dtflite=tflite_micro"),
                *(f"-I{KERNELS}/{part}/include" for part in ("core", "tflm")),
                *("-isystem", self._include, "-isystem", GEMMLOWP),
                *(RUNNER, *glue, *sorted(scratch.glob("*.o"))),
                *(f"-L{self._libraries}", "-l:xtflm_python.so", f"-Wl,-rpath,{self._libraries}"),
                *("-o", program),
            ],
            scratch,
        )


def _call(command: Sequence[object], folder: Path) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True,
        timeout=_TIMEOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


_skip: Callable[[str], None] = pytest.fail if os.environ.get("CI") == "true" else pytest.skip

"""The fuzz targets of tests/fuzz: built with clang's libFuzzer, ASan and UBSan, and run.

Where there is no such clang the calling test is skipped, except in continuous integration
(CI=true), where it fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from support.native import C_FLAGS, KERNELS, new_file

__all__ = ["CORE", "GLUE", "TARGETS", "Report", "Target", "build", "fuzz", "replay"]

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
CORE = KERNELS / "core" / "src"
GLUE = KERNELS / "tflm" / "src"

_SANITIZE = (
    "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all",
)  # fmt: skip
_CXX_FLAGS = (
    "-std=c++17", "-fno-rtti", "-fno-exceptions", "-Wall", "-Wextra", "-Wconversion", "-Werror",
    *(f"-I{KERNELS}/{name}" for name in ("host/tflm_abi", "tflm/include", "core/include")),
    f"-I{GLUE}",
)  # fmt: skip
_MOST_BYTES = 700  # of an input: some twenty buffers, and a plan for them; seeds may be longer


@dataclass(frozen=True, slots=True)
class Target:
    """A program of tests/fuzz, and the sources that it is about."""

    name: str
    sources: tuple[Path, ...]
    counts: tuple[str, ...]  # what has to come to pass often in a run that means something


TARGETS = {
    target.name: target
    for target in (
        Target(
            "planner",
            (
                CORE / "plan.c",
                CORE / "plan_online.c",
                CORE / "plan_message.c",
                GLUE / "memory_planner.cc",
                GLUE / "offline_memory_planner.cc",
            ),
            ("sound", "refused", "placed", "anew", "declared", "failed"),
        ),
        Target("online", (CORE / "plan_online.c",), ("planned", "better", "refused")),
        Target(
            "segment",
            tuple(sorted((*CORE.glob("segment*.c"), *CORE.glob("row_*.c")))),
            ("refused", "ran", "wrong rows", "rings", "in place", "fed"),
        ),
        Target(
            "max_pool",
            (CORE / "max_pool.c", CORE / "status.c", GLUE / "max_pool.cc"),
            ("ran", "refused", "in place", "unsafe distance"),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended."""

    found: bool  # the sanitizers or the target's own checks have something to say
    log: str
    counts: Mapping[str, int]


@cache
def _clang() -> str:
    """clang, if it can build fuzz targets."""
    path = shutil.which("clang")
    reason = "no clang (apt-get install clang libclang-rt-dev)"
    if path is not None:
        probe = "int LLVMFuzzerTestOneInput(void) { return 0; }\n"
        command = [path, *_SANITIZE, "-x", "c", "-", "-o", "/dev/null"]
        done = subprocess.run(command, input=probe, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return path
        reason = f"clang cannot build fuzz targets (libclang-rt-dev?): {done.stderr.strip()[-200:]}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stderr}"


@cache
def _compile(source: Path) -> Path:
    flags = _CXX_FLAGS if source.suffix == ".cc" else (*C_FLAGS, f"-I{CORE}")
    target = new_file(f"{source.stem}.o")
    _run(_clang(), *flags, *_SANITIZE, "-c", source, "-o", target)
    return target


@cache
def build(target: Target, instead_of: Path | None = None, other: Path | None = None) -> Path:
    """The program; with `other` in the place of one of its sources."""
    sources = [other if source == instead_of and other else source for source in target.sources]
    objects = [_compile(source) for source in (FUZZ / f"{target.name}.cc", *sources)]
    program = new_file(target.name)
    _run(f"{_clang()}++", *_SANITIZE, *objects, "-o", program)
    return program


def fuzz(
    program: Path, seeds: Iterable[bytes], runs: int, seed: int = 1, timeout: int = 20
) -> Report:
    """`runs` inputs, mutated from `seeds`; the same ones for the same `seed`, 0 draws one.

    An input that takes `timeout` seconds is a fault; all take milliseconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        most = _MOST_BYTES
        for number, data in enumerate(seeds):
            (Path(folder) / f"seed-{number:03}").write_bytes(data)
            most = max(most, len(data))
        flags = f"-max_len={most}", f"-runs={runs}", f"-seed={seed}", f"-timeout={timeout}"
        return _report(program, *flags, folder)


def replay(program: Path, data: bytes) -> Report:
    """One input."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        path.write_bytes(data)
        return _report(program, "-timeout=20", path)


def _report(program: Path, *arguments: str | Path) -> Report:
    """Runs with an artifact, if any, in the log alone: libFuzzer prints it in base64."""
    with tempfile.TemporaryDirectory() as artifacts:
        done = subprocess.run(
            [
                program,
                "-verbosity=0",
                "-print_funcs=0",
                f"-artifact_prefix={artifacts}/",
                *arguments,
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},  # there is no heap to leak
        )
    counts = re.findall(r"^COUNT: (.+) (\d+)$", done.stderr, re.MULTILINE)
    return Report(done.returncode != 0, done.stderr, {name: int(number) for name, number in counts})

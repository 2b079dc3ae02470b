"""What stands around the device tests: reports, vectors, the FVP, and scons' refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arenafit.target.build import PACKAGES, missing_packages
from arenafit.target.cpus import CPUS
from target.runner import find_fvp, read_report
from target.vectors import c_header

ROOT = Path(__file__).resolve().parents[1]

ONE = ["RUN one", "TEST one PASS instructions=94 ticks=3 stack=8"]
DONE = "DONE passed=1 failed=0"


# --- reports --------------------------------------------------------------------------------


def test_a_report_gives_instructions_stack_and_messages_of_each_test():
    lines = [*ONE, "RUN two", "a.c:1: x is 1", "TEST two FAIL instructions=62 ticks=2 stack=0"]
    report = read_report([*lines, "DONE passed=1 failed=1"], 1)
    one, two = report.outcomes
    assert (one.status, one.instructions, one.stack, one.messages) == ("passed", 94, 8, ())
    assert (two.status, two.instructions, two.messages) == ("failed", 62, ("a.c:1: x is 1",))
    assert str(one) == "PASS one instructions=94 stack=8"
    assert str(two) == "FAIL two instructions=62 stack=0\n    a.c:1: x is 1"
    assert (report.complete, report.succeeded) == (True, False)


@pytest.mark.parametrize(
    ("lines", "exit_code"),
    [
        ([], 0),
        (["DONE passed=0 failed=0"], 0),
        (ONE, 0),
        ([*ONE, DONE], 1),
        ([*ONE, DONE], None),
        ([*ONE, "DONE passed=2 failed=0"], 0),
        ([*ONE, "RUN two", DONE], 0),
        (["TEST one PASS instructions=94 ticks=3 stack=8", DONE], 0),
        (["RUN two", "TEST one PASS instructions=94 ticks=3 stack=8", DONE], 0),
    ],
    ids=[
        "silence",
        "no test",
        "no end",
        "exit status",
        "time",
        "one too few",
        "one unfinished",
        "one not begun",
        "another one's end",
    ],
)
def test_a_report_with_anything_amiss_is_no_success(lines: list[str], exit_code: int | None):
    assert read_report([*ONE, DONE], 0).succeeded
    assert not read_report(lines, exit_code).succeeded


# --- vectors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"two words": 1}, "not a name in C"),
        ({"big": 1 << 31}, "does not fit 32 bits"),
        ({"none": np.zeros((0, 3), np.int8)}, "no elements"),
        ({"wide": np.zeros(1, np.float64)}, "elements of type float64"),
    ],
)
def test_what_c_cannot_hold_is_refused(values: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        c_header(values)


def test_headers_have_lines_that_can_be_read():
    header = c_header({"a": np.arange(-500, 500, dtype=np.int16)})
    assert max(map(len, header.splitlines())) <= 100


# --- the FVP --------------------------------------------------------------------------------

# Takes what an FVP takes, and lets QEMU do it.
STAND_IN = """#!/bin/bash
[ "${*: -2:1}" = -a ] || exit 9
exec qemu-system-arm -M mps3-an547 -nographic -monitor none -serial none -icount shift=0 \\
  -semihosting-config enable=on,target=native -kernel "${*: -1}"
"""


def scons(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "SCons", "-Q", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(bool(missing_packages()), reason="no Arm compiler, or no QEMU")
def test_the_fvp_runs_the_device_tests(tmp_path: Path):
    fvp = tmp_path / "an FVP"
    fvp.write_text(STAND_IN, encoding="utf-8")
    fvp.chmod(0o755)
    done = scons("test", "target=cortex_m_fvp", FVP_CORSTONE_300=str(fvp))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("cortex-m55, Corstone-300 FVP")
    # Its clock says nothing about instructions.
    assert "PASS a_loop_of_2001_instructions_is_counted ticks=" in done.stdout
    fvp.write_text("#!/bin/bash\necho no licence\n", encoding="utf-8")
    assert scons("test", "target=cortex_m_fvp", FVP_CORSTONE_300=str(fvp)).returncode != 0


def test_an_fvp_is_found_by_its_variable_and_then_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("FVP_CORSTONE_300", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_fvp() is None
    for name in ("FVP_Corstone_SSE-300_Ethos-U55", "mine"):
        (tmp_path / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    assert find_fvp() == str(tmp_path / "FVP_Corstone_SSE-300_Ethos-U55")
    monkeypatch.setenv("FVP_CORSTONE_300", str(tmp_path / "mine"))
    assert find_fvp() == str(tmp_path / "mine")
    monkeypatch.setenv("FVP_CORSTONE_300", str(tmp_path / "gone"))
    assert find_fvp() is None


# --- tools that are missing -----------------------------------------------------------------


def test_missing_tools_are_told_by_debians_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_packages() == list(PACKAGES.values())
    gcc = tmp_path / "arm-none-eabi-gcc"
    gcc.write_text("#!/bin/sh\necho rdimon.specs\n", encoding="utf-8")  # as gcc without newlib
    gcc.chmod(0o755)
    assert missing_packages() == ["libnewlib-arm-none-eabi", "qemu-system-arm"]
    assert missing_packages(qemu=False) == ["libnewlib-arm-none-eabi"]
    gcc.write_text("#!/bin/sh\necho /usr/lib/rdimon.specs\n", encoding="utf-8")
    assert missing_packages(qemu=False) == []


@pytest.mark.parametrize(("ci", "status", "word"), [("", 0, "skipped"), ("true", 1, "error")])
def test_without_tools_device_tests_are_skipped_but_fail_in_continuous_integration(
    tmp_path: Path, ci: str, status: int, word: str
):
    one = "tests/test_target_qemu.py::test_a_program_that_leaves_early_has_not_succeeded"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", one],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "CI": ci},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status
    assert f"3 {word}" in done.stdout
    assert "no device tests: apt-get install gcc-arm-none-eabi" in done.stdout


# --- scons and the CPUs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("test", "target=cortex_m_fvp"), "target=cortex_m_fvp: no Corstone-300 FVP on PATH"),
        (
            ("test", "target=cortex_m_fvp", "cpu=cortex-m4"),
            "cpu=cortex-m4: the Corstone-300 FVP has a",
        ),
        (("target=cortex_m_qemu",), "target=cortex_m_qemu goes with test"),
        (("test", "target=cortex_m_qemu", "cpu=cortex-m0"), "cpu=cortex-m0: not one of cortex-m4,"),
        (("test", "cpu=cortex-m4"), "cpu= goes with target=cortex_m_qemu"),
        (("test", "target=esp32"), "target=esp32: not one of host,"),
        (("test", "targets=host"), "no option targets=;"),
        (("tflm=nowhere",), "tflm=nowhere: no such directory"),
    ],
)
def test_scons_refuses_what_it_cannot_do_in_one_line(arguments: tuple[str, ...], message: str):
    done = scons(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"scons: {message}")
    assert done.stderr.count("\n") == 1


def test_programs_get_the_memory_of_real_boards():
    sizes = {name: (cpu.memory.ram, cpu.memory.code) for name, cpu in CPUS.items()}
    assert sizes == {
        "cortex-m4": (256 * 1024, 1024 * 1024),
        "cortex-m7": (320 * 1024, 1024 * 1024),
        "cortex-m55": (512 * 1024, 512 * 1024),
    }

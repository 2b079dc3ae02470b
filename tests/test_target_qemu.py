"""The test programs of tests/target on Cortex-M4, M7 and M55 in QEMU, and that none lies.

A program is built and run once for each CPU; each of its tests is one here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from arenafit.target.build import BuildError, missing_packages, section_sizes
from arenafit.target.cpus import CPUS, Cpu
from target.build import build_library, build_program
from target.programs import HARNESS, Program, build, find_program, find_programs, write_vectors
from target.runner import Report, run_in_qemu

CONTROLS = HARNESS / "controls"
PROGRAMS = {program.name: program for program in find_programs()}
TESTS = [(program, test) for program in PROGRAMS.values() for test in program.tests]

Library = Callable[[Cpu], Path]
Run = Callable[[Program, Cpu], Report]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The kernels and the start-up code for a CPU, compiled at the first call."""
    if missing := missing_packages():
        message = f"no device tests: apt-get install {' '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    libraries: dict[str, Path] = {}

    def library_for(cpu: Cpu) -> Path:
        if cpu.name not in libraries:
            libraries[cpu.name] = build_library(cpu, tmp_path_factory.mktemp(cpu.name))
        return libraries[cpu.name]

    return library_for


@pytest.fixture(scope="session")
def run(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Builds and runs a program on a CPU; a second time, it remembers."""
    vectors = tmp_path_factory.mktemp("vectors")
    written: set[str] = set()
    reports: dict[tuple[str, str], Report] = {}

    def run_once(program: Program, cpu: Cpu) -> Report:
        key = program.name, cpu.name
        if key not in reports:
            if program.name not in written:
                write_vectors(program, vectors)
                written.add(program.name)
            code = library(cpu)
            elf = build(program, cpu, code, code.parent, vectors)
            reports[key] = run_in_qemu(elf, cpu)
        return reports[key]

    return run_once


@pytest.fixture(params=CPUS)
def cpu(request: pytest.FixtureRequest) -> Cpu:
    return CPUS[request.param]


@pytest.fixture
def control(library: Library, tmp_path: Path) -> Callable[..., Report]:
    """Builds and runs one of the programs that must not succeed."""

    def run_control(name: str, cpu: Cpu, timeout: float = 60, **defines: int) -> Report:
        words = [f"{key}={value}" for key, value in defines.items()]
        source = CONTROLS / f"{name}.c"
        elf = build_program(cpu, source, library(cpu), tmp_path, defines=words)
        return run_in_qemu(elf, cpu, timeout=timeout)

    return run_control


def statuses(report: Report) -> dict[str, str]:
    return {outcome.name: outcome.status for outcome in report.outcomes}


@pytest.mark.parametrize("name", CPUS)
@pytest.mark.parametrize(
    ("program", "test"), TESTS, ids=[f"{program.name}-{test}" for program, test in TESTS]
)
def test_on_the_device(run: Run, program: Program, test: str, name: str):
    outcome = run(program, CPUS[name]).outcome(test)
    assert outcome.status == "passed", str(outcome)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_all_of_its_tests_and_ends_well(run: Run, cpu: Cpu, name: str):
    report = run(PROGRAMS[name], cpu)
    assert report.succeeded
    assert [outcome.name for outcome in report.outcomes] == list(PROGRAMS[name].tests)


def test_a_loop_of_known_length_is_counted_exactly(run: Run, cpu: Cpu):
    report = run(PROGRAMS["device"], cpu)
    assert report.outcome("a_loop_of_2001_instructions_is_counted").instructions == 2001
    assert report.outcome("a_function_that_uses_no_stack_leaves_no_mark").instructions == 1


def test_counts_are_the_same_on_every_run(run: Run, library: Library, cpu: Cpu, tmp_path: Path):
    first = run(PROGRAMS["device"], cpu)
    elf = build(PROGRAMS["device"], cpu, library(cpu), tmp_path, tmp_path)
    assert run_in_qemu(elf, cpu).outcomes == first.outcomes


# Of instructions that portable C takes, at most: by kernel, and CPU.
LIMITS = {
    "cortex-m4": {
        "convolutions": 0.8,
        "depthwise": 0.9,
        "fully_connected": 0.65,
        "arithmetic": 0.75,
    },
    "cortex-m55": {
        "convolutions": 0.55,
        "depthwise": 0.85,
        "fully_connected": 0.55,
        "arithmetic": 0.75,
    },
}


@pytest.mark.parametrize("name", LIMITS)
def test_kernels_use_what_the_cpu_has(run: Run, name: str, tmp_path: Path):
    cpu, program = CPUS[name], PROGRAMS["kernels"]
    fast = run(program, cpu)
    write_vectors(program, tmp_path)
    portable = build_library(cpu, tmp_path, defines=["ARENAFIT_PORTABLE"])
    slow = run_in_qemu(build(program, cpu, portable, tmp_path, tmp_path), cpu)
    assert slow.succeeded
    for kernel, most in LIMITS[name].items():
        (test,) = (test for test in program.tests if test.startswith(kernel))
        counts = [report.outcome(test).instructions for report in (fast, slow)]
        assert None not in counts
        assert counts[0] < most * counts[1], kernel


# --- negative controls ----------------------------------------------------------------------


def test_a_test_that_fails_is_reported_with_its_reasons(control: Callable[..., Report], cpu: Cpu):
    report = control("failing", cpu)
    assert statuses(report) == {"before": "passed", "wrong": "failed", "after": "passed"}
    said = "\n".join(report.outcome("wrong").messages)
    assert "2 + 3 is 5, expected 4" in said
    assert "actual differs in 1 of 4 bytes; byte 3 is 5, expected 4" in said
    assert "expected[0] == 2 does not hold" in said
    assert (report.exit_code, report.succeeded) == (1, False)


def test_a_crash_is_reported_with_its_place(control: Callable[..., Report], cpu: Cpu):
    report = control("crashing", cpu)
    assert statuses(report) == {"before": "passed", "reads_nowhere": "crashed"}
    assert any("FAULT HardFault" in line and " pc=" in line for line in report.lines)
    assert report.outcome("never_reached").status == "crashed"
    assert (report.exit_code, report.succeeded) == (70, False)


def test_a_stack_that_overflows_is_reported(control: Callable[..., Report], cpu: Cpu):
    report = control("overflowing", cpu)
    assert statuses(report) == {"descends_for_ever": "crashed"}
    assert report.lines[-1].endswith("stack overflow")
    assert not report.succeeded


def test_a_program_that_hangs_is_stopped(control: Callable[..., Report]):
    report = control("hanging", CPUS["cortex-m4"], timeout=5)  # enough for QEMU to start
    assert statuses(report) == {"before": "passed", "waits_for_ever": "timed out"}
    assert (report.exit_code, report.succeeded) == (None, False)


def test_a_program_that_leaves_early_has_not_succeeded(control: Callable[..., Report], cpu: Cpu):
    report = control("quitting", cpu)
    assert statuses(report) == {"leaves": "crashed"}
    assert (report.exit_code, report.succeeded) == (0, False)


def test_a_program_may_fill_the_boards_ram_and_not_a_byte_more(
    control: Callable[..., Report], library: Library, cpu: Cpu, tmp_path: Path
):
    small = build_program(cpu, CONTROLS / "large.c", library(cpu), tmp_path, defines=["BYTES=16"])
    sizes = section_sizes(small)
    room = cpu.memory.ram - sizes.bss - sizes.data + 16  # but for padding
    assert control("large", cpu, BYTES=room - 1024).succeeded  # newlib's streams want a heap
    with pytest.raises(BuildError, match="region `RAM' overflowed"):
        control("large", cpu, BYTES=room + 1)


@pytest.mark.parametrize("broken", ["unused", "narrowing"])
def test_a_warning_is_an_error(library: Library, cpu: Cpu, tmp_path: Path, broken: str):
    text = {
        "unused": "static int f(void) { return 1; }",
        "narrowing": "char f(int a) { return a; }",
    }
    source = tmp_path / "broken.c"
    source.write_text(f"{text[broken]}\nint main(void) {{ return 0; }}\n", encoding="utf-8")
    with pytest.raises(BuildError, match="-Werror"):
        build_program(cpu, source, library(cpu), tmp_path)


def test_a_program_without_a_test_is_refused(tmp_path: Path):
    source = tmp_path / "test_nothing.c"
    source.write_text('#include "harness.h"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="no test"):
        find_program(source)

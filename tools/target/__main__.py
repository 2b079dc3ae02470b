"""Builds and runs all test programs, a line for each test; or says what is missing for that.

Exit status 0 if all passed, 1 if not, 2 if something is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from arenafit.target.build import BuildError, missing_packages
from arenafit.target.cpus import CPUS, Cpu
from target.build import build_library
from target.programs import Program, build, find_programs, write_vectors
from target.runner import GET_FVP, Report, find_fvp, run_in_fvp, run_in_qemu


def main() -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m target", description=__doc__)
    parser.add_argument("--cpu", action="append", choices=sorted(CPUS), help="default: all")
    parser.add_argument("--fvp", action="store_true", help="cortex-m55 in Arm's Corstone-300 FVP")
    parser.add_argument("--missing", action="store_true", help="print Debian packages, run nothing")
    parser.add_argument("--folder", type=Path, default=Path("build"), help="where to build")
    arguments = parser.parse_args()
    if arguments.missing:
        print(*missing_packages())
        return 0
    fvp = find_fvp() if arguments.fvp else None
    if arguments.fvp and fvp is None:
        return _missing(f"target=cortex_m_fvp: {GET_FVP}")
    if packages := missing_packages(qemu=not arguments.fvp):
        return _missing(f"missing: apt-get install {' '.join(packages)}")
    programs = find_programs()
    vectors = arguments.folder / "vectors"
    for program in programs:
        write_vectors(program, vectors)
    cpus = ["cortex-m55"] if arguments.fvp else arguments.cpu or list(CPUS)
    try:
        failed = sum(
            _test(CPUS[cpu], programs, arguments.folder / cpu, vectors, fvp) for cpu in cpus
        )
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if failed else 0


def _missing(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


def _test(cpu: Cpu, programs: list[Program], folder: Path, vectors: Path, fvp: str | None) -> int:
    """Builds and runs every program on one CPU; returns how many tests failed."""
    memory = cpu.memory
    machine = "Corstone-300 FVP" if fvp else f"QEMU {cpu.machine}"
    print(f"{cpu.name}, {machine}, {memory.ram} bytes of RAM as on {memory.name}", flush=True)
    library = build_library(cpu, folder)
    failed = 0
    for program in programs:
        elf = build(program, cpu, library, folder, vectors)
        report = run_in_fvp(elf, fvp) if fvp else run_in_qemu(elf, cpu)
        failed += _print(program, report)
    return failed


def _print(program: Program, report: Report) -> int:
    """Prints a program's outcomes; returns how many tests failed, or 1 if only its end did."""
    outcomes = [report.outcome(name) for name in program.tests]
    print(f"  test_{program.name}.c")
    for outcome in outcomes:
        print("    " + str(outcome).replace("\n", "\n    "), flush=True)
    failed = sum(outcome.status != "passed" for outcome in outcomes)
    if not failed and not report.succeeded:
        print(f"    FAIL the program's end: exit status {report.exit_code}")
        return 1
    return failed


if __name__ == "__main__":
    sys.exit(main())

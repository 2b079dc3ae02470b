"""Whole networks as exported C, a row at a time, on a Cortex-M: instructions, stack, memory.

usage: python tools/bench_segments.py [MODEL ...] [--cpu CPU] [--baseline CSV]

Each model (default: models/ and ../shared/zoo) is exported, built for the CPU and run once in QEMU
within its board's memory; its outputs must be those of the real TFLM. With a baseline (default:
../shared/zoo/cortex_m4_baseline.csv) the figures of unmodified TFLM stand beside it: instructions
of one Invoke() with its reference kernels and with CMSIS-NN, and the arena. Instructions are exact;
they are not cycles. An arena here has all but constants and stack.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path

from arenafit.errors import ArenafitError
from arenafit.export import make_network
from arenafit.graph import load
from arenafit.runtime import Session
from arenafit.runtime.inputs import stimuli
from target.build import BuildError, build_library, missing_packages
from target.cpus import CPUS, Cpu
from target.exported import TEST, run_exported

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT.parent / "shared" / "zoo"
HEADINGS = ("arena", "instructions", "stack", "TFLM ref", "ratio", "CMSIS-NN", "ratio", "arena")
TIMEOUT = 300  # seconds


def main() -> int:
    """Prints a line for each model; 1 if the bytes of one are wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--cpu", choices=sorted(CPUS), default="cortex-m4")
    parser.add_argument("--baseline", type=Path, default=ZOO / "cortex_m4_baseline.csv")
    arguments = parser.parse_args()
    if packages := missing_packages():
        print(f"missing: apt-get install {' '.join(packages)}", file=sys.stderr)
        return 2
    found = [*sorted((ROOT / "models").glob("*.tflite")), *sorted(ZOO.glob("*.tflite"))]
    models = arguments.models or found
    baseline = _baseline(arguments.baseline)
    cpu, failed = CPUS[arguments.cpu], False
    print(f"{cpu.name} ({cpu.memory.board})")
    print("model".ljust(42), *(heading.rjust(13) for heading in HEADINGS))
    with tempfile.TemporaryDirectory() as name, Session() as session:
        folder = Path(name)
        library = build_library(cpu, folder / "library")
        for path in models:
            try:
                cells = _measure(path, cpu, library, folder / path.stem, session)
            except (ArenafitError, BuildError) as error:
                print(path.stem[:42].ljust(42), _first_line(error), flush=True)
                continue
            failed = failed or cells is None
            figures = _beside(cells, baseline.get(path.name)) if cells else ["not TFLM's bytes"]
            print(path.stem[:42].ljust(42), *(figure.rjust(13) for figure in figures), flush=True)
    return 1 if failed else 0


def _measure(
    path: Path, cpu: Cpu, library: Path, folder: Path, session: Session
) -> tuple[int, int, int] | None:
    """Arena, instructions and stack; None where the outputs are not TFLM's."""
    data = path.read_bytes()
    arena = make_network(load(data)).arena
    image = stimuli(session.describe(data), 1)[0].steps[0]
    (expected,) = session.run(data, [image])
    report = run_exported(data, image, expected, cpu, library, folder, timeout=TIMEOUT)
    outcome = report.outcome(TEST)
    if not report.succeeded or outcome.instructions is None or outcome.stack is None:
        return None
    return arena, outcome.instructions, outcome.stack


def _baseline(path: Path) -> dict[str, dict[str, str]]:
    """Rows by file name; none where there is no such file."""
    if not path.is_file():
        return {}
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {row["name"]: row for row in rows}


def _beside(cells: tuple[int, int, int], row: dict[str, str] | None) -> list[str]:
    figures = [f"{cell:,}" for cell in cells]
    if row is None:
        return figures
    for column in ("ref_instructions", "cmsis_instructions"):
        other = int(row[column])
        figures += [f"{other:,}", f"{cells[1] / other:.2f}"]
    return [*figures, f"{int(row['ref_total']):,}"]


def _first_line(error: Exception) -> str:
    """The line that says why; a linker says it after the command."""
    lines = str(error).splitlines()
    return next((line for line in lines if "overflowed" in line), lines[0])


if __name__ == "__main__":
    sys.exit(main())

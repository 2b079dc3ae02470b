"""Whole networks as exported C, a row at a time, on a Cortex-M: instructions, stack, memory.

usage: python tools/bench_segments.py [MODEL ...] [--cpu CPU] [--baseline CSV]

`arenafit bench` of each model (default: models/ and ../shared/zoo), a line each. With a baseline
(default: ../shared/zoo/cortex_m4_baseline.csv) those of unmodified TFLM on cortex-m4 stand beside it:
instructions of one Invoke() with its reference kernels and with CMSIS-NN, and the arena.
Instructions are exact; they are not cycles. An arena here has all but constants and stack.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from arenafit.bench import Bench, bench
from arenafit.errors import ArenafitError, CheckFailed
from arenafit.target.build import missing_packages
from arenafit.target.cpus import CPUS

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT.parent / "shared" / "zoo"
HEADINGS = ("arena", "instructions", "stack", "TFLM ref", "ratio", "CMSIS-NN", "ratio", "arena")


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
    baseline = _baseline(arguments.baseline) if arguments.cpu == "cortex-m4" else {}
    failed = False
    print(arguments.cpu)
    print("model".ljust(42), *(heading.rjust(13) for heading in HEADINGS))
    for path in arguments.models or found:
        print(path.stem[:42].ljust(42), end=" ", flush=True)
        try:
            seen = bench(path.read_bytes(), name=path.name, cpu=arguments.cpu)
        except ArenafitError as error:
            print(error, flush=True)
            failed = failed or isinstance(error, CheckFailed)
            continue
        print(*(cell.rjust(13) for cell in _cells(seen, baseline.get(path.name))), flush=True)
    return 1 if failed else 0


def _baseline(path: Path) -> dict[str, dict[str, str]]:
    """Rows by file name; none where there is no such file."""
    if not path.is_file():
        return {}
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {row["name"]: row for row in rows}


def _cells(seen: Bench, row: dict[str, str] | None) -> list[str]:
    cells = [f"{figure:,}" for figure in (seen.head, seen.instructions, seen.stack)]
    if row is None:
        return cells
    for column in ("ref_instructions", "cmsis_instructions"):
        other = int(row[column])
        cells += [f"{other:,}", f"{seen.instructions / other:.2f}"]
    return [*cells, f"{int(row['ref_total']):,}"]


if __name__ == "__main__":
    sys.exit(main())

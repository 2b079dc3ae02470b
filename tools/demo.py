"""Shrink the models that the repository ships, verify them in the real TFLM, show the arena.

./run demo            the whole demonstration
./run demo --quick    the first model alone
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import arenafit
from arenafit.candidates import scratch_rule
from arenafit.graph import load
from arenafit.report.chart import draw
from arenafit.report.figures import Report
from arenafit.report.profile import occupancy

MODELS = Path(__file__).resolve().parent.parent / "models"
KERNELS = "reference"


def show(path: Path, *, colour: bool) -> Report:
    """Optimise one model and draw its arena before and after, on one scale."""
    data = path.read_bytes()
    out, report = arenafit.optimize(data, name=path.name, kernels=KERNELS)
    before = occupancy(load(data), scratch_rule(KERNELS))
    after = occupancy(load(out), scratch_rule(KERNELS))
    print(f"\n{path.name}: head {report.before.head:,} -> {report.after.head:,} bytes")
    print("before")
    print(draw(before, top=before.head, colour=colour))
    print("after")
    print(draw(after, top=before.head, colour=colour))
    return report


def summary(reports: list[Report]) -> str:
    """One line a model."""
    lines = [
        f"{'model':<28}{'head':>9} ->{'':>2}{'head':>9}{'':>3}{'total':>9} ->{'total':>9}   checked"
    ]
    for report in reports:
        before, after, seen = report.before, report.after, report.verified
        checked = (
            f"bit-identical on {seen.inputs} inputs"
            if seen.bit_exact and seen.inputs
            else seen.note
        )
        proof = ", optimal" if report.optimal else ""
        lines.append(
            f"{report.model:<28}{before.head:>9,} ->{after.head:>11,}{'':>3}"
            f"{before.total or 0:>9,} ->{after.total or 0:>9,}   {checked}{proof}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the demonstration; exits with 1 if a model was not verified."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="the first model alone")
    arguments = parser.parse_args()
    paths = sorted(MODELS.glob("*.tflite"))[: 1 if arguments.quick else None]
    if not paths:
        raise SystemExit(f"no models in {MODELS}")
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print("Each column is an operator, each row a slice of the arena, each shade a tensor.")
    reports = [show(path, colour=colour) for path in paths]
    print(f"\n{summary(reports)}")
    if not all(report.verified.bit_exact for report in reports):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

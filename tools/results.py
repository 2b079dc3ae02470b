"""Optimise every model of a folder and write the results table, so that it stays true.

    ./run zoo                        prints the table over the model zoo
    ./run zoo --write README.md      replaces the table between the markers in README.md

The zoo is the folder in ARENAFIT_ZOO, or ../shared/zoo; --models names another one.
Every figure is read from TFLM on this host, and every row was compared bit for bit.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import arenafit
from arenafit.report.figures import Report

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- results: written by ./run zoo --write -->", "<!-- end of results -->"
KERNELS = ("any", "reference")


@dataclass(frozen=True)
class Row:
    """One model, under both choices of kernels."""

    name: str
    reports: dict[str, Report]


def run_model(path: Path) -> Row:
    """Optimise one model for each kernel set; raises CheckFailed if it is not bit-identical."""
    data = path.read_bytes()
    reports = {}
    for kernels in KERNELS:
        _, reports[kernels] = arenafit.optimize(data, name=path.name, kernels=kernels)
    return Row(path.stem, reports)


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| model | stock head | head, any kernels | head, reference kernels | "
        "stock total | total, reference | head proved optimal | seconds |",
        "|---|--:|--:|--:|--:|--:|:-:|--:|",
    ]
    for row in rows:
        any_, ref = row.reports["any"], row.reports["reference"]
        for report in (any_, ref):
            if not (report.before.measured and report.after.measured):
                raise SystemExit(f"{row.name}: not measured in TFLM; no table without")
            if report.verified.bit_exact is not True:
                raise SystemExit(f"{row.name}: not verified; no table without")
        proved = " / ".join("yes" if r.optimal else "no" for r in (any_, ref))
        lines.append(
            f"| {row.name} | {any_.before.head:,} | {any_.after.head:,} | {ref.after.head:,} | "
            f"{ref.before.total:,} | {ref.after.total:,} | {proved} | {ref.seconds:.1f} |"
        )
    wins = [r.reports["reference"].before.head / r.reports["reference"].after.head for r in rows]
    mean = 1.0
    for ratio in wins:
        mean *= ratio ** (1 / len(wins))
    lines.append("")
    lines.append(
        f"Bytes, measured by the real TFLM (tflite-micro {version('tflite-micro')}, x86-64, which "
        f"has the reference kernels), outputs bit-identical. Geometric mean of stock head / head "
        f"with reference kernels: {mean:.2f}. `arenafit {arenafit.__version__}`."
    )
    return "\n".join(lines)


def write_between_markers(path: Path, text: str) -> None:
    """Replace what stands between the markers in `path`."""
    page = path.read_text(encoding="utf-8")
    if BEGIN not in page or END not in page:
        raise SystemExit(f"{path} has no line {BEGIN!r} and {END!r}")
    head, rest = page.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


def main() -> None:
    """Parse the arguments, run the models, print or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ.get("ARENAFIT_ZOO", ROOT.parent / "shared" / "zoo"))
    parser.add_argument("--models", type=Path, default=default, help=f"default: {default}")
    parser.add_argument("--write", type=Path, metavar="PAGE.md", help="put the table there")
    arguments = parser.parse_args()
    paths = sorted(arguments.models.glob("*.tflite"))
    if not paths:
        raise SystemExit(f"no .tflite in {arguments.models}: name a folder with --models")
    rows: list[Row] = []
    for path in paths:
        print(f"{len(rows) + 1}/{len(paths)} {path.name}", file=sys.stderr)
        rows.append(run_model(path))
    if arguments.write is None:
        print(table(rows))
    else:
        write_between_markers(arguments.write, table(rows))


if __name__ == "__main__":
    main()

"""Optimise every model of a folder and write the results table, so that it stays true.

    ./run zoo                        prints the table over the model zoo
    ./run zoo --write README.md      replaces picture and table between the markers in README.md
    ./run zoo --check README.md      exit code 1 where README.md says something else

The zoo is the folder in ARENAFIT_ZOO, or ../shared/zoo; --models names another one.
Every figure is read from TFLM on this host, and every row was compared bit for bit.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import arenafit
from arenafit.candidates import scratch_rule
from arenafit.graph import load
from arenafit.report.chart import draw
from arenafit.report.figures import Report
from arenafit.report.profile import occupancy

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "models" / "mobilenet_v1_025_96.tflite"
MARKERS = {
    "example": ("<!-- example: written by ./run zoo --write -->", "<!-- end of example -->"),
    "table": ("<!-- results: written by ./run zoo --write -->", "<!-- end of results -->"),
}
CHOICES = {  # column -> runtime and kernels
    "stock, any": ("stock", "any"),
    "stock, reference": ("stock", "reference"),
    "arenafit, any": ("arenafit", "any"),
}


@dataclass(frozen=True)
class Row:
    """One model, under each of CHOICES."""

    name: str
    reports: dict[str, Report]


def optimize(path: Path, runtime: str, kernels: str) -> tuple[bytes, Report]:
    """OUT and its report; ends the program where that is not measured and verified."""
    data = path.read_bytes()
    out, report = arenafit.optimize(data, name=path.name, runtime=runtime, kernels=kernels)
    if not (report.before.measured and report.after.measured):
        raise SystemExit(f"{path.name}: not measured in TFLM; no table without")
    if report.verified.bit_exact is not True:
        raise SystemExit(f"{path.name}: not verified; no table without")
    return out, report


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    heads = " | ".join(f"head: {choice}" for choice in CHOICES)
    totals = " | ".join(f"total: {choice}" for choice in CHOICES)
    lines = [
        f"| model | head before | {heads} | total before | {totals} |",
        f"|---|{'--:|' * (2 * len(CHOICES) + 2)}",
    ]
    for row in rows:
        reports = list(row.reports.values())
        heads = " | ".join(f"{report.after.head:,}" for report in reports)
        totals = " | ".join(f"{report.after.total:,}" for report in reports)
        before = reports[0].before
        lines.append(f"| {row.name} | {before.head:,} | {heads} | {before.total:,} | {totals} |")
    means = [f"{choice} {_mean(rows, choice):.2f}" for choice in CHOICES]
    proved = [f"{choice} {sum(r.reports[choice].optimal for r in rows)}" for choice in CHOICES]
    return "\n".join(
        [
            *lines,
            "",
            f"Bytes, measured by the real TFLM (tflite-micro {version('tflite-micro')} on x86-64, "
            "which has the reference kernels; on a Cortex-M the tail is smaller), outputs "
            f"bit-identical. Times less memory in total, geometric mean: {', '.join(means)}. "
            f"Heads proved optimal, of {len(rows)}: {', '.join(proved)}.",
        ]
    )


def _mean(rows: list[Row], choice: str) -> float:
    """Geometric mean over the models of total before / total after."""
    ratios = [
        (row.reports[choice].before.total or 0) / (row.reports[choice].after.total or 1)
        for row in rows
    ]
    return math.prod(ratios) ** (1 / len(ratios))


def example() -> str:
    """One model's arena before and after, as a picture of characters."""
    out, report = optimize(EXAMPLE, "stock", "reference")
    scratch = scratch_rule("reference")
    pictures = [occupancy(load(data), scratch) for data in (EXAMPLE.read_bytes(), out)]
    top = pictures[0].head
    return "\n".join(
        [
            "```",
            f"{EXAMPLE.stem}: head of the arena, operator by operator",
            f"before: {report.before.head:,} bytes",
            draw(pictures[0], top=top, height=8),
            f"after: {report.after.head:,} bytes, every output bit-identical",
            draw(pictures[1], top=top, height=8),
            "```",
        ]
    )


def filled(page: str, parts: dict[str, str]) -> str:
    """`page` with each part between its markers."""
    for name, text in parts.items():
        begin, end = MARKERS[name]
        if begin not in page or end not in page:
            raise SystemExit(f"the page has no lines {begin!r} and {end!r}")
        head, rest = page.split(begin, 1)
        _, tail = rest.split(end, 1)
        page = f"{head}{begin}\n{text}\n{end}{tail}"
    return page


def main() -> None:
    """Parse the arguments, run the models; print, write or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ.get("ARENAFIT_ZOO", ROOT.parent / "shared" / "zoo"))
    parser.add_argument("--models", type=Path, default=default, help=f"default: {default}")
    parser.add_argument("--write", type=Path, metavar="PAGE.md", help="put picture and table there")
    parser.add_argument("--check", type=Path, metavar="PAGE.md", help="compare with what it says")
    arguments = parser.parse_args()
    paths = sorted(arguments.models.glob("*.tflite"))
    if not paths:
        raise SystemExit(f"no .tflite in {arguments.models}: name a folder with --models")
    rows: list[Row] = []
    for path in paths:
        print(f"{len(rows) + 1}/{len(paths)} {path.name}", file=sys.stderr)
        reports = {choice: optimize(path, *how)[1] for choice, how in CHOICES.items()}
        rows.append(Row(path.stem, reports))
    parts = {"example": example(), "table": table(rows)}
    for page in filter(None, (arguments.write, arguments.check)):
        old = page.read_text(encoding="utf-8")
        new = filled(old, parts)
        if page == arguments.write:
            page.write_text(new, encoding="utf-8")
        elif new != old:
            raise SystemExit(f"{page} is not what ./run zoo measures; repair with --write")
    if arguments.write is None and arguments.check is None:
        print("\n\n".join(parts.values()))


if __name__ == "__main__":
    main()

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
KERNELS = ("any", "reference")


@dataclass(frozen=True)
class Row:
    """One model, under both choices of kernels."""

    name: str
    reports: dict[str, Report]


def optimize(path: Path, kernels: str) -> tuple[bytes, Report]:
    """OUT and its report; ends the program where that is not measured and verified."""
    out, report = arenafit.optimize(path.read_bytes(), name=path.name, kernels=kernels)
    if not (report.before.measured and report.after.measured):
        raise SystemExit(f"{path.name}: not measured in TFLM; no table without")
    if report.verified.bit_exact is not True:
        raise SystemExit(f"{path.name}: not verified; no table without")
    return out, report


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| model | stock head | head, any kernels | head, reference kernels | "
        "stock total | total, reference kernels | proved optimal (any / reference) |",
        "|---|--:|--:|--:|--:|--:|:-:|",
    ]
    for row in rows:
        any_, ref = row.reports["any"], row.reports["reference"]
        proved = " / ".join("yes" if report.optimal else "no" for report in (any_, ref))
        lines.append(
            f"| {row.name} | {any_.before.head:,} | {any_.after.head:,} | {ref.after.head:,} | "
            f"{ref.before.total:,} | {ref.after.total:,} | {proved} |"
        )
    means = {
        kernels: math.prod(
            r.reports[kernels].before.head / r.reports[kernels].after.head for r in rows
        )
        ** (1 / len(rows))
        for kernels in KERNELS
    }
    return "\n".join(
        [
            *lines,
            "",
            f"Bytes, measured by the real TFLM (tflite-micro {version('tflite-micro')} on x86-64, "
            f"which has the reference kernels), outputs bit-identical. Geometric mean of stock "
            f"head / head: {means['any']:.2f} with any kernels, {means['reference']:.2f} with the "
            "reference kernels.",
        ]
    )


def example() -> str:
    """One model's arena before and after, as a picture of characters."""
    out, report = optimize(EXAMPLE, "reference")
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
        rows.append(Row(path.stem, {kernels: optimize(path, kernels)[1] for kernels in KERNELS}))
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

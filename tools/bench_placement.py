"""Placement on MiniMalloc's problems: a table of lower bound, greedy, ours, time and nodes.

usage: python tools/bench_placement.py [DIR] [--seconds S]

DIR holds CSV files as google/minimalloc publishes them (id, lower, upper, size; half-open
lifetimes; the file name's number is the capacity in bytes). Default: ../shared/minimalloc.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import time
from pathlib import Path

from arenafit.memory.greedy import greedy
from arenafit.memory.placement import Solver
from arenafit.memory.problem import Bytes, Problem, Request

__all__ = ["load", "main"]


def load(path: Path) -> tuple[Problem, Bytes]:
    """The problem in a CSV file, and its capacity in bytes."""
    with path.open(newline="") as file:
        requests = tuple(
            Request(int(row["size"]), int(row["lower"]), int(row["upper"]) - 1, row["id"])
            for row in csv.DictReader(file)
        )
    return Problem(requests), int(path.stem.split(".")[1])


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 0 where every plan fits its capacity."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "shared" / "minimalloc"
    parser.add_argument("folder", nargs="?", type=Path, default=default, metavar="DIR")
    parser.add_argument("--seconds", type=float, default=60.0, help="limit for each problem")
    options = parser.parse_args(arguments)
    paths = sorted(options.folder.glob("*.csv"))
    if not paths:
        print(f"{options.folder}: no CSV files", file=sys.stderr)
        return 2

    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}")
    print(
        f"{'problem':8}{'buffers':>8}{'capacity':>10}{'bound':>10}{'greedy':>10}{'ours':>10}"
        f"{'of cap.':>9}{'seconds':>9}{'CPU':>7}{'nodes':>9}"
    )
    over = 0
    for path in paths:
        problem, capacity = load(path)
        solver = Solver(seconds=options.seconds)
        start, cpu = time.perf_counter(), time.process_time()
        plan = solver.solve(problem)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        over += plan.head > capacity
        print(
            f"{path.stem.split('.')[0]:8}{len(problem.requests):8}{capacity:10}{plan.bound:10}"
            f"{greedy(problem).head:10}{plan.head:10}{plan.head / capacity:9.2%}"
            f"{seconds:9.2f}{cpu:7.2f}{solver.nodes:9}",
            flush=True,
        )
    print(f"{len(paths) - over} of {len(paths)} within capacity")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())

"""How good the plans are that arenafit's planner makes on the device, and how large it is.

    python tools/bench_planner.py [--attempts 64] [--seconds 10]

One row a problem: the zoo's models (the folder in ARENAFIT_ZOO, or ../shared/zoo) with the scratch
of each kernel set, and MiniMalloc's hard problems (ARENAFIT_MINIMALLOC, or ../shared/minimalloc),
whose best known plans are their capacity. All in bytes, nothing overlapping. The code is that of
kernels/core, compiled for this host; its size is that for a Cortex-M4, where there is a compiler.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from arenafit.memory.greedy import greedy
from arenafit.memory.placement import solve
from arenafit.memory.placement.bounds import lower_bound
from arenafit.memory.placement.instance import sweep
from arenafit.memory.problem import Bytes, Problem

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.planner import plan_online  # type: ignore[import-not-found]
from support.planner_size import (  # type: ignore[import-not-found]
    COMPILER,
    PARTS,
    code_bytes,
    compiler_version,
)
from support.problems import (  # type: ignore[import-not-found]
    minimalloc_problems,
    zoo_problems,
)

Row = tuple[str, Problem, Bytes, Bytes]  # name, problem, best known head, lower bound


def zoo(seconds: float) -> Iterable[Row]:
    """The zoo's problems; the best known plan is that of arenafit's own solver."""
    for name, problem in zoo_problems():
        best = solve(problem, seconds=seconds)
        yield name, problem, best.head, best.bound


def minimalloc() -> Iterable[Row]:
    """MiniMalloc's problems."""
    for name, capacity, problem in minimalloc_problems():
        instance = sweep(problem)
        yield name, problem, capacity, lower_bound(instance) * instance.unit


def table(rows: Iterable[Row], attempts: int) -> bool:
    """Print the rows and their averages; True where greedy was better anywhere."""
    print(
        "| problem | buffers | greedy | online | best known | bound | greedy over | online over |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    over: list[tuple[float, float]] = []
    worse, start = False, time.perf_counter()
    for name, problem, best, bound in rows:
        stock, ours = greedy(problem).head, plan_online(problem, attempts).head
        worse = worse or ours > stock
        over.append((stock / best - 1, ours / best - 1))
        print(
            f"| {name} | {len(problem.requests)} | {stock:,} | {ours:,} | {best:,} | {bound:,} "
            f"| {over[-1][0]:.1%} | {over[-1][1]:.1%} |",
            flush=True,
        )
    if over:
        means = [sum(column) / len(over) for column in zip(*over, strict=True)]
        print(f"| average of {len(over)} | | | | | | {means[0]:.2%} | {means[1]:.2%} |")
    print(f"\n{time.perf_counter() - start:.1f} s\n")
    return worse


def main() -> int:
    """Print the tables; 1 if greedy was better on any problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--attempts", type=int, default=64, help="plans to make at most")
    parser.add_argument("--seconds", type=float, default=10.0, help="for the best plan of each")
    options = parser.parse_args()
    version = compiler_version()
    if version is None:
        print(f"no sizes: {COMPILER} is not installed\n")
    for planner in PARTS if version else ():
        print(f"{planner}: {code_bytes(planner)} bytes ({COMPILER} {version}, Cortex-M4, -Os)")
    worse = table(zoo(options.seconds), options.attempts)
    worse |= table(minimalloc(), options.attempts)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())

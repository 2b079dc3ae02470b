"""How good the operator orders are, and how long they take to find and to prove.

    python tools/bench_schedule.py [--seconds 30] [--seed 0]

One row a graph: networks made from their topology, random graphs, and the models of the zoo
(the folder in ARENAFIT_ZOO, or ../shared/zoo) where there is one, all without overlaps. For the
zoo's models the peaks are compared with those in zoo.csv. Times are wall time on this host.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from arenafit.graph.load import load
from arenafit.schedule.problem import OrderProblem
from arenafit.schedule.reorder import order_problem
from arenafit.schedule.search import order

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support import graphs  # type: ignore[import-not-found]
from support.zoo import ZOO, zoo_rows  # type: ignore[import-not-found]

Case = tuple[str, OrderProblem, tuple[int, int] | None]  # name, problem, expected peaks


def made() -> Iterator[Case]:
    """Networks from their topology."""
    swiftnet = graphs.swiftnet_cell()
    if swiftnet:
        yield "SwiftNet cell", swiftnet, (351_232, 301_056)
    yield "NASNet-A mobile", graphs.nasnet_mobile(), None
    yield "NASNet-A, 96 x 96, 9 cells", graphs.nasnet_mobile(96, 3), None
    yield "residual, 600 operators", graphs.residual(4, 50), None
    yield "16 chains of 6", graphs.fork_join(16, 6), None


def drawn() -> Iterator[Case]:
    """Random graphs."""
    for nodes in (16, 32, 64):
        for seed in range(3):
            yield f"random wiring {nodes}, {seed}", graphs.random_wiring(nodes, seed), None
    for steps in (50, 100, 200):
        for seed in range(3):
            problem = graphs.random_problem(random.Random(seed), steps)
            yield f"random {steps}, {seed}", problem, None


def zoo() -> Iterator[Case]:
    """The models of the zoo, their first subgraph."""
    for name, row in zoo_rows().items():
        model = load((ZOO / name).read_bytes())
        called = dict.fromkeys(range(1, len(model.subgraphs)), 0)
        problem = order_problem(model, model.main, None, None, called)
        expected = int(row["max_load_file_order"]), int(row["max_load_best_order"])
        yield name.removesuffix(".tflite"), problem, expected


def main() -> int:
    """Print the table; 1 if a peak is not what was expected."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="time limit a graph")
    parser.add_argument("--seed", type=int, default=0, help="break ties at random")
    options = parser.parse_args()
    print("| graph | operators | file order | best | bound | gap | states | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    wrong = 0
    for cases in (made(), drawn(), zoo()):
        for name, problem, expected in cases:
            start = time.perf_counter()
            result = order(problem, seconds=options.seconds, seed=options.seed)
            took = time.perf_counter() - start
            note = ""
            if expected and (result.file_order_peak, result.peak) != expected:
                note = f" expected {expected[0]:,} and {expected[1]:,}"
                wrong += result.peak > expected[1] or result.file_order_peak != expected[0]
            gap = "proved" if result.optimal else f"{result.peak / result.bound - 1:.1%}"
            print(
                f"| {name} | {len(problem.steps)} | {result.file_order_peak:,} "
                f"| {result.peak:,} | {result.bound:,} | {gap} | {result.states:,} "
                f"| {took:.3f} |{note}",
                flush=True,
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

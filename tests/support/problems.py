"""Allocation problems that others have set: the zoo's models, and MiniMalloc's hard ones."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from arenafit.candidates import scratch_rule
from arenafit.graph.load import load
from arenafit.memory.build import model_problem
from arenafit.memory.problem import Bytes, Problem, Request, align
from support.zoo import ZOO, zoo_models

__all__ = ["MINIMALLOC", "minimalloc_problems", "zoo_problems"]

MINIMALLOC = Path(os.environ.get("ARENAFIT_MINIMALLOC", ZOO.parent / "minimalloc"))


def zoo_problems() -> Iterator[tuple[str, Problem]]:
    """Each model of the zoo as TFLM would ask, with the scratch of each kernel set."""
    for path in zoo_models():
        model = load(path.read_bytes())
        for kernels in ("reference", "cmsis_nn"):
            yield (
                f"{path.stem}, {kernels}",
                model_problem(model, None, scratch_rule(kernels)).problem,
            )


def minimalloc_problems() -> Iterator[tuple[str, Bytes, Problem]]:
    """Name, capacity and problem of each .csv in MINIMALLOC."""
    for path in sorted(MINIMALLOC.glob("*.csv")):
        with path.open(encoding="utf-8") as file:
            requests = tuple(
                Request(align(int(row["size"])), int(row["lower"]), int(row["upper"]) - 1)
                for row in csv.DictReader(file)
            )
        name, capacity = path.stem.split(".")
        yield name, int(capacity), Problem(requests)

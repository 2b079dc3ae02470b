"""What the tests of partial execution share: models with segments, cuts, random row graphs, and
TFLM's own values. `support.segment` runs programs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from arenafit.candidates import overlap_rule, scratch_rule
from arenafit.graph import Model, Tensor, load, save
from arenafit.memory.build import apply_placement, model_problem
from arenafit.memory.placement import solve_stock
from arenafit.partial.channels import Chain, find_chain
from arenafit.partial.cost import Costs, Splits
from arenafit.partial.model import Partial, partial_model
from arenafit.partial.roles import role
from arenafit.partial.rows import Demand, RowGraph, RowOperator, RowTensor, Window
from arenafit.passes import copy_model, run_passes
from arenafit.runtime.inputs import stimuli
from support.rewriting import tflm

__all__ = [
    "MODELS",
    "chain_at",
    "cleaned",
    "costs_of",
    "each_model",
    "place",
    "random_rows",
    "streamed",
    "values_in_tflm",
]

MODELS = Path(__file__).resolve().parents[2] / "models"

each_model = pytest.mark.parametrize(
    "path", sorted(MODELS.glob("*.tflite")), ids=lambda path: path.stem
)
"""Runs the test once a model of the repository."""


def cleaned(model: Model) -> Model:
    """A copy after the passes."""
    copy = copy_model(model)
    run_passes(copy)
    return copy


def costs_of(model: Model, splits: Splits | None = None) -> Costs:
    """The costs of cuts of the main subgraph under the reference kernels."""
    return Costs(model.main, overlap_rule("reference"), scratch_rule("reference"), splits)


def chain_at(model: Model, start: int = 0) -> Chain | None:
    """The chain that begins with operator `start` of the main subgraph."""
    graph = model.main
    readers: dict[Tensor, list[int]] = {}
    for i, op in enumerate(graph.operators):
        for tensor in op.activations():
            readers.setdefault(tensor, []).append(i)
    for tensor in graph.outputs:
        readers.setdefault(tensor, []).append(len(graph.operators))
    return find_chain(graph.operators, {op: role(op) for op in graph.operators}, readers, start)


@cache
def _streamed(path: Path, limit: int | None) -> tuple[Model, Partial | None]:
    made = cleaned(load(path.read_bytes()))
    return made, partial_model(made, overlap_rule("reference"), scratch_rule("reference"), limit)


def streamed(path: Path, limit: int | None = None) -> tuple[Model, Partial]:
    """The model of a file with segments in it, to change at will, and what was done.

    Skips the test where no operator can be in a segment.
    """
    model, done = _streamed(path, limit)
    if done is None:
        pytest.skip("no operator of it can be in a segment")
    return copy_model(model), done


def place(model: Model) -> None:
    """Write a plan under the reference kernels into `model`."""
    placing = model_problem(model, overlap_rule("reference"), scratch_rule("reference"))
    apply_placement(model, placing, solve_stock(placing.problem, seconds=2))


def values_in_tflm(
    model: Model, tensors: Sequence[Tensor], count: int
) -> list[dict[Tensor, npt.NDArray[np.int8]]]:
    """What `tensors` of the main subgraph hold in the real TFLM, for `count` structured inputs."""
    copy = copy_model(model)
    twin = dict(zip(model.main.tensors, copy.main.tensors, strict=True))
    graph = copy.main
    graph.outputs = [twin[t] for t in dict.fromkeys(tensors) if t not in model.main.inputs]
    copy.signatures = []
    data = save(copy)
    steps = [s.steps[0] for s in stimuli(tflm().describe(data), count)]
    found = []
    for given, outputs in zip(steps, tflm().run(data, steps), strict=True):
        values = dict(zip(graph.inputs, given, strict=True))
        values.update(zip(graph.outputs, outputs, strict=True))
        found.append({t: np.asarray(values[twin[t]]).view(np.int8) for t in tensors})
    return found


def random_rows(seed: int) -> RowGraph:
    """A small graph of rows: windows of all sorts, branches that join, several outputs."""
    rng = random.Random(seed)
    heights = [rng.randint(1, 24) for _ in range(rng.randint(1, 2))]
    inputs = len(heights)
    operators: list[RowOperator] = []
    for _ in range(rng.randint(1, 9)):
        source = rng.choice([len(heights) - 1, rng.randrange(len(heights))])
        size = heights[source]
        partners = [t for t, h in enumerate(heights) if h == size and t != source]
        demands = [Demand(source, Window(size))]
        if partners and rng.random() < 0.4:  # joins; nothing is lost between them
            demands.append(Demand(rng.choice(partners), Window(size)))
            rng.shuffle(demands)
            height, reduces = size, False
        elif rng.random() < 0.1:
            height, reduces = 1, True
        else:
            window = Window(
                size, rng.randint(1, 5), rng.randint(1, 3), rng.randint(1, 2), rng.randint(0, 4)
            )
            reach = (window.kernel - 1) * window.dilation
            height = max(1, (size + window.pad - reach + rng.randint(0, 3)) // window.stride)
            demands, reduces = [Demand(source, window)], False
        steps = size if reduces else height
        operators.append(RowOperator(tuple(demands), len(heights), steps, reduces))
        heights.append(height)
    read = {demand.tensor for op in operators for demand in op.demands}
    made = range(inputs, len(heights))
    outputs = tuple(t for t in made if t not in read or rng.random() < 0.1)
    tensors = tuple(
        RowTensor(h, rng.randint(1, 40), t < inputs or t in outputs) for t, h in enumerate(heights)
    )
    fed = range(inputs if rng.random() < 0.3 else 0)
    tensors = tuple(replace(t, whole=False) if i in fed else t for i, t in enumerate(tensors))
    operators[:0] = [RowOperator((), t, heights[t]) for t in fed]
    return RowGraph(tensors, tuple(operators), tuple(range(len(fed), inputs)), outputs)

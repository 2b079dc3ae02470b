"""Streaming by rows: the order in which rows are made, and what it needs to remember.

The *demand order* is the one rule that this simulation and the interpreter share
(kernels/core/include/arenafit/program.h, "order"):

1. A goal is an operator and a number of steps that it is to have done; goals are reached one
   after the other. First come those operators that are to be brought to their end before
   others, if any. Then, with several outputs, the next goal is a row of the one with the
   smallest fraction of rows made; among equals, of the first.
2. To do a step, an operator has each of its inputs, in order, make rows until the last one
   that the step reads exists (rows outside of the image do not count); then it does it.
3. An operator that reduces (a mean, a fully connected one) reads a row of its input in a
   step, and makes its only row in the last one.

Nothing is made twice; rows that nobody reads are not made at all. So the rows of a tensor
that some consumer has still to read are consecutive, and a ring of as many rows as are ever
alive at once can hold them: row y at y modulo the ring's rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from arenafit.memory.problem import Bytes

__all__ = [
    "Demand", "Lookup", "RowGraph", "RowOperator", "RowTensor", "Simulation", "Window", "simulate",
]  # fmt: skip

_NO_ROW = 1 << 40  # beyond every row: nothing is left to read


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of an input that each step reads; `pad` rows lie before the input."""

    size: int  # rows of the input
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    pad: int = 0

    def taps(self, step: int) -> range:
        """The rows that `step` reads; empty where all of them lie outside of the image."""
        origin = step * self.stride - self.pad
        below = -(origin // self.dilation) if origin < 0 else 0
        inside = -((origin - self.size) // self.dilation) if origin < self.size else 0
        taps = range(min(below, self.kernel), min(inside, self.kernel))
        first = origin + taps.start * self.dilation
        return range(first, first + len(taps) * self.dilation, self.dilation)


@dataclass(frozen=True, slots=True)
class Lookup:
    """One row of an input for each step, in a table that does not descend."""

    size: int  # rows of the input
    rows: tuple[int, ...]

    def taps(self, step: int) -> range:
        """The row that `step` reads."""
        return range(self.rows[step], self.rows[step] + 1)


@dataclass(frozen=True, slots=True)
class RowTensor:
    """A tensor as rows; `whole` ones lie in the arena, the others in rings."""

    height: int  # rows
    row_bytes: Bytes
    whole: bool


@dataclass(frozen=True, slots=True)
class Demand:
    """What the steps of an operator read of one input."""

    tensor: int  # index into RowGraph.tensors
    window: Window | Lookup


@dataclass(frozen=True, slots=True)
class RowOperator:
    """An operator as steps: one a row of its output or, if it reduces, of its input."""

    demands: tuple[Demand, ...]
    output: int  # index into RowGraph.tensors
    steps: int
    reduces: bool = False  # only the last step makes a row
    sums: Bytes = 0  # accumulators that live from its first step to its last


@dataclass(frozen=True, slots=True)
class RowGraph:
    """A segment as the simulation sees it. Operators stand in topological order.

    The operators of `first` do all of their steps first, one after the other: slices of channels,
    or each operator of a segment that does not stream.
    """

    tensors: tuple[RowTensor, ...]
    operators: tuple[RowOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    first: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the demand order needs. Spans count the steps of all operators; ends inclusive."""

    rings: tuple[int, ...]  # rows alive at once, by tensor; 0 for those that lie whole
    spans: tuple[tuple[int, int], ...]  # first row made to last row read, by tensor
    sums: tuple[tuple[int, int], ...]  # first step to last step, by operator
    goals: tuple[tuple[int, int], ...]  # operator, steps
    steps: int  # of all operators
    distances: tuple[tuple[Bytes, ...], ...]
    """By input and output (positions): the smallest offset(input) - offset(output) at which no
    row is written over one that is still to be read, the step's own reads included; at least
    -size(input)."""


def simulate(graph: RowGraph) -> Simulation:
    """Go through the demand order once.

    Time is linear in the steps: about 3 microseconds each.
    """
    return _Run(graph).finish()


class _Run:
    """The state of one simulation."""

    def __init__(self, graph: RowGraph) -> None:
        self.graph = graph
        tensors, operators = graph.tensors, graph.operators
        self.made = [0] * len(tensors)
        for t in graph.inputs:
            self.made[t] = tensors[t].height
        self.producer = {op.output: i for i, op in enumerate(operators)}
        self.done = [0] * len(operators)
        # By operator and demand; then by step: the last row read, -1 for none.
        self.last: list[list[list[int]]] = [[] for _ in operators]
        # By tensor: its readers; by the steps one has done: the lowest row it is still to read.
        self.readers: list[list[tuple[int, list[int]]]] = [[] for _ in tensors]
        wanted = [tensor.height if t in graph.outputs else 0 for t, tensor in enumerate(tensors)]
        self.wanted = [0] * len(operators)  # steps
        for i in reversed(range(len(operators))):
            op = operators[i]
            steps = op.steps if op.reduces and wanted[op.output] else wanted[op.output]
            self.wanted[i] = steps
            for demand in op.demands:
                last, lowest = _reads(demand.window, op.reduces, steps)
                self.last[i].append(last)
                self.readers[demand.tensor].append((i, lowest))
                wanted[demand.tensor] = max([wanted[demand.tensor], *(row + 1 for row in last)])
        self.rings = [0] * len(tensors)
        self.born = [-1] * len(tensors)
        self.died = [-1] * len(tensors)
        self.began = [-1] * len(operators)
        self.ended = [-1] * len(operators)
        self.steps = 0
        self.goals: list[tuple[int, int]] = []
        self.positions = {t: k for k, t in enumerate(graph.outputs)}
        self.distances = [
            [-tensors[i].height * tensors[i].row_bytes for _ in graph.outputs] for i in graph.inputs
        ]

    def finish(self) -> Simulation:
        tensors, outputs = self.graph.tensors, self.graph.outputs
        for i in self.graph.first:
            self.reach(i, self.wanted[i])
        while True:
            waiting = [
                (self.made[t] / tensors[t].height, k)
                for k, t in enumerate(outputs)
                if self.made[t] < tensors[t].height
            ]
            if not waiting:
                break
            output = outputs[min(waiting)[1]]
            target = self.producer[output]
            op = self.graph.operators[target]
            self.reach(target, op.steps if op.reduces else self.made[output] + 1)
        return Simulation(
            tuple(self.rings),
            tuple(zip(self.born, self.died, strict=True)),
            tuple(zip(self.began, self.ended, strict=True)),
            tuple(self.goals),
            self.steps,
            tuple(map(tuple, self.distances)),
        )

    def reach(self, target: int, steps: int) -> None:
        """Operator `target` is to have done `steps` steps, and all that it takes."""
        stack = [target]
        while self.done[target] < steps:
            missing = self.missing(stack[-1])
            if missing is not None:
                stack.append(self.producer[missing])
                continue
            self.step(stack[-1])
            if len(stack) > 1:
                stack.pop()
        if self.goals and self.goals[-1][0] == target:
            self.goals.pop()
        self.goals.append((target, self.done[target]))

    def missing(self, i: int) -> int | None:
        """The first input of operator `i` that lacks a row for its next step."""
        at = self.done[i]
        for demand, last in zip(self.graph.operators[i].demands, self.last[i], strict=True):
            if self.made[demand.tensor] <= last[at]:
                return demand.tensor
        return None

    def step(self, i: int) -> None:
        op, now = self.graph.operators[i], self.steps
        if self.began[i] < 0:
            self.began[i] = now
        self.ended[i] = now
        if not op.reduces or self.done[i] == op.steps - 1:
            self.write(op.output, now)
        self.done[i] += 1
        for demand in op.demands:
            self.died[demand.tensor] = now
        self.steps += 1

    def write(self, tensor: int, now: int) -> None:
        """One row of `tensor` is written, before its operator reads anything."""
        row = self.made[tensor]
        self.made[tensor] = row + 1
        if self.born[tensor] < 0:
            self.born[tensor] = now
        self.died[tensor] = now
        shape = self.graph.tensors[tensor]
        if not shape.whole:
            self.rings[tensor] = max(self.rings[tensor], row + 1 - min(self.needed(tensor), row))
            return
        k, end = self.positions[tensor], (row + 1) * shape.row_bytes
        for j, t in enumerate(self.graph.inputs):
            needed = self.needed(t)
            if needed < _NO_ROW:
                distance = end - needed * self.graph.tensors[t].row_bytes
                self.distances[j][k] = max(self.distances[j][k], distance)

    def needed(self, tensor: int) -> int:
        """The lowest row of `tensor` that is still to be read."""
        return min((low[self.done[i]] for i, low in self.readers[tensor]), default=_NO_ROW)


@lru_cache(1 << 12)  # windows recur, as segments that are tried have operators in common
def _reads(window: Window | Lookup, reduces: bool, steps: int) -> tuple[list[int], list[int]]:
    """Of the first `steps` steps, which are all that will be done: see `_Run`."""
    if reduces:
        rows = list(range(steps))
        return rows, [*rows, _NO_ROW]
    taps = [window.taps(step) for step in range(steps)]
    lowest = [_NO_ROW]
    for read in reversed(taps):
        lowest.append(min(lowest[-1], read[0]) if read else lowest[-1])
    return [read[-1] if read else -1 for read in taps], lowest[::-1]

"""The simulation of the demand order, against one that writes every access down."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from arenafit.partial.rows import (
    Demand,
    RowGraph,
    RowOperator,
    RowTensor,
    Simulation,
    Window,
    simulate,
)
from support.partial import random_rows

SEEDS = range(300)


@dataclass(frozen=True)
class Access:
    """One row, written or read, in one step."""

    step: int
    write: bool
    tensor: int
    row: int


def taps(window: Window, step: int) -> list[int]:
    """The rows of a window by its definition."""
    places = [step * window.stride - window.pad + k * window.dilation for k in range(window.kernel)]
    return [row for row in places if 0 <= row < window.size]


def replay(graph: RowGraph) -> list[Access]:
    """Every access of the demand order, by recursion; a step writes before it reads."""
    log: list[Access] = []
    made = [graph.tensors[t].height if t in graph.inputs else 0 for t in range(len(graph.tensors))]
    done = [0] * len(graph.operators)
    producer = {op.output: i for i, op in enumerate(graph.operators)}

    def take(i: int) -> None:
        op = graph.operators[i]
        reads = [[done[i]] if op.reduces else taps(demand.window, done[i]) for demand in op.demands]
        for demand, rows in zip(op.demands, reads, strict=True):
            while rows and made[demand.tensor] <= rows[-1]:
                take(producer[demand.tensor])
        step = sum(done)
        done[i] += 1
        if not op.reduces or done[i] == op.steps:
            log.append(Access(step, True, op.output, made[op.output]))
            made[op.output] += 1
        for demand, rows in zip(op.demands, reads, strict=True):
            log.extend(Access(step, False, demand.tensor, row) for row in rows)

    def least_done() -> int | None:
        open_ = [t for t in graph.outputs if made[t] < graph.tensors[t].height]
        return min(open_, key=lambda t: made[t] / graph.tensors[t].height, default=None)

    while (tensor := least_done()) is not None:
        goal = made[tensor] + 1
        while made[tensor] < goal:
            take(producer[tensor])
    return log


def rows_lost(graph: RowGraph, log: list[Access], rings: list[int]) -> int:
    """How many reads find another row in their place in the ring, or none."""
    held: dict[tuple[int, int], int] = {}
    lost = 0
    for access in log:
        ring = rings[access.tensor]
        if ring == 0:
            continue
        place = access.tensor, access.row % ring
        if access.write:
            held[place] = access.row
        else:
            lost += held.get(place) != access.row
    return lost


def needed_rings(graph: RowGraph, log: list[Access]) -> list[int]:
    """By definition: rows from the lowest that is still read to the one that is written."""
    rings = [0] * len(graph.tensors)
    for at, access in enumerate(log):
        if access.write and not graph.tensors[access.tensor].whole:
            later = [a.row for a in log[at:] if not a.write and a.tensor == access.tensor]
            lowest = min([access.row, *later])
            rings[access.tensor] = max(rings[access.tensor], access.row + 1 - lowest)
    return rings


def needed_distance(graph: RowGraph, log: list[Access], source: int, target: int) -> int:
    a, b = graph.tensors[source], graph.tensors[target]
    distance = -a.height * a.row_bytes
    for at, access in enumerate(log):
        if access.write and access.tensor == target:
            for later in log[at:]:
                if not later.write and later.tensor == source:
                    end = (access.row + 1) * b.row_bytes
                    distance = max(distance, end - later.row * a.row_bytes)
    return distance


def case(seed: int) -> tuple[RowGraph, list[Access], Simulation]:
    graph = random_rows(seed)
    return graph, replay(graph), simulate(graph)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_window_reads_its_taps_inside_the_image(size: int):
    for kernel in range(1, 5):
        for stride in range(4):
            for dilation in range(1, 4):
                for pad in range(6):
                    window = Window(size, kernel, stride, dilation, pad)
                    for step in range(8):
                        assert list(window.taps(step)) == taps(window, step)


def test_rings_have_the_rows_that_are_alive_at_once():
    for seed in SEEDS:
        graph, log, found = case(seed)
        assert list(found.rings) == needed_rings(graph, log), seed


def test_no_row_is_lost_in_these_rings_and_some_row_in_any_smaller_one():
    tried = 0
    for seed in SEEDS:
        graph, log, found = case(seed)
        rings = list(found.rings)
        assert rows_lost(graph, log, rings) == 0
        for tensor, ring in enumerate(rings):
            if ring > 1:
                fewer = [*rings[:tensor], ring - 1, *rings[tensor + 1 :]]
                assert rows_lost(graph, log, fewer) > 0, (seed, tensor)
                tried += 1
    assert tried > 100


def test_nothing_is_made_twice_and_the_outputs_are_complete():
    for seed in SEEDS:
        graph, log, found = case(seed)
        written = [(a.tensor, a.row) for a in log if a.write]
        assert len(written) == len(set(written))
        for tensor in graph.outputs:
            assert (tensor, graph.tensors[tensor].height - 1) in written
        assert found.steps == max(a.step for a in log) + 1


def test_the_distance_is_the_smallest_at_which_no_row_is_overwritten_that_is_still_read():
    for seed in SEEDS:
        graph, log, found = case(seed)
        for j, source in enumerate(graph.inputs):
            for k, target in enumerate(graph.outputs):
                wanted = needed_distance(graph, log, source, target)
                assert found.distances[j][k] == wanted, (seed, j, k)


def test_a_tensor_lives_within_its_span():
    for seed in SEEDS:
        graph, log, found = case(seed)
        for tensor, (first, last) in enumerate(found.spans):
            steps = [a.step for a in log if a.tensor == tensor]
            if tensor not in graph.inputs and steps:
                assert first == min(steps) and last >= max(steps)


def test_goals_reach_the_outputs_in_the_order_of_the_simulation():
    for seed in SEEDS:
        graph, _, found = case(seed)
        reached = dict(found.goals)  # the last goal of each operator
        for op_index, op in enumerate(graph.operators):
            if op.output in graph.outputs and op_index in reached:
                assert reached[op_index] <= op.steps
        assert found.goals, seed


def test_a_three_row_kernel_needs_three_rows_and_one_more_for_a_skip_connection():
    """x -> conv 3 -> + x: while row r is made, rows r - 1 .. r + 1 of x are there."""
    conv = RowOperator((Demand(1, Window(8, 3, pad=1)),), 2, 8)
    start = RowOperator((Demand(0, Window(8)),), 1, 8)
    join = RowOperator((Demand(2, Window(8)), Demand(1, Window(8))), 3, 8)
    tensors = tuple(RowTensor(8, 10, whole) for whole in (True, False, False, True))
    found = simulate(RowGraph(tensors, (start, conv, join), (0,), (3,)))
    assert found.rings == (0, 3, 1, 0)
    assert found.distances == ((10 - 2 * 10,),)  # rows 0 and 1 are read when row 0 is written

"""Whole segments: TFLM's bytes, through rings of just the rows that are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from arenafit.graph import Model
from arenafit.partial.program import DISJOINT, Place
from support.builder import GraphBuilder
from support.segment import Runner, program_of, rehearse, same_as_tflm, with_ring

SEEDS = range(3)


def plain(g: GraphBuilder) -> None:
    x = g.conv(g.input((1, 17, 14, 3)), 8, 3, 2, activation="RELU6")
    x = g.conv(g.depthwise(x, 3, 1, activation="RELU6"), 16)
    g.output(g.pool(g.depthwise(x, 5, 2), 2))


def residual(g: GraphBuilder) -> None:
    x = g.conv(g.input((1, 12, 10, 4)), 6, 3)
    y = g.conv(g.depthwise(g.conv(x, 12, activation="RELU6"), 3), 6)
    z = g.conv(g.conv(g.add(x, y), 6, 3), 6, 3, dilation=2)
    g.output(g.add(g.add(x, y, "RELU"), z))


def branches(g: GraphBuilder) -> None:
    x = g.conv(g.input((1, 11, 9, 3)), 5, 3)
    parts = [g.pool(x, 3, 1, "SAME"), x, g.pool(g.pool(x, (5, 1), 1, "SAME"), (1, 3), 1, "SAME")]
    g.output(g.conv(g.concat(parts), 7, 3, 2))


def padded(g: GraphBuilder) -> None:
    x = g.pad(g.input((1, 16, 16, 3)), [(0, 0), (1, 2), (2, 1), (0, 0)])
    x = g.conv(x, 8, (3, 4), 2, "VALID")
    g.output(g.conv(g.unary("LEAKY_RELU", x, alpha=0.2), 4, 2, 1, "VALID"))


def classifier(g: GraphBuilder) -> None:
    x = g.depthwise(g.conv(g.input((1, 20, 10, 1)), 8, (10, 4), 2), 3)
    g.output(g.softmax(g.fully_connected(g.mean(x), 12)))


def flattened(g: GraphBuilder) -> None:
    x = g.pool(g.conv(g.input((1, 14, 14, 1)), 6, 5, 1, "VALID"), 2)
    x = g.reshape(x, (1, int(np.prod(x.shape))))
    g.output(g.fully_connected(g.fully_connected(x, 20, activation="RELU"), 10))


def attention(g: GraphBuilder) -> None:
    x = g.conv(g.input((1, 9, 8, 3)), 8, 3, activation="RELU6")
    gate = g.logistic(g.conv(g.pool(x, x.shape[1:3], 1, "VALID", "AVERAGE"), 8))
    g.output(g.mul(g.conv(x, 8), gate))


def tall(g: GraphBuilder) -> None:
    """Windows of eleven rows, some of them beside the image at both ends."""
    x = g.conv(g.input((1, 13, 5, 2)), 3, (3, 2), (1, 1), dilation=(5, 1))
    g.output(g.conv(x, 4, (7, 1)))


def two_outputs(g: GraphBuilder) -> None:
    x = g.conv(g.input((1, 12, 12, 3)), 6, 3)
    g.output(g.conv(x, 4, 3), g.conv(g.pool(x, 2), 8, 3))


def two_inputs(g: GraphBuilder) -> None:
    a, b = g.input((1, 8, 8, 4)), g.input((1, 16, 16, 2))
    g.output(g.add(g.conv(a, 6, 3), g.conv(b, 6, 3, 2)))


NETWORKS = (
    plain, residual, branches, padded, classifier, flattened, attention, tall, two_outputs,
    two_inputs,
)  # fmt: skip


def model_of(build: Callable[[GraphBuilder], None], seed: int = 0) -> Model:
    g = GraphBuilder(seed)
    build(g)
    return g.model()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
def test_a_segment_gives_tflms_outputs(build, seed):
    assert same_as_tflm(model_of(build, seed), seed=seed, varied=True)


@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
def test_the_workspace_is_smaller_than_the_tensors_that_it_replaces(build):
    program = program_of(model_of(build))
    inner = [t for t in program.tensors if t.place is Place.WORKSPACE]
    assert not inner or program.workspace < sum(t.rows * t.width * t.channels for t in inner) + 64


def rings_of(program):
    return [
        i for i, t in enumerate(program.tensors) if t.place is Place.WORKSPACE and t.ring > 1
    ]  # fmt: skip


@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
def test_a_ring_one_row_too_short_is_refused(build):
    program = program_of(model_of(build))
    assert rehearse(program) == "OK"
    for tensor in rings_of(program):
        short = with_ring(program, tensor, program.tensors[tensor].ring - 1)
        assert rehearse(short) == "RING"


@pytest.mark.parametrize("build", [plain, residual, branches, tall], ids=lambda b: b.__name__)
def test_a_ring_one_row_too_short_would_give_other_outputs(build):
    program = program_of(model_of(build))
    rng = np.random.default_rng(1)
    sizes = Runner(program).sizes(Place.INPUT)
    inputs = [rng.integers(0, 256, size).astype(np.uint8).tobytes() for size in sizes]
    right = Runner(program).run(inputs)
    assert rings_of(program)
    for tensor in rings_of(program):
        short = with_ring(program, tensor, program.tensors[tensor].ring - 1)
        assert Runner(short).run(inputs) != right


@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
def test_claiming_one_byte_more_overlap_is_refused(build):
    program = program_of(model_of(build))
    sizes = Runner(program).sizes(Place.INPUT)
    for k, row in enumerate(program.overlaps):
        for i, distance in enumerate(row):
            if distance in (DISJOINT, -sizes[i]):  # -size: no longer needed when it is written
                continue
            claim = [list(values) for values in program.overlaps]
            claim[k][i] = distance - 1
            assert rehearse(replace(program, overlaps=tuple(map(tuple, claim)))) == "OVERLAP"


OVERLAPPING = (plain, residual, branches, padded)


@pytest.mark.parametrize("build", OVERLAPPING, ids=lambda build: build.__name__)
def test_outputs_are_right_at_the_declared_distance_and_wrong_a_row_nearer(build):
    program = program_of(model_of(build))
    runner, distance = Runner(program), program.overlaps[0][0]
    (size,) = runner.sizes(Place.INPUT)
    made = sum(runner.sizes(Place.OUTPUT))
    assert distance < made, "nothing is shared"
    rng = np.random.default_rng(2)
    inputs = [rng.integers(0, 256, size).astype(np.uint8).tobytes()]
    right = runner.run(inputs)
    assert runner.run(inputs, distance) == right
    assert runner.run(inputs, distance + 1) == right
    source = next(t for t in program.tensors if t.place is Place.INPUT)
    assert runner.run(inputs, distance - source.width * source.channels) != right


@pytest.mark.parametrize("build", OVERLAPPING, ids=lambda build: build.__name__)
def test_addresses_pass_from_the_declared_distance_on(build):
    program = program_of(model_of(build))
    runner, distance = Runner(program), program.overlaps[0][0]
    size, made = runner.sizes(Place.INPUT)[0], runner.sizes(Place.OUTPUT)[0]
    for there in (distance - 1, distance, distance + 1, made - 1, made, -size, 1 - size, -size - 1):
        disjoint = there >= made or there <= -size
        assert runner.allows(there) == (disjoint or there >= distance), there


@pytest.mark.parametrize("build", [plain, residual, branches], ids=lambda build: build.__name__)
def test_other_goals_give_the_same_outputs(build):
    """Whatever is made first, as long as the rings have room: here all of them have."""
    program = program_of(model_of(build))
    rows = [t.rows for t in program.tensors]
    end, tensors = 1 << 16, []
    for tensor in program.tensors:
        if tensor.place is Place.WORKSPACE:
            tensor = replace(tensor, offset=end, ring=tensor.rows)
            end += -(-tensor.rows * tensor.width * tensor.channels // 16) * 16
        tensors.append(tensor)
    goals = tuple((i, rows[op.output]) for i, op in enumerate(program.operators))
    eager = replace(program, tensors=tuple(tensors), goals=goals, workspace=end,
                    overlaps=tuple((DISJOINT,) * len(row) for row in program.overlaps))  # fmt: skip
    assert rehearse(eager) == "OK"
    rng = np.random.default_rng(3)
    sizes = Runner(program).sizes(Place.INPUT)
    inputs = [rng.integers(0, 256, size).astype(np.uint8).tobytes() for size in sizes]
    assert Runner(eager).run(inputs) == Runner(program).run(inputs)


def test_a_program_that_stops_early_is_refused():
    program = program_of(model_of(plain))
    ((operator, steps),) = program.goals
    assert rehearse(replace(program, goals=((operator, steps - 1),))) == "GOAL"
    assert rehearse(replace(program, goals=())) == "GOAL"

"""Inputs that come row by row: the same outputs, out of rings instead of whole tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from arenafit.errors import ModelError
from arenafit.graph import Model, save
from arenafit.memory.problem import align
from arenafit.partial.encoding import decode, encode
from arenafit.partial.feed import feed_inputs
from arenafit.partial.program import Feed, Kind, Program
from arenafit.passes import copy_model
from support.builder import GraphBuilder
from support.rewriting import tflm
from support.segment import Rows, check, program_of, rehearse, run_bytes, segment_of, with_ring
from test_segment_runs import NETWORKS, branches, model_of, plain, residual, tall, two_inputs


def audio(g: GraphBuilder) -> None:
    """One column of many rows, of which the last are read by nobody."""
    x = g.reshape(g.input((1, 43 * 8)), (1, 43, 1, 8))
    x = g.conv(x, 6, (5, 1), (3, 1), "VALID", "RELU")
    g.output(g.softmax(g.fully_connected(g.mean(x), 4)))


def long_skip(g: GraphBuilder) -> None:
    """The input is read again, behind convolutions that are some rows ahead."""
    x = g.input((1, 14, 6, 4))
    g.output(g.conv(g.add(x, g.conv(g.conv(x, 4, 3), 4, 5)), 3, 3, 2))


def no_rows(g: GraphBuilder) -> None:
    """One row is all there is."""
    g.output(g.fully_connected(g.fully_connected(g.input((1, 30)), 12), 5))


FED = (*NETWORKS, audio, long_skip, no_rows)

by_name = {"ids": lambda build: build.__name__}


def fed(model: Model) -> Model:
    copy = copy_model(model)
    feed_inputs(copy)
    return copy


def fed_program(build: Callable[[GraphBuilder], None]) -> Program:
    return program_of(fed(model_of(build)))


def images(model: Model, seed: int = 0) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, t.shape).astype(np.int8).tobytes() for t in model.main.inputs]


def in_tflm(model: Model, given: list[bytes]) -> list[bytes]:
    inputs = [
        np.frombuffer(data, np.int8).reshape(t.shape)
        for data, t in zip(given, model.main.inputs, strict=True)
    ]
    (made,) = tflm().run(save(model), [inputs])
    return [np.asarray(value).tobytes() for value in made]


def expected(model: Model, given: list[bytes]) -> list[bytes]:
    """TFLM's outputs in the order of the segment's."""
    made = dict(zip(model.main.outputs, in_tflm(model, given), strict=True))
    return [made[t] for t in segment_of(model).outputs]


# -- what is computed ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("build", FED, **by_name)
def test_what_is_fed_gives_the_bytes_of_tflm(build, seed):
    model = model_of(build, seed)
    given = images(model, seed)
    program = program_of(fed(model))
    assert (program.inputs, rehearse(program)) == (0, "OK")
    assert decode(encode(program)) == program
    assert run_bytes(encode(program), [], rows=Rows(given)) == expected(model, given)


@pytest.mark.parametrize("build", FED, **by_name)
def test_the_rows_of_each_input_are_asked_for_in_order_and_once(build):
    model = model_of(build)
    rows = Rows(images(model))
    program = fed_program(build)
    run_bytes(encode(program), [], rows=rows)
    for op in program.operators:
        if isinstance(op.parameters, Feed):
            tensor = program.tensors[op.output]
            asked = [row for number, row, _ in rows.asked if number == op.parameters.input]
            assert asked == list(range(len(asked)))
            assert 0 < len(asked) <= tensor.rows
            sizes = {size for number, _, size in rows.asked if number == op.parameters.input}
            assert sizes == {tensor.row_bytes}
    assert {number for number, _, _ in rows.asked} == set(range(len(model.main.inputs)))


def test_rows_that_nobody_reads_are_not_asked_for():
    rows = Rows(images(model_of(audio)))
    run_bytes(encode(fed_program(audio)), [], rows=rows)
    assert len(rows.asked) == 41  # of 43: thirteen windows of five rows, three apart


@pytest.mark.parametrize("build", [plain, residual, audio, long_skip], **by_name)
@pytest.mark.parametrize("shift", [-1, 1])
def test_a_source_that_repeats_or_skips_a_row_gives_other_outputs(build, shift):
    model = model_of(build)
    given = images(model)
    wrong = Rows([data + data for data in given], shift=shift)
    assert run_bytes(encode(fed_program(build)), [], rows=wrong) != expected(model, given)


# -- what it takes ---------------------------------------------------------------------------


WINDOWED = (plain, residual, branches, tall, two_inputs, audio, long_skip)


def rings_of(program: Program) -> dict[int, int]:
    """Tensor that is fed -> rows in its ring."""
    fed_ones = (op.output for op in program.operators if op.kind is Kind.FEED)
    return {tensor: program.tensors[tensor].ring for tensor in fed_ones}


@pytest.mark.parametrize("build", WINDOWED, **by_name)
def test_an_input_takes_no_more_than_the_rows_that_are_alive_at_once(build):
    whole, part = program_of(model_of(build)), fed_program(build)
    rings = rings_of(part)
    assert all(1 < ring < part.tensors[tensor].rows for tensor, ring in rings.items())
    sizes = [align(ring * part.tensors[tensor].row_bytes) for tensor, ring in rings.items()]
    assert part.workspace <= whole.workspace + sum(sizes) + align(4 * len(rings))


def test_windows_of_three_rows_need_three_rows_of_the_input_at_a_time():
    assert list(rings_of(fed_program(plain)).values()) == [3]


@pytest.mark.parametrize("build", WINDOWED, **by_name)
def test_a_ring_of_fed_rows_that_is_one_too_short_is_refused(build):
    program = fed_program(build)
    for tensor, ring in rings_of(program).items():
        assert rehearse(with_ring(program, tensor, ring - 1)) == "RING"


# -- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 1, 7])
def test_a_source_that_gives_up_ends_the_run_and_the_next_run_is_right(left):
    model = model_of(residual)
    given = images(model)
    data = encode(fed_program(residual))
    rows = Rows(given, left=left)
    run_bytes(data, [], rows=rows, status="ABORTED")
    assert len(rows.asked) == left + 1
    assert run_bytes(data, [], rows=Rows(given)) == expected(model, given)


def test_without_a_source_nothing_is_done():
    (output,) = run_bytes(encode(fed_program(residual)), [], status="SOURCE")
    assert set(output) == {0xA5}


def test_two_operators_cannot_ask_for_the_same_input():
    program = fed_program(two_inputs)
    assert check(encode(program)) == "OK"
    operators = tuple(
        replace(op, parameters=Feed(0)) if op.kind is Kind.FEED else op for op in program.operators
    )
    assert check(encode(replace(program, operators=operators))) == "PARAMETERS"


def test_what_is_fed_reads_nothing():
    program = fed_program(two_inputs)
    operators = list(program.operators)
    at = [i for i, op in enumerate(operators) if op.kind is Kind.FEED][1]
    operators[at] = replace(operators[at], operands=(program.operators[0].output,))
    assert check(encode(replace(program, operators=tuple(operators)))) == "OPERATOR"


def test_an_input_that_is_an_output_or_read_by_nobody_cannot_be_fed():
    g = GraphBuilder(1)
    x = g.input((1, 4, 4, 2))
    g.input((1, 4, 4, 2))
    g.output(g.conv(x, 2))
    with pytest.raises(ModelError, match="cannot be fed by rows"):
        feed_inputs(g.model())
    g = GraphBuilder(1)
    x = g.input((1, 4, 4, 2))
    g.output(g.conv(x, 2), x)
    with pytest.raises(ModelError, match="cannot be fed by rows"):
        feed_inputs(g.model())

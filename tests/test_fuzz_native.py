"""The code that reads what a model brings, under libFuzzer with ASan and UBSan.

The targets (tests/fuzz) look for more than crashes: what is accepted must be sound, what is
planned no larger than greedy's plan, what is pooled equal to a naive pool. `./run test` makes the
same inputs each time, `--all` thirty times as many and new ones.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from arenafit.candidates import overlap_rule, scratch_rule
from arenafit.graph import DType, Model
from arenafit.memory.build import model_problem
from arenafit.memory.metadata import encode
from arenafit.memory.placement import solve
from arenafit.memory.problem import ONLINE, Placement, Problem, Request
from arenafit.partial import partial_conv
from arenafit.partial.channels import split
from arenafit.partial.encoding import encode as encode_program
from arenafit.partial.feed import feed_inputs
from arenafit.partial.lower import lower
from arenafit.passes.inplace_max_pool import pool_options
from support.builder import GraphBuilder
from support.fuzzing import CORE, GLUE, TARGETS, Report, build, fuzz, replay
from support.partial import chain_at
from support.pooling import pooled
from support.segment import program_of, segment_of

GIB = 1 << 30

# ---- seeds: what the compiler writes -----------------------------------------------------------


def residual() -> Model:
    g = GraphBuilder(seed=3)
    x = g.conv(g.input((1, 12, 12, 3)), 8, kernel=3)
    g.output(g.softmax(g.fully_connected(g.mean(g.add(x, g.conv(x, 8))), 5)))
    return g.model()


@cache
def plans() -> list[tuple[Problem, Placement]]:
    """Best plans of models, with overlaps, and with scratch in the last one."""
    models = pooled(), residual()
    problems = [
        model_problem(model, overlap_rule("reference"), scratch_rule("reference")).problem
        for model in models
    ]
    return [(problem, solve(problem)) for problem in problems]


def allocation(requests: tuple[Request, ...], blob: bytes = b"", room: int = 48) -> bytes:
    """An input of planner.cc."""
    calls = [struct.pack("<iihh", r.size, r.fixed, r.first, r.last) for r in requests]
    return bytes([room, len(calls)]) + b"".join(calls) + blob


def requests_of(problem: Problem, attempts: int = 8) -> bytes:
    """An input of online.cc."""
    records = [struct.pack("<iihh", r.size, r.fixed, r.first, r.last) for r in problem.requests]
    return bytes([attempts - 1]) + b"".join(records)


def pools() -> list[bytes]:
    """Inputs of max_pool.cc: operators as the compiler rewrites them."""
    found = []
    for number, dtype in enumerate(("INT8", "INT16", "FLOAT32")):
        for padding in ("SAME", "VALID"):
            g = GraphBuilder(seed=number, dtype=dtype)
            x = g.input((1, 9, 8, 20))
            g.output(g.pool(x, 3, stride=2, padding=padding, kind="MAX"))
            (op,) = g.model().main.operators
            options, source, target = pool_options(op), op.inputs[0], op.outputs[0]
            assert options is not None and source is not None
            head = struct.pack("<6Bh8i", *[number] * 2, 4, 4, 1, 0, 0, *source.shape, *target.shape)
            found.append(head + options.encode())
    return found


def segments() -> list[bytes]:
    """Programs of small networks with all kinds of operators."""
    found = []
    s8, s16, f32 = DType.INT8, DType.INT16, DType.FLOAT32
    for network, dtype, fed in (
        (streamed, s8, False), (joined, s8, False), (reduced, s8, False), (converted, s8, False),
        (streamed, f32, False), (typed, f32, False), (streamed, s16, False), (typed, s16, False),
        (streamed, s8, True), (summed, s8, True), (converted, s8, True),
    ):  # fmt: skip
        g = GraphBuilder(2, dtype)
        network(g)
        model = g.model()
        if fed:
            feed_inputs(model)
        found.append(encode_program(program_of(model)))
    return [*found, in_slices(), of_two_inputs()]


def in_slices() -> bytes:
    """The program of a chain that is split by channels."""
    g = GraphBuilder(seed=2)
    x = g.conv(g.input((1, 5, 4, 2)), 5, 3, 2, activation="RELU6")
    g.output(g.conv(g.depthwise(x, 2), 2, 1))
    model = g.model()
    chain = chain_at(model)
    assert chain is not None
    made = split(segment_of(model), chain, 2)
    assert made is not None
    return encode_program(lower(made))


def of_two_inputs() -> bytes:
    """The program of a convolution over the channels of two inputs."""
    g = GraphBuilder(seed=2)
    a = g.input((1, 5, 4, 2))
    g.output(g.conv(g.concat([a, g.input((1, 5, 4, 3), like=a)]), 3, 2))
    model = g.model()
    assert partial_conv.run(model) == 1
    program = model.main.operators[0].inputs[-1]
    assert program is not None and program.buffer is not None
    return program.buffer.data or b""


def streamed(g: GraphBuilder) -> None:
    x = g.conv(g.input((1, 9, 7, 2)), 3, 3, 2, activation="RELU6")
    g.output(g.pool(g.depthwise(x, (3, 2), dilation=(2, 1), multiplier=2), 2, 1, kind="AVERAGE"))


def converted(g: GraphBuilder) -> None:
    x = g.quantize(g.input((1, 7, 6, 2), dtype=DType.FLOAT32), DType.INT8)
    x = g.conv(g.pad(x, [(0, 0), (1, 0), (0, 1), (0, 0)]), 3, 3)
    wide = g.quantize(x, DType.INT16)
    g.output(g.dequantize(wide), g.pad(g.quantize(wide, DType.INT8), [(0, 0), *[(1, 1)] * 3]))


def typed(g: GraphBuilder) -> None:
    x = g.input((1, 6, 5, 2))
    y = g.mul(g.unary("LEAKY_RELU", x, alpha=0.1), g.relu(g.pool(x, 3, 1, "SAME")))
    z = g.add(g.mean(g.conv(y, 2)), g.reshape(g.pool(y, (6, 5), 1, "VALID"), (1, 2)))
    g.output(g.fully_connected(g.reshape(y, (1, 60)), 2), z)


def joined(g: GraphBuilder) -> None:
    x = g.input((1, 8, 5, 3))
    y = g.add(g.conv(x, 3), g.unary("LEAKY_RELU", x, alpha=0.1))
    both = g.concat([y, g.pool(y, 3, 1, "SAME")])
    g.output(g.mul(g.pad(both, [(0, 0), (1, 0), (0, 1), (0, 0)]), g.random((1, 1, 1, 6))))


def summed(g: GraphBuilder) -> None:
    g.output(g.add(g.conv(g.input((1, 6, 4, 2)), 3), g.pool(g.input((1, 12, 8, 3)), 2)))


def reduced(g: GraphBuilder) -> None:
    x = g.conv(g.input((1, 6, 4, 2)), 4)
    g.output(g.mean(x), g.pool(x, (6, 4), 1, "VALID", "AVERAGE"))
    flat = g.reshape(g.pool(x, 2), (1, 24))
    g.output(g.softmax(g.fully_connected(flat, 3)), g.pool(x, (6, 4), 1, "VALID", "MAX"))


def hanging() -> Problem:
    """Its last buffer was placed at 2^32 - 1, which stood for "not placed yet"."""
    return Problem(
        (
            Request(2 * GIB - 16, 0, 1, fixed=0),
            Request(2 * GIB - 16, 0, 1, fixed=2 * GIB - 1),
            Request(16, 0, 1, fixed=ONLINE),
            Request(16, 0, 1, fixed=ONLINE),
        )
    )


FOUND = {
    "buffers beyond 4 GiB": ("online", requests_of(hanging())),
    "a given offset of 2^31 - 1": ("planner", allocation((Request(16, 0, 1, fixed=2 * GIB - 1),))),
    "live buffers of 3 GiB in one place": (
        "planner",
        allocation((Request(GIB, 0, 1, fixed=0),) * 3),
    ),
}
"""What fuzzing once found: the target, and the input."""


def seeds(name: str) -> list[bytes]:
    found = [data for target, data in FOUND.values() if target == name]
    if name == "planner":
        found += [allocation(p.requests, encode(p, placement)) for p, placement in plans()]
        found += [allocation(p.requests) for p, _ in plans()]
    elif name == "segment":
        found += segments()
    elif name == "online":
        found += [requests_of(problem) for problem, _ in plans()]
    else:
        found += pools()
    return found


# ---- the run -----------------------------------------------------------------------------------

ATTEMPTS = 10  # short runs in which a planted fault has to show
RUNS = {
    "planner": 50_000,
    "online": 30_000,
    "max_pool": 80_000,
    "segment": 30_000,
}  # about 2 s each


def nothing_found(report: Report, name: str, runs: int) -> None:
    assert not report.found, report.log[-5000:]
    often = {count: report.counts[count] >= runs // 500 for count in TARGETS[name].counts}
    assert all(often.values()), report.counts


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_finds_a_fault(name: str):
    runs = RUNS[name]
    nothing_found(fuzz(build(TARGETS[name]), seeds(name), runs), name, runs)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_no_new_input_finds_a_fault(name: str):
    runs = 30 * RUNS[name]
    nothing_found(fuzz(build(TARGETS[name]), seeds(name), runs, seed=0), name, runs)


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_once_is_no_fault_any_more(what: str):
    name, data = FOUND[what]
    report = replay(build(TARGETS[name]), data)
    assert not report.found, report.log


def test_every_plan_among_the_seeds_is_followed_by_both_planners():
    assert plans()[-1][0].requests[-1].scratch
    for problem, placement in plans():
        report = replay(
            build(TARGETS["planner"]), allocation(problem.requests, encode(problem, placement))
        )
        assert (report.found, report.counts["placed"]) == (False, 2)
        assert report.counts["declared"] > 0


def test_every_pool_among_the_seeds_runs_in_place():
    for data in pools():
        report = replay(build(TARGETS["max_pool"]), data)
        assert not report.found and report.counts["ran"] == 1
        assert report.counts["in place"] >= 1


# ---- controls: a fault in a copy of the source, which fuzzing has to find ----------------------


@dataclass(frozen=True, slots=True)
class Fault:
    target: str
    source: Path
    right: str
    wrong: str
    report: str  # what the log says of it: a regular expression


OVERFLOW = "signed integer overflow"
OUTSIDE = "heap-buffer-overflow|unsigned offset .* overflowed"
PLACED_WRONGLY = "out of bounds for type 'char|REQUIRED: .*(placed|planned)"

FAULTS = {
    "the checksum is not looked at": Fault(
        "planner", CORE / "plan.c", " != plan->checksum", " == 1", "a wrong checksum is accepted"
    ),
    "the counts are not held against the size": Fault(
        "planner", CORE / "plan.c", "if (size != sizeof", "if (size == 1 + sizeof", OUTSIDE
    ),
    "an end behind the head is no matter": Fault(
        "planner",
        CORE / "plan.c",
        "a->size > plan->head - a->offset ||",
        "",
        "a buffer beyond the head is accepted",
    ),
    "a declared pair may lie at any distance below": Fault(
        "planner",
        CORE / "plan.c",
        "distance > pair->high",
        "0",
        "an undeclared overlap is accepted",
    ),
    "the overlap of a longer pair is no matter": Fault(
        "planner",
        CORE / "plan.c",
        "} else if (a->last != b->first) {",
        "} else if (a->last + 1 < b->first) {",
        "an undeclared overlap is accepted",
    ),
    "scratch of any size is taken for the planned one": Fault(
        "planner", CORE / "plan.c", "size < planned->size &&", "", PLACED_WRONGLY
    ),
    "the planner's memory has no end": Fault(
        "planner", GLUE / "memory_planner.cc", "count_ >= capacity_ || ", "", OUTSIDE
    ),
    "the plan is not checked": Fault(
        "planner",
        GLUE / "memory_planner.cc",
        "arenafit_plan_status status = arenafit_plan_check(plan, plan_.size);",
        "arenafit_plan_status status = ARENAFIT_PLAN_OK;",
        f"{OUTSIDE}|{PLACED_WRONGLY}",
    ),
    "a given offset is compared by subtraction": Fault(
        "planner",
        GLUE / "memory_planner.cc",
        "offline_offset < ARENAFIT_ONLINE",
        "offline_offset - ARENAFIT_ONLINE < 0",
        OVERFLOW,
    ),
    "sizes that may overlap are added up in 32 bits": Fault(
        "planner", GLUE / "memory_planner.cc", "int64_t used = 0;", "int32_t used = 0;", OVERFLOW
    ),
    "what was passed is not looked at again": Fault(
        "online", CORE / "plan_online.c", "a = requests; /*", "++a; /*", "upon each other"
    ),
    "of equals the first is placed first": Fault(
        "online",
        CORE / "plan_online.c",
        "a->priority >= most",
        "(wanted == end ? a->priority >= most : a->priority > most)",
        "a plan is larger than greedy's",
    ),
    "the last plan is kept for the best one": Fault(
        "online",
        CORE / "plan_online.c",
        "if (head < best) {\n        a->offset",
        "{\n        a->offset",
        "planned beyond the head",
    ),
    "planning goes on behind 2 GiB": Fault(
        "online",
        CORE / "plan_online.c",
        "if (offset > INT32_MAX) {",
        "if (offset == 1) {",
        "timeout",
    ),
    "the workspace has no end": Fault(
        "segment",
        CORE / "segment_check.c",
        "bytes <= program->workspace - offset",
        "bytes < 1 << 12",
        OUTSIDE,
    ),
    "weights may lie behind the program": Fault(
        "segment", CORE / "segment_check.c", "bytes <= size - offset", "bytes < 1 << 12", OUTSIDE
    ),
    "windows may lie before the image": Fault(
        "segment",
        CORE / "segment_check_shape.c",
        "pad <= (kernel - 1) * dilation",
        "pad >= 0",
        "division by zero",
    ),
    "a ring may be a row too short": Fault(
        "segment",
        CORE / "segment_rehearse.c",
        "rows_made(walk, tensor) - tensor->ring",
        "rows_made(walk, tensor) - tensor->ring - 1",
        "rings lose rows",
    ),
    "an overlap may be a row too far": Fault(
        "segment",
        CORE / "segment_rehearse.c",
        "parts->overlaps[pair] < least",
        "parts->overlaps[pair] < least - (int64_t)arenafit_row_size(output)",
        "in place gives something else",
    ),
    "rows are fed by nobody": Fault(
        "segment",
        CORE / "segment.c",
        "source == NULL || source->next_row",
        "source != NULL && source->next_row",
        "SEGV|null pointer",
    ),
    "windows begin in the padding": Fault(
        "max_pool",
        CORE / "max_pool.c",
        "return origin > 0 ? origin : 0;",
        "return origin;",
        OUTSIDE,
    ),
    "the last block of channels is taken for a full one": Fault(
        "max_pool",
        CORE / "max_pool.c",
        "left < ARENAFIT_MAX_POOL_BLOCK ? left : ARENAFIT_MAX_POOL_BLOCK",
        "left < 1 ? left : ARENAFIT_MAX_POOL_BLOCK",
        OUTSIDE,
    ),
    "the overlap distance is an element short": Fault(
        "max_pool",
        CORE / "max_pool.c",
        "lead * output_dims->c * size_of(type)",
        "(lead * output_dims->c - 1) * size_of(type)",
        "in place gives something else",
    ),
    "any claim is believed": Fault(
        "max_pool",
        GLUE / "max_pool.cc",
        "call.claimed < least",
        "call.claimed < least - (1 << 30)",
        "a distance that is claimed is refused when it runs",
    ),
    "the type of the output is not looked at": Fault(
        "max_pool",
        GLUE / "max_pool.cc",
        "call->input->type != call->output->type || ",
        "",
        "tensors of two types are accepted",
    ),
}


def first_finding(program: Path, target: str) -> Report | None:
    """What the first of a few short runs finds: a single one misses a fault now and then."""
    for seed in range(1, ATTEMPTS + 1):
        report = fuzz(program, seeds(target), RUNS[target], seed=seed, timeout=3)
        if report.found:
            return report
    return None


@pytest.mark.parametrize("what", FAULTS)
def test_the_fault_is_found_that(what: str, tmp_path: Path):
    fault = FAULTS[what]
    text = fault.source.read_text(encoding="utf-8")
    assert text.count(fault.right) == 1
    copy = tmp_path / fault.source.name
    copy.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")
    program = build(TARGETS[fault.target], fault.source, copy)
    report = first_finding(program, fault.target)
    assert report is not None
    assert re.search(fault.report, report.log), report.log[-3000:]

"""arenafit's planner objects, asked what TFLM asks of a planner, in its order."""

from __future__ import annotations

import random
import subprocess
from dataclasses import replace

import pytest

from arenafit.memory.greedy import greedy
from arenafit.memory.metadata import decode, encode
from arenafit.memory.placement import solve
from arenafit.memory.problem import Overlap, Placement, Problem, Request
from support.allocation import check, grid
from support.native import KERNELS, SANITIZE, compile_program
from support.planner import NATIVE, Refused, RunningPlanner

PROBLEM = Problem(
    (
        Request(96, 0, 1),
        Request(96, 1, 2),
        Request(32, 2, 3),
        Request(32, 2, 2, scratch=True),
    ),
    (Overlap(output=1, input=0, low=32),),
)
PLACEMENT = solve(PROBLEM)
PLAN = encode(PROBLEM, PLACEMENT)
TENSORS, SCRATCH = PROBLEM.requests[:3], PROBLEM.requests[3]

either = pytest.mark.parametrize("online", [True, False], ids=["online", "offline"])


def refusal(planner: RunningPlanner, *requests: Request) -> str:
    """Why these buffers are refused: as TFLM, ask for all offsets when all have been added."""
    with pytest.raises(Refused) as refused:
        planner.add(*requests)
        planner.offsets()
    return str(refused.value)


@either
def test_a_plan_that_fits_is_obeyed(online: bool):
    planner = RunningPlanner(PLAN, online=online)
    planner.add(*PROBLEM.requests)
    assert planner.offsets() == PLACEMENT.offsets
    assert (planner.head, planner.count) == (PLACEMENT.head, 4)
    assert decode(PLAN).overlaps and PLACEMENT.head < greedy(PROBLEM).head
    assert planner.log == ""


@either
def test_a_plan_supersedes_the_offline_offsets_of_the_model(online: bool):
    planner = RunningPlanner(PLAN, online=online)
    planner.add(*(replace(request, fixed=512 * i) for i, request in enumerate(PROBLEM.requests)))
    assert planner.offsets() == PLACEMENT.offsets


@either
def test_scratch_may_be_smaller_than_planned(online: bool):
    planner = RunningPlanner(PLAN, online=online)
    planner.add(*TENSORS, replace(SCRATCH, size=16))
    assert planner.offsets() == PLACEMENT.offsets


@either
def test_scratch_may_be_missing(online: bool):
    planner = RunningPlanner(PLAN, online=online)
    planner.add(*TENSORS)
    assert planner.offsets() == PLACEMENT.offsets[:3]


REFUSED = {
    "a wrong checksum": (PLAN[:4] + b"\1\2\3\4" + PLAN[8:], "wrong checksum"),
    "a truncated plan": (PLAN[:-4], "truncated"),
    "nothing of a plan": (b"", "not a plan"),
    "another version": (PLAN[:3] + b"2" + PLAN[4:], "not a plan of this version"),
}


def resealed(**changes: object) -> bytes:
    return replace(decode(PLAN), **changes).to_bytes()  # type: ignore[arg-type]


REFUSED["an undeclared overlap"] = (resealed(overlaps=()), "overlap without being declared")
REFUSED["an overlap declared twice"] = (
    resealed(overlaps=decode(PLAN).overlaps * 2),
    "share nothing",
)
REFUSED["an offset past the arena"] = (resealed(head=PLACEMENT.head - 16), "past the arena")


@either
@pytest.mark.parametrize("what", REFUSED)
def test_a_model_does_not_start_with(what: str, online: bool):
    plan, message = REFUSED[what]
    log = refusal(RunningPlanner(plan, online=online), *PROBLEM.requests)
    assert "memory plan refused: " in log and message in log


@either
def test_a_plan_at_an_odd_address_is_refused(online: bool):
    planner = RunningPlanner(PLAN, online=online, misaligned=True)
    assert "not aligned" in refusal(planner, *PROBLEM.requests)


@either
@pytest.mark.parametrize("length", range(0, len(PLAN), 7))
def test_no_truncated_plan_gives_an_offset(length: int, online: bool):
    refusal(RunningPlanner(PLAN[:length], online=online), *PROBLEM.requests)


@either
@pytest.mark.parametrize(
    "changed",
    [
        (replace(TENSORS[0], size=112), *TENSORS[1:], SCRATCH),
        (replace(TENSORS[0], size=80), *TENSORS[1:], SCRATCH),
        (TENSORS[0], replace(TENSORS[1], first=0), TENSORS[2], SCRATCH),
        (*TENSORS[:2], replace(TENSORS[2], last=4), SCRATCH),
        (*TENSORS[:2], replace(TENSORS[2], last=3 + 2**16), SCRATCH),
        (TENSORS[1], TENSORS[0], TENSORS[2], SCRATCH),
    ],
    ids=["larger", "smaller", "earlier", "later", "later by 2^16", "exchanged"],
)
def test_a_plan_of_another_model_is_refused(changed: tuple[Request, ...], online: bool):
    log = refusal(RunningPlanner(PLAN, online=online), *changed)
    assert "a tensor has another size or lifetime than planned" in log


MISFITS = {
    "a scratch buffer is larger than planned": (*TENSORS, replace(SCRATCH, size=48)),
    "other scratch buffers than planned": (*TENSORS, replace(SCRATCH, first=1)),
    "other scratch buffers than planned ": (*PROBLEM.requests, SCRATCH),
}


@pytest.mark.parametrize("message", MISFITS)
def test_without_planning_on_the_device_other_scratch_is_refused(message: str):
    log = refusal(RunningPlanner(PLAN, online=False), *MISFITS[message])
    assert f"does not fit the memory plan: {message.strip()}" in log


@pytest.mark.parametrize("message", MISFITS)
def test_with_other_scratch_the_memory_is_planned_anew(message: str):
    planner = RunningPlanner(PLAN)
    planner.add(*MISFITS[message])
    problem = Problem(MISFITS[message])
    offsets = planner.offsets()
    check(problem, Placement(offsets, planner.head, 0, False))
    assert planner.head <= greedy(problem).head
    assert planner.log == f"arenafit: memory planned anew: {message.strip()}\n"


def test_planned_anew_tensors_stay_where_the_model_s_offline_plan_has_them():
    planner = RunningPlanner(PLAN)
    fixed = [
        replace(request, fixed=offset)
        for request, offset in zip(TENSORS, PLACEMENT.offsets, strict=False)
    ]
    problem = Problem((*fixed, replace(SCRATCH, size=64)))
    planner.add(*problem.requests)
    assert planner.offsets()[:3] == PLACEMENT.offsets[:3]
    assert (planner.offsets(), planner.head) == (greedy(problem).offsets, greedy(problem).head)


def test_without_a_plan_it_plans_by_itself_and_says_nothing():
    problem = grid([(2, 0, 1), (3, 1, 2), (1, 2, 3)])
    planner = RunningPlanner(None)
    planner.add(*problem.requests)
    check(problem, Placement(planner.offsets(), planner.head, 0, False))
    assert planner.log == ""


def test_without_a_plan_nothing_but_planning_on_the_device_will_do():
    assert "not a plan" in refusal(RunningPlanner(None, online=False), *PROBLEM.requests)


@either
def test_a_planner_serves_one_model_after_another(online: bool):
    """Reset and several models in one allocator: Init, then everything anew."""
    planner = RunningPlanner(PLAN, online=online)
    for _ in range(3):
        planner.init()
        assert planner.count == 0
        planner.add(*PROBLEM.requests)
        assert planner.offsets() == PLACEMENT.offsets


@either
def test_each_model_in_one_allocator_has_its_own_plan(online: bool):
    planner = RunningPlanner(PLAN, online=online)
    planner.add(*PROBLEM.requests)
    second = Problem((Request(32, 0, 1), Request(32, 1, 1)))
    plan = encode(second, Placement((32, 0), 64, 64, True))
    planner.set_plan(plan)
    planner.init()
    planner.add(*second.requests)
    assert planner.offsets() == (32, 0)
    planner.set_plan(plan[:-4])
    planner.init()
    assert "truncated" in refusal(planner, *second.requests)


def test_a_buffer_may_be_added_after_offsets_have_been_asked_for():
    planner = RunningPlanner(None)
    rows = [(2, 0, 1), (3, 1, 2), (4, 0, 2)]
    for count in range(1, 4):
        planner.add(grid(rows).requests[count - 1])
        problem = grid(rows[:count])
        check(problem, Placement(planner.offsets(), planner.head, 0, False))


def test_a_planner_without_buffers_needs_nothing():
    planner = RunningPlanner(None)
    assert (planner.count, planner.head) == (0, 0)


@either
@pytest.mark.parametrize("index", [-1, 4, 2**31 - 1, -(2**31)])
def test_there_is_no_offset_of_a_buffer_that_was_not_added(index: int, online: bool):
    planner = RunningPlanner(PLAN, online=online)
    planner.add(*PROBLEM.requests)
    with pytest.raises(Refused, match="no offset for buffer"):
        planner.offset(index)


def test_more_buffers_than_the_arena_has_room_for_are_refused():
    planner = RunningPlanner(None, room=3)
    planner.add(*TENSORS)
    with pytest.raises(Refused, match="one too many"):
        planner.add(SCRATCH)
    assert len(set(planner.offsets())) >= 2


@either
def test_an_arena_without_room_holds_no_more_than_an_offline_planner_needs(online: bool):
    planner = RunningPlanner(PLAN, online=online, room=0)
    if online:
        with pytest.raises(Refused, match="one too many"):
            planner.add(*PROBLEM.requests)
    else:
        planner.add(*PROBLEM.requests)
        assert planner.offsets() == PLACEMENT.offsets


@pytest.mark.parametrize(
    "request_",
    [Request(-16, 0, 1), Request(16, 0, 1, fixed=-16), Request(-(2**31), 0, 1, fixed=2**31 - 1)],
)
def test_negative_sizes_and_offsets_are_refused(request_: Request):
    with pytest.raises(Refused, match="negative"):
        RunningPlanner(None).add(request_)


def test_buffers_that_need_more_than_2_gib_are_refused():
    big = Request(2**31 - 16, 0, 1)
    planner = RunningPlanner(None)
    planner.add(big)
    assert planner.head == 2**31 - 16
    planner.add(*[big] * 3)
    with pytest.raises(Refused):
        planner.offset(0)


def test_the_plan_is_printed_as_greedy_prints_it():
    planner = RunningPlanner(None)
    planner.add(Request(1024, 0, 1), Request(3072, 1, 2), Request(1024, 1, 1))
    assert planner.print() == [
        "0 (id=0): size=1024, offset=4096, first_used=0 last_used=1",
        "1 (id=1): size=3072, offset=0, first_used=1 last_used=2",
        "* (id=2): size=1024, offset=3072, first_used=1 last_used=1",
        "   0: " + "." * 64 + "0" * 16 + " (1k)",
        "   1: " + "1" * 48 + "*" * 16 + "0" * 16 + " (5k)",
        "   2: " + "1" * 48 + "." * 32 + " (3k)",
    ]


def test_a_printed_plan_shows_declared_overlaps_and_many_buffers():
    planner = RunningPlanner(PLAN)
    planner.add(*PROBLEM.requests)
    assert any("!" in line for line in planner.print())
    many = RunningPlanner(None)
    many.add(*(Request(16, 0, 1) for _ in range(70)))
    lines = many.print()
    assert [lines[k][0] for k in (0, 9, 10, 35, 36, 61, 62)] == list("09azAZ0")


def test_a_refused_plan_prints_no_picture():
    planner = RunningPlanner(PLAN[:-4])
    planner.add(*PROBLEM.requests)
    assert all("memory plan refused" in line for line in planner.print())


def test_the_plan_is_found_in_a_model_s_metadata():
    program = compile_program(
        [NATIVE / "plan_in_model.cc"],
        *("-std=c++17", "-Wall", "-Wextra", "-Werror", *SANITIZE),
        *(f"-I{KERNELS / part / 'include'}" for part in ("tflm", "core")),
    )
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@either
def test_random_plans_are_obeyed(online: bool):
    rng = random.Random(5)
    for _ in range(60):
        rows = [(rng.randint(1, 9), f, f + rng.randint(0, 3)) for f in rng.choices(range(9), k=10)]
        tensors = rng.randint(0, 10)
        requests = [replace(r, scratch=i >= tensors) for i, r in enumerate(grid(rows).requests)]
        problem = Problem(tuple(requests))
        placement = solve(problem)
        planner = RunningPlanner(encode(problem, placement), online=online)
        planner.add(*requests)
        assert (planner.offsets(), planner.head) == (placement.offsets, placement.head)

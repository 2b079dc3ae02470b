"""Planning on the device: sound, never worse than TFLM's greedy planner, nearly the best known."""

from __future__ import annotations

import random
import subprocess
from dataclasses import replace
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.memory.greedy import greedy
from arenafit.memory.metadata import MemoryPlan, PlannedBuffer
from arenafit.memory.placement import solve
from arenafit.memory.problem import ALIGNMENT, ONLINE, Placement, Problem, Request
from support.allocation import chain, check, grid
from support.native import C_FLAGS, SANITIZE, compile_program
from support.planner import CORE, NATIVE, plan_online
from support.problems import MINIMALLOC, minimalloc_problems, zoo_problems
from support.zoo import requires_zoo

requires_minimalloc = pytest.mark.skipif(
    not MINIMALLOC.is_dir(), reason=f"no MiniMalloc problems in {MINIMALLOC}"
)

rows = st.lists(
    st.tuples(st.integers(0, 9), st.integers(-1, 8), st.integers(0, 5)), min_size=0, max_size=24
).map(lambda drawn: [(size, first, first + length) for size, first, length in drawn])


def sound(problem: Problem, found: Placement) -> None:
    check(problem, replace(found, optimal=found.head == 0))


@given(rows)
def test_the_first_attempt_is_greedy_s_plan(drawn: list[tuple[int, int, int]]):
    problem = grid(drawn)
    found, stock = plan_online(problem, 1), greedy(problem)
    assert (found.offsets, found.head) == (stock.offsets, stock.head)


@given(rows, st.integers(1, 40))
def test_a_plan_is_sound_and_no_larger_than_greedy_s(
    drawn: list[tuple[int, int, int]], attempts: int
):
    problem = grid(drawn)
    found = plan_online(problem, attempts)
    sound(problem, found)
    assert found.head <= greedy(problem).head


@given(rows, st.lists(st.integers(-1, 20), min_size=24, max_size=24))
def test_given_offsets_are_kept_and_avoided_and_greedy_is_never_better(
    drawn: list[tuple[int, int, int]], given_offsets: list[int]
):
    problem = Problem(
        tuple(
            replace(request, fixed=ONLINE if offset < 0 else 16 * offset)
            for request, offset in zip(grid(drawn).requests, given_offsets, strict=False)
        )
    )
    stock = greedy(problem)
    assert plan_online(problem, 1).offsets == stock.offsets
    found = plan_online(problem)
    sound(problem, found)
    assert found.head <= stock.head


def chains() -> list[Problem]:
    """All chains of five operators whose tensors have 1 to 4 units."""
    return [
        chain(*(ALIGNMENT * size for size in sizes)) for sizes in product(range(1, 5), repeat=6)
    ]


def test_what_greedy_loses_on_chains_is_won_back_on_every_one():
    """Of two equal tensors greedy places the last first, whichever has the larger neighbours."""
    lost = 0
    for problem in chains():
        requests = problem.requests
        best = max(a.size + b.size for a, b in pairwise(requests))
        lost += greedy(problem).head > best
        assert plan_online(problem).head == best
    assert lost > 500


def test_more_attempts_are_never_worse():
    rng = random.Random(3)
    for _ in range(100):
        starts = rng.choices(range(9), k=14)
        problem = grid([(rng.randint(1, 9), first, first + rng.randint(0, 4)) for first in starts])
        heads = [plan_online(problem, attempts).head for attempts in (1, 2, 4, 16, 64)]
        assert heads == sorted(heads, reverse=True)


def test_a_search_that_has_reached_its_bound_goes_no_further():
    """The answer does not change after that, however many attempts there are."""
    problem = grid([(4, 0, 1), (4, 1, 2), (4, 2, 3)])
    assert plan_online(problem, 1) == plan_online(problem, 2**32 - 1)


def test_no_plan_below_2_gib_is_said_so():
    half = grid([(2**26, 0, 1)]).requests[0]  # 1 GiB
    assert plan_online(Problem((half,))).head == 2**30
    with pytest.raises(ValueError, match="no plan"):
        plan_online(Problem((half, half)))
    with pytest.raises(ValueError, match="no plan"):
        plan_online(Problem((half,) * 9))
    # Three of these end one byte below the highest offset there is, which marks the unplaced.
    odd = [Request(size, 0, 1) for size in (2**31 - 1, 2**31 - 1, 1, 1, 1)]
    with pytest.raises(ValueError, match="no plan"):
        plan_online(Problem(tuple(odd)))


def test_planning_reads_and_writes_nothing_but_its_requests():
    """Under the sanitizers; plan_fuzz.c checks the plans that it makes of the buffers it is given."""
    program = compile_program([NATIVE / "plan_fuzz.c", *CORE], *C_FLAGS, "-DSTANDALONE", *SANITIZE)
    blobs = []
    for problem in chains()[::40]:
        stock = greedy(problem)
        buffers = [
            PlannedBuffer(r.size, offset, r.first, r.last)
            for r, offset in zip(problem.requests, stock.offsets, strict=True)
        ]
        blobs.append(MemoryPlan(stock.head, tuple(buffers)).to_bytes())
    text = "".join(blob.hex() + "\n" for blob in blobs)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["0"] * len(blobs)


@requires_zoo
def test_on_the_zoo_it_is_within_two_percent_of_the_best_known_and_never_above_greedy():
    excess = []
    for name, problem in zoo_problems():
        found, best = plan_online(problem), solve(problem)
        sound(problem, found)
        assert found.head <= greedy(problem).head, name
        excess.append(found.head / best.head - 1)
    assert sum(excess) / len(excess) <= 0.02
    assert len(excess) >= 50


@requires_minimalloc
def test_on_minimalloc_s_problems_it_is_never_above_greedy():
    for name, _, problem in minimalloc_problems():
        found = plan_online(problem, 8)
        assert found.head <= greedy(problem).head, name
        sound(problem, found)

"""Problems with hundreds of buffers and no slack."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arenafit.memory.greedy import greedy
from arenafit.memory.placement import solve
from arenafit.memory.placement.instance import sweep
from arenafit.memory.placement.skyline import RANKINGS, Skyline
from arenafit.memory.problem import Problem, Request
from support.allocation import check, grid, packed, smallest_head

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("ARENAFIT_MINIMALLOC", ROOT.parent / "shared" / "minimalloc"))


@pytest.mark.parametrize("seed", [6, 12])
def test_a_perfect_packing_of_eighty_buffers_is_found(seed: int) -> None:
    problem = packed(seed, 80, 200)
    plan = solve(problem, seconds=60)
    check(problem, plan)
    assert plan.head == plan.bound == 200 * 16
    assert greedy(problem).head > 200 * 16


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 4), st.integers(0, 3)).map(
            lambda row: (row[0], row[1], row[1] + row[2])
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(RANKINGS),
)
def test_packing_finds_the_smallest_head_and_refutes_one_unit_less(
    rows: list[tuple[int, int, int]], ranking: str
) -> None:
    problem = grid(rows)
    instance = sweep(problem)
    height = smallest_head(problem) // instance.unit
    skyline = Skyline(instance)
    found = skyline.within(height, 10**6, ranking)
    assert found is not None
    assert instance.height(found) == height
    assert all(pair.allows(found[pair.i] - found[pair.j]) for pair in instance.pairs)
    assert skyline.within(height - 1, 10**6, ranking) is None


def test_what_could_not_be_proved_is_not_called_optimal() -> None:
    problem = packed(8, 80, 200)
    plan = solve(problem, seconds=0)
    check(problem, plan)
    assert plan.bound == 200 * 16 < plan.head
    assert not plan.optimal


def test_packing_refuses_what_it_cannot_respect() -> None:
    with pytest.raises(ValueError, match="not for this search"):
        Skyline(sweep(Problem((Request(16, 0, 1, fixed=16), Request(16, 0, 1)))))


@pytest.mark.slow
def test_minimallocs_eleven_problems_fit_their_capacity() -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"no MiniMalloc problems at {FOLDER}")
    sys.path.insert(0, str(ROOT / "tools"))
    from bench_placement import load

    paths = sorted(FOLDER.glob("*.csv"))
    assert len(paths) == 11
    over = []
    for path in paths:
        problem, capacity = load(path)
        plan = solve(problem, seconds=60)
        check(problem, plan)
        assert plan.head <= 1.02 * capacity, path.name
        if plan.head > capacity:
            over.append(path.name)
    assert len(over) <= 2, over

"""Each pruning of the search: it pays, and it never changes the optimum."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.schedule.lattice import Lattice, bits
from arenafit.schedule.problem import OrderProblem
from arenafit.schedule.rules import Rules
from arenafit.schedule.search import order
from arenafit.schedule.valley import lowest_between
from support.graphs import in_series, nasnet_mobile, random_problem, random_wiring
from support.simple_order import all_orders, best_peak, best_peak_by_sets, simple_peak

NAMES = [rule.name for rule in fields(Rules)]


def without(*names: str) -> Rules:
    return replace(Rules(), **dict.fromkeys(names, False))


# Where each rule pays: a graph, and the rules that would otherwise hide it.
PAYS: dict[str, OrderProblem] = {
    "step_bound": nasnet_mobile(96, 0),
    "sections": in_series(*(random_wiring(24, seed) for seed in range(4))),
    "both_ends": random_wiring(24, 3),
    "free_chains": random_wiring(24, 3),
    "valleys": nasnet_mobile(96, 1),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_reduces_the_states_looked_at(name: str):
    problem = PAYS[name]
    on, off = order(problem, seconds=100), order(problem, seconds=100, rules=without(name))
    assert on.optimal and off.optimal
    assert on.peak == off.peak
    assert on.states < off.states


@pytest.mark.parametrize(
    "off", [*combinations(NAMES, 1), *combinations(NAMES, 2), tuple(NAMES)], ids="+".join
)
def test_the_optimum_does_not_depend_on_the_rules(off: tuple[str, ...]):
    for seed in range(40):
        problem = random_problem(random.Random(seed), 3 + seed % 6)
        for shuffle in (0, 1):
            result = order(problem, seconds=100, rules=without(*off), seed=shuffle)
            assert result.peak == result.bound == best_peak(problem), seed
            assert simple_peak(problem, result.order) == result.peak


@pytest.mark.parametrize(("seed", "steps"), [(466, 7), (1088, 5), (1307, 8), (1076, 9)])
def test_a_state_cut_down_to_where_the_other_end_stands_is_looked_at_again(seed: int, steps: int):
    # each of these lost its only way when such states were taken for known ones
    problem = random_problem(random.Random(seed), steps)
    for shuffle in (0, 1):
        rules = without("step_bound", "sections")
        result = order(problem, seconds=100, rules=rules, seed=shuffle)
        assert result.peak == result.bound == best_peak(problem)


@pytest.mark.slow
@given(st.randoms(use_true_random=False), st.integers(1, 9), st.sets(st.sampled_from(NAMES)))
def test_the_optimum_of_a_random_graph_does_not_depend_on_the_rules(
    rng: random.Random, steps: int, off: set[str]
):
    problem = random_problem(rng, steps)
    result = order(problem, seconds=100, rules=without(*off))
    assert result.peak == result.bound == best_peak_by_sets(problem)


def down_sets(problem: OrderProblem) -> set[int]:
    """Every set of steps that some order has finished at some time."""
    found = {0}
    for sequence in all_orders(problem):
        state = 0
        for step in sequence:
            state |= 1 << step
            found.add(state)
    return found


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_the_valley_is_the_lowest_set_between_two(rng: random.Random, steps: int):
    problem = random_problem(rng, steps)
    lattice = Lattice(problem)
    states = sorted(down_sets(problem))
    low = rng.choice(states)
    high = rng.choice([state for state in states if not low & ~state])
    lowest, depth = lowest_between(lattice, low, high)
    between = [state for state in states if not low & ~state and not state & ~high]
    assert lowest in between
    assert lattice.live(lowest) == lattice.live(low) - depth == min(map(lattice.live, between))


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_live_bytes_are_submodular(rng: random.Random, steps: int):
    problem = random_problem(rng, steps)
    lattice = Lattice(problem)
    states = sorted(down_sets(problem))
    for _ in range(20):
        a, b = rng.choice(states), rng.choice(states)
        joint = lattice.live(a | b) + lattice.live(a & b)
        assert joint <= lattice.live(a) + lattice.live(b)


@given(st.randoms(use_true_random=False), st.integers(2, 7))
def test_the_valley_below_a_reached_set_is_reached_within_the_same_level(
    rng: random.Random, steps: int
):
    problem = random_problem(rng, steps)
    lattice = Lattice(problem)
    sequence = rng.choice(list(all_orders(problem)))
    start = rng.randrange(steps)
    low = sum(1 << i for i in sequence[:start])
    walked = sequence[start : rng.randint(start + 1, steps)]
    high = low | sum(1 << i for i in walked)
    valley, _ = lowest_between(lattice, low, high)

    def level(path: list[int]) -> int:
        needs, state = [0], low
        for step in path:
            _, saved = lattice.ending(step, state)
            needs.append(lattice.live(state) + lattice.during[step] - saved)
            state |= 1 << step
        return max(needs)

    assert level([i for i in walked if valley >> i & 1]) <= level(list(walked))


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_forced_sets_are_those_that_every_order_passes(rng: random.Random, steps: int):
    problem = random_problem(rng, steps)
    passed = None
    for sequence in all_orders(problem):
        prefixes = {sum(1 << i for i in sequence[:n]) for n in range(steps + 1)}
        passed = prefixes if passed is None else passed & prefixes
    assert set(Lattice(problem).forced()) == passed


@given(st.randoms(use_true_random=False), st.integers(1, 7))
def test_the_step_bound_is_below_every_peak(rng: random.Random, steps: int):
    problem = random_problem(rng, steps)
    assert Lattice(problem).step_bound() <= best_peak(problem)


def test_the_step_bound_counts_what_must_wait_beside_a_step():
    problem = random_wiring(16, 0)
    own = [sum(problem.sizes[t] for t in {*step.reads, *step.writes}) for step in problem.steps]
    assert Lattice(problem).step_bound() > max(own)


def test_bits_are_listed_in_ascending_order():
    assert list(bits(0b1011001)) == [0, 3, 4, 6]

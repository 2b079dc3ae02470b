"""What an order costs, and the best one, by the plainest means: lifetimes and enumeration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arenafit.schedule.problem import OrderProblem

__all__ = [
    "all_orders",
    "best_peak",
    "best_peak_by_sets",
    "simple_peak",
    "simple_profile",
    "simple_saving",
]


def simple_saving(in_size: int, out_size: int, low: int, high: int | None) -> int:
    """The most bytes saved over all distances, multiples of 16, that are allowed and make sense."""
    least = in_size + out_size
    reach = -(-least // 16) * 16
    for distance in range(-reach, reach + 1, 16):
        if low <= distance and (high is None or distance <= high):
            start, end = min(0, distance), max(out_size, distance + in_size)
            least = min(least, -(-(end - start) // 16) * 16)
    return in_size + out_size - least


def simple_profile(problem: OrderProblem, order: Sequence[int]) -> list[int]:
    """Bytes in every scope, from each tensor's first and last scope."""
    scope = {step: place + 1 for place, step in enumerate(order)}
    end = len(order)
    life: dict[int, tuple[int, int]] = {}
    for tensor in range(len(problem.sizes)):
        writers = [scope[i] for i, step in enumerate(problem.steps) if tensor in step.writes]
        readers = [scope[i] for i, step in enumerate(problem.steps) if tensor in step.reads]
        if not writers and not readers and tensor not in (*problem.inputs, *problem.outputs):
            continue
        first = writers[0] if writers else 0
        assert all(first < reader for reader in readers), "read before it is written"
        last = end if tensor in problem.outputs else max(readers, default=first)
        life[tensor] = (first, last)
    for i, step in enumerate(problem.steps):
        assert all(scope[earlier] < scope[i] for earlier in step.after)
    peaks = [sum(problem.sizes[t] for t, (first, _) in life.items() if first == 0)]
    for place, i in enumerate(order, start=1):
        live = [t for t, (first, last) in life.items() if first <= place <= last]
        saved: dict[int, int] = {}
        for source, target, low, high in problem.steps[i].overlaps:
            if life[source][1] == place and source not in problem.outputs:
                one = simple_saving(problem.sizes[source], problem.sizes[target], low, high)
                saved[source] = min(problem.sizes[source], saved.get(source, 0) + one)
        targets = {pair[1] for pair in problem.steps[i].overlaps}
        limit = sum(problem.sizes[t] for t in targets)
        total = sum(problem.sizes[t] for t in live) + problem.steps[i].scratch
        peaks.append(total - min(limit, sum(saved.values())))
    return peaks


def simple_peak(problem: OrderProblem, order: Sequence[int]) -> int:
    """Bytes at the worst scope."""
    return max(simple_profile(problem, order))


def _needs(problem: OrderProblem) -> list[set[int]]:
    return [
        {j for j, other in enumerate(problem.steps) if set(other.writes) & set(step.reads)}
        | set(step.after)
        for step in problem.steps
    ]


def all_orders(problem: OrderProblem) -> Iterator[tuple[int, ...]]:
    """Every order that respects reads, writes and side effects."""
    needs = _needs(problem)

    def extend(done: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(done) == len(needs):
            yield done
        for i, before in enumerate(needs):
            if i not in done and before <= set(done):
                yield from extend((*done, i))

    return extend(())


def best_peak(problem: OrderProblem) -> int:
    """The smallest peak over every order."""
    return min(simple_peak(problem, order) for order in all_orders(problem))


def best_peak_by_sets(problem: OrderProblem) -> int:
    """The same for more steps: what a step costs depends on which others came before alone."""
    needs = _needs(problem)
    steps = range(len(needs))
    layer = {frozenset[int](): (0, ())}  # finished -> smallest peak, any order of these
    for _ in steps:
        grown: dict[frozenset[int], tuple[int, tuple[int, ...]]] = {}
        for done, (top, first) in layer.items():
            for i in steps:
                if i not in done and needs[i] <= done:
                    rest = [j for j in steps if j != i and j not in done]
                    cost = max(top, simple_profile(problem, (*first, i, *rest))[len(first) + 1])
                    known = grown.get(done | {i})
                    if known is None or cost < known[0]:
                        grown[done | {i}] = cost, (*first, i)
        layer = grown
    [(peak, order)] = layer.values()
    return max(peak, simple_profile(problem, order)[0])

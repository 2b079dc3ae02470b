"""What an order costs, and the best one, by the plainest means: lifetimes and enumeration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arenafit.schedule.problem import OrderProblem

__all__ = ["all_orders", "best_peak", "simple_peak", "simple_saving"]


def simple_saving(in_size: int, out_size: int, low: int, high: int | None) -> int:
    """The most bytes saved over all distances, multiples of 16, that are allowed and make sense."""
    least = in_size + out_size
    reach = -(-least // 16) * 16
    for distance in range(-reach, reach + 1, 16):
        if low <= distance and (high is None or distance <= high):
            start, end = min(0, distance), max(out_size, distance + in_size)
            least = min(least, -(-(end - start) // 16) * 16)
    return in_size + out_size - least


def simple_peak(problem: OrderProblem, order: Sequence[int]) -> int:
    """Bytes at the worst scope, from each tensor's first and last scope."""
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
    return max(peaks)


def all_orders(problem: OrderProblem) -> Iterator[tuple[int, ...]]:
    """Every order that respects reads, writes and side effects."""
    needs = [
        {j for j, other in enumerate(problem.steps) if set(other.writes) & set(step.reads)}
        | set(step.after)
        for step in problem.steps
    ]

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

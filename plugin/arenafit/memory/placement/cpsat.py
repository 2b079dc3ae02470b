"""The last resort: CP-SAT, started from the best placement known."""

from __future__ import annotations

from collections.abc import Sequence

from arenafit.memory.placement.instance import INFINITY, Instance
from arenafit.memory.problem import ONLINE

__all__ = ["improve"]

WORKERS = 2


def improve(
    instance: Instance,
    best: Sequence[int],
    bound: int,
    seconds: float,
) -> tuple[list[int], int]:
    """The best placement CP-SAT finds in `seconds`, never above `best`, and a bound on it.

    One Boolean for each option of each pair. No placement below `bound` is looked for.

    Guarantee: valid; no placement with a head of at least `bound` has one below the second
    figure returned. Deterministic unless the time runs out.
    Complexity: exponential in the worst case. Measured: 0.5 s for the import, then 10 to 50 ms
    for made networks of 12 to 60 buffers.
    """
    from ortools.sat.python import cp_model

    height = instance.height(best)
    model = cp_model.CpModel()
    head = model.new_int_var(bound, height, "head")
    offsets = []
    for k, (size, fixed) in enumerate(zip(instance.sizes, instance.fixed, strict=True)):
        if fixed == ONLINE:
            offsets.append(model.new_int_var(0, height - size, f"offset{k}"))
        else:
            offsets.append(model.new_constant(fixed))
        model.add(offsets[k] + size <= head)
        model.add_hint(offsets[k], best[k])
    model.add_hint(head, height)

    for pair in instance.pairs:
        i, j = pair.i, pair.j
        choices = []
        for least, most in pair.options:
            choice = model.new_bool_var("")
            choices.append(choice)
            if least > -INFINITY:
                model.add(offsets[i] - offsets[j] >= least).only_enforce_if(choice)
            if most < INFINITY:
                model.add(offsets[i] - offsets[j] <= most).only_enforce_if(choice)
        model.add_bool_or(choices)
    model.minimize(head)

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = WORKERS
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.random_seed = 1
    solver.parameters.interleave_search = True  # two workers, yet the same answer every time
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        best = [solver.value(offset) for offset in offsets]
        bound = max(bound, round(solver.best_objective_bound))
    return list(best), min(bound, instance.height(best))

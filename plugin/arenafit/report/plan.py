"""`arenafit plan`: where every buffer of a model goes, scratch included."""

from __future__ import annotations

from arenafit.candidates import overlap_rule, scratch_rule
from arenafit.errors import CheckFailed, ModelError
from arenafit.graph.model import Model
from arenafit.memory.build import apply_plan, model_problem
from arenafit.memory.checker import check_plan
from arenafit.memory.greedy import greedy
from arenafit.memory.problem import Placement, Problem

__all__ = ["plan_model"]


def plan_model(model: Model, kernels: str, cpu: str | None) -> tuple[Problem, Placement]:
    """The plan of `model` in its present operator order, under one kernel set's scratch.

    The model's own plan, with scratch where TFLM's planner puts it, if it has one; otherwise
    the best there is. `model` is changed: it has the plan afterwards.

    Args:
        model: checked by `arenafit.graph.load`.
        kernels: "reference" or "cmsis_nn".
        cpu: what CMSIS-NN is compiled for, see `Options`; None: the largest of all scratch.

    Raises:
        ModelError: the scratch of an operator is not known, so that no plan can be complete.
        CheckFailed: the model's own plan is not safe under these kernels.
    """
    rule = overlap_rule(kernels, cpu)
    placing = model_problem(model, rule, scratch_rule(kernels, cpu), keep_plan=True)
    unknown = sorted({op.code.label for op in placing.timeline.unknown_scratch})
    if unknown:
        raise ModelError(f"the scratch that {', '.join(unknown)} asks for is not known")
    if model.has_offline_plan:
        placement = greedy(placing.problem)
    else:
        from arenafit.memory.placement import solve

        placement = solve(placing.problem)
        apply_plan(model, placing.tensors, placement.offsets)
    faults = check_plan(model, rule)
    if faults:
        raise CheckFailed(f"the plan is not safe with {kernels} kernels: {faults[0]}")
    return placing.problem, placement

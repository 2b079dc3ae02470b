"""Making the models that could be handed out: passes, orders, plans, in their combinations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from arenafit.candidates import (
    TARGETS,
    Candidate,
    PassReport,
    candidate,
    overlap_rule,
    predict_head,
    scratch_rule,
)
from arenafit.graph import Model, save
from arenafit.memory.build import (
    OverlapRule,
    apply_placement,
    clear_plan,
    drop_metadata,
    model_problem,
)
from arenafit.memory.lifetimes import ScratchSizes
from arenafit.memory.problem import Bytes, Placement, Problem
from arenafit.options import STEPS, Options
from arenafit.passes import COSTLY_PASSES, copy_model, run_passes

if TYPE_CHECKING:
    from arenafit.schedule.reorder import Reordering

__all__ = ["Progress", "Work", "make_candidates"]

_FLASH_SHARE = 20  # one in so many bytes of the file's size, that programs may add
_TFLMS_OWN = 512  # bytes that TFLM keeps of any model, nearly
_GAPS = 20  # one in so many bytes of a limit, for gaps between tensors

Progress = Callable[[str], None]
"""Is told, in words for people, the stage that begins."""


@dataclass
class Work:
    """What the steps of one optimisation hand on to each other."""

    options: Options
    tell: Progress
    original: Model
    stock: Candidate
    notes: list[str] = field(default_factory=list)
    placements: dict[Problem, Placement] = field(default_factory=dict)
    fixed_tail: Bytes = 0  # what TFLM keeps, besides what it keeps for each operator
    orders: dict[Model, tuple[Model, Reordering, list[PassReport]]] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[str, ...]:
        """The kernel sets that count; the first one is optimised for."""
        return TARGETS[self.options.kernels]

    def scratch(self, target: str) -> ScratchSizes:
        """What `target`'s kernels ask for on the user's CPU."""
        return scratch_rule(target, self.options.cpu)

    def head(self, model: Model) -> Bytes:
        """The head of `model` as it stands, under the kernels that are optimised for."""
        return predict_head(model, self.targets[0], self.options.cpu)

    def instructions(self, model: Model) -> int | None:
        """Estimated, under the kernels that are optimised for."""
        from arenafit.partial.speed import model_instructions

        return model_instructions(model, self.targets[0])

    @property
    def flash(self) -> Bytes:
        """The largest file whose programs are worth their flash."""
        size = len(self.stock.data)
        return size + size // _FLASH_SHARE

    @property
    def rule(self) -> OverlapRule | None:
        """What may be shared; None where the user wants nothing shared."""
        shared = "overlap" not in self.options.disable and self.options.plan == "optimal"
        return overlap_rule(self.options.kernels, self.options.cpu) if shared else None


def make_candidates(work: Work) -> list[Candidate]:
    """All models worth a try, the plainest first: among equals it is preferred."""
    steps: list[PassReport] = []
    found = _variants(work, _rewrite(work, COSTLY_PASSES, steps), steps)
    more: list[PassReport] = []
    rewritten = _rewrite(work, frozenset(), more)
    if any(step.name in COSTLY_PASSES for step in more):
        # What costs time has to save bytes of head, not just a few of the tail.
        least = min(sum(plain.heads.values()) for plain in found)
        costly = _variants(work, rewritten, more)
        found += [dear for dear in costly if sum(dear.heads.values()) < least]
    return found


def _variants(work: Work, rewritten: Model, steps: list[PassReport]) -> list[Candidate]:
    """`rewritten` for the runtime that the user has."""
    found = _planned(work, rewritten, steps)
    if work.options.runtime == "arenafit":
        found += _with_own_operators(work, rewritten, steps)
        found += _in_segments(work, rewritten, steps)
    return found


def _in_segments(work: Work, rewritten: Model, steps: list[PassReport]) -> list[Candidate]:
    """Plans of `rewritten`, as it is and in its best order, with segments that are streamed by
    rows or split by channels: the smallest and, with a limit, the fastest within it.

    The order that is best with whole tensors need not be so with segments.
    """
    if {"rows", "channels"} <= work.options.disable:
        return []
    more = [*steps]
    orders = {rewritten: steps, _reorder(work, rewritten, more)[0]: more}
    found = []
    for ordered, own in orders.items():
        work.tell("finding segments")
        seen = []
        for limit in _limits(work):
            made = _segmented(work, ordered, limit)
            if made is None or made.cut in seen:
                continue
            seen.append(made.cut)
            found += _plans(
                work,
                made.model,
                partial(
                    candidate, targets=work.targets, cpu=work.options.cpu,
                    steps=[*own, *made.steps], instructions=made.instructions,
                ),
            )  # fmt: skip
    return found


def _limits(work: Work) -> list[Bytes | None]:
    """Limits on heads and tails of operators; None: the smallest.

    Tails are estimates, and not all heads can be placed without gaps. So limits are tried with what
    TFLM keeps of IN besides its operators, with less, and with some bytes for gaps; measuring
    decides.
    """
    limit, fixed = work.options.ram_limit, work.fixed_tail
    if limit is None:
        return [None]
    return [None, limit - min(fixed, _TFLMS_OWN), limit - fixed, limit - fixed - limit // _GAPS]


@dataclass(frozen=True)
class _Segmented:
    """A model with segments."""

    model: Model
    cut: list[tuple[int, int, int]]  # first operator, the one behind the last, slices
    steps: list[PassReport]  # what was done
    instructions: int


def _segmented(work: Work, ordered: Model, limit: Bytes | None) -> _Segmented | None:
    """A copy of `ordered` with segments; None where there are none.

    Slices of channels take flash: as many as leave the file within 5 % of what it was.
    """
    from arenafit.partial.cost import Splits
    from arenafit.partial.model import partial_model

    disable = work.options.disable
    splits = Splits("rows" not in disable, "channels" not in disable)
    growth = None
    while True:
        model = copy_model(ordered)
        scratch = work.scratch(work.targets[0])
        result = partial_model(
            model, work.rule, scratch, kernels=work.targets[0], limit=limit, splits=splits,
            growth=growth, progress=work.tell, cpu=work.options.cpu,
        )  # fmt: skip
        if result is None or not result.split:
            break
        excess = len(save(model)) - work.flash
        if excess <= 0:
            break
        growth = max(min(result.growth - excess, result.growth * 3 // 4), 0)
    if result is None:
        return None
    done, head = [], work.head(ordered)
    if splits.rows:
        streamed = result.head if result.streamed is None else result.streamed
        done.append(PassReport("rows", result.segments, head, streamed))
        head = streamed
    if result.split:
        done.append(PassReport("channels", result.split, head, result.head))
    cut = [(step.start, step.stop, step.slices) for step in result.cut.steps]
    return _Segmented(model, cut, done, result.instructions)


def _with_own_operators(work: Work, rewritten: Model, steps: list[PassReport]) -> list[Candidate]:
    """As `_planned`, with arenafit's operators wherever they allow more than the builtin ones, and
    take little flash.

    They are worth it only where they save bytes: the plainer candidates come first.
    """
    from arenafit.partial import partial_conv
    from arenafit.passes import inplace_max_pool

    model, own = copy_model(rewritten), [*steps]
    head = work.head(model)
    rewrites: dict[str, Callable[[Model], int]] = {
        "inplace-max-pool": lambda m: inplace_max_pool.run(m, work.options.kernels),
        "partial-conv": lambda m: partial_conv.run(m, work.options.cpu),
    }
    for name, run in rewrites.items():
        before = copy_model(model)
        changed = 0 if name in work.options.disable else run(model)
        if changed and len(save(model)) > work.flash:
            model, changed = before, 0
        if changed:
            after = work.head(model)
            own.append(PassReport(name, changed, head, after))
            head = after
    return _planned(work, model, own) if len(own) > len(steps) else []


def _planned(work: Work, rewritten: Model, steps: list[PassReport]) -> list[Candidate]:
    """`rewritten` as it is, in the best order, and with plans."""
    ordered, order = _reorder(work, rewritten, steps)
    bound = order.bound if order is not None else None
    made = partial(
        candidate, targets=work.targets, cpu=work.options.cpu, steps=steps, order_bound=bound,
        instructions=work.instructions(rewritten),
    )  # fmt: skip
    found = [made("clean-up", rewritten)]
    if ordered is not rewritten:
        plain = copy_model(ordered)
        clear_plan(plain)
        found.append(made("new order", plain))
    if work.options.plan == "greedy":
        return found
    found += _plans(work, ordered, made)
    # The order with the least live bytes need not be the one that can be placed best.
    least = min(plan.heads[work.targets[0]] for plan in found)
    if order is not None and ordered is not rewritten and order.peak_before < least:
        found += _plans(work, rewritten, made)
    return found


def _plans(work: Work, model: Model, made: Callable[..., Candidate]) -> list[Candidate]:
    """Copies of `model` with a plan for each kernel set: these differ in scratch, so that a
    plan made for one may be a poor one for the other."""
    found = []
    for target in work.targets:
        planned, placement = _place(work, model, target)
        found.append(made(f"plan for {target} kernels", planned, placement=placement))
    return found


def _rewrite(work: Work, costly: frozenset[str], steps: list[PassReport]) -> Model:
    """The original after the passes, but for the `costly` ones."""
    work.tell("cleaning the graph")
    model = copy_model(work.original)
    head = work.stock.heads[work.targets[0]]

    def watch(name: str, changed: int, now: Model) -> None:
        nonlocal head
        after = work.head(now)
        steps.append(PassReport(name, changed, head, after))
        head = after

    run_passes(model, work.options.disable - set(STEPS) | costly, watch)
    drop_metadata(model)  # it is of the whole model as it was
    return model


def _reorder(work: Work, model: Model, steps: list[PassReport]) -> tuple[Model, Reordering | None]:
    """A copy of `model` in the best order, or `model` itself where its order is one of the best;
    and what the search proved. A model is searched once, however often it is asked for."""
    if "reorder" in work.options.disable:
        return model, None
    if model not in work.orders:
        work.orders[model] = _best_order(work, model)
    ordered, result, done = work.orders[model]
    steps += done
    return ordered, result


def _best_order(work: Work, model: Model) -> tuple[Model, Reordering, list[PassReport]]:
    from arenafit.schedule.reorder import reorder

    work.tell("ordering operators")
    ordered = copy_model(model)
    scratch = work.scratch(work.targets[0])
    result = reorder(ordered, work.rule, scratch, seconds=work.options.seconds, progress=work.tell)
    if not result.changed:
        return model, result, []
    clear_plan(ordered)
    before, after = (work.head(m) for m in (model, ordered))
    return ordered, result, [PassReport("reorder", result.changed, before, after)]


def _place(work: Work, model: Model, target: str) -> tuple[Model, Placement]:
    """A copy of `model` with a plan in it, made for the scratch of `target`'s kernels."""
    model = copy_model(model)
    placing = model_problem(model, work.rule, work.scratch(target))
    if placing.problem not in work.placements:
        work.tell("placing tensors")
        work.placements[placing.problem] = _solve(work, placing.problem)
    placement = work.placements[placing.problem]
    apply_placement(model, placing, placement)
    return model, placement


def _solve(work: Work, problem: Problem) -> Placement:
    if work.options.plan == "pingpong":
        from arenafit.memory.pingpong import pingpong

        return pingpong(problem)
    from arenafit.memory.placement import solve_stock

    def tell(head: Bytes, bound: Bytes) -> None:
        if head > bound:
            work.tell(f"placing tensors: {head:,} bytes, at least {bound:,}")

    return solve_stock(problem, seconds=work.options.seconds, progress=tell)

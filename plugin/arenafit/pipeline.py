"""The whole way from IN to OUT: passes, order, overlaps, placement, and the checks on them.

Whatever is tried, OUT is never worse than IN: not in head, not in total, not in what
start-up takes, and not under any of the kernel sets it was made for. Candidates that
would be are dropped; IN itself is always the last of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from arenafit.candidates import (
    TARGETS,
    Candidate,
    best_first,
    candidate,
    overlap_rule,
    predict_head,
    scratch_rule,
)
from arenafit.errors import CheckFailed
from arenafit.graph import Model, load, save
from arenafit.memory.build import OverlapRule, apply_plan, clear_plan, model_problem
from arenafit.memory.checker import check_plan, check_variables
from arenafit.memory.problem import Bytes, Placement, Problem
from arenafit.options import STEPS, Options
from arenafit.passes import copy_model, run_passes
from arenafit.report.figures import Arena, Flash, PassReport, Report, Verified
from arenafit.runtime import Measured, Reference, Session, Verification, record, unavailable_reason

__all__ = ["Progress", "optimize"]

Progress = Callable[[str], None]
"""Is told, in words for people, the stage that begins."""


class _Host:
    """The real TFLM, which runs IN in a process of its own while we think about OUT."""

    def __init__(self, data: bytes, options: Options) -> None:
        self.session = Session()
        self._thread = ThreadPoolExecutor(1)
        self._measured = self._thread.submit(self.session.measure, data)
        self._reference: Future[Reference] | None = None
        if options.verify:
            self._reference = self._thread.submit(record, self.session, data, inputs=options.inputs)

    def __enter__(self) -> _Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def original(self) -> Measured:
        """What IN needs."""
        return self._measured.result()

    def measure(self, data: bytes) -> Measured:
        """What `data` needs."""
        return self._thread.submit(self.session.measure, data).result()

    def verify(self, data: bytes) -> Verification:
        """Is `data` bit-identical to IN?"""
        assert self._reference is not None, "the user wants nothing verified"
        return self._reference.result().check(self.session, data)


@dataclass
class _Work:
    """What the steps of one optimisation hand on to each other."""

    options: Options
    tell: Progress
    original: Model
    stock: Candidate
    steps: list[PassReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bound: Bytes = 0
    optimal: bool = False
    proof: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        return TARGETS[self.options.kernels]

    @property
    def rule(self) -> OverlapRule | None:
        """What may be shared; None where the user wants nothing shared."""
        shared = "overlap" not in self.options.disable and self.options.plan == "optimal"
        return overlap_rule(self.options.kernels) if shared else None

    def step(self, name: str, changed: int, before: Bytes, after: Bytes) -> None:
        self.steps.append(PassReport(name, changed, before, after))


def optimize(
    data: bytes, options: Options, *, name: str = "model", progress: Progress | None = None
) -> tuple[bytes, Report]:
    """Make a model that computes the same bytes in a smaller arena.

    Args:
        data: a ``.tflite`` file.
        options: what to do, and for which kernels.
        name: how to call the model in the report.
        progress: is told each stage as it begins.

    Returns:
        The new file (IN's own bytes where nothing could be won) and the report on it.

    Raises:
        ModelError: the file is unusable, or TFLM refuses it.
        CheckFailed: the result is not bit-identical (a bug in arenafit), or does not fit
            `options.ram_limit`.
    """
    start = time.perf_counter()
    tell = progress or (lambda stage: None)
    with ExitStack() as stack:
        tell("reading the model")
        original = load(data)
        host = stack.enter_context(_Host(data, options)) if unavailable_reason() is None else None
        stock = candidate("unchanged", original, TARGETS[options.kernels])
        stock.data = data
        work = _Work(options, tell, original, stock)
        ranked = [*best_first(_candidates(work), stock), stock]
        chosen, before, after = _first_no_worse(work, ranked, host)
        verified = _verify(work, data, chosen, host)
    report = _report(work, chosen, name, before, after, verified)
    report.seconds = round(time.perf_counter() - start, 3)
    return chosen.data, report


# -- making candidates --------------------------------------------------------------------


def _candidates(work: _Work) -> list[Candidate]:
    """All models worth a try, the plainest first: among equal heads it is preferred."""
    rewritten = _rewrite(work)
    ordered = copy_model(rewritten)
    lower_bound = _reorder(work, ordered)
    reordered = any(
        [t.name for op in a.operators for t in op.outputs]
        != [t.name for op in b.operators for t in op.outputs]
        for a, b in zip(rewritten.subgraphs, ordered.subgraphs, strict=True)
    )
    found = [candidate("clean-up", rewritten, work.targets)]
    if reordered:
        found.append(candidate("new order", _unplanned(ordered), work.targets))
    if work.options.plan != "greedy":
        models = [ordered, rewritten] if reordered else [rewritten]
        for model in models:
            for target in work.targets:
                found.append(_placed(work, model, target))
    _prove(work, found, lower_bound)
    return found


def _unplanned(model: Model) -> Model:
    model = copy_model(model)
    clear_plan(model)
    return model


def _rewrite(work: _Work) -> Model:
    """Run the passes on a copy of the original."""
    work.tell("cleaning the graph")
    model = copy_model(work.original)
    head = work.stock.heads[work.targets[0]]

    def watch(name: str, changed: int, now: Model) -> None:
        nonlocal head
        after = predict_head(now, work.targets[0])
        work.step(name, changed, head, after)
        head = after

    run_passes(model, work.options.disable - set(STEPS), watch)
    return model


def _reorder(work: _Work, model: Model) -> Bytes | None:
    """Permute the operators of `model`, in place; returns a bound on the head of any order."""
    from arenafit.schedule.reorder import reorder

    if "reorder" in work.options.disable:
        return None
    work.tell("ordering operators")
    before = predict_head(model, work.targets[0])
    scratch = scratch_rule(work.targets[0])
    result = reorder(model, work.rule, scratch, seconds=work.options.seconds, progress=work.tell)
    if result.changed:
        clear_plan(model)
    work.step("reorder", result.changed, before, predict_head(model, work.targets[0]))
    return result.bound


def _placed(work: _Work, model: Model, target: str) -> Candidate:
    """A copy of `model` with a plan in it, made for the scratch of `target`'s kernels."""
    work.tell("placing tensors")
    model = copy_model(model)
    placing = model_problem(model, work.rule, scratch_rule(target))
    placement = _place(work.options, placing.problem)
    apply_plan(model, placing.tensors, placement.offsets)
    return candidate(f"plan for {target} kernels", model, work.targets, placement)


def _place(options: Options, problem: Problem) -> Placement:
    if options.plan == "pingpong":
        from arenafit.memory.pingpong import pingpong

        return pingpong(problem)
    from arenafit.memory.placement import solve_stock

    return solve_stock(problem, seconds=options.seconds)


def _prove(work: _Work, found: list[Candidate], order_bound: Bytes | None) -> None:
    """Note the bound on the head, and what proves it."""
    planned = [c for c in found if c.placement is not None]
    head = min(c.heads[work.targets[0]] for c in [*found, work.stock])
    if not planned:
        return
    first = planned[0].placement
    assert first is not None
    work.bound = min(first.bound, head)
    if order_bound is not None and head == order_bound:
        work.bound, work.optimal = order_bound, True
        work.proof = "no operator order and no placement has a smaller head"
    elif first.optimal and head == first.head:
        work.optimal = True
        work.proof = "no placement of this order has a smaller head"


# -- choosing -----------------------------------------------------------------------------


def _first_no_worse(
    work: _Work, ranked: list[Candidate], host: _Host | None
) -> tuple[Candidate, Arena, Arena]:
    """The first candidate that needs no more than IN in anything, measured where possible."""
    work.tell("measuring in TFLM")
    before = _arena(work, work.stock, host)
    for found in ranked:
        if found is work.stock:
            break
        found.data = save(found.model)
        faults = _faults(work, found)
        if faults:  # never handed out; and a bug in arenafit, so it is not passed over in silence
            raise CheckFailed(f"arenafit made an unsound model ({found.label}): {faults[0]}")
        after = _arena(work, found, host)
        if _no_worse(before, after) and _better(work, found, before, after):
            return found, before, after
    return work.stock, before, before


def _faults(work: _Work, found: Candidate) -> list[str]:
    """What the checkers say of the file that would be handed out."""
    model = load(found.data)
    if found.placement is None:  # the plan, if there is one, is the user's own
        return check_variables(work.original, model)
    rule = overlap_rule(work.options.kernels)
    return check_plan(model, rule) + check_variables(work.original, model)


def _arena(work: _Work, found: Candidate, host: _Host | None) -> Arena:
    predicted = found.heads[work.targets[0]]
    if host is None:
        return Arena(head=predicted)
    measured = host.original() if found is work.stock else host.measure(found.data)
    if measured.head != found.heads.get("reference", measured.head):
        work.notes.append(
            f"{found.label}: predicted head {found.heads['reference']}, "
            f"TFLM measured {measured.head}"
        )
    return Arena(measured.head, measured.tail, measured.total, measured.startup, measured=True)


def _no_worse(before: Arena, after: Arena) -> bool:
    if not before.measured:
        return after.head <= before.head
    assert None not in (before.total, before.startup, after.total, after.startup)
    return (
        after.head <= before.head
        and after.total <= before.total  # type: ignore[operator]
        and after.startup <= before.startup  # type: ignore[operator]
    )


def _better(work: _Work, found: Candidate, before: Arena, after: Arena) -> bool:
    """True where `after` wins something: bytes, or operators."""
    smaller = after.head < before.head or (after.total or 0) < (before.total or 0)
    return smaller or _operators(found.model) < _operators(work.original)


def _operators(model: Model) -> int:
    return sum(len(graph.operators) for graph in model.subgraphs)


def _verify(work: _Work, data: bytes, chosen: Candidate, host: _Host | None) -> Verified:
    if not work.options.verify:
        return Verified(note="not verified: --no-verify")
    if chosen.data == data:
        return Verified(True, 0, 1, "", "OUT is IN")
    if host is None:
        return Verified(note=f"nothing was verified: {unavailable_reason()}")
    work.tell("verifying bit for bit")
    result = host.verify(chosen.data)
    if not result.bit_exact:
        raise CheckFailed(f"OUT would not be bit-identical: {result.first_difference}")
    return Verified(True, result.inputs, result.steps, result.oracle)


# -- reporting ----------------------------------------------------------------------------


def _report(
    work: _Work, chosen: Candidate, name: str, before: Arena, after: Arena, verified: Verified
) -> Report:
    from arenafit.report.profile import binding_operator

    if work.options.plan == "greedy" or "reorder" in work.options.disable:
        work.notes.append("some steps were switched off")
    report = Report(
        model=name,
        runtime=work.options.runtime,
        kernels=work.options.kernels,
        before=before,
        after=after,
        bound=work.bound or after.head,
        optimal=work.optimal,
        proof=work.proof,
        binding=binding_operator(chosen.model, scratch_rule(work.targets[0])),
        passes=work.steps,
        verified=verified,
        flash=Flash(len(work.stock.data), len(chosen.data)),
        notes=work.notes,
    )
    limit = work.options.ram_limit
    need = after.total if after.total is not None else after.head
    if limit is not None and need > limit:
        what = "arena" if after.total is not None else "head of the arena (tail not measured)"
        raise CheckFailed(
            f"the {what} takes {need:,} bytes, {need - limit:,} over the limit of {limit:,}; "
            f"{report.binding} binds"
        )
    return report

"""The whole way from IN to OUT: passes, order, overlaps, placement, and the checks on them.

Whatever is tried, OUT is never worse than IN: not in head, not in total, not in what
start-up takes, and not under any of the kernel sets it was made for. Candidates that
would be are dropped; IN itself is always the last of them.
"""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass

from arenafit.candidates import (
    TARGETS,
    Candidate,
    best_first,
    candidate,
    overlap_rule,
)
from arenafit.errors import CheckFailed, ModelError, RuntimeUnavailable
from arenafit.graph import Model, load, save
from arenafit.graph.custom import has_own_operators
from arenafit.making import Progress, Work, make_candidates
from arenafit.memory.build import clear_plan
from arenafit.memory.checker import check_plan, check_variables
from arenafit.memory.problem import Bytes
from arenafit.options import Options
from arenafit.report.figures import Arena, Flash, Heads, Instructions, Report, Verified
from arenafit.runtime import unavailable_reason
from arenafit.runtime.host import Host, best_oracle

__all__ = ["Progress", "optimize"]

_AS_FAST = 1.01  # times the estimated instructions: no estimate tells these apart
_MEASURED = 12  # candidates that are worth measuring: the best by their predicted heads


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
        host: Host | None = None
        oracle = best_oracle()
        if oracle is not None:
            inputs = options.inputs if options.verify else None
            own = has_own_operators(original)
            host = stack.enter_context(
                Host(
                    data,
                    oracle,
                    inputs=inputs,
                    timeout=options.timeout,
                    own_original=own,
                    own_runtime=own or options.runtime == "arenafit",
                )
            )
        stock = candidate("unchanged", original, TARGETS[options.kernels], options.cpu)
        stock.data = data
        work = Work(options, tell, original, stock)
        stock.instructions = work.instructions(original)
        if options.ram_limit is not None:
            host = _able(work, host)
            work.fixed_tail = _fixed_tail(original, host)
        candidates = make_candidates(work)
        host = _able(work, host)
        chosen, before, after = _best_no_worse(work, best_first(candidates, stock), host)
        verified = _verify(work, data, chosen, host)
    report = _report(work, candidates, chosen, name, before, after, verified)
    report.seconds = round(time.perf_counter() - start, 3)
    return chosen.data, report


# -- choosing -----------------------------------------------------------------------------


def _best_no_worse(
    work: Work, ranked: list[Candidate], host: Host | None
) -> tuple[Candidate, Arena, Arena]:
    """The candidate that takes least, heads and tail, among those that need no more than IN in
    anything; measured where possible. With a limit, only those within it that are about as fast as
    the fastest of them, if there are any.

    IN itself where there is none, or none that wins a byte or an operator.
    """
    work.tell("measuring in TFLM")
    before = _arena(work, work.stock, host)
    sound = []
    for found in _worth_measuring(work, ranked):
        found.data = save(found.model)
        faults = _faults(work, found)
        if faults:  # never handed out; and a bug in arenafit, so it is not passed over in silence
            raise CheckFailed(f"arenafit made an unsound model ({found.label}): {faults[0]}")
        after = _arena(work, found, host)
        if _no_worse(before, after) and _better(work, found, before, after):
            sound.append((found, after))
    limit = work.options.ram_limit
    within = []
    if limit is not None:
        within = [pair for pair in [*sound, (work.stock, before)] if _arena_need(pair[1]) <= limit]
    if within:
        fastest = min(_instructions(found) for found, _ in within)
        as_fast = [pair for pair in within if _instructions(pair[0]) <= fastest * _AS_FAST]
        chosen, after = min(as_fast, key=lambda pair: _need(*pair))
    elif sound and limit is not None:
        chosen, after = min(sound, key=lambda pair: _arena_need(pair[1]))
    elif sound:
        chosen, after = min(sound, key=lambda pair: (_need(*pair), _instructions(pair[0])))
    else:
        return work.stock, before, before
    predicted = chosen.heads.get("reference")
    if after.measured and predicted is not None and after.head > predicted:
        work.notes.append(f"the head was predicted as {predicted:,} bytes; TFLM measured more")
    return chosen, before, after


def _worth_measuring(work: Work, ranked: list[Candidate]) -> list[Candidate]:
    """The best by their predicted heads; with a limit, before them the fastest within it."""
    limit = work.options.ram_limit
    fast: list[Candidate] = []
    if limit is not None:
        within = (found for found in ranked if found.heads[work.targets[0]] <= limit)
        fast = sorted(within, key=_instructions)[:_MEASURED]
    known = {id(found) for found in fast}
    return fast + [found for found in ranked[:_MEASURED] if id(found) not in known]


def _instructions(found: Candidate) -> float:
    """As estimated; where they are not known, more than of any other."""
    return math.inf if found.instructions is None else found.instructions


def _arena_need(after: Arena) -> Bytes:
    """The smallest arena in which the model starts; its head, where no more is known."""
    return max(after.head, after.total or 0, after.startup or 0)


def _fixed_tail(original: Model, host: Host | None) -> Bytes:
    """What TFLM keeps of IN besides what it keeps for each operator; 0 where that is not known."""
    from arenafit.partial.cost import tail_of

    measured = host.original() if host is not None else None
    if measured is None:
        return 0
    operators = (op for graph in original.subgraphs for op in graph.operators)
    return max(measured.tail - sum(map(tail_of, operators)), 0)


def _need(found: Candidate, after: Arena) -> Bytes:
    """What a candidate takes under all kernel sets together; their tails are the same."""
    return sum(found.heads.values()) + len(found.heads) * (after.tail or 0)


def _able(work: Work, host: Host | None) -> Host | None:
    """`host`, unless it lacks what IN or OUT runs on: operators that only the firmware has, or
    a compiler for arenafit's.

    Raises:
        ModelError: TFLM refuses IN, and no custom operator can be the reason.
    """
    if host is None:
        return None
    try:
        host.ready()
        host.original()
    except RuntimeUnavailable as error:
        work.notes.append(f"cannot be run on this host: {error}")
        return None
    except ModelError as error:
        operators = [op for graph in work.original.subgraphs for op in graph.operators]
        custom = sorted({op.code.label for op in operators if op.name == "CUSTOM"})
        if not custom:
            raise
        work.notes.append(f"cannot be run on this host, which lacks {', '.join(custom)}: {error}")
        return None
    return host


def _faults(work: Work, found: Candidate) -> list[str]:
    """What the checkers say of the file that would be handed out."""
    model = load(found.data)
    if found.placement is None:  # the plan, if there is one, is the user's own
        return check_variables(work.original, model)
    rule = overlap_rule(work.options.kernels, work.options.cpu)
    return check_plan(model, rule) + check_variables(work.original, model)


def _arena(work: Work, found: Candidate, host: Host | None) -> Arena:
    predicted = found.heads[work.targets[0]]
    measured = None
    if host is not None:
        measured = host.original() if found is work.stock else host.measure(found.data)
    if measured is None:
        return Arena(head=predicted)
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


def _better(work: Work, found: Candidate, before: Arena, after: Arena) -> bool:
    """True where `after` wins something: bytes, or operators."""
    smaller = after.head < before.head or (after.total or 0) < (before.total or 0)
    smaller |= any(head < work.stock.heads[target] for target, head in found.heads.items())
    return smaller or _operators(found.model) < _operators(work.original)


def _operators(model: Model) -> int:
    return sum(len(graph.operators) for graph in model.subgraphs)


def _verify(work: Work, data: bytes, chosen: Candidate, host: Host | None) -> Verified:
    if not work.options.verify:
        return Verified(note="not verified: --no-verify")
    if chosen.data == data:
        return Verified(True, 0, 1, "", "OUT is IN")
    if host is None:
        reason = unavailable_reason() or "TFLM on this host cannot run the model"
        return Verified(note=f"nothing was verified: {reason}")
    work.tell("verifying bit for bit")
    bare = _without_foreign_plan(work, chosen)
    result = host.verify(chosen.data if bare is None else bare)
    if not result.bit_exact:
        raise CheckFailed(f"OUT would not be bit-identical: {result.first_difference}")
    note = "" if result.plan_covered else "the graph was verified, the plan was not"
    if bare is not None:
        note = "the graph was; the plan shares bytes that only CMSIS-NN's kernels let it share"
    return Verified(True, result.inputs, result.steps, result.oracle, note)


def _without_foreign_plan(work: Work, chosen: Candidate) -> bytes | None:
    """OUT without its plan, if that is right with the user's kernels but not with those of the
    wheel, which are the reference ones; None where it can be run as it is."""
    if work.options.kernels != "cmsis_nn":
        return None
    model = load(chosen.data)
    if not check_plan(model, overlap_rule("reference")):
        return None
    clear_plan(model)
    return save(model)


# -- reporting ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Proof:
    """What is proved about a head."""

    bound: Bytes
    optimal: bool
    words: str


def _proof(work: Work, chosen: Candidate, candidates: list[Candidate], head: Bytes) -> _Proof:
    """What the searches proved about `head`; a plan that IN brought may be below their bounds."""
    bound = chosen.order_bound
    if chosen is work.stock:
        bound = min((c.order_bound for c in candidates if c.order_bound is not None), default=None)
    if bound is not None and head <= bound:
        exact = head == bound
        words = "no operator order and no placement has a smaller head" if exact else ""
        return _Proof(head, exact, words)
    kin = [
        c.placement
        for c in candidates
        if c.placement and (c.steps is chosen.steps or chosen is work.stock)
    ]
    if not kin:
        return _Proof(bound or 0, False, "")
    placement = min(kin, key=lambda p: p.head)
    exact = placement.bound == head
    words = "no placement in this operator order has a smaller head" if exact else ""
    return _Proof(min(placement.bound, head), exact, words)


def _report(
    work: Work,
    candidates: list[Candidate],
    chosen: Candidate,
    name: str,
    before: Arena,
    after: Arena,
    verified: Verified,
) -> Report:
    from arenafit.report.inspect import segment_sizes
    from arenafit.report.profile import binding_operator

    proof = _proof(work, chosen, candidates, after.head)
    report = Report(
        model=name,
        runtime=work.options.runtime,
        kernels=work.options.kernels,
        before=before,
        after=after,
        bound=proof.bound,
        optimal=proof.optimal,
        proof=proof.words,
        binding=binding_operator(chosen.model, work.scratch(work.targets[0])),
        predicted={
            target: Heads(work.stock.heads[target], head) for target, head in chosen.heads.items()
        },
        passes=chosen.steps,
        segments=segment_sizes(chosen.model),
        verified=verified,
        instructions=Instructions(work.stock.instructions, chosen.instructions),
        flash=Flash(len(work.stock.data), len(chosen.data)),
        notes=work.notes,
    )
    _check_limits(report, work.options)
    return report


def _check_limits(report: Report, options: Options) -> None:
    after, limit = report.after, options.ram_limit
    need = _arena_need(after)
    if limit is not None and need > limit:
        what = "arena" if after.measured else "head of the arena (its tail is not known here)"
        start = " to start" if after.total is not None and need > after.total else ""
        raise CheckFailed(
            f"the {what} takes {need:,} bytes{start}, {need - limit:,} over the limit of {limit:,}; "
            f"{report.binding} binds"
        )
    size, flash = report.flash.after, options.flash_limit
    if flash is not None and size > flash:
        raise CheckFailed(
            f"the file takes {size:,} bytes, {size - flash:,} over the flash of {flash:,}"
        )

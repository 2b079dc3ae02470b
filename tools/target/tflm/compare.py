"""arenafit's planner, operators and plans against stock, model by model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arenafit import optimize
from arenafit.runtime import Session
from arenafit.runtime.inputs import stimuli
from arenafit.target.tflm.job import Answer, JobError
from arenafit.target.tflm.programs import Run, operators_of

if TYPE_CHECKING:
    from arenafit.runtime.protocol import Array

__all__ = ["Case", "Subject", "Variant", "compare", "operators", "prepare", "table"]

_STATEFUL_STEPS = 12
"""Consecutive invocations after which a model's state has mattered."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A model that must compute what stock computes, and the planner that it runs with."""

    name: str
    model: bytes
    planner: str  # one of job.PLANNERS


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with what it is fed, and its variants, of which the first is stock."""

    name: str
    inputs: tuple[bytes, ...]
    expected: tuple[bytes, ...]  # by the TFLM of the wheel, on this machine
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A variant and what became of it."""

    variant: Variant
    answer: Answer | None  # None: it did not run
    why: str  # then why; else in how many invocations an output differs from stock's, if any

    @property
    def holds(self) -> bool:
        """It ran, and all its outputs are stock's."""
        return self.answer is not None and not self.why


def prepare(
    session: Session, name: str, model: bytes, *, inputs: int, kernels: str, cpu: str | None = None
) -> Subject:
    """Makes the variants of a model, its inputs and what is expected of it.

    Args:
        session: the host's TFLM.
        name: of the model.
        model: the ``.tflite``.
        inputs: how many it is fed; a model with state gets 12 times as many, in sequences.
        kernels, cpu: as for ``arenafit optimize``.

    Raises:
        ModelError: the model cannot be used, or not by the host's TFLM.
    """
    interface = session.describe(model)
    fed = stimuli(interface, inputs, _STATEFUL_STEPS if interface.stateful else 1)
    steps = [step for stimulus in fed for step in stimulus.steps]
    expected = session.run(model, steps)
    made = {
        runtime: optimize(model, runtime=runtime, kernels=kernels, cpu=cpu, verify=False)[0]
        for runtime in ("stock", "arenafit")
    }
    variants = (
        Variant("stock", model, "greedy"),
        Variant("arenafit's planner", model, "arenafit"),
        Variant("optimized for stock", made["stock"], "greedy"),
        Variant("... with arenafit's planner", made["stock"], "arenafit"),
        Variant("optimized for arenafit", made["arenafit"], "arenafit"),
    )
    return Subject(name, _rows(steps), _rows(expected), variants)


def operators(subjects: Sequence[Subject]) -> set[str]:
    """TFLM's operators, custom ones included, that the variants need. arenafit's are not."""
    return operators_of(variant.model for subject in subjects for variant in subject.variants)


def compare(subject: Subject, run: Run) -> list[Case]:
    """Runs all variants."""
    cases: list[Case] = []
    for variant in subject.variants:
        try:
            answer = run(variant.model, subject.inputs, variant.planner)
        except JobError as error:
            cases.append(Case(variant, None, str(error)))
            continue
        stock = cases[0].answer if cases else answer
        if stock is None:
            cases.append(Case(variant, answer, "stock did not run: nothing to compare with"))
            continue
        wrong = _differing(answer.outputs, stock.outputs)
        count = len(stock.outputs)
        cases.append(Case(variant, answer, f"DIFFERENT in {wrong} of {count}" if wrong else ""))
    return cases


def table(subject: Subject, cases: Sequence[Case]) -> Iterator[str]:
    """Lines for people: one a variant, with the first one's outputs against the host's."""
    yield f"  {subject.name}, {len(subject.inputs)} invocations"
    yield f"    {'':28}{'head':>9}{'tail':>9}{'total':>9}{'instructions':>15}{'stack':>7}  outputs"
    for case in cases:
        answer = case.answer
        if answer is None:
            yield f"    {case.variant.name:28}FAILED: {case.why}"
            continue
        said = case.why or "stock's"
        if case is cases[0]:
            wrong = _differing(answer.outputs, subject.expected)
            said = (
                f"not the host's in {wrong} of {len(subject.expected)}" if wrong else "the host's"
            )
        first = answer.instructions[0]
        yield (
            f"    {case.variant.name:28}{answer.head:9,}{answer.tail:9,}{answer.used:9,}"
            f"{f'{first:,}' if first else '-':>15}{answer.stack or '-':>7}"
            f"  {'; '.join([said, *answer.notes])}"
        )


def _rows(steps: Sequence[Sequence[Array]]) -> tuple[bytes, ...]:
    """The bytes of each step's arrays in a row."""
    return tuple(b"".join(array.tobytes() for array in step) for step in steps)


def _differing(ours: Sequence[bytes], theirs: Sequence[bytes]) -> int:
    return sum(one != other for one, other in zip(ours, theirs, strict=True))

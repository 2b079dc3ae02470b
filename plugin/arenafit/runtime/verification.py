"""Do two models give the same bytes? Answered by running both.

The second model runs with its own memory plan in force, as a device would run
it. Where its outputs hardly vary over the inputs, equal outputs say little, so
tensors inside are compared as well: `prefixes` cuts the second model short
behind an operator, offsets unchanged, and what it then computes is compared
with the first model's tensor of the same name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arenafit.errors import ModelError
from arenafit.runtime.inputs import Stimulus, stimuli
from arenafit.runtime.interface import Interface, Port

if TYPE_CHECKING:
    from arenafit.runtime.protocol import Array
    from arenafit.runtime.session import Session

__all__ = ["Reference", "Verification", "record", "verify"]

STATEFUL_STEPS = 12  # consecutive invocations until a stream's state matters
_PREFIXES = 6  # cut points, unless all are asked for
_PREFIX_STIMULI = 4  # the time for all cut points grows with the square of their number

Answers = list[list["Array"]]  # for each invocation one array a graph output


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared, and what came out."""

    bit_exact: bool
    inputs: int  # stimuli, each compared whole
    steps: int  # consecutive invocations in each
    oracle: str  # what ran the models, with its version
    plan_covered: bool  # False: the oracle ignores memory plans; the graph alone was verified
    distinct_outputs: int  # different values of the output that varied least; 1 says little
    intermediates_compared: int  # tensors inside that were compared, too
    first_difference: str | None = None


@dataclass(frozen=True)
class Reference:
    """A model and its answers, to hold others against."""

    model: bytes
    interface: Interface
    inputs: int  # different stimuli; `stimuli` may hold one of them twice
    steps: int
    stimuli: list[Stimulus]
    answers: list[Answers]  # one a stimulus

    @property
    def distinct_outputs(self) -> int:
        """Over the stimuli, different values of the output that varies least."""
        counts = [
            len({b"".join(step[index].tobytes() for step in answer) for answer in self.answers})
            for index, port in enumerate(self.interface.outputs)
            if port.elements
        ]
        return min(counts, default=0)

    def check(
        self, session: Session, model: bytes, *, intermediates: bool | None = None
    ) -> Verification:
        """Run `model` on the same stimuli, and compare.

        Args:
            session: runs the models.
            model: the model to verify.
            intermediates: True: compare the outputs of all operators, too; False: of none;
                None: of a few, where an output differs over no more than half of the inputs.

        Raises:
            ModelError: `model` cannot be run.
        """
        compared = 0
        difference = _interface_difference(self.interface, session.describe(model))
        if difference is None:
            answers = _answers(session, model, self.stimuli, self._separate)
            difference = self._difference(self.answers, answers, self.interface.outputs, "output")
        few = self.distinct_outputs <= max(1, self.inputs // 2)
        if difference is None and (few if intermediates is None else intermediates):
            limit = None if intermediates else _PREFIXES
            compared, difference = self._compare_inside(session, model, limit)
        return Verification(
            bit_exact=difference is None,
            inputs=self.inputs,
            steps=self.steps,
            oracle=session.oracle,
            plan_covered=session.obeys_plans,
            distinct_outputs=self.distinct_outputs,
            intermediates_compared=compared,
            first_difference=difference,
        )

    @property
    def _separate(self) -> bool:
        return _separate(self.interface, self.steps)

    def _compare_inside(
        self, session: Session, model: bytes, limit: int | None
    ) -> tuple[int, str | None]:
        """Number of tensors inside that were compared, and the first difference."""
        from arenafit.runtime.prefixes import prefixes, without_plan

        cuts = prefixes(self.model, model, limit)
        if not cuts:
            return 0, None
        # Only the first step: a prefix may lack the operator that updates the state.
        firsts = [Stimulus(stimulus.kind, stimulus.steps[:1]) for stimulus in self.stimuli]
        firsts = firsts[:_PREFIX_STIMULI]
        wanted = [index for cut in cuts for index in cut.reference_indices]
        reference = without_plan(self.model)
        try:
            expected = _answers(session, reference, firsts, self._separate, wanted)
        except ModelError:  # it runs, but not with all tensors kept: over 1,024 of them, say
            return 0, None
        done = 0
        for cut in cuts:
            here = slice(done, done + len(cut.tensors))
            difference = self._difference(
                [[step[here] for step in answer] for answer in expected],
                _answers(session, cut.model, firsts, self._separate),
                cut.tensors,
                f"after operator {cut.operator}, its output",
            )
            done += len(cut.tensors)
            if difference is not None:
                return done, difference
        return done, None

    def _difference(
        self,
        expected: Sequence[Answers],
        found: Sequence[Answers],
        ports: Sequence[Port],
        what: str,
    ) -> str | None:
        """The first difference, in the order in which the models ran."""
        for number, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
            for step in range(len(ours)):
                for index, port in enumerate(ports):
                    difference = _array_difference(ours[step][index], theirs[step][index])
                    if difference is not None:
                        where = f"input {number} ({self.stimuli[number].kind}), step {step}"
                        return f"{where}, {what} {index} ({port.name}): {difference}"
        return None


def record(
    session: Session, model: bytes, *, inputs: int = 8, steps: int | None = None, seed: int = 0
) -> Reference:
    """Run `model` on structured inputs, so that others can be checked against it.

    Args:
        session: runs the model.
        model: the model that is right by definition.
        inputs: number of different stimuli, at least 1.
        steps: consecutive invocations in each; None: 12 for a model with state, otherwise 1.
        seed: of the stimuli.

    Raises:
        ModelError: `model` cannot be run.
    """
    interface = session.describe(model)
    if steps is None:
        steps = STATEFUL_STEPS if interface.stateful else 1
    made = stimuli(interface, max(1, inputs), max(1, steps), seed)
    separate = _separate(interface, steps)
    if not separate:
        # All of them in one interpreter, over the remains of those before. The first one once
        # more shows a model that leaves something behind.
        made.append(Stimulus(f"{made[0].kind}, once more", made[0].steps))
    answers = _answers(session, model, made, separate)
    return Reference(model, interface, max(1, inputs), max(1, steps), made, answers)


def verify(
    session: Session,
    reference: bytes,
    model: bytes,
    *,
    inputs: int = 8,
    steps: int | None = None,
    seed: int = 0,
    intermediates: bool | None = None,
) -> Verification:
    """`record` the reference, and `Reference.check` the model against it.

    Raises:
        ModelError: one of the two cannot be run; it says which.
    """
    with _blaming("first model"):
        recorded = record(session, reference, inputs=inputs, steps=steps, seed=seed)
    with _blaming("second model"):
        return recorded.check(session, model, intermediates=intermediates)


@contextlib.contextmanager
def _blaming(which: str) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise ModelError(str(error), which) from None


def _separate(interface: Interface, steps: int) -> bool:
    """True where each stimulus needs an interpreter that has seen no other."""
    return interface.stateful or steps > 1


def _answers(
    session: Session,
    model: bytes,
    series: Sequence[Stimulus],
    separate: bool,
    tensors: Sequence[int] | None = None,
) -> list[Answers]:
    """The outputs for each stimulus; or the values of `tensors`, with no plan in force."""

    def run(steps: list[list[Array]]) -> Answers:
        if tensors is None:
            return session.run(model, steps)
        return session.peek(model, steps, tensors)

    if separate:
        return [run(stimulus.steps) for stimulus in series]
    return [[answer] for answer in run([stimulus.steps[0] for stimulus in series])]


def _interface_difference(ours: Interface, theirs: Interface) -> str | None:
    for kind, a, b in (
        ("input", ours.inputs, theirs.inputs),
        ("output", ours.outputs, theirs.outputs),
    ):
        if len(a) != len(b):
            return f"{len(a)} graph {kind}s became {len(b)}"
        for index, (one, other) in enumerate(zip(a, b, strict=True)):
            if (one.dtype, one.shape) != (other.dtype, other.shape):
                return f"graph {kind} {index}: {one} became {other}"
            if (one.scales, one.zero_points) != (other.scales, other.zero_points):
                return f"graph {kind} {index} ({one.name}): its quantisation changed"
    return None


def _array_difference(expected: Array, found: Array) -> str | None:
    """None where both hold the same bytes (a NaN equals itself, -0.0 does not equal 0.0)."""
    import numpy as np

    if (expected.dtype, expected.shape) != (found.dtype, found.shape):
        return f"{expected.dtype}{list(expected.shape)} became {found.dtype}{list(found.shape)}"
    if expected.tobytes() == found.tobytes():
        return None
    width = expected.dtype.itemsize
    ours, theirs = (
        np.frombuffer(array.tobytes(), np.uint8).reshape(-1, width) for array in (expected, found)
    )
    where = np.flatnonzero((ours != theirs).any(axis=1))
    at = int(where[0])
    return (
        f"{len(where)} of {expected.size} elements differ, the first at {at}: "
        f"{expected.reshape(-1)[at]} became {found.reshape(-1)[at]}"
    )

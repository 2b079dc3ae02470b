"""What the tests of the passes share: a pass run on a copy, and TFLM's word on the result."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import cache

import pytest

from arenafit.graph import Model, Operator, Subgraph, save
from arenafit.passes import copy_model
from arenafit.runtime import Session, unavailable_reason

__all__ = ["names", "rewritten", "same_bytes", "tflm"]


@cache
def tflm() -> Session:
    """One session with the real TFLM for all tests; skips the test where there is none."""
    reason = unavailable_reason()
    if reason is not None:
        pytest.skip(reason)
    session = Session()
    atexit.register(session.close)
    return session


def rewritten(model: Model, run: Callable[[Model], int]) -> tuple[Model, int]:
    """A copy of `model` that `run` has rewritten, and what it returned."""
    copy = copy_model(model)
    return copy, run(copy)


def same_bytes(original: Model, other: Model, inputs: int = 5, steps: int | None = None) -> bool:
    """True where the real TFLM computes the same outputs from both on structured inputs.

    The original's outputs must vary with the input: else equality would say nothing.
    """
    verification = tflm().verify(
        save(original), save(other), inputs=inputs, steps=steps, intermediates=False
    )
    assert verification.distinct_outputs > 1, "the test model answers every input alike"
    return verification.bit_exact


def names(graph: Model | Subgraph) -> list[str]:
    """The operators of the main subgraph, by name, in order."""
    operators: list[Operator] = (graph.main if isinstance(graph, Model) else graph).operators
    return [op.name for op in operators]

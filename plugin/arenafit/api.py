"""The Python interface: one function for those who have a model in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arenafit.errors import UsageError
from arenafit.making import Progress
from arenafit.options import Options
from arenafit.pipeline import optimize as _optimize
from arenafit.report.figures import Report

__all__ = ["optimize", "parse_options"]


def parse_options(**choices: Any) -> Options:
    """`Options` from keywords; `disable` may be one name or several.

    Raises:
        UsageError: an unknown keyword or value, in one line.
    """
    disable = choices.pop("disable", ())
    names: Iterable[str] = [disable] if isinstance(disable, str) else disable
    unknown = sorted(choices.keys() - Options.__dataclass_fields__.keys())
    if unknown:
        known = ", ".join(Options.__dataclass_fields__)
        raise UsageError(f"unknown option {unknown[0]!r}; there are {known}")
    return Options(disable=frozenset(names), **choices)


def optimize(
    model: bytes, *, name: str = "model", progress: Progress | None = None, **choices: Any
) -> tuple[bytes, Report]:
    """A model that computes the same bytes in a smaller arena, and a report on it.

    ``out, report = arenafit.optimize(model_bytes, kernels="reference")``

    Args:
        model: a ``.tflite`` file's bytes.
        name: how the report calls it.
        progress: is told each stage as it begins.
        choices: the fields of `arenafit.options.Options`: runtime, kernels, cpu, disable, plan,
            ram_limit, flash_limit, verify, inputs, seconds, timeout.

    Raises:
        ModelError: the file is unusable, or TFLM refuses it.
        UsageError: an unknown option or value.
        CheckFailed: the result does not fit `ram_limit`, or is not bit-identical.
    """
    return _optimize(bytes(model), parse_options(**choices), name=name, progress=progress)

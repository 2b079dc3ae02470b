"""The choices a user has, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from arenafit.errors import UsageError
from arenafit.memory.variant import VARIANTS

__all__ = ["KERNELS", "PLANS", "RUNTIMES", "STEPS", "Options"]

RUNTIMES = ("stock", "arenafit")
KERNELS = ("any", "reference", "cmsis_nn")
PLANS = ("optimal", "greedy", "pingpong")
STEPS = ("reorder", "overlap", "inplace-max-pool", "partial-conv", "rows", "channels")
"""What --disable takes besides the names of the passes; the last four go with arenafit's
runtime."""


@dataclass(frozen=True)
class Options:
    """How to optimise.

    Attributes:
        runtime: what OUT will run on: "stock" is unmodified TFLM, "arenafit" is TFLM with
            arenafit's operators and memory planner linked in.
        kernels: the builtin kernels that OUT will meet; "any" is safe on all that we know.
        cpu: the CPU that CMSIS-NN is compiled for; it narrows what its kernels allow and
            take, and segments have their weights in the order that is fastest there. None: safe
            on all, fast on those with DSP instructions.
        disable: names of passes, and of STEPS, to leave out.
        plan: who places the tensors: "optimal" (with a proof where it can be had),
            "greedy" (TFLM's own planner, no plan in the file), "pingpong" (a baseline).
        ram_limit: the fastest plan, by estimate, whose whole arena (head and tail, and what
            starting takes) fits in so many bytes; fail if there is none.
        flash_limit: fail unless the file fits in so many bytes.
        verify: run IN and OUT in the real TFLM and compare every output byte.
        inputs: how many structured inputs to compare on.
        seconds: time for each of the searches, after which the best found is taken.
        timeout: seconds that TFLM may take for one invocation or measurement.
    """

    runtime: str = "stock"
    kernels: str = "any"
    cpu: str | None = None
    disable: frozenset[str] = frozenset()
    plan: str = "optimal"
    ram_limit: int | None = None
    flash_limit: int | None = None
    verify: bool = True
    inputs: int = 8
    seconds: float = 10.0
    timeout: float = 8.0

    def __post_init__(self) -> None:
        """Check every choice; raises UsageError."""
        from arenafit.passes import PIPELINE

        _one_of("runtime", self.runtime, RUNTIMES)
        _one_of("kernels", self.kernels, KERNELS)
        if self.cpu is not None:
            _one_of("cpu", self.cpu, tuple(VARIANTS))
        _one_of("plan", self.plan, PLANS)
        known = (*(step.name for step in PIPELINE), *STEPS)
        for name in self.disable:
            _one_of("disable", name, known)
        for what, limit in (("ram_limit", self.ram_limit), ("flash_limit", self.flash_limit)):
            if limit is not None and limit <= 0:
                raise UsageError(f"{what}: {limit} is not a positive number of bytes")
        for what, seconds in (("seconds", self.seconds), ("timeout", self.timeout)):
            if not seconds > 0:
                raise UsageError(f"{what}: {seconds} is not a positive number of seconds")
        if self.inputs < 1:
            raise UsageError(f"inputs: {self.inputs} is not at least 1")


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{what}: {value!r} is not one of {', '.join(known)}")

"""What a model costs on a Cortex-M: instructions, by operator, and all of its memory."""

from __future__ import annotations

from pathlib import Path

from arenafit.bench.exported import run_exported
from arenafit.bench.figures import Bench, Flash, Operator
from arenafit.bench.in_tflm import run_in_tflm
from arenafit.bench.progress import Progress
from arenafit.errors import UsageError
from arenafit.target.build import missing_packages
from arenafit.target.cpus import CPUS

__all__ = ["Bench", "Flash", "Operator", "Progress", "bench"]


def bench(
    model_bytes: bytes,
    *,
    name: str = "model",
    cpu: str = "cortex-m4",
    tflm: Path | None = None,
    kernels: str | None = None,
    inputs: int = 2,
    timeout: float = 300,
    progress: Progress | None = None,
) -> Bench:
    """Runs a model on a CPU in QEMU, compares its outputs with the host's TFLM, and measures it.

    Args:
        model_bytes: a .tflite. Without `tflm` all its operators must be such as can be in segments.
        name: of the model, for the report.
        cpu: one of `CPUS`.
        tflm: a source tree of TFLM, built for `cpu` by its own Makefile, to run the model in;
            None: it runs as C without an interpreter.
        kernels: which library of `tflm`, if it has several: "reference" or "cmsis_nn".
        inputs: how many it is fed.
        timeout: seconds that a run in QEMU may take.
        progress: is told what is being done.

    Raises:
        ModelError: the file is damaged, or an operator is in the way, which it names.
        UsageError: no such CPU, no compiler, no QEMU, no TFLM of that kind, or too little time.
        CheckFailed: an output differs from TFLM's, or the device reports nonsense.
    """
    if cpu not in CPUS:
        raise UsageError(f"--cpu: {cpu!r} is not one of {', '.join(CPUS)}")
    if kernels is not None and tflm is None:
        raise UsageError("--kernels goes with --tflm")
    if packages := missing_packages(cxx=tflm is not None):
        raise UsageError(
            "bench needs an Arm compiler and QEMU on this machine: "
            f"apt-get install {' '.join(packages)}"
        )
    say = progress or (lambda _: None)
    if tflm is None:
        return run_exported(
            model_bytes, name=name, cpu=cpu, inputs=inputs, timeout=timeout, say=say
        )
    return run_in_tflm(
        model_bytes, tflm, name=name, cpu=cpu, kernels=kernels, inputs=inputs, timeout=timeout,
        say=say,
    )  # fmt: skip

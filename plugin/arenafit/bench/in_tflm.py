"""A model on a Cortex-M in QEMU, in a TFLM that its user has built."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from arenafit.bench.expected import expect
from arenafit.bench.figures import Bench, Flash, Operator, program_macs
from arenafit.bench.progress import Progress
from arenafit.errors import CheckFailed, UsageError
from arenafit.graph import load
from arenafit.graph.custom import SEGMENT
from arenafit.graph.model import Model
from arenafit.graph.model import Operator as GraphOperator
from arenafit.partial.encoding import decode
from arenafit.target.build import BuildError, compiler_version
from arenafit.target.cpus import CPUS
from arenafit.target.tflm.job import Answer
from arenafit.target.tflm.programs import Run, build, operators_of
from arenafit.target.tflm.tree import Library, find_libraries

__all__ = ["run_in_tflm"]

# Whose weights, the second input, are all used for each pixel of the output.
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def run_in_tflm(
    model_bytes: bytes,
    tree: Path,
    *,
    name: str,
    cpu: str,
    kernels: str | None,
    inputs: int,
    timeout: float,
    say: Progress,
) -> Bench:
    """Runs a model in TFLM's interpreter, with arenafit's operators and memory planner.

    Instructions of operators are what TFLM tells a profiler, in a run of their own; a few for
    TFLM's own profiling are among them.

    Args:
        tree: TFLM's source tree, in which its own Makefile has built a library for `cpu`.
        kernels: which one, if there are several: "reference" or "cmsis_nn".

    Raises:
        ModelError: the model cannot be read, or not be run by TFLM on this machine.
        UsageError: no library, or several, or it lacks an operator; or too little time.
        CheckFailed: an output differs from the host's, or the model does not run.
    """
    library = _library(tree, cpu, kernels)
    model = load(model_bytes)
    say("running it in TFLM on this machine")
    expected = expect(model_bytes, model, inputs)
    say(f"building TFLM's interpreter for {cpu}")
    with tempfile.TemporaryDirectory(prefix="arenafit-bench-") as folder:
        operators = operators_of([model_bytes])
        try:
            program = build(library, operators, Path(folder).resolve(), timeout=timeout)
        except BuildError as error:
            raise UsageError(f"cannot build for {cpu}: {error.reason}") from error
        plain, profiled = _run(program.run, model_bytes, expected.inputs, cpu, say)
    expected.check(plain.outputs)
    if profiled.outputs != plain.outputs:
        raise CheckFailed("a second run gives other outputs than the first")
    slowest = max(range(inputs), key=lambda i: plain.instructions[i])
    events = profiled.operators[slowest] if profiled.operators else ()
    counted = tuple(_operators(model, events))
    return Bench(
        model=name,
        runtime=f"TFLM with {library}, and arenafit's operators and planner",
        target="cortex_m_qemu",
        cpu=cpu,
        machine=f"QEMU {CPUS[cpu].machine}",
        compiler=f"{compiler_version()} -O2",
        instructions=plain.instructions[slowest],
        interpreter=plain.instructions[slowest] - sum(o.instructions for o in counted),
        operators=counted,
        head=plain.head,
        tail=plain.tail,
        stack=plain.stack,
        flash=Flash(len(model_bytes), program.code, program.constants),
        inputs=inputs if expected.oracle else 0,
        oracle=expected.oracle,
    )


def _library(tree: Path, cpu: str, kernels: str | None) -> Library:
    """The only library that is meant."""
    found = find_libraries(tree.resolve(), [cpu])
    fitting = [
        library
        for library in found
        if kernels is None or (kernels == "cmsis_nn") == ("cmsis_nn" in library.kernels)
    ]
    if not fitting:
        raise UsageError(f"--kernels {kernels}: {tree} has none for {cpu}, but {_names(found)}")
    if len(fitting) > 1:
        raise UsageError(
            f"--tflm: {tree} has several for {cpu}: {_names(fitting)}; "
            "say which with --kernels reference|cmsis_nn, or remove one"
        )
    return fitting[0]


def _names(libraries: Sequence[Library]) -> str:
    return "; ".join(map(str, libraries))


def _run(
    run: Run, model: bytes, inputs: Sequence[bytes], cpu: str, say: Progress
) -> tuple[Answer, Answer]:
    say(f"counting on QEMU {CPUS[cpu].machine}")
    plain = run(model, inputs, "arenafit")
    say(f"counting by operator on QEMU {CPUS[cpu].machine}")
    return plain, run(model, inputs, "arenafit", profile=True)


def _operators(model: Model, events: Sequence[tuple[str, int]]) -> Iterator[Operator]:
    """None where the library tells a profiler nothing."""
    if not events:
        return
    operators = model.main.operators
    if len(events) != len(operators):
        raise CheckFailed(f"TFLM tells of {len(events)} operators, the model has {len(operators)}")
    for number, (operator, (_, instructions)) in enumerate(zip(operators, events, strict=True)):
        made = operator.outputs[0] if operator.outputs else None
        yield Operator(
            name=f"{operator.code.label} {number}",
            segment=None,
            output=() if made is None else made.shape,
            macs=_macs(operator),
            instructions=instructions,
        )


def _macs(operator: GraphOperator) -> int:
    if operator.code.label == SEGMENT:
        program = operator.inputs[-1]
        assert (
            program is not None and program.buffer is not None and program.buffer.data is not None
        )
        return program_macs(decode(program.buffer.data))
    if operator.code.label not in _WEIGHTED:
        return 0
    weights, made = operator.inputs[1], operator.outputs[0]
    if weights is None or made is None or not made.shape:
        return 0
    return weights.elements * (made.elements // made.shape[-1])

"""A model on a Cortex-M in QEMU, compared with the real TFLM and measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from arenafit.bench.build import Programs, build_programs
from arenafit.bench.figures import Bench, Operator
from arenafit.bench.job import Invocation, job_bytes, read_invocations
from arenafit.errors import CheckFailed, UsageError
from arenafit.export import Network, make_network
from arenafit.graph import load
from arenafit.partial.encoding import decode
from arenafit.partial.program import Conv
from arenafit.runtime.host import best_oracle, session_for
from arenafit.runtime.inputs import stimuli
from arenafit.runtime.interface import Interface, Port
from arenafit.target.build import BuildError, compiler_version, missing_packages
from arenafit.target.cpus import CPUS, Cpu
from arenafit.target.qemu import in_memory, run_in_qemu

if TYPE_CHECKING:
    from arenafit.runtime.protocol import Array

__all__ = ["Progress", "bench"]

Progress = Callable[[str], None]
"""Called with what is being done."""


def bench(
    model_bytes: bytes,
    *,
    name: str = "model",
    cpu: str = "cortex-m4",
    inputs: int = 2,
    timeout: float = 300,
    progress: Progress | None = None,
) -> Bench:
    """Exports a model as C, runs it on a CPU in QEMU, compares its outputs, and measures it.

    Two programs run on the same inputs. In one the network is as in firmware: it gives the
    instructions and the stack. The other has the same objects, linked with a measurement between
    any two steps of a segment's interpreter: it gives the instructions of each operator, and these
    must add up to the first one's to the last instruction.

    Args:
        model_bytes: a .tflite, converted or optimised, whose operators can all be in segments.
        name: of the model, for the report.
        cpu: one of `CPUS`.
        inputs: how many it is fed.
        timeout: seconds that each of the programs may take.
        progress: is told what is being done.

    Raises:
        ModelError: the file is damaged, or an operator is in the way, which it names.
        UsageError: no such CPU, or no compiler, or no QEMU, or too little time.
        CheckFailed: an output differs from TFLM's, or the device reports nonsense.
    """
    say = progress or (lambda _: None)
    if cpu not in CPUS:
        raise UsageError(f"--cpu: {cpu!r} is not one of {', '.join(CPUS)}")
    if packages := missing_packages():
        raise UsageError(
            "bench needs an Arm compiler and QEMU on this machine: "
            f"apt-get install {' '.join(packages)}"
        )
    say("finding segments")
    network = make_network(load(model_bytes), cpu)
    say("running it in TFLM")
    fed, expected, oracle = _expected(model_bytes, network, inputs)
    say(f"building it for {cpu}")
    with tempfile.TemporaryDirectory(prefix="arenafit-bench-") as folder:
        try:
            programs = build_programs(network, CPUS[cpu], Path(folder))
        except BuildError as error:
            raise UsageError(f"cannot build {name} for {cpu}: {error.reason}") from error
        plain, profiled = _run(programs, CPUS[cpu], fed, timeout, say)
    _check(plain, profiled, expected, network)
    slowest = max(range(inputs), key=lambda i: plain[i].instructions)
    return Bench(
        model=name,
        target="cortex_m_qemu",
        cpu=cpu,
        machine=f"QEMU {CPUS[cpu].machine}",
        compiler=f"{compiler_version()} -O2",
        instructions=plain[slowest].instructions,
        interpreter=profiled[slowest].interpreter,
        operators=tuple(_operators(network, profiled[slowest])),
        head=network.arena,
        stack=max(invocation.stack for invocation in plain),
        flash=programs.flash,
        inputs=inputs if oracle else 0,
        oracle=oracle,
    )


def _expected(
    model: bytes, network: Network, count: int
) -> tuple[list[bytes], list[bytes] | None, str]:
    """Inputs, the outputs that TFLM makes of them, and who that was; where nobody is, ""."""
    best = best_oracle()
    if best is None:
        ports = tuple(_described(network))
        fed = stimuli(Interface(ports, (), False), count)
        return [_row(stimulus.steps[0]) for stimulus in fed], None, ""
    with session_for(model, best) as session:
        steps = [stimulus.steps[0] for stimulus in stimuli(session.describe(model), count)]
        outputs = session.run(model, steps)
        return [_row(step) for step in steps], [_row(row) for row in outputs], session.oracle


def _described(network: Network) -> Iterator[Port]:
    for port in network.inputs:
        scales = () if port.scale is None else (port.scale,)
        zero_points = () if port.zero_point is None else (port.zero_point,)
        yield Port(port.name, port.shape, port.dtype.name.lower(), scales, zero_points)


def _row(arrays: Sequence[Array]) -> bytes:
    return b"".join(array.tobytes() for array in arrays)


def _run(
    programs: Programs, cpu: Cpu, fed: Sequence[bytes], timeout: float, say: Progress
) -> list[list[Invocation]]:
    """What the plain program reports, and the profiled one."""
    job = programs.plain.with_name("job.bin")
    job.write_bytes(job_bytes(fed))
    found = []
    for elf, what in ((programs.plain, "counting"), (programs.profiled, "counting by operator")):
        say(f"{what} on QEMU {cpu.machine}")
        printed = run_in_qemu(elf, cpu, timeout=timeout, options=in_memory(job, cpu.outside))
        found.append(read_invocations(printed, len(fed)))
    return found


def _check(
    plain: Sequence[Invocation],
    profiled: Sequence[Invocation],
    expected: Sequence[bytes] | None,
    network: Network,
) -> None:
    for i, (one, other) in enumerate(zip(plain, profiled, strict=True)):
        if expected is not None and one.output != expected[i]:
            raise CheckFailed(_difference(one.output, expected[i], network, i))
        parts = other.interpreter + sum(other.operators)
        if other.output != one.output or parts != one.instructions:
            raise CheckFailed(
                f"the profile is not to be trusted: {parts} instructions by operator, "
                f"{one.instructions} in all"
            )


def _difference(got: bytes, wanted: bytes, network: Network, index: int) -> str:
    """The first element that differs, for people."""
    import numpy as np

    where = f"NOT bit-identical: input {index}"
    if len(got) != len(wanted):
        return f"{where}: {len(got)} bytes on the device, {len(wanted)} in TFLM"
    at = 0
    for port in network.outputs:
        kind = port.dtype.name.lower()
        ours, theirs = (np.frombuffer(row[at : at + port.size], kind) for row in (got, wanted))
        at += port.size
        bits = f"u{ours.itemsize}"  # two floats may differ and be equal, or the other way round
        if (different := np.flatnonzero(ours.view(bits) != theirs.view(bits))).size:
            element = int(different[0])
            return (
                f"{where}: output {port.name!r}, element {element} is {ours[element]} on the "
                f"device, {theirs[element]} in TFLM"
            )
    return where


def _operators(network: Network, invocation: Invocation) -> Iterator[Operator]:
    counts = iter(invocation.operators)
    number = 0
    for segment, call in enumerate(network.calls):
        program = decode(call.program)
        for operator in program.operators:
            made = program.tensors[operator.output]
            parameters = operator.parameters
            macs = 0
            if isinstance(parameters, Conv):
                macs = made.rows * made.width * len(parameters.weights)
            yield Operator(
                name=f"{operator.kind.name} {number}",
                segment=segment,
                output=(made.rows, made.width, made.channels),
                macs=macs,
                instructions=next(counts),
            )
            number += 1

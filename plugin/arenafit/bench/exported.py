"""A model as C on a Cortex-M in QEMU, compared with the real TFLM and measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from arenafit.bench.build import Programs, build_programs
from arenafit.bench.expected import expect
from arenafit.bench.figures import Bench, Operator, operator_macs
from arenafit.bench.job import Invocation, job_bytes, read_invocations
from arenafit.bench.progress import Progress
from arenafit.errors import CheckFailed, UsageError
from arenafit.export import Network, make_network
from arenafit.graph import load
from arenafit.partial.encoding import decode
from arenafit.target.build import BuildError, compiler_version
from arenafit.target.cpus import CPUS, Cpu
from arenafit.target.qemu import in_memory, run_in_qemu

__all__ = ["run_exported"]


def run_exported(
    model_bytes: bytes, *, name: str, cpu: str, inputs: int, timeout: float, say: Progress
) -> Bench:
    """Exports a model as C, runs it on a CPU in QEMU, compares its outputs, and measures it.

    Two programs run on the same inputs. In one the network is as in firmware: it gives the
    instructions and the stack. The other has the same objects, linked with a measurement between
    any two steps of a segment's interpreter: it gives the instructions of each operator, and these
    must add up to the first one's to the last instruction.

    Raises:
        ModelError: the file is damaged, or an operator is in the way, which it names.
        UsageError: too little time, or the network is too large.
        CheckFailed: an output differs from TFLM's, or the device reports nonsense.
    """
    say("finding segments")
    model = load(model_bytes)
    network = make_network(model, cpu)
    say("running it in TFLM on this machine")
    expected = expect(model_bytes, model, inputs)
    say(f"building it for {cpu}")
    with tempfile.TemporaryDirectory(prefix="arenafit-bench-") as folder:
        try:
            programs = build_programs(network, CPUS[cpu], Path(folder))
        except BuildError as error:
            raise UsageError(f"cannot build {name} for {cpu}: {error.reason}") from error
        plain, profiled = _run(programs, CPUS[cpu], expected.inputs, timeout, say)
    expected.check([invocation.output for invocation in plain])
    _check(plain, profiled)
    slowest = max(range(inputs), key=lambda i: plain[i].instructions)
    return Bench(
        model=name,
        runtime="C of arenafit export",
        target="cortex_m_qemu",
        cpu=cpu,
        machine=f"QEMU {CPUS[cpu].machine}",
        compiler=f"{compiler_version()} -O2",
        instructions=plain[slowest].instructions,
        interpreter=profiled[slowest].interpreter,
        operators=tuple(_operators(network, profiled[slowest])),
        head=network.arena,
        tail=0,
        stack=max(invocation.stack for invocation in plain),
        flash=programs.flash,
        inputs=inputs if expected.oracle else 0,
        oracle=expected.oracle,
    )


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


def _check(plain: Sequence[Invocation], profiled: Sequence[Invocation]) -> None:
    for one, other in zip(plain, profiled, strict=True):
        parts = other.interpreter + sum(other.operators)
        if other.output != one.output or parts != one.instructions:
            raise CheckFailed(
                f"the profile is not to be trusted: {parts} instructions by operator, "
                f"{one.instructions} in all"
            )


def _operators(network: Network, invocation: Invocation) -> Iterator[Operator]:
    counts = iter(enumerate(invocation.operators))
    for segment, call in enumerate(network.calls):
        program = decode(call.program)
        for index, operator in enumerate(program.operators):
            number, instructions = next(counts)
            made = program.tensors[operator.output]
            yield Operator(
                name=f"{operator.kind.name} {number}",
                segment=segment,
                output=(made.rows, made.width, made.channels),
                macs=operator_macs(program, index),
                instructions=instructions,
            )

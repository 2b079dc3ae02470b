"""From a network to programs for the device: one as firmware would have it, one with a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from arenafit.bench.figures import Flash
from arenafit.export import Network, Port, c_files, leaner
from arenafit.partial.encoding import decode
from arenafit.sources import kernels
from arenafit.target.build import (
    build_library,
    compile_object,
    link,
    link_part,
    section_bytes,
)
from arenafit.target.cpus import Cpu

__all__ = ["Programs", "build_programs"]

_DEVICE = Path(__file__).resolve().parent / "device"
_NAME = "net"
_PROGRAM = ".rodata.program_"  # sections that the programs of `c_files` lie in
_STACK_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class Programs:
    """What can be run, and what a network takes of a firmware's flash."""

    plain: Path  # ELF: the network as it is
    profiled: Path  # ELF: the same, with a measurement between any two steps
    flash: Flash


def build_programs(network: Network, cpu: Cpu, folder: Path) -> Programs:
    """Compiles a network and the kernels that its types need, and links both programs.

    What is larger than the CPU's board is measured all the same: programs have QEMU's memory.

    Args:
        folder: for all that is made; is made itself.

    Raises:
        BuildError: with the message of compiler or linker.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in c_files(network, _NAME).items():
        (folder / name).write_text(text, encoding="ascii")
    (folder / "ports.h").write_text(_ports(network), encoding="ascii")
    library = build_library(
        cpu, folder / "library", further=[_DEVICE / "profile.S"], defines=leaner(network)
    )
    net = compile_object(cpu, folder / f"{_NAME}.c", folder / f"{_NAME}.o", include=[folder])
    sources = kernels() / "core" / "src"
    parts = [
        compile_object(
            cpu,
            _DEVICE / name,
            folder / f"{name}.o",
            include=[folder, sources],
            defines=[f"JOB_ADDRESS={cpu.outside:#x}u"],
        )
        for name in ("bench.c", "measure.S")
    ]

    def linked(name: str, flags: Sequence[str]) -> Path:
        return link(
            cpu,
            [*parts, net, library],
            folder / f"{name}.elf",
            memory=cpu.machine_memory,
            stack_bytes=_STACK_BYTES,
            flags=flags,
            outside=f"{_PROGRAM}*",
        )

    return Programs(
        linked("plain", []),
        linked("profiled", ["-Wl,--wrap=arenafit_walk_next"]),
        _flash(link_part(
            cpu, [net, library], folder / "part.o", roots=[f"{_NAME}_run", f"{_NAME}_check"]
        )),
    )  # fmt: skip


def _flash(part: Path) -> Flash:
    sizes = section_bytes(part)

    def total(*prefixes: str) -> int:
        return sum(size for name, size in sizes.items() if name.startswith(prefixes))

    programs = total(_PROGRAM)
    return Flash(programs, total(".text"), total(".rodata", ".data") - programs)


def _ports(network: Network) -> str:
    """``ports.h`` for bench.c."""
    counts = [len(decode(call.program).operators) for call in network.calls]
    first = ", ".join(str(n) for n in accumulate(counts, initial=0))
    return (
        "// Generated.\n"
        "#include <stdint.h>\n"
        f"enum {{ kInputs = {len(network.inputs)}, kOutputs = {len(network.outputs)},"
        f" kOperators = {sum(counts)}, kInputBytes = {sum(p.size for p in network.inputs)} }};\n"
        "typedef struct { uint32_t offset, bytes; } port;\n"
        f"static const port kInputPorts[] = {_table(network.inputs)};\n"
        f"static const port kOutputPorts[] = {_table(network.outputs)};\n"
        "// Of each segment: its first operator, by number in the network.\n"
        f"static const uint16_t kFirst[] = {{{first}}};\n"
    )


def _table(ports: Sequence[Port]) -> str:
    return f"{{{', '.join(f'{{{port.offset}, {port.size}}}' for port in ports)}}}"

"""From C sources to an ELF file for a bare Cortex-M.

Nothing is cached: a folder is the caller's, and a CPU's core library takes a second.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from target.cpus import Cpu, Memory

__all__ = [
    "CORE",
    "PACKAGES",
    "WARNINGS",
    "BuildError",
    "Sizes",
    "build_library",
    "build_program",
    "compile_object",
    "core_sources",
    "link",
    "missing_packages",
    "section_sizes",
]

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "kernels" / "core"
DEVICE = Path(__file__).resolve().parent / "device"
HARNESS = ROOT / "tests" / "target"

# Everything of ours in C is held to these, on the host and on the device.
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
_C = ("-std=c11",)
_CXX = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")

_TOOL = "arm-none-eabi-"
# Debian's names of the packages that have what is looked for here.
PACKAGES = {
    "gcc": "gcc-arm-none-eabi",
    "newlib": "libnewlib-arm-none-eabi",
    "qemu": "qemu-system-arm",
}
_CXX_PACKAGE = "libstdc++-arm-none-eabi-newlib"  # 2 GB; only programs with TFLM need it


class BuildError(Exception):
    """A compiler or linker said no; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What an object or program occupies, in bytes."""

    text: int  # code and constants
    data: int  # variables with a value: as much flash again
    bss: int  # variables without one; in a program also its stack


def missing_packages(*, qemu: bool = True, cxx: bool = False) -> list[str]:
    """The Debian packages that building, also of C++, and running in QEMU, still need."""
    missing = []
    if shutil.which(f"{_TOOL}gcc") is None:
        missing += [PACKAGES["gcc"], PACKAGES["newlib"]]
    elif not _finds("rdimon.specs"):
        missing.append(PACKAGES["newlib"])
    if cxx and (missing or not _finds("libstdc++_nano.a")):
        missing.append(_CXX_PACKAGE)
    if qemu and shutil.which("qemu-system-arm") is None:
        missing.append(PACKAGES["qemu"])
    return missing


def core_sources() -> list[Path]:
    """The sources of the kernels."""
    return sorted((CORE / "src").glob("*.c"))


def build_library(
    cpu: Cpu, folder: Path, sources: Sequence[Path] | None = None, *, optimise: str = "-O2"
) -> Path:
    """Compiles the kernels (or other sources) and the start-up code; returns the library.

    `folder` is made; what has the same name there is overwritten.

    Raises:
        BuildError: with the compiler's message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = core_sources() if sources is None else list(sources)
    own = [DEVICE / "reset.S", DEVICE / "device.c", HARNESS / "harness.c"]
    objects = [
        compile_object(cpu, source, folder / f"{source.name}.o", optimise=optimise)
        for source in [*own, *chosen]
    ]
    library = folder / "libarenafit.a"
    library.unlink(missing_ok=True)
    _say([f"{_TOOL}ar", "rcs", str(library), *map(str, objects)])
    return library


def compile_object(
    cpu: Cpu,
    source: Path,
    output: Path,
    *,
    include: Iterable[Path] = (),
    defines: Iterable[str] = (),
    flags: Iterable[str] = (),
    optimise: str = "-O2",
) -> Path:
    """Compiles one source (.c, .cc, .S) with warnings as errors; returns `output`.

    Raises:
        BuildError: with the compiler's message.
    """
    folders = [*include, CORE / "include", DEVICE, HARNESS]
    language = _CXX if source.suffix == ".cc" else _C
    command = [f"{_TOOL}gcc", *_architecture(cpu), *language, *WARNINGS, optimise, "-g"]
    command += ["-ffunction-sections", "-fdata-sections"]
    command += [f"-I{folder}" for folder in folders] + [f"-D{define}" for define in defines]
    _say([*command, *flags, "-c", str(source), "-o", str(output)])
    return output


def build_program(
    cpu: Cpu,
    source: Path,
    library: Path,
    folder: Path,
    *,
    include: Iterable[Path] = (),
    defines: Iterable[str] = (),
    stack_bytes: int = 16 * 1024,
) -> Path:
    """Compiles one test program and links it with `library`; returns the ELF file in `folder`.

    Raises:
        BuildError: with the message of compiler or linker, which does not let a program be
            larger than the CPU's board.
    """
    folder.mkdir(parents=True, exist_ok=True)
    code = compile_object(
        cpu, source, folder / f"{source.stem}.o", include=include, defines=defines
    )
    elf = folder / f"{source.stem}.elf"
    return link(cpu, [code, library], elf, memory=cpu.memory, stack_bytes=stack_bytes)


def link(
    cpu: Cpu,
    inputs: Sequence[Path],
    elf: Path,
    *,
    memory: Memory,
    stack_bytes: int,
    libraries: Iterable[str] = (),
) -> Path:
    """Links objects and libraries, the one with the start-up code among them; returns `elf`.

    Raises:
        BuildError: with the linker's message, which does not let a program be larger than
            `memory`.
    """
    script = elf.with_suffix(".ld")
    script.write_text(_memory_script(memory), encoding="ascii")
    command = [f"{_TOOL}gcc", *_architecture(cpu), "-nostartfiles", "-Wl,--gc-sections"]
    command += ["--specs=nano.specs", "--specs=rdimon.specs", "-Wl,--fatal-warnings"]
    command += ["-T", str(script), "-T", str(DEVICE / "cortex_m.ld")]
    command += [f"-Wl,--defsym=__stack_bytes={stack_bytes}"]
    # The reset handler is what nobody calls: the linker must be told to fetch it.
    command += ["-Wl,-u,reset", *map(str, inputs), *(f"-l{name}" for name in libraries), "-lm"]
    _say([*command, "-o", str(elf)])
    return elf


def section_sizes(path: Path) -> Sizes:
    """What `size` says of an object or ELF file.

    Raises:
        BuildError: not an object file.
    """
    figures = _say([f"{_TOOL}size", str(path)]).splitlines()[1].split()
    return Sizes(*map(int, figures[:3]))


def _finds(name: str) -> bool:
    """The compiler has a file of that name."""
    return Path(_say([f"{_TOOL}gcc", f"-print-file-name={name}"]).strip()).is_absolute()


def _architecture(cpu: Cpu) -> list[str]:
    instructions, ticks = cpu.clock
    defines = [f"-DCLOCK_INSTRUCTIONS={instructions}", f"-DCLOCK_TICKS={ticks}"]
    return ["-mthumb", f"-mcpu={cpu.name}", *cpu.flags, *defines]


def _memory_script(sizes: Memory) -> str:
    return (
        f"/* {sizes.board} */\n"
        "MEMORY {\n"
        f"  CODE (rx) : ORIGIN = 0x00000000, LENGTH = {sizes.code}\n"
        f"  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = {sizes.ram}\n"
        "}\n"
    )


def _say(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout

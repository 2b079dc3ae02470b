"""From C sources to an ELF file for a bare Cortex-M.

Nothing is cached: a folder is the caller's, and a CPU's core library takes two seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from arenafit.sources import kernels
from arenafit.target.cpus import OUTSIDE_BYTES, Cpu, Memory
from arenafit.target.qemu import QEMU

__all__ = [
    "DEVICE",
    "PACKAGES",
    "WARNINGS",
    "BuildError",
    "Sizes",
    "build_library",
    "compile_object",
    "compiler_version",
    "core_include",
    "core_sources",
    "link",
    "link_part",
    "missing_packages",
    "section_bytes",
    "section_sizes",
]

DEVICE = Path(__file__).resolve().parent / "device"

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
    """A compiler or linker said no; the message is the command, and what it said."""

    @property
    def reason(self) -> str:
        """The line of the message that says why."""
        lines = str(self).splitlines()[1:] or [str(self)]
        words = ("overflowed", "error:", "undefined reference", "fatal")
        return next((line for word in words for line in lines if word in line), lines[-1]).strip()


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
    if qemu and shutil.which(QEMU) is None:
        missing.append(PACKAGES["qemu"])
    return missing


def compiler_version() -> str:
    """As in ``arm-none-eabi-gcc 12.2.1``."""
    return f"{_TOOL}gcc {_say([f'{_TOOL}gcc', '-dumpfullversion']).strip()}"


def core_include() -> Path:
    """The folder of the kernels' headers.

    Raises:
        RuntimeUnavailable: there is none.
    """
    return kernels() / "core" / "include"


def core_sources() -> list[Path]:
    """The sources of the kernels.

    Raises:
        RuntimeUnavailable: there are none.
    """
    return sorted((kernels() / "core" / "src").glob("*.c"))


def build_library(
    cpu: Cpu,
    folder: Path,
    sources: Sequence[Path] | None = None,
    *,
    further: Sequence[Path] = (),
    include: Iterable[Path] = (),
    defines: Iterable[str] = (),
    optimise: str = "-O2",
) -> Path:
    """Compiles the kernels (or other sources), the start-up code and `further` sources.

    Args:
        folder: is made; what has the same name there is overwritten.
        include: folders for `further` sources, beside those of kernels and device.
        defines: macros.
        optimise: the compiler's option.

    Returns:
        The library, in `folder`.

    Raises:
        BuildError: with the compiler's message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = core_sources() if sources is None else list(sources)
    own = [*sorted(DEVICE.glob("*.[cS]")), *further]
    folders, macros = list(include), list(defines)

    def compiled(source: Path) -> Path:
        output = folder / f"{source.name}.o"
        return compile_object(
            cpu, source, output, include=folders, defines=macros, optimise=optimise
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compiled, [*own, *chosen]))
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
    folders = [*include, core_include(), DEVICE]
    language = _CXX if source.suffix == ".cc" else _C
    command = [f"{_TOOL}gcc", *_architecture(cpu), *language, *WARNINGS, optimise, "-g"]
    command += ["-ffunction-sections", "-fdata-sections"]
    command += [f"-I{folder}" for folder in folders] + [f"-D{define}" for define in defines]
    _say([*command, *flags, "-c", str(source), "-o", str(output)])
    return output


def link(
    cpu: Cpu,
    inputs: Sequence[Path],
    elf: Path,
    *,
    memory: Memory,
    stack_bytes: int,
    libraries: Iterable[str] = (),
    flags: Iterable[str] = (),
    outside: str | None = None,
) -> Path:
    """Links objects and libraries, the one with the start-up code among them; returns `elf`.

    Args:
        memory: what the program may occupy.
        stack_bytes: of the program's stack.
        libraries: further ones, by name.
        flags: for the linker.
        outside: sections with a name like this lie outside of the microcontroller.

    Raises:
        BuildError: with the linker's message, which does not let a program be larger than
            `memory`.
    """
    script = elf.with_suffix(".ld")
    text = _memory_script(memory)
    if outside is not None:
        # Ahead of the script of all else, so it has the first choice.
        address = cpu.outside + OUTSIDE_BYTES // 2
        text += f"SECTIONS {{ .outside {address:#x} : {{ *({outside}) }} }}\n"
    script.write_text(text, encoding="ascii")
    command = [f"{_TOOL}gcc", *_architecture(cpu), "-nostartfiles", "-Wl,--gc-sections"]
    command += ["--specs=nano.specs", "--specs=rdimon.specs", "-Wl,--fatal-warnings"]
    command += ["-T", str(script), "-T", str(DEVICE / "cortex_m.ld")]
    command += [f"-Wl,--defsym=__stack_bytes={stack_bytes}", *flags]
    # The reset handler is what nobody calls: the linker must be told to fetch it.
    command += ["-Wl,-u,reset", *map(str, inputs), *(f"-l{name}" for name in libraries), "-lm"]
    _say([*command, "-o", str(elf)])
    return elf


def link_part(cpu: Cpu, inputs: Sequence[Path], output: Path, *, roots: Iterable[str]) -> Path:
    """Links what functions need of objects and libraries, C's library left out; returns `output`.

    Raises:
        BuildError: with the linker's message.
    """
    command = [f"{_TOOL}gcc", *_architecture(cpu), "-r", "-nostdlib", "-Wl,--gc-sections"]
    command += [f"-Wl,-u,{root}" for root in roots]
    _say([*command, *map(str, inputs), "-o", str(output)])
    return output


def section_sizes(path: Path) -> Sizes:
    """What `size` says of an object or ELF file.

    Raises:
        BuildError: not an object file.
    """
    figures = _say([f"{_TOOL}size", str(path)]).splitlines()[1].split()
    return Sizes(*map(int, figures[:3]))


def section_bytes(path: Path) -> dict[str, int]:
    """The bytes of each section of an object or ELF file; of several with a name, in all.

    Raises:
        BuildError: not an object file.
    """
    found: dict[str, int] = {}
    for line in _say([f"{_TOOL}size", "-A", str(path)]).splitlines():
        words = line.split()
        if len(words) == 3 and words[0].startswith(".") and words[1].isdecimal():
            found[words[0]] = found.get(words[0], 0) + int(words[1])
    return found


def _finds(name: str) -> bool:
    """The compiler has a file of that name."""
    return Path(_say([f"{_TOOL}gcc", f"-print-file-name={name}"]).strip()).is_absolute()


def _architecture(cpu: Cpu) -> list[str]:
    instructions, ticks = cpu.clock
    defines = [f"-DCLOCK_INSTRUCTIONS={instructions}", f"-DCLOCK_TICKS={ticks}"]
    return ["-mthumb", f"-mcpu={cpu.name}", *cpu.flags, *defines]


def _memory_script(sizes: Memory) -> str:
    return (
        f"/* {sizes.name} */\n"
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

"""A TFLM source tree in which TFLM's own Makefile has built a library.

That Makefile writes ``gen/TARGET_ARCH_TYPE[_KERNELS]_TOOLCHAIN/lib/libtensorflow-microlite.a``.
The folder's name says how the library was compiled, and code that is linked with it must be
compiled alike: some of TFLM's structs depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arenafit.errors import UsageError

__all__ = [
    "ARCHITECTURES",
    "MAKEFILE",
    "Library",
    "TreeError",
    "find_libraries",
    "operator_methods",
]

MAKEFILE = Path("tensorflow/lite/micro/tools/make/Makefile")
_LIBRARY = Path("lib/libtensorflow-microlite.a")
_RESOLVER = Path("tensorflow/lite/micro/micro_mutable_op_resolver.h")
_DOWNLOADS = MAKEFILE.parent / "downloads"
# What TFLM's public headers include of other projects: folder in _DOWNLOADS, a header in it.
_THIRD_PARTY = (
    ("flatbuffers/include", "flatbuffers/flatbuffers.h"),
    ("gemmlowp", "fixedpoint/fixedpoint.h"),
    ("ruy", "ruy/profiler/instrumentation.h"),
)

# CPU of ours, None for this machine: TARGET_ARCH with the same calling convention.
ARCHITECTURES: dict[str | None, str] = {
    None: "x86_64",
    "cortex-m4": "cortex-m4+fp",
    "cortex-m7": "cortex-m7+fp",
    "cortex-m55": "cortex-m55",
}

_TYPES = "default|debug|release|release_with_logs|no_tf_lite_static_memory"
# Parts of KERNELS, and what the Makefile defines with them.
_KERNELS = {
    "cmsis_nn": ("CMSIS_NN",),
    "ethos_u": ("ETHOS_U",),
    "compression": ("USE_TFLM_COMPRESSION",),
}
_FOLDER = re.compile(
    rf"[a-z0-9_]+?_(?P<arch>x86_64|cortex-m[^_]+)_(?P<type>{_TYPES})"
    rf"(?P<kernels>(?:_(?:{'|'.join(_KERNELS)}))*)_gcc"
)
_ADDED = re.compile(
    r"TfLiteStatus\s+(Add\w+)\s*\([^{};]*?\)\s*\{"  # the method's head
    r"[^{}]*?return\s+Add(?:Builtin\(\s*BuiltinOperator_(\w+)|Custom\(\s*\"(\w+)\")"
)


class TreeError(UsageError):
    """The folder is not what it should be: one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library that TFLM's Makefile has built."""

    tree: Path
    path: Path
    cpu: str | None  # a name of `arenafit.target.cpus`; None: this machine
    kind: str  # BUILD_TYPE
    kernels: tuple[str, ...]  # what its kernels are specialised for, () where they are reference

    def __str__(self) -> str:
        return f"{'+'.join(self.kernels) or 'reference'} kernels, {self.kind}"

    @property
    def include(self) -> tuple[Path, ...]:
        """Folders with the library's own headers."""
        downloads = (self.tree / _DOWNLOADS / folder for folder, _ in _THIRD_PARTY)
        return (self.tree, *downloads)

    @property
    def defines(self) -> tuple[str, ...]:
        """Macros of the library's build that its headers, or ours, look at."""
        static = () if self.kind == "no_tf_lite_static_memory" else ("TF_LITE_STATIC_MEMORY",)
        debug = ("NDEBUG",) if self.kind.startswith("release") else ()
        quiet = ("TF_LITE_STRIP_ERROR_STRINGS",) if self.kind == "release" else ()
        kernels = (define for part in self.kernels for define in _KERNELS[part])
        return (*static, *debug, *quiet, *kernels)

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of the library's build that change what code means."""
        return () if self.cpu is None else ("-funsigned-char",)


def find_libraries(tree: Path, cpus: Sequence[str | None]) -> list[Library]:
    """The libraries in `tree` for these CPUs (None: this machine), all variants, by CPU.

    Raises:
        TreeError: not a TFLM tree, no library in it for one of these, or headers are missing.
    """
    if not (tree / MAKEFILE).is_file():
        raise TreeError(f"{tree} is not a TFLM source tree: it has no {MAKEFILE}")
    for folder, header in _THIRD_PARTY:
        if not (tree / _DOWNLOADS / folder / header).is_file():
            raise TreeError(f"{tree} has no {_DOWNLOADS / folder / header}: build TFLM there first")
    built = sorted(path for path in (tree / "gen").glob(f"*/{_LIBRARY}") if path.is_file())
    by_arch: dict[str, list[Library]] = {}
    cpu_of = {arch: cpu for cpu, arch in ARCHITECTURES.items()}
    for path in built:
        name = _FOLDER.fullmatch(path.parents[1].name)
        if name is None or name["arch"] not in cpu_of:
            continue
        kernels = tuple(part for part in _KERNELS if f"_{part}" in name["kernels"])
        library = Library(tree, path, cpu_of[name["arch"]], name["type"], kernels)
        by_arch.setdefault(name["arch"], []).append(library)
    found = [library for cpu in cpus for library in by_arch.get(ARCHITECTURES[cpu], [])]
    if not found:
        wanted = " or ".join(_make_arguments(cpu) for cpu in cpus)
        have = ", ".join(path.parents[1].name for path in built) or "nothing"
        raise TreeError(f"{tree}/gen has no library made with {wanted} and gcc; it has {have}")
    return found


def operator_methods(tree: Path) -> dict[str, str]:
    """Operator -> the method of MicroMutableOpResolver that adds it.

    Operators are named as in the schema (``CONV_2D``), custom ones as in models.

    Raises:
        TreeError: no such header, or none of its methods is understood.
    """
    path = tree / _RESOLVER
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TreeError(f"{path} cannot be read") from error
    methods = {builtin or custom: method for method, builtin, custom in _ADDED.findall(text)}
    if not methods:
        raise TreeError(f"{path} has no methods that add an operator")
    return methods


def _make_arguments(cpu: str | None) -> str:
    if cpu is None:
        return "no TARGET, on Linux x86_64,"
    return f"TARGET=cortex_m_generic TARGET_ARCH={ARCHITECTURES[cpu]}"

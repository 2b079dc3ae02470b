"""What the planners occupy on a Cortex-M4: text and rodata, as TFLM's release build makes them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from support.native import KERNELS
from support.planner import NATIVE

__all__ = ["COMPILER", "PARTS", "code_bytes", "compiler_version"]

COMPILER = "arm-none-eabi-g++"

PARTS = {
    "MemoryPlanner": (
        "core/src/plan.c", "core/src/plan_online.c", "tflm/src/memory_planner.cc",
    ),
    "OfflineMemoryPlanner": ("core/src/plan.c", "tflm/src/offline_memory_planner.cc"),
}  # fmt: skip
"""The sources that each planner links, of kernels/."""

_FLAGS = (
    "-Os", "-mthumb", "-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16",
    "-DNDEBUG", "-DTF_LITE_STRIP_ERROR_STRINGS", "-DTF_LITE_STATIC_MEMORY", "-funsigned-char",
    "-ffunction-sections", "-fdata-sections", "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)  # fmt: skip
_CXX = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
_INCLUDES = (KERNELS / "core" / "include", KERNELS / "tflm" / "include", NATIVE / "tflm_2023")


def compiler_version() -> str | None:
    """Of the cross-compiler, as "12.2.1"; None where there is none."""
    if shutil.which(COMPILER) is None:
        return None
    return _run(COMPILER, "-dumpversion").strip()


def code_bytes(planner: str) -> int:
    """Bytes of text and rodata that the planner called `planner` adds to a program."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        includes = [f"-I{path}" for path in _INCLUDES]
        objects = []
        for source in PARTS[planner]:
            objects.append(str(folder / (Path(source).stem + ".o")))
            language = _CXX if source.endswith(".cc") else ("-x", "c", "-std=c11")
            files = ["-c", str(KERNELS / source), "-o", objects[-1]]
            _run(COMPILER, *_FLAGS, *language, *includes, *files)
        totals = _run("arm-none-eabi-size", "--totals", *objects).splitlines()[-1].split()
    text, data, bss = map(int, totals[:3])
    assert data == bss == 0, "globals"
    return text


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return done.stdout

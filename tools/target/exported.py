"""A model exported as C, on a bare Cortex-M: one inference, compared and measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from arenafit.export import export
from target.build import build_program
from target.cpus import Cpu
from target.runner import Report, run_in_qemu
from target.vectors import c_header

__all__ = ["TEST", "run_exported"]

TEST = "the_outputs_are_those_expected"

Array = npt.NDArray[Any]


def run_exported(
    data: bytes,
    inputs: Sequence[Array],
    expected: Sequence[Array],
    cpu: Cpu,
    library: Path,
    folder: Path,
    *,
    timeout: float = 60,
) -> Report:
    """Exports a model, builds it for `cpu` within its board's memory, and runs it once in QEMU.

    Args:
        data: the .tflite.
        inputs: one array a graph input.
        expected: the outputs that its only test, TEST, wants to see.
        library: of `build_library`, for the same CPU.
        folder: for all that is made on the way.
        timeout: seconds.

    Raises:
        ModelError: it cannot be exported.
        BuildError: it does not fit the board.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in export(data, "net").items():
        (folder / name).write_text(text, encoding="ascii")
    arrays = {f"given_{i}": value for i, value in enumerate(inputs)}
    arrays |= {f"expected_{i}": np.asarray(value) for i, value in enumerate(expected)}
    (folder / "arrays.h").write_text(c_header(arrays), encoding="ascii")
    main = folder / "main.c"
    main.write_text(_program(len(inputs), len(expected)), encoding="ascii")
    elf = build_program(cpu, main, library, folder)
    return run_in_qemu(elf, cpu, timeout=timeout)


def _program(inputs: int, outputs: int) -> str:
    def port(kind: str, index: int, count: int) -> str:
        return f"net_{kind}" if count == 1 else f"net_{kind}_{index}"

    writes, compares = [], []
    for i in range(inputs):
        name = port("input", i, inputs)
        writes.append(f"  EXPECT_EQ(sizeof given_{i}, {name.upper()}_BYTES);")
        writes.append(f"  memcpy({name}(arena), given_{i}, sizeof given_{i});")
    for i in range(outputs):
        name = port("output", i, outputs)
        compares.append(f"  EXPECT_EQ(sizeof expected_{i}, {name.upper()}_BYTES);")
        compares.append(f"  EXPECT_BYTES(expected_{i}, {name}(arena), sizeof expected_{i});")
    return _PROGRAM.format(test=TEST, writes="\n".join(writes), compares="\n".join(compares))


_PROGRAM = """\
#include <string.h>

#include "arrays.h"
#include "harness.h"
#include "net.c"

static _Alignas(ARENAFIT_PROGRAM_ALIGNMENT) uint8_t arena[NET_ARENA_BYTES];

TEST({test}) {{
  EXPECT_EQ(ARENAFIT_SEGMENT_OK, net_check(arena));
{writes}
  MEASURE {{ net_run(arena); }}
{compares}
}}
"""

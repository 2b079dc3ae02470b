"""Multiply-accumulates, counted while portable C runs: by gcov, line by line.

The kernels have few lines that multiply an input by a weight. They are named here, each must be
in the sources just once, and no other line there may look like one. All are compiled without
optimisation, so that a line's count is how often it was executed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from arenafit.export import Network, c_files
from support.native import C_FLAGS, KERNELS, compiler
from support.segment import SOURCES

__all__ = ["count_products", "product_lines"]

CORE = KERNELS / "core/src"

PRODUCTS = {
    "row_dot.h": (
        "sum += (uint32_t)((x[i] + offset) * weights[i]);",
        "sums[0] += (uint32_t)(value * a);",
        "sums[1] += (uint32_t)(value * b);",
    ),
    "row_depthwise.c": (
        "sum += (uint32_t)((*x + offset) * *w);",
        "sums->of[i] += (uint32_t)((x[i] + offset) * weights[i]);",
    ),
}
"""One multiply-accumulate each."""

_LIKE_A_PRODUCT = re.compile(r"\+= \(uint32_t\)\(.* \* ")


def product_lines() -> dict[tuple[str, int], str]:
    """File and line of every product in the kernels."""
    found = {}
    for path in sorted((*CORE.glob("row_*.[ch]"), *CORE.glob("segment*.[ch]"))):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip() in PRODUCTS.get(path.name, ()):
                found[path.name, number] = line.strip()
            else:
                assert not _LIKE_A_PRODUCT.search(line), f"{path.name}:{number}: {line.strip()}"
    known = [line for lines in PRODUCTS.values() for line in lines]
    assert sorted(found.values()) == sorted(known), "the kernels' products are other ones"
    return found


def count_products(
    network: Network, inputs: Sequence[npt.NDArray[np.int8]], folder: Path
) -> tuple[int, list[bytes]]:
    """Runs `network` once; returns its multiply-accumulates, and its outputs.

    Skips the calling test where there is no gcov for the compiler.
    """
    gcov = shutil.which("gcov")
    if gcov is None or "gcc" not in Path(compiler()).resolve().name:
        pytest.skip("counting needs gcc and its gcov")
    for name, text in c_files(network, "net").items():
        (folder / name).write_text(text, encoding="ascii")
    given = b"".join(np.asarray(value).tobytes() for value in inputs)
    (folder / "given.bin").write_bytes(given)
    (folder / "main.c").write_text(_main(network), encoding="ascii")
    command = [compiler(), *C_FLAGS, "-O0", "--coverage", f"-I{folder}"]
    own = [str(folder / "main.c"), str(folder / "net.c")]
    _say([*command, *own, *map(str, SOURCES), "-o", "counted"], folder)
    _say([str(folder / "counted")], folder)
    made = (folder / "made.bin").read_bytes()
    outputs, at = [], 0
    for port in network.outputs:
        outputs.append(made[at : at + port.size])
        at += port.size
    return _count(gcov, folder), outputs


def _count(gcov: str, folder: Path) -> int:
    """Executions of the product lines, as gcov has them after a run in `folder`."""
    notes = sorted(path.name for path in folder.glob("*.gcda"))
    assert notes, "nothing was counted"
    text = _say([gcov, "--json-format", "--stdout", *notes], folder)
    lines = product_lines()
    total, seen = 0, set()
    for report in map(json.loads, text.splitlines()):
        for file in report["files"]:
            name = Path(file["file"]).name
            for line in file["lines"]:
                if (name, line["line_number"]) in lines:
                    total += line["count"]
                    seen.add((name, line["line_number"]))
    assert seen == set(lines), "gcov does not know all of the products"
    return total


def _main(network: Network) -> str:
    def move(call: str, ports: Sequence[object], stream: str, kind: str) -> str:
        names = [""] if len(ports) == 1 else [f"_{i}" for i in range(len(ports))]
        return "\n".join(
            f"  if ({call}(net_{kind}{name}(arena), 1, NET_{kind.upper()}{name}_BYTES, {stream}) !="
            f" NET_{kind.upper()}{name}_BYTES) return 1;"
            for name in names
        )

    return _MAIN.format(
        read=move("fread", network.inputs, "given", "input"),
        write=move("fwrite", network.outputs, "made", "output"),
    )


def _say(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return done.stdout


_MAIN = """\
#include <stdio.h>

#include "net.h"

static _Alignas(ARENAFIT_PROGRAM_ALIGNMENT) uint8_t arena[NET_ARENA_BYTES];

int main(void) {{
  FILE* given = fopen("given.bin", "rb");
  FILE* made = fopen("made.bin", "wb");
  if (given == NULL || made == NULL || net_check(arena) != ARENAFIT_SEGMENT_OK) return 1;
{read}
  net_run(arena);
{write}
  return fclose(made);
}}
"""

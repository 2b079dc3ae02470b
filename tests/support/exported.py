"""Exported C on the host: compiled, run in an arena of just its size, and what TFLM says."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from arenafit.export import Network
from arenafit.runtime.inputs import stimuli
from support.native import C_FLAGS, compile_shared
from support.rewriting import tflm
from support.segment import SOURCES, aligned

__all__ = ["MODELS", "compile_files", "run_in_arena", "steps_and_outputs", "write"]

Array = npt.NDArray[Any]

MODELS = Path(__file__).resolve().parents[2] / "models"

_GUARD = 64


def write(files: dict[str, str], folder: Path) -> Path:
    """The files, in `folder`; returns the source."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii")
    (source,) = folder.glob("*.c")
    return source


def compile_files(files: dict[str, str], folder: Path) -> ctypes.CDLL:
    """The files with kernels/core, as a library of the host's."""
    return compile_shared([write(files, folder), *SOURCES], *C_FLAGS, "-Wpedantic")


def run_in_arena(network: Network, run: Callable[[Array], None]) -> list[bytes]:
    """The outputs, after `run` in an arena of just the bytes that it asks for, of any content."""
    arena = aligned(network.arena + _GUARD, fill=0x5A)
    run(arena)
    assert (arena[network.arena :] == 0x5A).all(), "wrote behind the arena"
    return [bytes(arena[p.offset : p.offset + p.size]) for p in network.outputs]


def steps_and_outputs(data: bytes, count: int) -> tuple[list[Sequence[Array]], list[list[bytes]]]:
    """Structured inputs of a model, and what the real TFLM makes of each; which varies."""
    steps = [s.steps[0] for s in stimuli(tflm().describe(data), count)]
    expected = [
        [np.asarray(value).tobytes() for value in outputs] for outputs in tflm().run(data, steps)
    ]
    assert len({outputs[0] for outputs in expected}) > 1
    return steps, expected

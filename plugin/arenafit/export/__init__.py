"""Whole networks as C, for firmware that has no room for TFLM."""

from __future__ import annotations

from arenafit.export.c_files import c_files, leaner
from arenafit.export.front import split_front
from arenafit.export.network import FedPort, Network, Port, SegmentCall, make_network
from arenafit.graph import load

__all__ = [
    "FedPort",
    "Network",
    "Port",
    "SegmentCall",
    "c_files",
    "export",
    "leaner",
    "make_network",
    "split_front",
]


def export(
    model_bytes: bytes, name: str, cpu: str | None = None, feed_rows: bool = False
) -> dict[str, str]:
    """The C files of a model, by file name: a header, and a source with its programs.

    Args:
        model_bytes: a .tflite, converted or optimised, whose operators can all be in segments.
        name: of the model; makes the files' names and those in C.
        cpu: the CPU that they are to be fast on; they run on all.
        feed_rows: the run function asks for the inputs row by row, and they are not in the arena.

    Raises:
        ModelError: the file is damaged, or an operator is in the way, which it names; or an input
            cannot be fed.
    """
    return c_files(make_network(load(model_bytes), cpu, feed_rows), name)

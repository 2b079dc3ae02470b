"""Segments run by the C interpreter natively, and what the real TFLM says of the same tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from arenafit.graph import Model, Operator, Tensor, save
from arenafit.partial.lower import lower
from arenafit.partial.program import encode
from arenafit.partial.segment import Segment, make_segment
from arenafit.partial.roles import role
from arenafit.passes import copy_model
from arenafit.runtime.inputs import stimuli
from support.native import C_FLAGS, KERNELS, compile_shared
from support.rewriting import tflm

__all__ = ["as_segment", "check", "interpreter", "program_of", "run_segment", "values_in_tflm"]

Bytes8 = npt.NDArray[np.int8]


@cache
def interpreter() -> ctypes.CDLL:
    """kernels/core as a library; skips the test where there is no compiler."""
    library = compile_shared(sorted((KERNELS / "core" / "src").glob("*.c")), *C_FLAGS)
    library.arenafit_segment_text.restype = ctypes.c_char_p
    for name in ("arenafit_segment_input_size", "arenafit_segment_output_size"):
        getattr(library, name).restype = ctypes.c_size_t
    return library


class _Aligned:
    """Bytes at a multiple of 16."""

    def __init__(self, size: int, data: bytes = b"", fill: int = 0) -> None:
        self._raw = (ctypes.c_uint8 * (size + 16)).from_buffer(bytearray([fill]) * (size + 16))
        skip = -ctypes.addressof(self._raw) % 16
        self.address = ctypes.addressof(self._raw) + skip
        if data:
            ctypes.memmove(self.address, data, len(data))

    def read(self, size: int) -> bytes:
        return ctypes.string_at(self.address, size)


def check(program: bytes) -> str:
    """What the interpreter's check and rehearsal say; "" where both are content."""
    library, held = interpreter(), _Aligned(len(program), program)
    pointer = ctypes.c_void_p(held.address)
    status = library.arenafit_segment_check(pointer, ctypes.c_size_t(len(program)))
    if status == 0:
        state = _Aligned(4 * int.from_bytes(program[22:24], "little") + 16)
        status = library.arenafit_segment_rehearse(pointer, ctypes.c_void_p(state.address))
    return "" if status == 0 else library.arenafit_segment_text(status).decode()


def run_segment(
    program: bytes, inputs: Sequence[Bytes8], sizes: Sequence[int], workspace: int
) -> list[bytes]:
    """The outputs of a program, of `sizes` bytes; nothing shares memory with anything."""
    library, held = interpreter(), _Aligned(len(program), program)
    given = [_Aligned(array.nbytes, array.tobytes()) for array in inputs]
    made = [_Aligned(size, fill=0xA5) for size in sizes]
    scratch = _Aligned(workspace, fill=0x5A)
    library.arenafit_segment_run(
        ctypes.c_void_p(held.address),
        (ctypes.c_void_p * len(given))(*(block.address for block in given)),
        (ctypes.c_void_p * len(made))(*(block.address for block in made)),
        ctypes.c_void_p(scratch.address),
    )
    return [block.read(size) for block, size in zip(made, sizes, strict=True)]


def as_segment(model: Model, start: int = 0, stop: int | None = None) -> Segment | None:
    """Operators start .. stop - 1 of the main subgraph; all of them without limits."""
    graph = model.main
    chosen = graph.operators[start:stop]
    outside = {t for op in graph.operators if op not in chosen for t in op.inputs}
    outside |= set(graph.outputs)
    return make_segment(chosen, role, outside.__contains__)


def program_of(segment: Segment) -> bytes:
    return encode(lower(segment))


def values_in_tflm(
    model: Model, tensors: Sequence[Tensor], count: int = 4
) -> list[dict[Tensor, Bytes8]]:
    """The bytes of `tensors` of the main subgraph in the real TFLM, for `count` inputs."""
    graph = model.main
    positions = [graph.tensors.index(t) for t in tensors]
    copy = copy_model(model)
    wanted = [copy.main.tensors[p] for p in positions if copy.main.tensors[p] not in copy.main.inputs]
    copy.main.outputs = list(dict.fromkeys(wanted))
    copy.signatures = []
    data = save(copy)
    session = tflm()
    steps = [s.steps[0] for s in stimuli(session.describe(data), count)]
    found = []
    for given, outputs in zip(steps, session.run(data, steps), strict=True):
        values = dict(zip(copy.main.inputs, given, strict=True))
        values |= dict(zip(copy.main.outputs, outputs, strict=True))
        found.append(
            {t: np.asarray(values[copy.main.tensors[p]]).view(np.int8) for t, p in zip(tensors, positions)}
        )
    return found

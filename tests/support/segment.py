"""Programs of segments on the host: made of test models, and run by kernels/core."""

from __future__ import annotations

import ctypes
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from arenafit.graph import DType, Model, Tensor, save
from arenafit.partial.encoding import encode
from arenafit.partial.layout import lay_out
from arenafit.partial.lower import lower
from arenafit.partial.program import Place, Program
from arenafit.partial.roles import role
from arenafit.partial.segment import Segment, make_segment
from support.native import C_FLAGS, KERNELS, compile_shared
from support.rewriting import tflm

__all__ = [
    "SOURCES",
    "STATUS",
    "Rows",
    "Runner",
    "aligned",
    "check",
    "makes",
    "program_of",
    "rehearse",
    "resealed",
    "run_bytes",
    "same_as_tflm",
    "segment_of",
    "with_ring",
]

Array = npt.NDArray[Any]

SOURCES = tuple(sorted((KERNELS / "core/src").glob("segment*.c"))) + tuple(
    sorted((KERNELS / "core/src").glob("row_*.c"))
)

STATUS = (
    "OK", "FORMAT", "SIZE", "CHECKSUM", "TENSOR", "OPERATOR", "SHAPE", "PARAMETERS", "GOAL",
    "RING", "OVERLAP", "ALIGNMENT", "SOURCE", "ABORTED",
)  # fmt: skip


@cache
def _library() -> ctypes.CDLL:
    library = compile_shared(SOURCES, *C_FLAGS)
    library.arenafit_segment_text.restype = ctypes.c_char_p
    for name in ("input", "output"):
        getattr(library, f"arenafit_segment_{name}_size").restype = ctypes.c_size_t
    return library


# -- programs -----------------------------------------------------------------------------


def segment_of(model: Model) -> Segment:
    """All operators of `model` as one segment."""
    graph = model.main
    segment = make_segment(graph.operators, role, lambda tensor: tensor in graph.outputs)
    assert segment is not None, "the test model is no segment"
    return segment


def program_of(model: Model) -> Program:
    """The program of all of `model`."""
    return lower(segment_of(model))


def with_ring(program: Program, tensor: int, rows: int) -> Program:
    """`program` with another number of rows in the ring of a tensor."""
    tensors = list(program.tensors)
    tensors[tensor] = replace(tensors[tensor], ring=rows)
    return replace(program, tensors=tuple(tensors))


def resealed(data: bytes) -> bytes:
    """`data` with the checksum that it should have."""
    return data[:4] + struct.pack("<I", zlib.crc32(data[8:])) + data[8:]


# -- calls --------------------------------------------------------------------------------


def aligned(size: int, fill: int = 0, alignment: int = 16) -> Array:
    """`size` bytes at a multiple of `alignment`."""
    raw = np.full(size + alignment, fill, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size]


def _copy(data: bytes) -> Array:
    copy = aligned(len(data))
    copy[:] = np.frombuffer(data, np.uint8)
    return copy


def _pointer(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def check(data: bytes, size: int | None = None, misaligned: int = 0) -> str:
    """What arenafit_segment_check says of `data`."""
    memory = aligned(len(data) + misaligned)
    memory[misaligned:] = np.frombuffer(data, np.uint8)
    length = len(data) if size is None else size
    address = ctypes.c_void_p(memory.ctypes.data + misaligned)
    return STATUS[_library().arenafit_segment_check(address, ctypes.c_size_t(length))]


def rehearse(program: Program) -> str:
    """What arenafit_segment_rehearse says of a program that passes arenafit_segment_check."""
    data = _copy(encode(program))
    state = aligned(4 * len(program.operators) + 16)
    assert check(bytes(data)) == "OK"
    return STATUS[_library().arenafit_segment_rehearse(_pointer(data), _pointer(state))]


def sizes(data: bytes, place: Place) -> list[int]:
    """Bytes of the segment's inputs, or outputs, as the library says."""
    inputs, outputs = struct.unpack_from("<2H", data, 16)
    name, count = ("input", inputs) if place is Place.INPUT else ("output", outputs)
    function, program = getattr(_library(), f"arenafit_segment_{name}_size"), _copy(data)
    return [function(_pointer(program), ctypes.c_uint32(i)) for i in range(count)]


_NEXT_ROW = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p,
    ctypes.c_size_t,
)  # fmt: skip


class Source(ctypes.Structure):
    """arenafit_source."""

    _fields_ = (("next_row", _NEXT_ROW), ("context", ctypes.c_void_p))


@dataclass
class Rows:
    """A source of the rows of whole inputs, which writes down what it is asked for."""

    images: Sequence[bytes]
    shift: int = 0  # it gives row `row + shift` instead, as far as there is one
    left: int | None = None  # rows after which it gives up
    asked: list[tuple[int, int, int]] = field(default_factory=list)  # input, row, bytes

    def source(self) -> Source:
        """For arenafit_segment_run; to be kept until it returns."""
        return Source(_NEXT_ROW(self._next_row), None)

    def _next_row(self, context: int, number: int, row: int, into: int, size: int) -> int:
        del context
        self.asked.append((number, row, size))
        if self.left is not None and len(self.asked) > self.left:
            return 1
        image = self.images[number]
        start = min(row + self.shift, len(image) // size - 1) * size
        ctypes.memmove(into, image[start : start + size], size)
        return 0


def run_bytes(
    data: bytes,
    inputs: Sequence[bytes],
    distance: int | None = None,
    rows: Rows | None = None,
    status: str = "OK",
) -> list[bytes]:
    """The outputs of a program that passes arenafit_segment_check.

    With `distance` the first output is that many bytes before the first input, over it or not.
    `rows` is the source of what is fed; the run has to end with `status`.
    """
    assert check(data) == "OK", check(data)
    (workspace_size,) = struct.unpack_from("<I", data, 12)
    program = _copy(data)
    given, made = (sizes(data, place) for place in (Place.INPUT, Place.OUTPUT))
    assert [len(value) for value in inputs] == given
    read = [_copy(value) for value in inputs]
    written = [aligned(size, 0xA5) for size in made]
    if distance is not None:
        arena = aligned(given[0] + made[0] + abs(distance), 0xA5)
        low = max(-distance, 0)
        written[0] = arena[low : low + made[0]]
        read[0] = arena[low + distance : low + distance + given[0]]
        read[0][:] = np.frombuffer(inputs[0], np.uint8)
    guard = 64
    workspace = aligned(workspace_size + guard, 0x5A)
    pointers = ctypes.c_void_p * max(len(read), len(written))
    source = None if rows is None else rows.source()
    ended = _library().arenafit_segment_run(
        _pointer(program),
        pointers(*(array.ctypes.data for array in read)),
        pointers(*(array.ctypes.data for array in written)),
        _pointer(workspace),
        None if source is None else ctypes.byref(source),
    )
    assert STATUS[ended] == status
    assert (workspace[workspace_size:] == 0x5A).all(), "wrote behind the workspace"
    assert bytes(program) == data, "wrote into the program"
    return [bytes(array) for array in written]


@dataclass(frozen=True)
class Runner:
    """A program that has been checked, and memory of just the size that it asks for."""

    program: Program

    def sizes(self, place: Place) -> list[int]:
        """Bytes of the segment's inputs, or outputs, in order."""
        return sizes(encode(self.program), place)

    def run(self, inputs: Sequence[bytes], distance: int | None = None) -> list[bytes]:
        """The outputs; see `run_bytes`."""
        return run_bytes(encode(self.program), inputs, distance)

    def allows(self, distance: int) -> bool:
        """Whether the first output may be `distance` bytes before the first input."""
        given, made = self.sizes(Place.INPUT), self.sizes(Place.OUTPUT)
        base = 1 << 20
        inputs, outputs = [base + distance], [base]
        for size in (*given[1:], *made[1:]):
            inputs.append(2 * base + sum(inputs) + size)  # anywhere else
        inputs, others = inputs[: len(given)], inputs[len(given) :]
        pointers = ctypes.c_void_p * max(len(given), len(made))
        program = _copy(encode(self.program))
        status = _library().arenafit_segment_check_overlap(
            _pointer(program), pointers(*inputs), pointers(*outputs, *others)
        )
        return STATUS[status] == "OK"


def _content(rng: np.random.Generator, tensor: Tensor) -> Array:
    """Values all over the type; of floats, as activations are, or a few hundred times larger."""
    if tensor.dtype is DType.FLOAT32:
        scale = rng.choice([1.0, 300.0])
        return rng.normal(0, scale, tensor.shape).astype(np.float32)
    kind = {DType.INT8: np.int8, DType.UINT8: np.uint8, DType.INT16: np.int16}[tensor.dtype]
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max + 1, tensor.shape).astype(kind)


def same_as_tflm(model: Model, runs: int = 3, seed: int = 0, varied: bool = False) -> bool:
    """True where `model` as one segment gives the real TFLM's outputs for random inputs; which
    must vary if told."""
    segment, graph = segment_of(model), model.main
    rng = np.random.default_rng(seed)
    inputs = [[_content(rng, tensor) for tensor in graph.inputs] for _ in range(runs)]
    expected = tflm().run(save(model), inputs)
    assert not varied or len({np.asarray(outputs[0]).tobytes() for outputs in expected}) == runs
    ends = [*graph.inputs, *graph.outputs]
    values = (
        {t: np.asarray(value).tobytes() for t, value in zip(ends, (*given, *made), strict=True)}
        for given, made in zip(inputs, expected, strict=True)
    )
    return makes(segment, values)


def makes(segment: Segment, runs: Iterable[Mapping[Tensor, bytes]]) -> bool:
    """True where the program of `segment` makes, in each run, its outputs out of its inputs, with
    its weights in any layout."""
    plain = lower(segment)
    assert rehearse(plain) == "OK", rehearse(plain)
    programs = [encode(plain), *(encode(lay_out(plain, cpu)) for cpu in (None, "cortex-m55"))]
    return all(
        run_bytes(data, [held[t] for t in segment.inputs]) == [held[t] for t in segment.outputs]
        for held in runs
        for data in programs
    )

"""kernels/core's max-pooling on the host: the structs of its API, and calls with numpy arrays."""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from arenafit.graph.custom import MAX_POOL_2D, MaxPool2D
from arenafit.graph.model import DType, OpCode, Operator, Tensor
from support.native import C_FLAGS, KERNELS, compile_shared

__all__ = ["LOWEST_CLAMP", "NEVER", "SOURCES", "STATUS", "Kernel", "custom_pool", "random_input"]

Array = npt.NDArray[Any]

SOURCES = (KERNELS / "core/src/max_pool.c", KERNELS / "core/src/status.c")
NEVER = -(1 << 31)

STATUS = ("OK", "BAD_OPTIONS", "BAD_SHAPE", "BAD_WINDOW", "BAD_CLAMP", "BAD_OVERLAP")

_TYPES = {DType.INT8: (0, "s8"), DType.INT16: (1, "s16"), DType.FLOAT32: (2, "f32")}
_NUMPY = {DType.INT8: np.int8, DType.INT16: np.int16, DType.FLOAT32: np.float32}

LOWEST_CLAMP = {
    DType.INT8: (-128, 127),
    DType.INT16: (-32768, 32767),
    DType.FLOAT32: struct.unpack("<2i", struct.pack("<2f", -3.4028234663852886e38, 3.4e38)),
}
"""A range that clamps next to nothing, as the options have it."""


class _Tile(ctypes.Structure):
    _fields_ = (("h", ctypes.c_int32), ("w", ctypes.c_int32))


class _Dims(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int32) for name in "nhwc")


class _Params(ctypes.Structure):
    _fields_ = (("filter", _Tile), ("stride", _Tile), ("pad", _Tile), ("clamp", 2 * ctypes.c_int32))


@cache
def _library() -> ctypes.CDLL:
    library = compile_shared(SOURCES, *C_FLAGS)
    library.arenafit_max_pool_2d_overlap.restype = ctypes.c_int32
    library.arenafit_status_text.restype = ctypes.c_char_p
    return library


def custom_pool(
    source: tuple[int, ...],
    out: tuple[int, int],
    options: MaxPool2D,
    dtype: DType = DType.INT8,
) -> Operator:
    """An ARENAFIT_MAX_POOL_2D from a tensor of shape `source` to one of `out` rows and columns."""
    read = Tensor("in", source, dtype)
    written = Tensor("out", (source[0], *out, source[3]), dtype)
    return Operator(
        OpCode("CUSTOM", MAX_POOL_2D), [read], [written], custom_options=options.encode()
    )


def random_input(tensor: Tensor, rng: np.random.Generator) -> Array:
    """Values all over the range of the tensor's type; of floats, the odd ones as well."""
    kind = _NUMPY[tensor.dtype]
    if kind is np.float32:
        odd = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 6.0, -1.0, 1.0]
        values = rng.normal(0, 4, tensor.shape)
        strange = rng.random(tensor.shape) < 0.2
        return np.where(strange, rng.choice(odd, tensor.shape), values).astype(np.float32)
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max + 1, tensor.shape).astype(kind)


class Kernel:
    """The C functions for one ARENAFIT_MAX_POOL_2D.

    `status` is what parsing its options and checking them gave.
    """

    def __init__(self, op: Operator) -> None:
        source, self.target = op.inputs[0], op.outputs[0]
        assert source is not None
        self.source = source
        self._number, suffix = _TYPES[source.dtype]
        self._library = _library()
        self._run = getattr(self._library, f"arenafit_max_pool_2d_{suffix}")
        self._params, claimed = _Params(), ctypes.c_int32()
        self._dims = [_Dims(*t.shape) for t in (source, self.target)]
        data = op.custom_options
        status = self._library.arenafit_max_pool_2d_parse(
            data, ctypes.c_size_t(len(data or b"")), self._number,
            ctypes.byref(self._params), ctypes.byref(claimed),
        )  # fmt: skip
        self.claimed = claimed.value
        if status == 0:
            status = self._library.arenafit_max_pool_2d_check(
                ctypes.byref(self._params), self._number, *map(ctypes.byref, self._dims)
            )
        self.status = STATUS[status]

    @property
    def text(self) -> str:
        """The message for `status`."""
        return str(self._library.arenafit_status_text(STATUS.index(self.status)).decode())

    @property
    def overlap(self) -> int:
        """The overlap distance that the C code computes; NEVER where there is none."""
        found = self._library.arenafit_max_pool_2d_overlap(
            ctypes.byref(self._params), self._number, *map(ctypes.byref, self._dims)
        )
        return int(found)

    def allows(self, distance: int) -> bool:
        """Whether `arenafit_max_pool_2d_check_overlap` passes such addresses."""
        base = 1 << 20
        source, target = map(ctypes.byref, self._dims)
        status = self._library.arenafit_max_pool_2d_check_overlap(
            ctypes.byref(self._params), self._number,
            source, ctypes.c_void_p(base + distance), target, ctypes.c_void_p(base),
        )  # fmt: skip
        assert STATUS[status] in ("OK", "BAD_OVERLAP")
        return status == 0

    def random(self, rng: np.random.Generator) -> Array:
        """`random_input` for this kernel."""
        return random_input(self.source, rng)

    def run(self, data: Array, distance: int | None = None) -> Array:
        """The output for `data`, with offset(input) - offset(output) = `distance` bytes.

        The two are disjoint without a distance.
        """
        if distance is None:
            distance = self.target.nbytes
        size = max(self.target.nbytes, distance + self.source.nbytes) + max(0, -distance)
        memory = np.zeros(size + 16, np.uint8)
        memory = memory[-memory.ctypes.data % 16 :]
        write = max(0, -distance)
        read = write + distance
        memory[read : read + self.source.nbytes] = np.frombuffer(data.tobytes(), np.uint8)
        assert self.status == "OK"
        source, target = map(ctypes.byref, self._dims)
        address = memory.ctypes.data
        self._run(
            ctypes.byref(self._params),
            source, ctypes.c_void_p(address + read), target, ctypes.c_void_p(address + write),
        )  # fmt: skip
        result = memory[write : write + self.target.nbytes].copy().view(data.dtype)
        return result.reshape(self.target.shape)

"""Messages between `session` and `worker`: a JSON header, then raw blobs.

Neither end ever unpickles anything: the worker runs untrusted models in native
code, so what it sends is no more trusted than they are.

A frame is the header's length (uint32, little endian), the header (JSON, whose
``blobs`` lists the blobs' lengths in bytes), and the blobs one after another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]

__all__ = ["MAX_FRAME", "ProtocolError", "frame", "pack_arrays", "read_frame", "unpack_arrays"]

MAX_FRAME = 1 << 31  # bytes of blobs in one frame
_MAX_HEADER = 1 << 24


class ProtocolError(Exception):
    """What arrived is not a frame."""


def frame(header: dict[str, Any], blobs: Sequence[bytes | memoryview] = ()) -> list[bytes]:
    """The pieces to write for one message, in order."""
    lengths = [memoryview(blob).nbytes for blob in blobs]
    text = json.dumps({**header, "blobs": lengths}).encode()
    return [len(text).to_bytes(4, "little"), text, *(bytes(blob) for blob in blobs)]


def read_frame(read: Callable[[int], bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """One message, through ``read(n)``, which returns exactly `n` bytes or raises.

    Raises:
        ProtocolError: the bytes are not a frame of acceptable size.
    """
    length = int.from_bytes(read(4), "little")
    if length > _MAX_HEADER:
        raise ProtocolError(f"a header of {length} bytes")
    try:
        header = json.loads(read(length))
        lengths = [int(n) for n in header.pop("blobs")]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProtocolError("a header that is not ours") from error
    if any(n < 0 for n in lengths) or sum(lengths) > MAX_FRAME:
        raise ProtocolError("blobs of an impossible size")
    return header, [read(n) for n in lengths]


def pack_arrays(arrays: Sequence[Array]) -> tuple[list[list[Any]], list[bytes]]:
    """JSON descriptions ``[dtype, shape]`` of `arrays`, and their bytes in C order."""
    return [[a.dtype.name, list(a.shape)] for a in arrays], [a.tobytes() for a in arrays]


def unpack_arrays(described: Sequence[Sequence[Any]], blobs: Sequence[bytes]) -> list[Array]:
    """The inverse of `pack_arrays`; the arrays are read-only.

    Raises:
        ProtocolError: descriptions and bytes do not fit each other.
    """
    import numpy as np

    if len(described) != len(blobs):
        raise ProtocolError(f"{len(blobs)} arrays, {len(described)} described")
    try:
        return [
            np.frombuffer(blob, dtype=np.dtype(dtype)).reshape(tuple(shape))
            for (dtype, shape), blob in zip(described, blobs, strict=True)
        ]
    except (TypeError, ValueError) as error:
        raise ProtocolError("an array whose bytes do not fit its shape") from error

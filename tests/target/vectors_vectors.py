"""Every type that vectors.py writes, at its limits and in between, with checksums."""

from __future__ import annotations

from typing import Any

import numpy as np

INTEGERS = {
    "bytes": np.int8,
    "unsigned_bytes": np.uint8,
    "halves": np.int16,
    "unsigned_halves": np.uint16,
    "words": np.int32,
    "unsigned_words": np.uint32,
    "longs": np.int64,
}
FLOATS = [0.0, -0.0, 0.1, -1e-45, 1.17549435e-38, 3.4028235e38, np.inf, -np.inf]


def vectors() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    arrays: dict[str, Any] = {}
    for name, kind in INTEGERS.items():
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        drawn = rng.integers(low, high, 29, kind, endpoint=True)
        arrays[name] = np.array([low, high, 0, *drawn], kind).reshape(4, 8)
    arrays["floats"] = np.array([*FLOATS, *rng.normal(size=50)], np.float32)
    sums = {f"{name}_checksum": checksum(array.tobytes()) for name, array in arrays.items()}
    return {**arrays, **sums, "lowest": -(1 << 31), "answer": 42}


def checksum(data: bytes) -> Any:
    """FNV-1a."""
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 % (1 << 32)
    return np.array([value], np.uint32)

"""Arrays as C: what a host computed, for a program on the device to compare with."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["c_header"]

_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "float32": "float",
}
_NAME = re.compile(r"[a-zA-Z_]\w*")
_COLUMNS = 100


def c_header(values: Mapping[str, NDArray[np.generic] | int], *, alignment: int = 16) -> str:
    """A C header, also for C++, that defines each array and number under its name.

    An array of any shape is flat in C, in row-major order, and starts at a multiple of
    `alignment` bytes; ``NAME_count`` is the number of its elements. A number (of 32 bits,
    signed) is a macro. Floating point is written exactly.

    Raises:
        ValueError: a name that C does not take, an empty array, an element type other than
            int8 ... int64, uint8 ... uint32 and float32, a number out of range.
    """
    parts = ["// Generated.", "#include <math.h>", "#include <stdint.h>", ""]
    for name, value in values.items():
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not a name in C")
        parts.append(
            _number(name, value) if isinstance(value, int) else _array(name, value, alignment)
        )
    return "\n".join(parts)


def _number(name: str, value: int) -> str:
    if not -(1 << 31) <= value < 1 << 31:
        raise ValueError(f"{name}: {value} does not fit 32 bits")
    return f"#define {name} ({_integer(value, 'int32')})\n"


def _array(name: str, array: NDArray[np.generic], alignment: int) -> str:
    kind = array.dtype.name
    if kind not in _TYPES:
        raise ValueError(f"{name}: elements of type {kind}")
    if array.size == 0:
        raise ValueError(f"{name}: no elements")
    if kind == "float32":
        literals = [_float(float(element)) for element in array.ravel().tolist()]
    else:
        literals = [_integer(int(element), kind) for element in array.ravel().tolist()]
    return (
        f"#define {name}_count {array.size}\n"
        f"// {'x'.join(map(str, array.shape)) or 'a scalar'}\n"
        f"static const {_TYPES[kind]} {name}[{array.size}] __attribute__((aligned({alignment}))) ="
        f" {{\n{_rows(literals)}}};\n"
    )


def _rows(literals: list[str]) -> str:
    rows, row = [], " "
    for literal in literals:
        if len(row) + len(literal) + 2 > _COLUMNS:
            rows.append(row)
            row = " "
        row += f" {literal},"
    return "\n".join([*rows, row, ""])


def _integer(value: int, kind: str) -> str:
    suffix = {"uint32": "u", "int64": "LL"}.get(kind, "")
    if value in (-(1 << 31), -(1 << 63)):  # C has no negative literals, and no positive of these
        return f"({value + 1}{suffix} - 1)"
    return f"{value}{suffix}"


def _float(value: float) -> str:
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return f"{value.hex()}f"

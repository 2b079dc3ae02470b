"""The plugin in this process: arenafit's operators and planner inside the wheel's TFLM."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

from arenafit.errors import RuntimeUnavailable

__all__ = ["REGISTERERS", "PlannedBuffer", "Plugin", "load", "open_library", "registerers"]

PLANNERS = {"self-test": 0, "arenafit": 1, "offline": 2}
"""What `Plugin.start` takes: enum Planner of plugin.cc."""

REGISTERERS = ("arenafit_register_ops",)
"""Names that `registerers` returns; they mean nothing in a process that has not loaded it."""


class PlannedBuffer(ctypes.Structure):
    """One buffer that a planner was asked for, in TFLM's order: tensors, then scratch."""

    size: int  # bytes
    first: int  # scope in which it is created
    last: int  # scope of its last use
    asked: int  # offset that the model asks for, -1: any
    offset: int  # offset that it got, in bytes
    _fields_ = [(name, ctypes.c_int) for name in ("size", "first", "last", "asked", "offset")]


_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {  # see kernels/host/src/plugin.cc
    "open": (ctypes.c_char_p, [ctypes.c_void_p]),
    "start": (
        ctypes.c_void_p,
        [
            *(ctypes.c_char_p, ctypes.c_size_t),  # model
            *(ctypes.c_size_t, ctypes.c_size_t),  # where in it the plan is, and its bytes
            *(ctypes.c_size_t, ctypes.c_int, ctypes.c_int),  # arena, variables, planner
        ],
    ),
    "end": (None, [ctypes.c_void_p]),
    "head": (ctypes.c_size_t, [ctypes.c_void_p]),
    "used": (ctypes.c_size_t, [ctypes.c_void_p]),
    "buffers": (ctypes.c_int, [ctypes.c_void_p]),
    "buffer": (PlannedBuffer, [ctypes.c_void_p, ctypes.c_int]),
    "set_input": (
        ctypes.c_bool,
        [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "invoke": (ctypes.c_bool, [ctypes.c_void_p]),
    "reset": (ctypes.c_bool, [ctypes.c_void_p]),
    "get_output": (
        ctypes.c_bool,
        [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t],
    ),
}


class Plugin:
    """The library's functions, ``arenafit_host_<name>``, with their signatures."""

    def __init__(self, library: ctypes.CDLL) -> None:
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, f"arenafit_host_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:  # for the type checker: set by __init__
        raise AttributeError(name)


def open_library(path: Path) -> Plugin:
    """Load the library at `path` beside the wheel, which is imported.

    Raises:
        RuntimeUnavailable: the wheel lacks something that it needs.
    """
    from tflite_micro.python.tflite_micro import _runtime

    # The wheel's functions are looked up through its handle, so that its symbols need not be
    # made global, where other libraries of this process might bind to them by accident. The
    # plugin exports nothing but names of its own.
    wheel = ctypes.CDLL(_runtime.__file__)
    plugin = Plugin(ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL))
    wrong = plugin.open(wheel._handle)
    if wrong:
        raise RuntimeUnavailable(f"this tflite-micro wheel cannot be used: {wrong.decode()}")
    return plugin


@functools.cache
def load() -> Plugin:
    """The plugin, loaded into this process, and compiled before if need be.

    Raises:
        RuntimeUnavailable: no wheel, no compiler, or the two do not fit; in one line.
    """
    from arenafit.runtime.session import unavailable_reason

    reason = unavailable_reason()
    if reason is not None:
        raise RuntimeUnavailable(reason)
    from importlib.metadata import version

    from arenafit.runtime.build import build  # on POSIX only

    return open_library(build(version("tflite-micro")))


def registerers() -> list[str]:
    """What ``tflite_micro.runtime.Interpreter(custom_op_registerers=...)`` needs in order to
    run models made with ``--runtime arenafit``, in this process.

    Raises:
        RuntimeUnavailable: see `load`.
    """
    load()
    return list(REGISTERERS)

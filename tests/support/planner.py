"""arenafit's planners of kernels/, compiled for the host and driven as TFLM drives them."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

from arenafit.memory.problem import ONLINE, Placement, Problem, Request
from support.native import C_FLAGS, KERNELS, compile_shared

__all__ = ["CORE", "NATIVE", "STATUSES", "Refused", "RunningPlanner", "plan_online"]

NATIVE = Path(__file__).resolve().parents[1] / "native"
CORE = [KERNELS / "core" / "src" / name for name in ("plan.c", "plan_online.c", "plan_message.c")]

STATUSES = (
    "OK", "FORMAT", "TRUNCATED", "CHECKSUM", "BOUNDS", "UNDECLARED", "UNUSED", "OTHER_MODEL",
    "SCRATCH_SIZE", "SCRATCH_OTHER",
)  # fmt: skip
"""arenafit_plan_status, in the header's order."""

_BYTES_PER_BUFFER = 32  # sizeof(arenafit_request)


class _Request(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_int32),
        ("first", ctypes.c_int32),
        ("last", ctypes.c_int32),
        ("fixed", ctypes.c_int32),
        ("offset", ctypes.c_int32),
        ("own", ctypes.c_uint32 * 3),
    )


@cache
def _core() -> ctypes.CDLL:
    return compile_shared(CORE, *C_FLAGS)


@cache
def _planners() -> ctypes.CDLL:
    sources = [
        NATIVE / "planners.cc",
        KERNELS / "tflm" / "src" / "memory_planner.cc",
        KERNELS / "tflm" / "src" / "offline_memory_planner.cc",
        *CORE,  # as C++, so that one command does it; the tests of the core compile it as C
    ]
    includes = [f"-I{KERNELS}/{name}" for name in ("host/tflm_abi", "tflm/include", "core/include")]
    flags = ("-std=c++17", "-fno-rtti", "-fno-exceptions", "-Wall", "-Wextra", "-Werror")
    library = compile_shared(sources, *flags, *includes, "-x", "c++")
    library.planner_new.restype = ctypes.c_void_p
    library.planner_new.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_bool]
    library.planner_head.restype = ctypes.c_size_t
    library.planner_log.restype = ctypes.c_char_p
    return library


def plan_online(problem: Problem, attempts: int = 64) -> Placement:
    """What arenafit_plan_online answers; ValueError where it finds no plan below 2 GiB."""
    requests = (_Request * max(1, len(problem.requests)))()
    for entry, request in zip(requests, problem.requests, strict=False):
        entry.size, entry.first, entry.last = request.size, request.first, request.last
        entry.fixed = request.fixed
    head = _core().arenafit_plan_online(requests, len(problem.requests), attempts)
    if head < 0:
        raise ValueError("no plan")
    offsets = tuple(requests[i].offset for i in range(len(problem.requests)))
    return Placement(offsets, head, 0, False, "online")


class Refused(Exception):
    """A planner returned kTfLiteError."""


class RunningPlanner:
    """A planner object, and what it writes to the log.

    Args:
        plan: the content of the model's metadata; None: there is none.
        online: an arenafit::MemoryPlanner, else an arenafit::OfflineMemoryPlanner.
        room: how many buffers the arena has room to plan for.
        misaligned: the plan starts at an odd address.
    """

    def __init__(
        self,
        plan: bytes | None,
        *,
        online: bool = True,
        room: int = 1000,
        misaligned: bool = False,
    ) -> None:
        self._library = _planners()
        self._online = online
        padded = b"?" * misaligned + (plan or b"")
        self._plan = ctypes.create_string_buffer(padded, max(1, len(padded)))
        address = None if plan is None else ctypes.addressof(self._plan) + misaligned
        self._object = ctypes.c_void_p(
            self._library.planner_new(address, len(plan or b""), ctypes.c_bool(online))
        )
        self._room = room
        self.init()

    def __del__(self) -> None:
        if hasattr(self, "_object"):
            self._library.planner_delete(self._object, ctypes.c_bool(self._online))

    def set_plan(self, plan: bytes) -> None:
        """SetPlan: that of the next model."""
        self._earlier = self._plan  # stays readable: a planner that still looks there is found out
        self._plan = ctypes.create_string_buffer(plan, max(1, len(plan)))
        size = ctypes.c_size_t(len(plan))
        self._library.planner_set_plan(self._object, self._plan, size, ctypes.c_bool(self._online))

    def init(self) -> None:
        """As at the start of AllocateTensors, which ignores what is returned."""
        self._scratch = ctypes.create_string_buffer(max(1, self._room * _BYTES_PER_BUFFER))
        size = self._room * _BYTES_PER_BUFFER
        self._library.planner_init(self._object, self._scratch, size)

    def add(self, *requests: Request) -> None:
        """AddBuffer for each."""
        for r in requests:
            if r.fixed == ONLINE:
                status = self._library.planner_add(self._object, r.size, r.first, r.last)
            else:
                status = self._library.planner_add_offline(
                    self._object, r.size, r.first, r.last, r.fixed
                )
            if status:
                raise Refused(self.log)

    def offset(self, index: int) -> int:
        """GetOffsetForBuffer."""
        found = ctypes.c_int(-77)
        if self._library.planner_offset(self._object, index, ctypes.byref(found)):
            raise Refused(self.log)
        return found.value

    def offsets(self) -> tuple[int, ...]:
        """Those of all buffers."""
        return tuple(self.offset(i) for i in range(self.count))

    @property
    def count(self) -> int:
        """GetBufferCount."""
        return int(self._library.planner_count(self._object))

    @property
    def head(self) -> int:
        """GetMaximumMemorySize."""
        return int(self._library.planner_head(self._object))

    @property
    def log(self) -> str:
        """Everything logged since this planner, or a later one, was made."""
        log: Any = self._library.planner_log()
        return str(log.decode())

    def print(self) -> list[str]:
        """The lines that PrintMemoryPlan adds to the log."""
        before = len(self.log)
        self._library.planner_print(self._object)
        return self.log[before:].splitlines()

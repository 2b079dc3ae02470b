"""The memory plan that goes into a model for arenafit's planner on the device.

The format and the rules by which a plan is sound are those of
kernels/core/include/arenafit/plan.h, which the device checks; `decode` checks the same ones.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from arenafit.errors import ModelError
from arenafit.graph.custom import PLAN_METADATA
from arenafit.memory.problem import ALIGNMENT, Bytes, Placement, Problem, Time

__all__ = [
    "METADATA_NAME",
    "DeclaredOverlap",
    "MemoryPlan",
    "PlannedBuffer",
    "decode",
    "encode",
    "memory_plan",
]

METADATA_NAME = PLAN_METADATA
MAGIC = 0x31504641  # "AFP1"
UNLIMITED = 2**31 - 1  # DeclaredOverlap.high: no upper limit

_HEADER = struct.Struct("<IIIHHHH")  # magic, checksum, head, tensors, buffers, overlaps, reserved
_BUFFER = struct.Struct("<IIhh")  # size, offset, first, last
_OVERLAP = struct.Struct("<HHii")  # output, input, low, high
_CHECKED = 8  # the checksum is of what follows these bytes
_MOST = 0xFFFF  # records of a kind
_LAST_SCOPE = 0x7FFF
_WHERE = f"metadata {METADATA_NAME!r}"


@dataclass(frozen=True, slots=True)
class PlannedBuffer:
    """One buffer that TFLM asks its planner to place, and where it goes."""

    size: Bytes
    offset: Bytes
    first: Time
    last: Time

    def shares(self, other: PlannedBuffer) -> bool:
        """True where the two are alive in one scope and have a byte in common."""
        return (
            self.first <= other.last
            and other.first <= self.last
            and self.offset < other.offset + other.size
            and other.offset < self.offset + self.size
        )


@dataclass(frozen=True, slots=True)
class DeclaredOverlap:
    """An output that shares bytes with its input: low <= offset(input) - offset(output) <= high."""

    output: int  # index into MemoryPlan.buffers
    input: int
    low: Bytes
    high: Bytes


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What the metadata says."""

    head: Bytes
    tensors: tuple[PlannedBuffer, ...]  # in the order of TFLM's AddBuffer calls
    scratch: tuple[PlannedBuffer, ...] = ()  # likewise, after the tensors
    overlaps: tuple[DeclaredOverlap, ...] = ()  # by output, then by input

    @property
    def buffers(self) -> tuple[PlannedBuffer, ...]:
        """Tensors and scratch."""
        return self.tensors + self.scratch

    def to_bytes(self) -> bytes:
        """The blob, unchecked.

        Raises:
            struct.error: a number has no place in the format.
        """
        counts = len(self.tensors), len(self.buffers), len(self.overlaps)
        records = [_BUFFER.pack(b.size, b.offset, b.first, b.last) for b in self.buffers]
        records += [_OVERLAP.pack(o.output, o.input, o.low, o.high) for o in self.overlaps]
        body = b"".join(records)
        checked = _HEADER.pack(0, 0, self.head, *counts, 0)[_CHECKED:] + body
        return struct.pack("<II", MAGIC, zlib.crc32(checked)) + checked


def memory_plan(problem: Problem, placement: Placement) -> MemoryPlan:
    """The plan that `placement` is, with those of the problem's overlaps that it makes use of.

    Args:
        problem: its requests in the order of TFLM's AddBuffer calls, scratch last.
        placement: an answer to it.

    Raises:
        ValueError: a tensor stands behind a scratch buffer, or the placement is not for the problem.
    """
    requests = problem.requests
    tensors = sum(not request.scratch for request in requests)
    if any(request.scratch for request in requests[:tensors]):
        raise ValueError("scratch has to stand behind all tensors")
    buffers = [
        PlannedBuffer(request.size, offset, request.first, request.last)
        for request, offset in zip(requests, placement.offsets, strict=True)
    ]
    declared = [
        DeclaredOverlap(o.output, o.input, o.low, UNLIMITED if o.high is None else o.high)
        for o in problem.overlaps
        if buffers[o.output].shares(buffers[o.input])
    ]
    declared.sort(key=lambda o: (o.output, o.input))
    return MemoryPlan(
        placement.head, tuple(buffers[:tensors]), tuple(buffers[tensors:]), tuple(declared)
    )


def encode(problem: Problem, placement: Placement) -> bytes:
    """The plan of `placement` as the buffer of a model's metadata entry METADATA_NAME.

    Args:
        problem: its requests in the order of TFLM's AddBuffer calls, scratch last.
        placement: an answer to it.

    Raises:
        ValueError: as `memory_plan`.
        ModelError: the plan is not sound, or the model is too large for the format (more than
            65,535 buffers, 32,767 scopes or 2 GiB).
    """
    plan = memory_plan(problem, placement)
    if max(len(plan.buffers), len(plan.overlaps)) > _MOST:
        raise ModelError(f"{len(plan.buffers)} buffers, the most is {_MOST}", _WHERE)
    if any(buffer.last > _LAST_SCOPE for buffer in plan.buffers):
        raise ModelError(f"more operators than {_LAST_SCOPE}", _WHERE)
    if plan.head > UNLIMITED:
        raise ModelError(f"{plan.head} bytes of arena, the most is {UNLIMITED}", _WHERE)
    _check(plan)
    return plan.to_bytes()


def decode(blob: bytes) -> MemoryPlan:
    """The plan in `blob`, which the planner on the device takes as well.

    Raises:
        ModelError: it breaks one of the format's rules.
    """
    if len(blob) < _HEADER.size or struct.unpack_from("<I", blob)[0] != MAGIC:
        raise ModelError("not a plan of this version", _WHERE)
    _, checksum, head, tensors, count, overlaps, _ = _HEADER.unpack_from(blob)
    if len(blob) != _HEADER.size + count * _BUFFER.size + overlaps * _OVERLAP.size:
        raise ModelError(f"{len(blob)} bytes for {count} buffers, {overlaps} overlaps", _WHERE)
    if zlib.crc32(blob[_CHECKED:]) != checksum:
        raise ModelError("wrong checksum", _WHERE)
    middle = _HEADER.size + count * _BUFFER.size
    buffers = tuple(PlannedBuffer(*r) for r in _BUFFER.iter_unpack(blob[_HEADER.size : middle]))
    pairs = tuple(DeclaredOverlap(*record) for record in _OVERLAP.iter_unpack(blob[middle:]))
    plan = MemoryPlan(head, buffers[:tensors], buffers[tensors:], pairs)
    _check(plan)
    return plan


def _check(plan: MemoryPlan) -> None:
    """Rules 4 to 6: bounds, and no overlap but the declared ones.

    Raises:
        ModelError: a rule is broken.
    """
    buffers = plan.buffers
    for i, buffer in enumerate(buffers):
        if buffer.offset % ALIGNMENT or not buffer.offset + buffer.size <= plan.head <= UNLIMITED:
            what = f"buffer {i} of {buffer.size} bytes at {buffer.offset}, the head is {plan.head}"
            raise ModelError(what, _WHERE)
    pairs = iter(plan.overlaps)
    for i, output in enumerate(buffers):
        for j, other in enumerate(buffers):
            if i == j or not output.shares(other):
                continue
            if other.last == output.first:
                pair = next(pairs, None)
                distance = other.offset - output.offset
                if (
                    pair is None
                    or (pair.output, pair.input) != (i, j)
                    or not pair.low <= distance <= pair.high
                ):
                    raise ModelError(f"output {i} is over input {j}, undeclared", _WHERE)
            elif output.last != other.first:
                raise ModelError(f"buffers {i} and {j} are alive in one place", _WHERE)
    if next(pairs, None) is not None:
        raise ModelError("an overlap is declared of buffers that share nothing", _WHERE)

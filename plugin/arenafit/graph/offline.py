"""TFLM's offline plan: the metadata that says where in the arena tensors are to lie.

Its blob is int32 ``[version, subgraphs, n, offset_0 ... offset_n-1]``, one offset a tensor,
those of all subgraphs in a row (TFLM's docs/memory_management.md). TFLM reads n and the
offsets alone and believes them, so what it would not survive is refused here.
"""

from __future__ import annotations

import struct

from arenafit.errors import ModelError
from arenafit.graph.model import Model

__all__ = ["OFFLINE_PLAN", "apply_offline_plan", "offline_plan"]

OFFLINE_PLAN = "OfflineMemoryAllocation"

_VERSION = 1
_INT32_MAX = 2**31 - 1


def apply_offline_plan(model: Model, blob: bytes, where: str) -> None:
    """Set every tensor's `offline_offset` from the plan's `blob`.

    Raises:
        ModelError: the plan is for another model, or has an offset outside of any arena.
    """
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    if len(blob) < 12:
        raise ModelError(f"an offline plan of {len(blob)} bytes has no header", where)
    count = struct.unpack_from("<I", blob, 8)[0]
    if count != len(tensors):
        raise ModelError(f"the plan has {count} offsets, the model {len(tensors)} tensors", where)
    if len(blob) < 12 + 4 * count:
        raise ModelError(f"the plan is cut off after {len(blob)} bytes", where)
    for tensor, offset in zip(tensors, struct.unpack_from(f"<{count}i", blob, 12), strict=True):
        if offset < -1 or offset + tensor.nbytes > _INT32_MAX:
            raise ModelError(f"offset {offset} for tensor {tensor.name!r} is out of range", where)
        tensor.offline_offset = offset
    model.has_offline_plan = True


def offline_plan(model: Model) -> bytes:
    """The blob that `apply_offline_plan` reads."""
    offsets = [tensor.offline_offset for graph in model.subgraphs for tensor in graph.tensors]
    head = (_VERSION, len(model.subgraphs), len(offsets))
    return struct.pack(f"<{3 + len(offsets)}i", *head, *offsets)

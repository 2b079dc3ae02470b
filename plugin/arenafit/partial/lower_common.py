"""What working out the parameters of operators takes, whatever their type."""

from __future__ import annotations

from arenafit.graph.model import Tensor
from arenafit.partial.program import Window
from arenafit.partial.role import Role

__all__ = ["MAX_SHIFT", "data_of", "image_of"]

MAX_SHIFT = 30  # of a program's multipliers


def data_of(tensor: Tensor) -> bytes:
    """What a constant holds."""
    assert tensor.buffer is not None and tensor.buffer.data is not None
    return tensor.buffer.data


def image_of(role: Role) -> Window:
    """The window that slides over the input of `role`."""
    assert role.image is not None
    rows, columns = role.image
    return Window(
        (rows.kernel, columns.kernel), (rows.stride, columns.stride),
        (rows.dilation, columns.dilation), (rows.pad, columns.pad),
    )  # fmt: skip

"""What working out the parameters of operators takes, whatever their type."""

from __future__ import annotations

from arenafit.graph.model import Operator, Tensor
from arenafit.partial.arithmetic import f32, quantize_multiplier, scale_of
from arenafit.partial.program import Window
from arenafit.partial.role import Role

__all__ = ["MAX_SHIFT", "data_of", "factors_of", "image_of"]

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


def factors_of(op: Operator, role: Role, channels: int) -> list[tuple[int, int]] | None:
    """A multiplier and a shift an output channel (conv_common.cc, fully_connected_common.cc)."""
    source, weights, target = role.inputs[0], op.inputs[1], role.output
    assert weights is not None and weights.quantization is not None
    read, written = scale_of(source), scale_of(target)
    scales = [f32(scale) for scale in weights.quantization.scales]
    if role.kind == "FULLY_CONNECTED" and len(scales) == 1:
        real = [f32(read * scales[0]) / written]  # the product of two floats is a float
    else:
        real = [read * scale / written for scale in scales]
    found = [quantize_multiplier(factor) for factor in real]
    if any(shift > MAX_SHIFT for _, shift in found):
        return None
    return found * channels if len(found) == 1 else found

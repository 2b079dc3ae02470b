"""How weights lie in a program: arenafit_layout of kernels/core/include/arenafit/program.h.

A program in Python has them plain whatever its layout; `arrange` and `restore` are for its bytes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from arenafit.memory.variant import VARIANTS
from arenafit.partial.program import (
    Conv,
    Kind,
    Layout,
    Program,
    ProgramOperator,
    ProgramTensor,
    TensorType,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes8 = npt.NDArray[np.int8]

__all__ = ["arrange", "lay_out", "restore"]

_BLOCK = 4  # output channels
_IN_WORDS = (0, 2, 1, 3)  # of four inputs: words have a first and third, or a second and fourth


def lay_out(program: Program, cpu: str | None = None) -> Program:
    """`program` with the layouts that are fastest on `cpu`.

    Without one: on CPUs with DSP instructions, and no slower on those that have neither these nor
    vectors. Every layout gives the same bytes on every CPU.

    Args:
        cpu: one of `memory.variant.VARIANTS`.
    """
    vectors = cpu is not None and VARIANTS[cpu] == "mve"
    operators = (_laid_out(op, program, vectors) for op in program.operators)
    return replace(program, operators=tuple(operators))


def _laid_out(op: ProgramOperator, program: Program, vectors: bool) -> ProgramOperator:
    if not isinstance(op.parameters, Conv):
        return op
    kind, conv = op.kind, op.parameters
    source = program.tensors[op.operands[0]]
    if source.type is not TensorType.S8:
        return op
    if kind is Kind.DEPTHWISE_CONV_2D and source.channels == 1 and len(conv.folded) >= _BLOCK:
        # Of one channel it is a plain convolution, which has its taps in one run.
        taps = _array(conv.weights).reshape(-1, len(conv.folded))
        kind, conv = Kind.CONV_2D, replace(conv, weights=taps.transpose().tobytes())
    if kind is Kind.DEPTHWISE_CONV_2D:
        fits = len(conv.folded) >= _BLOCK
    else:
        fits = not vectors and conv.groups == 1 and _can_be_pairs(conv)
    layout = Layout.BLOCKS if fits else Layout.PLAIN
    return replace(op, kind=kind, parameters=replace(conv, layout=layout))


def _can_be_pairs(conv: Conv) -> bool:
    """True where 256 * b + a is a 16-bit number for all pairs of weights."""
    channels = len(conv.folded)
    blocked = channels - channels % _BLOCK
    filters = _array(conv.weights).reshape(channels, -1)[:blocked]
    a, b = filters[0::2], filters[1::2]
    return bool(blocked > 0 and not ((b == -128) & (a < 0)).any())


def arrange(kind: Kind, conv: Conv, source: ProgramTensor) -> bytes:
    """The weights of `conv`, which reads `source`, in blocks."""
    channels = len(conv.folded)
    blocked = channels - channels % _BLOCK
    if kind is Kind.DEPTHWISE_CONV_2D:
        taps = _array(conv.weights).reshape(-1, channels)
        blocks = taps[:, :blocked].reshape(len(taps), -1, _BLOCK).transpose(1, 0, 2)
        return blocks.tobytes() + taps[:, blocked:].tobytes()
    filters = _array(conv.weights).reshape(channels, -1)
    length = _run(kind, conv, source)
    runs = filters[:blocked].reshape(blocked // _BLOCK, _BLOCK, -1, length)
    return _pairs(runs.transpose(0, 2, 3, 1)).tobytes() + filters[blocked:].tobytes()


def restore(data: bytes, kind: Kind, conv: Conv, source: ProgramTensor) -> bytes:
    """The other way round: plain weights out of `data`, which has them in blocks."""
    channels = len(conv.folded)
    blocked, each = channels - channels % _BLOCK, len(data) // channels
    head, rest = _array(data[: blocked * each]), _array(data[blocked * each :])
    if kind is Kind.DEPTHWISE_CONV_2D:
        blocks = head.reshape(-1, each, _BLOCK).transpose(1, 0, 2).reshape(each, blocked)
        plain: Bytes8 = _concatenated([blocks, rest.reshape(each, -1)], 1)
        return plain.tobytes()
    length = _run(kind, conv, source)
    runs = _unpaired(head.reshape(-1, each // length, length * _BLOCK), length)
    return runs.transpose(0, 3, 1, 2).tobytes() + rest.tobytes()


def _run(kind: Kind, conv: Conv, source: ProgramTensor) -> int:
    """Weights of a filter that belong to neighbours in the input."""
    if kind is Kind.FULLY_CONNECTED:
        return source.width * source.channels
    return source.channels * (conv.window.kernel[1] if conv.window.dilation[1] == 1 else 1)


def _pairs(runs: Bytes8) -> Bytes8:
    """[block, run, k, channel] as pairs of filters: [block, run, bytes]."""
    blocks, count, length, _ = runs.shape
    wide = runs.astype("<i2")
    pairs = 256 * wide[..., 1::2] + wide[..., 0::2]  # [block, run, k, pair]
    whole = length - length % 4
    quads = pairs[:, :, :whole].reshape(blocks, count, -1, 4, 2)[:, :, :, list(_IN_WORDS)]
    parts = [
        quads.transpose(0, 1, 2, 4, 3).reshape(blocks, count, -1),
        pairs[:, :, whole:].reshape(blocks, count, -1),
    ]
    joined: Bytes8 = _concatenated(parts, 2).astype("<i2").view("i1")
    return joined


def _unpaired(runs: Bytes8, length: int) -> Bytes8:
    """The other way round."""
    blocks, count, _ = runs.shape
    pairs = runs.copy().view("<i2")
    whole = length - length % 4
    quads = pairs[:, :, : 2 * whole].reshape(blocks, count, -1, 2, 4).transpose(0, 1, 2, 4, 3)
    inverse = [_IN_WORDS.index(k) for k in range(4)]
    ordered = _concatenated(
        [
            quads[:, :, :, inverse].reshape(blocks, count, -1, 2),
            pairs[:, :, 2 * whole :].reshape(blocks, count, -1, 2),
        ],
        2,
    )
    a = ordered.astype("i1")
    b = (ordered - a) >> 8
    both = _concatenated([a[..., None], b.astype("i1")[..., None]], 4)
    unpaired: Bytes8 = both.reshape(blocks, count, length, _BLOCK)
    return unpaired


def _array(data: bytes) -> Bytes8:
    import numpy as np

    return np.frombuffer(data, np.int8)


def _concatenated(parts: list[Any], axis: int) -> Any:
    import numpy as np

    return np.concatenate(parts, axis)

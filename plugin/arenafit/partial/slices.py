"""Parameters of one slice of channels, from those of the whole operator."""

from __future__ import annotations

from dataclasses import replace

from arenafit.partial.arithmetic import wrap
from arenafit.partial.program import Conv, Kind, Parameters, Window
from arenafit.partial.roles import Shape
from arenafit.partial.segment import Part, Side

__all__ = ["of_channels", "sliced"]


def sliced(kind: Kind, whole: Parameters, part: Part, source: Shape) -> tuple[Kind, Parameters]:
    """What `part` of an operator is in a program; `source` is the shape of the slice it reads.

    The end is always a convolution: a fully connected one has a kernel as large as its input.
    """
    if not isinstance(whole, Conv):
        return kind, whole  # the same for every channel
    if part.side is Side.END:
        return Kind.CONV_2D, _end(kind, whole, part, source)
    channels = slice(part.first, part.stop)
    if part.side is Side.EACH:
        weights = of_channels(whole.weights, len(whole.folded), part)
    else:
        filter_ = len(whole.weights) // len(whole.folded)
        weights = whole.weights[part.first * filter_ : part.stop * filter_]
    return kind, replace(
        whole,
        weights=weights,
        bias=None if whole.bias is None else whole.bias[channels],
        folded=whole.folded[channels],
        multipliers=whole.multipliers[channels],
        shifts=whole.shifts[channels],
    )


def of_channels(data: bytes, channels: int, part: Part) -> bytes:
    """Of pixels with `channels` bytes each, those of `part`."""
    pixels = range(0, len(data), channels)
    return b"".join(data[at + part.first : at + part.stop] for at in pixels)


def _end(kind: Kind, whole: Conv, part: Part, source: Shape) -> Conv:
    """The first slice has the bias, the last one requantises; each folds its own weights."""
    count = len(whole.folded)
    rows, width, _ = source
    window = whole.window
    if kind is Kind.FULLY_CONNECTED:
        window = Window((rows, width), (1, 1), (1, 1), (0, 0))
    taps = window.kernel[0] * window.kernel[1]
    weights = of_channels(whole.weights, len(whole.weights) // (count * taps), part)
    totals = _totals(weights, count)
    if part.begins:
        others = zip(_totals(whole.weights, count), totals, strict=True)
        folded = tuple(
            wrap(known - whole.input_offset * (total - own))
            for known, (total, own) in zip(whole.folded, others, strict=True)
        )
    else:
        folded = tuple(wrap(whole.input_offset * total) for total in totals)
    bias = whole.bias
    if bias is not None and not part.begins:
        bias = (0,) * count
    return replace(
        whole,
        window=window,
        weights=weights,
        bias=bias,
        folded=folded,
        multipliers=whole.multipliers if part.ends else (),
        shifts=whole.shifts if part.ends else (),
    )


def _totals(weights: bytes, count: int) -> list[int]:
    """Sums of int8 weights by output channel."""
    filter_ = len(weights) // count
    parts = (weights[n * filter_ : (n + 1) * filter_] for n in range(count))
    return [sum(part) - 256 * sum(value > 127 for value in part) for part in parts]

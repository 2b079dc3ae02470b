"""PAD folded with the help of zero taps, where it stands at the peak of memory.

PyTorch pads 3x3 convolutions by one cell on all sides. Before a stride of 2 on an even image
that is not SAME, which puts its one cell behind, and so `fold_pad` must leave it. But a 4x4
filter whose last row and column are zero has the very same sums, and SAME puts one cell in
front of it: PAD goes, with its copy of the image, for 16 taps a sum instead of 9.

Acts on a PAD when all of these hold:

1. Rules 1, 2, 4a, 5, 6 and 8 of `fold_pad`, with convolutions as the only readers.
2. Every reader has a constant int8 filter and integer activations: a zero tap adds exactly 0.
3. In each dimension some number of zero taps in front of the filter and behind it makes SAME
   read what the filter read, for as many outputs; the smallest such number is taken. At
   least one reader needs one: what needs none is left to `fold_pad`.
4. No filter grows beyond twice its taps: the price is time (and some flash).
5. The PAD or one of its readers is where most bytes of activations are alive, in the order
   of the file; and so is nothing else that would keep the peak as high. Each step lowers the
   peak. PADs below it stay, since to fold them would cost time and win nothing.

Must not act on float filters: zero times infinity is not zero.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

from arenafit.graph.model import Buffer, DType, Model, Operator, Subgraph, Tensor
from arenafit.passes.fold_pad import Pad, read_pad, read_window, same_padding
from arenafit.passes.rewrite import (
    PADDING_VALID,
    anchored,
    discard_unused,
    remove_operator,
    zero_point,
)

__all__ = ["run"]

_MAX_GROWTH = 2  # times the taps of a filter
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")

_Zeros = tuple[int, int]  # zero taps in front and behind, in one dimension
_NONE: tuple[_Zeros, _Zeros] = (0, 0), (0, 0)


def _zero_taps(
    extent: int, taps: int, stride: int, dilation: int, before: int, outputs: int
) -> _Zeros | None:
    """Rule 3 for one dimension of `extent` cells, `before` of padding in front of them."""
    for added in range(taps + 1):
        reach = (taps + added - 1) * dilation + 1
        same_outputs, same_before = same_padding(extent, reach, stride)
        front, rest = divmod(same_before - before, dilation)
        if same_outputs == outputs and rest == 0 and 0 <= front <= added:
            return front, added - front
    return None


def _widening(pad: Pad, padded: Tensor, reader: Operator) -> tuple[_Zeros, _Zeros] | None:
    """Zero taps by rows and by columns that let `reader` do without `pad`; rules 1 to 4."""
    window = read_window(reader)
    if window is None or reader.name not in _CONVOLUTIONS or reader.inputs[0] is not padded:
        return None
    if reader.option("padding") != PADDING_VALID or any(t is padded for t in reader.inputs[1:]):
        return None
    weights = reader.inputs[1]
    if weights is None or weights.dtype != DType.INT8 or "sparsity" in weights.fields:
        return None
    data = weights.buffer and weights.buffer.data
    if not data or len(data) != weights.nbytes:
        return None
    neutral = {DType.INT8: zero_point(pad.source), DType.INT16: 0}.get(pad.source.dtype)
    if pad.value != neutral:
        return None
    found = [
        _zero_taps(
            pad.source.shape[axis + 1],
            window.size[axis],
            window.stride[axis],
            window.dilation[axis],
            pad.before[axis],
            reader.outputs[0].shape[axis + 1],
        )
        for axis in (0, 1)
    ]
    rows, columns = found
    if rows is None or columns is None:
        return None
    (height, width) = window.size
    grown = (height + sum(rows)) * (width + sum(columns))
    return (rows, columns) if grown <= _MAX_GROWTH * height * width else None


def _with_zeros(weights: Tensor, rows: _Zeros, columns: _Zeros) -> Tensor:
    """A tensor as `weights` (channels or 1, rows, columns, channels), between zero taps."""
    import numpy as np

    assert weights.buffer is not None and weights.buffer.data is not None
    taps = np.frombuffer(weights.buffer.data, np.int8).reshape(weights.shape)
    wide = np.pad(taps, ((0, 0), rows, columns, (0, 0)))
    fields = {key: value for key, value in weights.fields.items() if key != "shape_signature"}
    return replace(weights, shape=wide.shape, buffer=Buffer(wide.tobytes()), fields=fields)


def _fold(model: Model, subgraph: Subgraph, op: Operator, pad: Pad) -> None:
    padded = op.outputs[0]
    for reader in subgraph.consumers()[padded]:
        zeros = _widening(pad, padded, reader)
        weights = reader.inputs[1]
        assert zeros is not None and weights is not None
        if zeros != _NONE:
            wide = _with_zeros(weights, *zeros)
            subgraph.tensors.insert(subgraph.tensors.index(weights) + 1, wide)
            reader.inputs[1] = wide
        reader.inputs[0] = pad.source
        reader.options.pop("padding")
        discard_unused(model, subgraph, [weights])
    remove_operator(model, subgraph, op)


def _loads(subgraph: Subgraph) -> list[int]:
    """Bytes of activations alive at each operator, inputs and outputs of the graph included."""
    first = dict.fromkeys(subgraph.inputs, 0)
    last: dict[Tensor, int] = {}
    for place, op in enumerate(subgraph.operators):
        for tensor in op.outputs:
            first.setdefault(tensor, place)
            last[tensor] = place
        for tensor in op.activations():
            last[tensor] = place
    last.update(dict.fromkeys(subgraph.outputs, len(subgraph.operators) - 1))
    changes = [0] * (len(subgraph.operators) + 1)
    for tensor, start in first.items():
        changes[start] += tensor.nbytes
        changes[last.get(tensor, start) + 1] -= tensor.nbytes
    return list(accumulate(changes[:-1]))


def _at_the_peak(model: Model, subgraph: Subgraph) -> list[tuple[Operator, Pad]]:
    """The PADs that rule 5 asks to fold now; none where something else holds the peak, too."""
    if not subgraph.operators:
        return []
    loads = _loads(subgraph)
    peak = max(loads)
    binding = {op for op, load in zip(subgraph.operators, loads, strict=True) if load == peak}
    consumers, known = subgraph.consumers(), anchored(model, subgraph)
    chosen = []
    for op in subgraph.operators:
        pad = read_pad(op)
        if pad is None or op.outputs[0] in known:
            continue
        readers = consumers.get(op.outputs[0], [])
        touched = binding & {op, *readers}
        zeros = [_widening(pad, op.outputs[0], reader) for reader in readers] if touched else []
        if None not in zeros and any(found != _NONE for found in zeros):
            chosen.append((op, pad))
            binding -= touched
    return [] if binding else chosen


def run(model: Model) -> int:
    """Fold PADs at the peak of each subgraph, as long as that lowers it; returns how many."""
    folded = 0
    for subgraph in model.subgraphs:
        while chosen := _at_the_peak(model, subgraph):
            for op, pad in chosen:
                _fold(model, subgraph, op, pad)
            folded += len(chosen)
    return folded

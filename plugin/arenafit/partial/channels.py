"""Splitting by channels: chains of operators that run a few channels at a time.

A chain begins with an operator that makes channels one by one of all of its input (the *start*:
a convolution, a fully connected layer), goes on with operators that work on each channel by
itself, and ends with one that sums over channels (the *end*). It runs slice by slice: so many
channels of the start, the same channels of what follows, and what these add to the sums of the
end, in int32; the last slice requantises them. Nothing is computed twice. The slices take turns in
the same memory; the sums stay from the first to the last.

After E. Liberis and N. D. Lane, "Pex: Memory-efficient Microcontroller Deep Learning through
Partial Execution", arXiv 2211.17246. Here a chain is unrolled: each slice of an operator is an
operator of the program, so that its interpreter needs no loops, and the simulation of rows
(`arenafit.partial.rows`) finds what a split segment needs as it does for any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from arenafit.graph.model import DType, Operator, Tensor
from arenafit.memory.problem import Bytes, align
from arenafit.partial.program import TensorType
from arenafit.partial.roles import MAX_TAPS, Role, Shape, flat
from arenafit.partial.rows import Demand, RowOperator, RowTensor, Window
from arenafit.partial.segment import MAX_OPERATORS, Member, Part, Segment, Side

__all__ = ["Chain", "find_chain", "split", "unstreamed"]

_START = frozenset({"CONV_2D", "FULLY_CONNECTED"})
_END = _START
_EACH = frozenset(
    {
        "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "GLOBAL_AVERAGE_POOL",
        "GLOBAL_MAX_POOL", "MEAN", "ADD", "SUB", "MUL", "PAD", "TABLE", "RESIZE_NEAREST_NEIGHBOR",
    }
)  # fmt: skip
_MAX_SLICES = 256  # more take long to simulate, and much flash

_RECORDS, _ARRAYS, _ROUNDING = 34, 5, 8  # of an operator: see `Chain.growth`
_STRUCT = 64


@dataclass(frozen=True, slots=True)
class Chain:
    """Operators that can be split by channels, and what that takes at the least.

    `made` are the bytes of what each of them but the end makes for one channel of the start, whole
    and row by row.
    """

    operators: tuple[Operator, ...]  # start to end, RESHAPE left out
    stop: int  # behind the end, in the order of the subgraph
    last: int  # behind what may follow the end in a segment: all but the next start
    channels: int  # of the start's output
    sums: Bytes  # of the end, in int32
    made: tuple[Bytes, ...]
    outputs: int  # channels of the end

    def widths(self) -> list[int]:
        """Channels that a slice can have: powers of two."""
        least = -(-self.channels // _MAX_SLICES)
        powers = (1 << k for k in range(self.channels.bit_length()))
        return [width for width in powers if least <= width < self.channels]

    def slices(self, width: int) -> int:
        """How many slices of `width` channels there are; the last one may have fewer."""
        return -(-self.channels // width)

    def floor(self, width: int, stream: bool) -> Bytes:
        """What sums, slices and the interpreter's state take at the least of the workspace."""
        count = self.slices(width)
        state, sums = align(4 * count * len(self.operators)), align(self.sums)
        if stream:
            return state + sums + align(width)
        if count > 2:  # a whole slice while there are sums
            return state + sums + self._slice(width)
        last = align(self.made[-1] * width)
        return state + max(self._slice(width), sums + max(last, self._slice(self.channels - width)))

    def _slice(self, width: int) -> Bytes:
        """What `width` channels take of the workspace where nothing streams."""
        whole = [align(size * width) for size in self.made]
        return max(a + b for a, b in zip(whole, (*whole[1:], 0), strict=True))

    def growth(self, slices: int) -> Bytes:
        """What so many slices add to the program, nearly: for each operator of each slice its
        records and parameters, and the sums of the end's weights."""
        each = _RECORDS + _STRUCT + _ARRAYS * _ROUNDING
        return (slices - 1) * (len(self.operators) * each + 4 * self.outputs)


def find_chain(
    operators: Sequence[Operator],
    roles: Mapping[Operator, Role | None],
    readers: Mapping[Tensor, Sequence[int]],
    start: int,
) -> Chain | None:
    """The chain that begins with operator `start`, if one does.

    Args:
        operators: in execution order.
        roles: what each can be in a segment.
        readers: positions of the operators that read a tensor; that of an output of the graph
            includes one behind the last.
        start: a position.
    """
    role = roles[operators[start]]
    if role is None or role.kind not in _START or role.shape is None:
        return None
    if {role.inputs[0].dtype, role.output.dtype} != {DType.INT8}:
        return None
    chain, channels = [operators[start]], role.shape[2]
    made = [role.output.elements // channels]
    while True:
        read = readers.get(role.output, ())
        if len(read) != 1 or read[0] >= len(operators):
            return None
        op = operators[read[0]]
        role = roles[op]
        if role is None or len(role.inputs) != 1:
            return None
        if role.kind in _END:
            break
        if role.kind in _EACH:
            chain.append(op)
            made.append(role.output.elements // channels)
        elif role.kind != "RESHAPE":
            return None
    sums = 4 * role.output.elements
    depth = (role.shape or flat(role.output))[2]
    last = stop = read[0] + 1
    while last < len(operators) and _follows(roles[operators[last]]):
        last += 1
    return Chain((*chain, op), stop, last, channels, sums, tuple(made), depth)


def _follows(role: Role | None) -> bool:
    """True for what may come after the end in its segment, streamed: a residual ADD, say, so that
    the result can be written over the chain's input. Further segments hold what comes then, with
    as little memory."""
    return role is not None and role.kind not in _START


def unstreamed(segment: Segment) -> Segment:
    """`segment` without streaming: each operator does all of its rows before the next begins."""
    graph = replace(segment.graph, first=tuple(range(len(segment.graph.operators))))
    return replace(segment, graph=graph)


def split(segment: Segment, chain: Chain, width: int) -> Segment | None:
    """`segment` with its `chain` in slices of `width` channels of the chain's start.

    Returns:
        None where the chain cannot be split after all: its tensors leave the segment, or are seen
        as other shapes.
    """
    position = {member.operator: i for i, member in enumerate(segment.members)}
    members = [position[op] for op in chain.operators if op in position]
    if len(members) < len(chain.operators) or members[0] != 0:
        return None
    factors = _factors(segment, members)
    count = chain.slices(width)
    if factors is None or count < 2 or count * len(members) > MAX_OPERATORS:
        return None
    return _Unrolling(segment, members, factors).unroll(width)


def _factors(segment: Segment, chain: Sequence[int]) -> list[int] | None:
    """Channels that each operator but the end makes for one of the start's."""
    graph = segment.graph
    made = [graph.operators[i].output for i in chain[:-1]]
    read = [graph.operators[i].demands[0].tensor for i in chain[1:]]
    readers = [demand.tensor for op in graph.operators for demand in op.demands]
    if made != read or any(graph.tensors[t].whole or readers.count(t) != 1 for t in made):
        return None
    channels = segment.shapes[made[0]][2]
    factors = []
    for i, tensor in zip(chain[:-1], made, strict=True):
        source = segment.shapes[graph.operators[i].demands[0].tensor][2]
        target = segment.shapes[tensor][2]
        kind = segment.members[i].role.kind
        if kind in _EACH and target != source and (kind != "DEPTHWISE_CONV_2D" or target % source):
            return None
        factors.append(target // channels)
    return factors if _reads_all_channels(segment, chain) else None


def _reads_all_channels(segment: Segment, chain: Sequence[int]) -> bool:
    """Whether start and end multiply every input with every output, in a window that fits."""
    for i in (chain[0], chain[-1]):
        weights = segment.members[i].operator.inputs[1]
        source = segment.shapes[segment.graph.operators[i].demands[0].tensor]
        assert weights is not None
        fully = segment.members[i].role.kind == "FULLY_CONNECTED"
        if weights.shape[-1] != (math.prod(source) if fully else source[2]):
            return False
        if fully and i == chain[-1] and source[0] > MAX_TAPS:
            return False
    return True


class _Unrolling:
    """A segment as it becomes one with slices."""

    def __init__(self, segment: Segment, chain: Sequence[int], factors: Sequence[int]) -> None:
        self.segment, self.chain, self.factors = segment, chain, factors
        graph = segment.graph
        gone = {graph.operators[i].output for i in chain[:-1]}
        kept = [t for t in range(len(graph.tensors)) if t not in gone]
        self.index = {t: i for i, t in enumerate(kept)}
        self.tensors = [graph.tensors[t] for t in kept]
        self.shapes = [segment.shapes[t] for t in kept]
        self.types = [segment.types[t] for t in kept]
        self.operators: list[RowOperator] = []
        self.members: list[Member] = []
        self.sums = -1  # those of the slice before
        self.ends: list[int] = []  # operators

    def unroll(self, width: int) -> Segment:
        segment, graph = self.segment, self.segment.graph
        channels = segment.shapes[graph.operators[self.chain[0]].output][2]
        for first in range(0, channels, width):
            self.add_slice(first, min(first + width, channels), channels)
        for i, (op, member) in enumerate(zip(graph.operators, segment.members, strict=True)):
            if i not in self.chain:
                demands = (replace(d, tensor=self.index[d.tensor]) for d in op.demands)
                self.operators.append(
                    replace(op, demands=tuple(demands), output=self.index[op.output])
                )
                self.members.append(member)
        unrolled = replace(
            graph,
            tensors=tuple(self.tensors),
            operators=tuple(self.operators),
            inputs=tuple(self.index[t] for t in graph.inputs),
            outputs=tuple(self.index[t] for t in graph.outputs),
            first=tuple(self.ends[:-1]),
        )
        return replace(
            segment,
            members=tuple(self.members),
            shapes=tuple(self.shapes),
            types=tuple(self.types),
            graph=unrolled,
        )

    def add_slice(self, first: int, stop: int, channels: int) -> None:
        """Channels first .. stop - 1 of the start's output, through to the sums."""
        graph = self.segment.graph
        tensor = self.index[graph.operators[self.chain[0]].demands[0].tensor]
        for i, factor in zip(self.chain[:-1], self.factors, strict=True):
            op = graph.operators[i]
            height, columns, whole = self.segment.shapes[op.output]
            share = (stop - first) * factor
            made = self.add_tensor((height, columns, share), TensorType.S8)
            demand = replace(op.demands[0], tensor=tensor)
            side = Side.START if i == self.chain[0] else Side.EACH
            part = Part(side, first * factor, stop * factor, first == 0, stop == channels)
            sums = op.sums // whole * share
            self.add(i, replace(op, demands=(demand,), output=made, sums=sums), part)
            tensor = made
        self.add_end(tensor, Part(Side.END, first, stop, first == 0, stop == channels))

    def add_end(self, tensor: int, part: Part) -> None:
        i, factor = self.chain[-1], self.factors[-1]
        op = self.segment.graph.operators[i]
        target = self.segment.shapes[op.output]
        rows = self.segment.shapes[self.segment.graph.operators[self.chain[-2]].output][0]
        window = op.demands[0].window
        if op.reduces:  # a fully connected one: as a convolution it reads all rows in one step
            window = Window(rows, rows)
        demands = [Demand(tensor, window)]
        if not part.begins:
            demands.append(Demand(self.sums, Window(target[0])))
        made = self.index[op.output]
        if not part.ends:
            made = self.sums = self.add_tensor(target, TensorType.S32)
        self.ends.append(len(self.operators))
        part = replace(part, first=part.first * factor, stop=part.stop * factor)
        self.add(i, RowOperator(tuple(demands), made, target[0]), part)

    def add(self, i: int, op: RowOperator, part: Part) -> None:
        self.operators.append(op)
        self.members.append(replace(self.segment.members[i], part=part))

    def add_tensor(self, shape: Shape, kind: TensorType) -> int:
        height, columns, channels = shape
        self.tensors.append(RowTensor(height, columns * channels * kind.size, False))
        self.shapes.append(shape)
        self.types.append(kind)
        return len(self.tensors) - 1

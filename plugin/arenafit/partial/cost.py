"""What the steps of a plan cost: the bytes that are alive while an interval of operators runs.

A plan cuts the order of a subgraph into intervals; each is one operator as it is, or a
segment. The cost of an interval does not depend on the other cuts: what lives across it are
the tensors that are made before it and read after it. That is what makes the search exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from arenafit.graph.model import Operator, Subgraph, Tensor
from arenafit.memory.build import OverlapRule, tensor_pairs
from arenafit.memory.lifetimes import ScratchSizes, head_bytes
from arenafit.memory.problem import Bytes, align
from arenafit.partial.channels import Chain, find_chain, split, unstreamed
from arenafit.partial.floors import ring_floors
from arenafit.partial.lower import parameters_of
from arenafit.partial.roles import Role, flat, role
from arenafit.partial.segment import Segment, make_segment
from arenafit.partial.speed import CALL, another_slice, builtin, member

__all__ = ["Costs", "Splits", "Step", "tail_of"]


@dataclass(frozen=True, slots=True)
class Splits:
    """How segments may be split."""

    rows: bool = True  # False: all rows of an operator are made before the next one begins
    channels: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """Operators start .. stop - 1 of the order: a segment, or one operator as it is."""

    start: int
    stop: int
    cost: Bytes  # the head while it runs, if the tensors can be placed without gaps
    tail: Bytes  # what TFLM keeps for it all the time, see `tail_of`
    instructions: int  # see `arenafit.partial.speed`
    segment: Segment | None
    slices: int = 0  # of channels; 0 where it is not split so


def _member(op: Operator) -> Role | None:
    """What `op` is in a segment, if its parameters fit into a program."""
    found = role(op)
    if found is None or found.kind == "RESHAPE" or parameters_of(op, found) is not None:
        return found
    return None


_NEVER: Bytes = 1 << 62  # more than anything costs

_NODE, _TENSOR, _CHANNEL, _CONVOLUTION = 64, 24, 8, 88  # bytes


def tail_of(op: Operator) -> Bytes:
    """Persistent memory of one operator in TFLM on a 64-bit host, nearly: its node, its outputs
    and constants, and the multipliers of a convolution. Enough to compare plans by."""
    constants = sum(tensor is not None and tensor.is_constant for tensor in op.inputs)
    size = _NODE + _TENSOR * (constants + len(op.outputs))
    if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        size += _CONVOLUTION + _CHANNEL * op.outputs[0].shape[-1]
    return size


def _instructions(op: Operator, found: Role | None) -> int:
    """Of `op` in a segment."""
    return 0 if found is None or found.kind == "RESHAPE" else member(op, _steps(found))


def _steps(found: Role | None) -> int:
    """Rows that an operator makes or, if it reduces, reads."""
    if found is None:
        return 0
    if found.reduces:
        return (found.shapes[0] or flat(found.inputs[0]))[0]
    return (found.shape or flat(found.output))[0]


class Costs:
    """Costs of intervals of one subgraph's operators, each worked out once.

    Args:
        subgraph: in its present order; its operators call no other subgraphs.
        overlaps: what the kernels allow of operators that stay as they are; without it nothing is
            shared, in segments neither.
        scratch: what these ask for.
        splits: how segments may be split.
        kernels: what these are: "reference" or "cmsis_nn".
        watch: is told how many segments have been worked out, after each.
    """

    def __init__(
        self,
        subgraph: Subgraph,
        overlaps: OverlapRule | None = None,
        scratch: ScratchSizes | None = None,
        splits: Splits | None = None,
        kernels: str = "reference",
        watch: Callable[[int], None] | None = None,
    ) -> None:
        self._kernels, self._watch = kernels, watch
        self.operators: Sequence[Operator] = tuple(subgraph.operators)
        self._overlaps, self._scratch = overlaps, scratch
        self._splits = splits or Splits()
        self._born = dict.fromkeys(subgraph.inputs, -1)
        self._dies = dict(self._born)  # no reader: dies where it is born
        for i, op in enumerate(self.operators):
            for tensor in op.activations():
                self._dies[tensor] = i
            for tensor in op.outputs:
                self._born[tensor] = self._dies[tensor] = i
        for tensor in subgraph.outputs:
            self._dies[tensor] = len(self.operators)
        self._size = {tensor: align(head_bytes(tensor)) for tensor in self._born}
        self._roles = {op: _member(op) for op in self.operators}
        self._across = self._sums_across(self._size)
        self._counts = self._sums_across(dict.fromkeys(self._born, 1))
        self._floors = ring_floors(self.operators, self._roles, self._born, self._dies)
        self._chains = self._find_chains(subgraph) if self._splits.channels else {}
        self.limit_growth(None)
        members = (_instructions(op, self._roles[op]) for op in self.operators)
        self._instructions = [0, *accumulate(members)]
        self._slice_instructions = {
            i: another_slice(0, chain.sums // 4)
            + sum(another_slice(_steps(self._roles[op])) for op in chain.operators)
            for i, chain in self._chains.items()
        }
        self._segments: dict[tuple[int, int, int], Step | None] = {}
        self._plain: dict[int, Step] = {}

    def limit_growth(self, limit: Bytes | None) -> None:
        """From now on no segment's program may grow by more than `limit` bytes through slices of
        channels; 0 allows none. What has been worked out is kept."""
        self._widths = {
            i: tuple(
                width
                for width in reversed(chain.widths())
                if limit is None or chain.growth(chain.slices(width)) <= limit
            )
            for i, chain in self._chains.items()
        }
        self._split_floors = {
            (i, width): chain.floor(width, self._splits.rows)
            for i, chain in self._chains.items()
            for width in self._widths[i]
        }
        self._least_split = {
            i: min((self._split_floors[i, width] for width in widths), default=_NEVER)
            for i, widths in self._widths.items()
        }

    def growth(self, step: Step) -> Bytes:
        """What slices of channels add to the program of a step, nearly."""
        return self._chains[step.start].growth(step.slices) if step.slices else 0

    @property
    def simulated(self) -> int:
        """How many segments have been worked out."""
        return len(self._segments)

    def eligible(self, position: int) -> bool:
        """True where the operator there can be a member of a segment."""
        return self._roles[self.operators[position]] is not None

    def plain(self, position: int) -> Step:
        """The operator there as it is."""
        if position not in self._plain:
            op = self.operators[position]
            scratch = (self._scratch(op) or []) if self._scratch is not None else []
            pairs = tensor_pairs(op, self._overlaps) if self._overlaps is not None else []
            lows = {(source, target): low for source, target, low, _ in pairs}
            around = self._around(position, position + 1, lows)
            cost = around + sum(align(size) for size in scratch)
            self._plain[position] = Step(
                position, position + 1, cost, tail_of(op), builtin(op, self._kernels), None
            )
        return self._plain[position]

    def apart(self, position: int) -> Bytes:
        """The operator there as it is, its outputs apart from its inputs; without scratch."""
        return self._around(position, position + 1, {})

    def known(self, start: int, stop: int, width: int = 0) -> bool:
        """True where `segment` has already been asked for that."""
        return (start, stop, width) in self._segments

    def widths(self, start: int, stop: int) -> tuple[int, ...]:
        """How the interval may be split, the plainest first: 0 is by rows alone, others are the
        channels of a slice. Empty where it may not be a segment."""
        chain = self._chains.get(start)
        if not self._splits.rows:
            return self._widths[start] if chain is not None and chain.stop == stop else ()
        if chain is not None and chain.stop <= stop <= chain.last:
            return (0, *self._widths[start])
        return (0,)

    def slices(self, start: int, width: int) -> int:
        """How many slices there are of that width."""
        return self._chains[start].slices(width) if width else 0

    def segment(self, start: int, stop: int, width: int = 0) -> Step | None:
        """The interval as a segment, its first chain in slices of `width` channels if that is not
        0; None where it cannot be one. Simulates it: costly."""
        key = start, stop, width
        if key not in self._segments:
            made = make_segment(
                self.operators[start:stop], self._roles.__getitem__,
                lambda tensor: self._dies[tensor] >= stop,
            )  # fmt: skip
            if made is not None and width:
                made = split(made, self._chains[start], width)
            if made is not None and not self._splits.rows:
                made = unstreamed(made)
            self._segments[key] = None if made is None else self._step(made, *key)
            if self._watch is not None:
                self._watch(len(self._segments))
        return self._segments[key]

    def bound(self, start: int, stop: int, width: int | None = None) -> Bytes:
        """No segment of that interval costs less, split in slices of `width` channels, or, if
        that is None, anyhow. O(1)."""
        ends = max(self._across[start][start], self._across[stop][stop])
        streamed = align(4 * (stop - start)) + self._floors[start][stop]
        if width == 0:
            return ends + streamed
        if width is not None:
            return ends + self._split_floors[start, width]
        if self.widths(start, stop) == (0,):
            return ends + streamed
        if not self._splits.rows:
            return ends + self._least_split[start]
        return ends + min(streamed, self._least_split[start])

    def _find_chains(self, subgraph: Subgraph) -> dict[int, Chain]:
        """Position -> the chain that begins there."""
        readers: dict[Tensor, list[int]] = {}
        for i, op in enumerate(self.operators):
            for tensor in op.activations():
                readers.setdefault(tensor, []).append(i)
        for tensor in subgraph.outputs:
            readers.setdefault(tensor, []).append(len(self.operators))
        found = {
            i: find_chain(self.operators, self._roles, readers, i)
            for i in range(len(self.operators))
        }
        return {i: chain for i, chain in found.items() if chain is not None}

    def _step(self, made: Segment, start: int, stop: int, width: int) -> Step:
        distances = made.simulation.distances
        lows = {
            (source, target): align(distances[j][k])
            for j, source in enumerate(made.inputs)
            for k, target in enumerate(made.outputs)
            if self._overlaps is not None
        }
        cost = self._around(start, stop, lows) + made.workspace.size
        slices = self.slices(start, width)
        tail, instructions = self.segment_tail(start, stop), self.instructions(start, stop, slices)
        return Step(start, stop, cost, tail, instructions, made, slices)

    def segment_tail(self, start: int, stop: int) -> Bytes:
        """Persistent memory of a segment: its node, its program, its outputs. O(1)."""
        outputs = self._counts[stop][stop] - self._counts[start][stop]
        return _NODE + _TENSOR * (1 + outputs)

    def instructions(self, start: int, stop: int, slices: int = 0) -> int:
        """What a segment takes for an inference, nearly. O(1)."""
        total = CALL + self._instructions[stop] - self._instructions[start]
        return total + max(slices - 1, 0) * self._slice_instructions.get(start, 0)

    def _around(self, start: int, stop: int, lows: Mapping[tuple[Tensor, Tensor], Bytes]) -> Bytes:
        """All that is alive but workspace, less what a dying input shares with an output.

        Each tensor shares with one other at most; the pairs that save most come first.
        """
        across = self._across[start][stop]
        total = self._across[start][start] + self._across[stop][stop] - across
        savings = []
        for (source, target), low in lows.items():
            if self._dies[source] >= stop:
                continue
            read, written = self._size[source], self._size[target]
            saved = read + written - max(read + max(low, 0), written)
            savings.append((saved, source, target))
        taken: set[Tensor] = set()
        for saved, source, target in sorted(savings, key=lambda entry: -entry[0]):
            if saved > 0 and source not in taken and target not in taken:
                total -= saved
                taken |= {source, target}
        for op in self.operators[start:stop]:  # results that nobody reads
            total += sum(self._size[t] for t in op.outputs if self._dies[t] == self._born[t])
        return total

    def _sums_across(self, weights: Mapping[Tensor, int]) -> list[list[int]]:
        """[i][j], i <= j: the sum over tensors made before operator i and read by j or later."""
        count = len(self.operators)
        table = [[0] * (count + 1) for _ in range(count + 1)]
        for start in range(count + 1):
            row = table[start]
            for tensor, born in self._born.items():
                if born < start <= self._dies[tensor]:
                    row[self._dies[tensor]] += weights[tensor]
            for j in range(count - 1, -1, -1):
                row[j] += row[j + 1]
        return table

"""A segment: operators of one subgraph that run together, streamed by rows, split by channels.

The operators are an interval of the subgraph's order. Any interval of a topological order is
convex: a path that leaves it comes to a later operator, and cannot come back. How one is split
is in `arenafit.partial.channels`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from arenafit.graph.model import DType, Operator, Tensor
from arenafit.memory.problem import Bytes, align
from arenafit.partial.program import TensorType
from arenafit.partial.roles import TYPES, Role, Shape, flat
from arenafit.partial.rows import (
    Demand,
    RowGraph,
    RowOperator,
    RowTensor,
    Simulation,
    Window,
    simulate,
)

__all__ = ["Member", "Part", "Segment", "Side", "Workspace", "make_segment"]

MAX_OPERATORS = 1 << 12
_MAX_ENDS = 32  # inputs, and outputs: kMaxTensors, kernels/tflm/src/segment.cc
_MAX_DIMENSION = 1 << 15  # rows, columns and channels are 16 bits in a program


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where rings and sums lie; offsets in bytes from the start of the workspace."""

    size: Bytes
    rings: tuple[Bytes, ...]  # by tensor of the segment; 0 for those that lie whole
    sums: tuple[Bytes, ...]  # by operator


class Side(enum.Enum):
    """Of which of its tensors an operator has a slice of channels."""

    START = "its output"
    EACH = "input and output: it works on each channel by itself"
    END = "its input: what it makes are sums"


@dataclass(frozen=True, slots=True)
class Part:
    """One slice of an operator that is split by channels."""

    side: Side
    first: int  # channels of the output, at the END of the input
    stop: int
    begins: bool  # the first slice: at the END it has the bias
    ends: bool  # the last one: at the END it requantises


@dataclass(frozen=True, slots=True)
class Member:
    """An operator of a program: one of the model, or a slice of one."""

    operator: Operator
    role: Role
    part: Part | None = None


@dataclass(frozen=True, eq=False)
class Segment:
    """What is known of a segment before its program is written.

    RESHAPE is no operator of it: its input and output are one tensor.
    """

    operators: tuple[Operator, ...]  # of the model, RESHAPE included
    members: tuple[Member, ...]  # by operator of `graph`
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    shapes: tuple[Shape, ...]  # by tensor of `graph`
    types: tuple[TensorType, ...]
    graph: RowGraph

    @property
    def sums(self) -> list[int]:
        """Tensors that are sums of slices, in order: each is written over the one before it."""
        return [i for i, kind in enumerate(self.types) if kind is TensorType.S32]

    @cached_property
    def simulation(self) -> Simulation:
        """What its demand order needs; costly, so made when first asked for."""
        return simulate(self.graph)

    @cached_property
    def workspace(self) -> Workspace:
        """The interpreter's state, then rings and sums; those never alive together share bytes."""
        found, graph = self.simulation, self.graph
        blocks: list[tuple[Bytes, int, int]] = []  # size, first and last step
        for ring, tensor, span in zip(found.rings, graph.tensors, found.spans, strict=True):
            blocks.append((align(ring * tensor.row_bytes), *span))
        for op, span in zip(graph.operators, found.sums, strict=True):
            blocks.append((align(op.sums), *span))
        sums = self.sums
        if sums:
            blocks[sums[0]] = (*blocks[sums[0]][:2], blocks[sums[-1]][2])
            for i in sums[1:]:
                blocks[i] = (0, 0, 0)
        state = align(4 * len(graph.operators))
        offsets, end = _first_fit(blocks, state)
        for i in sums:
            offsets[i] = offsets[sums[0]]
        count = len(graph.tensors)
        return Workspace(end, tuple(offsets[:count]), tuple(offsets[count:]))


def _first_fit(blocks: Sequence[tuple[Bytes, int, int]], start: Bytes) -> tuple[list[Bytes], Bytes]:
    """Offsets of blocks (size, first, last), the largest first, each as low as it goes."""
    offsets = [0] * len(blocks)
    placed: list[int] = []
    for i in sorted(range(len(blocks)), key=lambda k: (-blocks[k][0], blocks[k][1])):
        size, first, last = blocks[i]
        if size == 0:
            continue
        at = start
        together = [k for k in placed if blocks[k][1] <= last and first <= blocks[k][2]]
        for k in sorted(together, key=offsets.__getitem__):
            if at < offsets[k] + blocks[k][0]:
                if offsets[k] >= at + size:
                    break
                at = offsets[k] + blocks[k][0]
        offsets[i] = at
        placed.append(i)
    return offsets, max((offsets[i] + blocks[i][0] for i in placed), default=start)


def make_segment(
    operators: Sequence[Operator],
    roles: Callable[[Operator], Role | None],
    read_outside: Callable[[Tensor], bool],
) -> Segment | None:
    """`operators`, an interval of a subgraph's order, as a segment.

    Args:
        operators: in execution order.
        roles: what each of them can be, None where it can be no member.
        read_outside: whether something other than `operators` reads a tensor that they make.

    Returns:
        None where they cannot be one: a member is not eligible, users see a tensor in
        different shapes, or a tensor would have to be an output under two names.
    """
    found = [roles(op) for op in operators]
    known = [role for role in found if role is not None]
    if len(known) < len(found) or not 1 <= len(known) <= MAX_OPERATORS:
        return None
    root = _roots(known)
    working = [(op, r) for op, r in zip(operators, known, strict=True) if r.kind != "RESHAPE"]
    shapes = _shapes([role for _, role in working], root)
    if shapes is None or not working:
        return None
    made = {tensor for op in operators for tensor in op.outputs}
    inputs = tuple(dict.fromkeys(t for role in known for t in role.inputs if t not in made))
    outputs = tuple(t for op in operators for t in op.outputs if read_outside(t))
    read = {tensor for role in known for tensor in role.inputs}
    if not made <= read.union(outputs):
        return None  # a result that nobody reads
    names = [root.get(t, t) for t in outputs]
    if (
        len(inputs) > _MAX_ENDS
        or not 1 <= len(outputs) <= _MAX_ENDS
        or len(set(names)) < len(names)
        or not set(names).isdisjoint(inputs)
    ):
        return None
    if len({root.get(t, t) for t in inputs}) < len(inputs):
        return None
    return _assemble(tuple(operators), working, inputs, outputs, root, shapes)


def _roots(roles: Sequence[Role]) -> dict[Tensor, Tensor]:
    """Output of a RESHAPE -> the tensor whose bytes it has."""
    root: dict[Tensor, Tensor] = {}
    for role in roles:
        if role.kind == "RESHAPE":
            source = role.inputs[0]
            root[role.output] = root.get(source, source)
    return root


def _shapes(roles: Sequence[Role], root: dict[Tensor, Tensor]) -> dict[Tensor, Shape] | None:
    """Tensor -> the one shape that all of its users see; None where they differ."""
    shapes: dict[Tensor, Shape] = {}
    named: list[Tensor] = []
    for role in roles:
        pairs = (*zip(role.inputs, role.shapes, strict=True), (role.output, role.shape))
        for tensor, shape in pairs:
            name = root.get(tensor, tensor)
            named.append(name)
            if shape is None:
                continue
            if shapes.setdefault(name, shape) != shape or max(shape) >= _MAX_DIMENSION:
                return None
    for name in named:
        shapes.setdefault(name, flat(name))
    for role in roles:  # row for row: without a window, both must have the same rows
        target = shapes[root.get(role.output, role.output)]
        for tensor, window in zip(role.inputs, role.windows, strict=True):
            source = shapes[root.get(tensor, tensor)]
            if window is None and not role.reduces and source[0] != target[0]:
                return None
            if window is not None and window.size != source[0]:
                return None
    return shapes if all(max(shape) < _MAX_DIMENSION for shape in shapes.values()) else None


def _assemble(
    operators: tuple[Operator, ...],
    working: Sequence[tuple[Operator, Role]],
    inputs: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    root: dict[Tensor, Tensor],
    shapes: dict[Tensor, Shape],
) -> Segment | None:
    whole = {root.get(t, t) for t in (*inputs, *outputs)}
    index = {t: i for i, t in enumerate(shapes)}
    if not whole <= index.keys():
        return None
    for tensor, name in root.items():
        if name in index:
            index[tensor] = index[name]
    graph = RowGraph(
        tuple(RowTensor(h, w * c * TYPES[t.dtype].size, t in whole)
              for t, (h, w, c) in shapes.items()),
        tuple(_row_operator(role, index, shapes[root.get(role.output, role.output)],
                            [shapes[root.get(tensor, tensor)] for tensor in role.inputs])
              for _, role in working),
        tuple(index[t] for t in inputs),
        tuple(index[t] for t in outputs),
    )  # fmt: skip
    members = tuple(Member(op, role) for op, role in working)
    types = tuple(TYPES[t.dtype] for t in shapes)
    return Segment(operators, members, inputs, outputs, tuple(shapes.values()), types, graph)


def _row_operator(
    role: Role, index: dict[Tensor, int], target: Shape, sources: Sequence[Shape]
) -> RowOperator:
    sums, steps = 0, target[0]
    if role.reduces:
        steps = sources[0][0]
        layer = role.kind == "FULLY_CONNECTED"
        size = 8 if layer and role.output.dtype is DType.INT16 else 4  # int64 sums
        sums = size * target[2] if not layer or steps > 1 else 0
    demands = tuple(
        Demand(index[tensor], window if window is not None else Window(source[0]))
        for tensor, window, source in zip(role.inputs, role.windows, sources, strict=True)
    )
    return RowOperator(demands, index[role.output], steps, role.reduces, sums)

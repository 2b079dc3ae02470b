"""A segment: operators of one subgraph that run together, streamed by rows.

The operators are an interval of the subgraph's order. Any interval of a topological order is
convex: a path that leaves it comes to a later operator, and cannot come back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from arenafit.graph.model import Operator, Tensor
from arenafit.memory.problem import Bytes, align
from arenafit.partial.roles import Role, Shape, flat
from arenafit.partial.rows import (
    Demand,
    RowGraph,
    RowOperator,
    RowTensor,
    Simulation,
    Window,
    simulate,
)

__all__ = ["Segment", "Workspace", "make_segment"]

_MAX_OPERATORS = 1 << 12
_MAX_ENDS = 32  # inputs, and outputs: kMaxTensors, kernels/tflm/src/segment.cc
_MAX_DIMENSION = 1 << 15  # rows, columns and channels are 16 bits in a program


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where rings and sums lie; offsets in bytes from the start of the workspace."""

    size: Bytes
    rings: tuple[Bytes, ...]  # by tensor of the segment; 0 for those that lie whole
    sums: tuple[Bytes, ...]  # by operator


@dataclass(frozen=True, eq=False)
class Segment:
    """What is known of a segment before its program is written.

    RESHAPE is no operator of it: its input and output are one tensor. `tensors` has one
    model tensor for each, in the order of `graph.tensors`; `index` has all of them.
    """

    operators: tuple[Operator, ...]  # of the model, RESHAPE included
    members: tuple[Operator, ...]  # those that the program has, in the order of `roles`
    roles: tuple[Role, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    tensors: tuple[Tensor, ...]
    shapes: tuple[Shape, ...]  # by tensor of the segment
    index: dict[Tensor, int]  # tensor of the model -> tensor of the segment
    graph: RowGraph

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
        state = align(4 * len(graph.operators))
        offsets, end = _first_fit(blocks, state)
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
        for k in sorted(placed, key=lambda j: offsets[j]):
            other, begin, end = blocks[k]
            if begin <= last and first <= end and at < offsets[k] + other:
                if offsets[k] >= at + size:
                    continue
                at = offsets[k] + other
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
    if len(known) < len(found) or not 1 <= len(known) <= _MAX_OPERATORS:
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
    tensors = tuple(shapes)
    index = {t: i for i, t in enumerate(tensors)}
    if not whole <= index.keys():
        return None
    for tensor, name in root.items():
        if name in index:
            index[tensor] = index[name]
    graph = RowGraph(
        tuple(RowTensor(h, w * c * t.dtype.bits // 8, t in whole) for t, (h, w, c) in shapes.items()),
        tuple(_row_operator(role, index, shapes[root.get(role.output, role.output)],
                            [shapes[root.get(tensor, tensor)] for tensor in role.inputs])
              for _, role in working),
        tuple(index[t] for t in inputs),
        tuple(index[t] for t in outputs),
    )  # fmt: skip
    return Segment(
        operators, tuple(op for op, _ in working), tuple(role for _, role in working),
        inputs, outputs, tensors, tuple(shapes.values()), index, graph,
    )  # fmt: skip


def _row_operator(
    role: Role, index: dict[Tensor, int], target: Shape, sources: Sequence[Shape]
) -> RowOperator:
    sums, steps = 0, target[0]
    if role.reduces:
        steps = sources[0][0]
        sums = 4 * target[2] if role.kind != "FULLY_CONNECTED" or steps > 1 else 0
    demands = tuple(
        Demand(index[tensor], window if window is not None else Window(source[0]))
        for tensor, window, source in zip(role.inputs, role.windows, sources, strict=True)
    )
    return RowOperator(demands, index[role.output], steps, role.reduces, sums)

"""A model as nothing but segments, and where all of its bytes lie in one arena."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from arenafit.candidates import overlap_rule, scratch_rule
from arenafit.errors import ModelError
from arenafit.graph.custom import PROGRAM_OPERATORS
from arenafit.graph.model import DType, Model, Operator, Subgraph, Tensor
from arenafit.memory.build import OverlapRule, model_problem
from arenafit.memory.lifetimes import ScratchSizes
from arenafit.memory.placement import solve
from arenafit.memory.problem import Bytes
from arenafit.partial.cost import Costs, Step
from arenafit.partial.encoding import decode
from arenafit.partial.feed import feed_inputs
from arenafit.partial.program import Feed, Place, Program, ProgramTensor
from arenafit.partial.rewrite import run
from arenafit.partial.role import FEED, TYPES
from arenafit.partial.search import best_cut
from arenafit.passes import COSTLY_PASSES, copy_model, run_passes

__all__ = ["FedPort", "Network", "Port", "SegmentCall", "make_network"]

_NEVER: Bytes = 1 << 40  # the cost of what cannot be exported; every segment costs less


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the network: `size` bytes at `offset` of the arena.

    Floats have no scale and no zero point.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    offset: Bytes
    size: Bytes
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, slots=True)
class FedPort:
    """An input of the network that comes in `rows` rows of `row_bytes` bytes, and has no place."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    rows: int
    row_bytes: Bytes
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, slots=True)
class SegmentCall:
    """One segment: its program, and where its tensors and its workspace lie in the arena."""

    program: bytes
    inputs: tuple[Bytes, ...]
    outputs: tuple[Bytes, ...]
    workspace: Bytes
    is_fed: bool = False  # by rows of the network's inputs


@dataclass(frozen=True, slots=True)
class Network:
    """Segments that run one after the other; `inputs` are in the arena, or all of them are fed."""

    calls: tuple[SegmentCall, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    arena: Bytes  # a multiple of 16; everything but programs and stack
    fed: tuple[FedPort, ...] = ()


def make_network(model: Model, cpu: str | None = None, feed_rows: bool = False) -> Network:
    """`model` as segments alone, with the smallest arena that the cuts of its order allow.

    A model that has segments already keeps them. Of others the passes and the search of
    `arenafit.partial` make segments; no operator may stay as it is, even where that saved bytes.

    Args:
        model: its main subgraph is what runs; left as it is.
        cpu: what the weights of new segments are laid out for; see `arenafit.partial.layout`.
        feed_rows: inputs come row by row while it runs, and are not in the arena.

    Raises:
        ModelError: an operator can be in no segment, an input or output is of a type that segments
            do not have, or an input cannot be fed.
    """
    copy = copy_model(model)
    graph = copy.main
    inputs = tuple(graph.inputs)
    if not graph.operators:
        raise ModelError("there is nothing to run", "subgraph 0")
    rules = overlap_rule("any"), scratch_rule("reference")
    if feed_rows or any(op.code.custom not in PROGRAM_OPERATORS for op in graph.operators):
        run_passes(copy, COSTLY_PASSES)  # no products with zero taps
        if feed_rows:
            feed_inputs(copy)
        _cut(copy, *rules, cpu)
    placing = model_problem(copy, *rules)
    placement = solve(placing.problem)
    count = len(placing.tensors)
    offsets = dict(zip(placing.tensors, placement.offsets[:count], strict=True))
    scratch = zip(placing.timeline.scratch, placement.offsets[count:], strict=True)
    workspaces = {use.operator: offset for use, offset in scratch}
    calls = tuple(_call(op, offsets, workspaces) for op in graph.operators)
    return Network(
        calls,
        tuple(_port(tensor, offsets) for tensor in graph.inputs),
        tuple(_port(tensor, offsets) for tensor in graph.outputs),
        placement.head,
        _fed_ports(inputs, calls) if feed_rows else (),
    )


class _SegmentCosts(Costs):
    """Costs under which an operator stays as it is only where nothing else is possible."""

    def plain(self, position: int) -> Step:
        return Step(position, position + 1, _NEVER, 0, 0, None)


def _cut(model: Model, overlaps: OverlapRule, scratch: ScratchSizes, cpu: str | None) -> None:
    graph = model.main
    costs = _SegmentCosts(graph, overlaps, scratch)
    segments = []
    for step in best_cut(costs).steps:
        if step.segment is None:
            positions = range(len(graph.operators))
            first = next((i for i in positions if not costs.eligible(i)), step.start)
            raise ModelError(
                "cannot be in a segment, so there is no C for it", _where(graph, first)
            )
        segments.append(step.segment)
    run(model, graph, segments, cpu)


def _where(graph: Subgraph, position: int) -> str:
    op = graph.operators[position]
    if op.name == FEED:
        return f"tensor {op.outputs[0].name!r}"
    number = sum(other.name != FEED for other in graph.operators[:position])
    return f"subgraph 0, operator {number} ({op.code.label})"


def _call(
    op: Operator, offsets: dict[Tensor, Bytes], workspaces: dict[Operator, Bytes]
) -> SegmentCall:
    """Refuses a program that is not for the tensors: what the device runs is not to be trusted
    more than what TFLM is given, and here nobody asks again."""
    constant = op.inputs[-1] if op.inputs else None
    data = None if constant is None or constant.buffer is None else constant.buffer.data
    if data is None or op not in workspaces:
        raise ModelError("a segment has no program, or one for other tensors")
    program = decode(data)
    sizes = {
        (tensor.place, tensor.offset): tensor.rows * tensor.row_bytes for tensor in program.tensors
    }
    found: dict[Place, tuple[Bytes, ...]] = {}
    for place, tensors in ((Place.INPUT, op.inputs[:-1]), (Place.OUTPUT, op.outputs)):
        for number, tensor in enumerate(tensors):
            if tensor is None or sizes.get((place, number)) != tensor.nbytes:
                raise ModelError("a segment has a program for other tensors")
        found[place] = tuple(_offset(tensor, offsets) for tensor in tensors)
    return SegmentCall(
        data, found[Place.INPUT], found[Place.OUTPUT], workspaces[op], bool(_feeds(program))
    )


def _offset(tensor: Tensor | None, offsets: dict[Tensor, Bytes]) -> Bytes:
    if tensor is None or tensor not in offsets:
        name = "" if tensor is None else tensor.name
        raise ModelError("is no activation, so it has no place in the arena", f"tensor {name!r}")
    return offsets[tensor]


def _feeds(program: Program) -> dict[int, ProgramTensor]:
    """Number of an input -> the tensor that its rows go to."""
    return {
        op.parameters.input: program.tensors[op.output]
        for op in program.operators
        if isinstance(op.parameters, Feed)
    }


def _fed_ports(inputs: Sequence[Tensor], calls: Sequence[SegmentCall]) -> tuple[FedPort, ...]:
    fed: dict[int, ProgramTensor] = {}
    for call in calls:
        fed.update(_feeds(decode(call.program)))
    return tuple(
        FedPort(
            tensor.name or "", tensor.dtype, tensor.shape, fed[number].rows, fed[number].row_bytes,
            *_quantization(tensor),
        )
        for number, tensor in enumerate(inputs)
    )  # fmt: skip


def _port(tensor: Tensor, offsets: dict[Tensor, Bytes]) -> Port:
    if tensor.dtype not in TYPES:
        raise ModelError(f"is of type {tensor.dtype.name}", f"tensor {tensor.name!r}")
    scale, zero_point = _quantization(tensor)
    return Port(
        tensor.name or "", tensor.dtype, tensor.shape, _offset(tensor, offsets), tensor.nbytes,
        scale, zero_point,
    )  # fmt: skip


def _quantization(tensor: Tensor) -> tuple[float, int] | tuple[None, None]:
    if tensor.dtype is DType.FLOAT32:
        return None, None
    found = tensor.quantization
    if (
        found is None
        or not len(found.scales) == len(found.zero_points) == 1
        or not math.isfinite(found.scales[0])
    ):
        raise ModelError("has not one scale and one zero point", f"tensor {tensor.name!r}")
    return found.scales[0], found.zero_points[0]

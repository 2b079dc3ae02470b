"""The ordering problem, stated by types before any algorithm.

A *step* is one operator. An order is good or bad by its *peak*: the largest number of
bytes that are live during one step, or before the first (TFLM's scope 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from arenafit.errors import ModelError
from arenafit.memory.problem import ALIGNMENT, Bytes, align

__all__ = [
    "OrderProblem",
    "OrderResult",
    "Step",
    "TensorId",
    "check_problem",
    "overlap_saving",
]

TensorId = int  # index into OrderProblem.sizes
StepId = int  # index into OrderProblem.steps; also the place in the file's order


@dataclass(frozen=True)
class Step:
    """One operator, as far as memory sees it."""

    reads: tuple[TensorId, ...]
    writes: tuple[TensorId, ...]
    scratch: Bytes = 0  # needed during the step alone; the peak of called subgraphs included
    after: tuple[StepId, ...] = ()  # earlier steps whose side effects must come first
    overlaps: tuple[tuple[TensorId, TensorId, Bytes, Bytes | None], ...] = ()
    """(input, output, low, high): the output may be written over the input, if that dies in
    this step, where low <= offset(input) - offset(output) <= high (None: no upper limit)."""


@dataclass(frozen=True)
class OrderProblem:
    """Steps in the file's order, and the tensors they exchange.

    A tensor that no step writes is there from the start, as `inputs` are; one that no step
    reads lives in its own step alone, unless it is among `outputs`, which live to the end.
    """

    sizes: tuple[Bytes, ...]  # what each tensor takes in the head; 0 for those not in it
    steps: tuple[Step, ...]
    inputs: tuple[TensorId, ...] = ()
    outputs: tuple[TensorId, ...] = ()

    @cached_property
    def readers(self) -> tuple[int, ...]:
        """For every tensor, the bit set of the steps that read it."""
        masks = [0] * len(self.sizes)
        for i, step in enumerate(self.steps):
            for tensor in step.reads:
                masks[tensor] |= 1 << i
        return tuple(masks)

    @cached_property
    def writer(self) -> tuple[StepId, ...]:
        """For every tensor, the step that writes it; -1 where none does."""
        writers = [-1] * len(self.sizes)
        for i, step in enumerate(self.steps):
            for tensor in step.writes:
                writers[tensor] = i
        return tuple(writers)

    @cached_property
    def from_start(self) -> tuple[TensorId, ...]:
        """Tensors that are live before the first step: inputs, and what nobody writes but uses."""
        given = dict.fromkeys(self.inputs)
        for tensor, writer in enumerate(self.writer):
            if writer < 0 and (self.readers[tensor] or tensor in self.outputs):
                given[tensor] = None
        return tuple(given)

    @cached_property
    def predecessors(self) -> tuple[int, ...]:
        """For every step, the bit set of the steps that must come before it (direct ones)."""
        masks = []
        for step in self.steps:
            mask = 0
            for tensor in step.reads:
                if self.writer[tensor] >= 0:
                    mask |= 1 << self.writer[tensor]
            for earlier in step.after:
                mask |= 1 << earlier
            masks.append(mask)
        return tuple(masks)


@dataclass(frozen=True)
class OrderResult:
    """The best order found, and what is proved about it."""

    order: tuple[StepId, ...]
    peak: Bytes  # of `order`
    bound: Bytes  # no order has a smaller peak
    optimal: bool  # peak == bound
    file_order_peak: Bytes
    states: int = 0  # sets of finished steps that the search looked at


def overlap_saving(input_size: Bytes, output_size: Bytes, low: Bytes, high: Bytes | None) -> Bytes:
    """Bytes by which a dying input and an output that may overlap take less than their sum.

    The two take  max(output, input + d) - min(0, d)  bytes at a distance
    d = offset(input) - offset(output); the best d in [low, high] is the one nearest to 0.
    0 where no distance saves anything.
    """
    distance = max(align(low), 0)
    if high is not None:
        high = high // ALIGNMENT * ALIGNMENT
        if align(low) > high:
            return 0
        distance = min(distance, high)
    extent = align(max(output_size, input_size + distance) - min(0, distance))
    return max(0, input_size + output_size - extent)


def check_problem(problem: OrderProblem) -> None:
    """Refuse a problem that no order solves, or whose indices lie.

    Raises:
        ModelError: an index out of range, a negative size, a tensor written twice or written
            though it is an input, a step that reads what only it or a later step writes (as
            every cycle does), or an overlap of tensors that the step does not read and write.
    """
    tensors = range(len(problem.sizes))
    given = set(problem.inputs)
    written: dict[TensorId, StepId] = {}
    for tensor in (*problem.inputs, *problem.outputs):
        if tensor not in tensors:
            raise ModelError(f"tensor index {tensor} is out of range, there are {len(tensors)}")
    if any(size < 0 for size in problem.sizes):
        raise ModelError("a tensor has a negative size")
    for i, step in enumerate(problem.steps):
        where = f"operator {i}"
        for tensor in (*step.reads, *step.writes):
            if tensor not in tensors:
                raise ModelError(
                    f"tensor index {tensor} is out of range, there are {len(tensors)}", where
                )
        if step.scratch < 0:
            raise ModelError("negative scratch size", where)
        for tensor in step.writes:
            if tensor in given or tensor in written:
                owner = f"operator {written[tensor]}" if tensor in written else "the caller"
                raise ModelError(f"writes tensor {tensor}, which {owner} writes already", where)
            written[tensor] = i
        if any(earlier not in range(i) for earlier in step.after):
            raise ModelError("must come after an operator that is not before it", where)
        for source, target, _, _ in step.overlaps:
            if source not in step.reads or target not in step.writes:
                raise ModelError(
                    f"overlap of tensors {source} and {target}, not its input and output", where
                )
    for i, step in enumerate(problem.steps):
        for tensor in step.reads:
            if written.get(tensor, -1) >= i:
                raise ModelError(
                    f"reads tensor {tensor} before operator {written[tensor]} writes it",
                    f"operator {i}",
                )

"""Ordering problems for tests and benchmarks: the topologies of known networks, and random ones.

Networks are described by shapes alone (height, width, channels; one byte an element), which
is all that an order depends on.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from arenafit.memory.problem import align
from arenafit.schedule.problem import OrderProblem, Step
from support.zoo import ZOO

__all__ = [
    "Net",
    "fork_join",
    "in_series",
    "nasnet_mobile",
    "random_problem",
    "random_wiring",
    "residual",
    "swiftnet_cell",
]

Shape = tuple[int, int, int]


@dataclass
class Net:
    """A network under construction; a tensor is its index, a shape its height, width, channels."""

    shapes: list[Shape] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of the steps
    inputs: list[int] = field(default_factory=list)

    def input(self, *shape: int) -> int:
        self.inputs.append(self._tensor(shape))
        return self.inputs[-1]

    def _tensor(self, shape: Sequence[int]) -> int:
        height, width, channels = shape
        self.shapes.append((height, width, channels))
        return len(self.shapes) - 1

    def op(
        self, name: str, reads: Sequence[int], shape: Sequence[int], *more: Sequence[int]
    ) -> int:
        """An operator with outputs of the shapes given; returns the first."""
        writes = tuple(self._tensor(s) for s in (shape, *more))
        self.steps.append(Step(tuple(reads), writes))
        self.names.append(name)
        return writes[0]

    def conv(self, x: int, channels: int, stride: int = 1, name: str = "CONV_2D") -> int:
        """Anything that makes `channels` maps of a `stride` times smaller size."""
        height, width, _ = self.shapes[x]
        return self.op(name, [x], (-(-height // stride), -(-width // stride), channels))

    def same(self, name: str, *xs: int, stride: int = 1) -> int:
        """Anything whose output is as deep as its (first) input."""
        height, width, channels = self.shapes[xs[0]]
        return self.op(name, xs, (-(-height // stride), -(-width // stride), channels))

    def concat(self, *xs: int) -> int:
        height, width, _ = self.shapes[xs[0]]
        return self.op("CONCATENATION", xs, (height, width, sum(self.shapes[x][2] for x in xs)))

    def problem(self, *outputs: int) -> OrderProblem:
        """The ordering problem, sizes rounded as in the arena."""
        return OrderProblem(
            sizes=tuple(align(math.prod(shape)) for shape in self.shapes),
            steps=tuple(self.steps),
            inputs=tuple(self.inputs),
            outputs=outputs or (len(self.shapes) - 1,),
        )


def swiftnet_cell() -> OrderProblem | None:
    """The SwiftNet Cell network of the reordering paper; None where the zoo is not there."""
    path = ZOO / "swiftnet_cell_graph.tsv"
    if not path.exists():
        return None
    sizes: dict[int, int] = {}
    steps = []
    for line in path.read_text().splitlines():
        _, _, _, reads, shapes, _, write, shape, _ = line.split("\t")
        for tensor, extents in zip(json.loads(reads), json.loads(shapes), strict=True):
            sizes.setdefault(tensor, math.prod(extents))
        sizes[int(write)] = math.prod(json.loads(shape))
        steps.append(Step(tuple(json.loads(reads)), (int(write),)))
    written = {step.writes[0] for step in steps}
    return OrderProblem(
        sizes=tuple(sizes.get(i, 0) for i in range(max(sizes) + 1)),
        steps=tuple(steps),
        inputs=tuple(sorted(set(sizes) - written)),
        outputs=steps[-1].writes,
    )


class _Nasnet(Net):
    """NASNet-A (Zoph et al. 2018, figure 4), as converted: batch normalisation folded away."""

    def relu(self, x: int) -> int:
        """The converter merges equal operators, so a tensor has one RELU."""
        for step, name in zip(self.steps, self.names, strict=True):
            if name == "RELU" and step.reads == (x,):
                return step.writes[0]
        return self.same("RELU", x)

    def separable(self, x: int, channels: int, stride: int = 1) -> int:
        """ReLU and two separable convolutions; the second ReLU is fused."""
        x = self.relu(x)
        x = self.same("DEPTHWISE_CONV_2D", x, stride=stride)
        x = self.conv(x, channels)
        return self.conv(self.same("DEPTHWISE_CONV_2D", x), channels)

    def squeeze(self, x: int, channels: int) -> int:
        return self.conv(self.relu(x), channels)

    def adjust(self, p: int, like: int, channels: int) -> int:
        """Bring the output of the cell before last to the size of the last one's."""
        if self.shapes[p][0] == self.shapes[like][0]:
            return self.squeeze(p, channels)
        p = self.relu(p)
        left = self.conv(self.same("AVERAGE_POOL_2D", p, stride=2), channels // 2)
        height, width, depth = self.shapes[p]
        shifted = self.op("PAD", [p], (height + 1, width + 1, depth))
        shifted = self.op("STRIDED_SLICE", [shifted], (height, width, depth))
        right = self.same("AVERAGE_POOL_2D", shifted, stride=2)
        return self.concat(left, self.conv(right, channels - channels // 2))

    def normal(self, h: int, p: int, channels: int) -> int:
        p = self.adjust(p, h, channels)
        h = self.squeeze(h, channels)
        parts = [
            self.same("ADD", self.separable(h, channels), self.separable(p, channels)),
            self.same("ADD", self.separable(p, channels), self.separable(p, channels)),
            self.same("ADD", self.same("AVERAGE_POOL_2D", h), p),
            self.same("ADD", *[self.same("AVERAGE_POOL_2D", p)] * 2),
            self.same("ADD", self.separable(h, channels), h),
        ]
        return self.concat(p, *parts)

    def reduction(self, h: int, p: int, channels: int) -> int:
        p = self.adjust(p, h, channels) if p != h else p  # the first cell has no cell before
        h = self.squeeze(h, channels)
        first = self.same("ADD", self.separable(h, channels, 2), self.separable(p, channels, 2))
        parts = [
            self.same("ADD", self.same("MAX_POOL_2D", h, stride=2), self.separable(p, channels, 2)),
            self.same(
                "ADD", self.same("AVERAGE_POOL_2D", h, stride=2), self.separable(p, channels, 2)
            ),
        ]
        parts.append(self.same("ADD", parts[0], self.same("AVERAGE_POOL_2D", first)))
        parts.append(
            self.same("ADD", self.separable(first, channels), self.same("MAX_POOL_2D", h, stride=2))
        )
        return self.concat(*parts)


def nasnet_mobile(size: int = 224, repeats: int = 4) -> OrderProblem:
    """A network like NASNet-A mobile; 567 operators with `repeats` normal cells a stage."""
    net = _Nasnet()
    stem = net.conv(net.input(size, size, 3), 32, 2)
    h, p = net.reduction(stem, stem, 11), stem
    h, p = net.reduction(h, p, 22), h
    for stage in range(3):
        channels = 44 << stage
        if stage:
            h, p = net.reduction(h, p, channels), h
        for _ in range(repeats):
            h, p = net.normal(h, p, channels), h
    mean = net.op("MEAN", [net.relu(h)], (1, 1, net.shapes[h][2]))
    return net.problem(net.same("SOFTMAX", net.op("FULLY_CONNECTED", [mean], (1, 1, 1000))))


def residual(stages: int = 4, blocks: int = 4) -> OrderProblem:
    """A ResNet: two convolutions and a way round them; the first block of a stage halves the map."""
    net = Net()
    x = net.conv(net.input(64, 64, 3), 16)
    for stage in range(stages):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            inner = net.conv(net.conv(x, 16 << stage, stride), 16 << stage)
            around = net.conv(x, 16 << stage, stride) if stride > 1 else x
            x = net.same("ADD", inner, around)
    return net.problem(net.op("MEAN", [x], (1, 1, net.shapes[x][2])))


def fork_join(branches: int, length: int, seed: int = 0) -> OrderProblem:
    """Chains of random widths between one SPLIT and one CONCATENATION."""
    rng = random.Random(seed)
    net = Net()
    shape = (8, 8, 8)
    first = net.op("SPLIT", [net.input(8, 8, 8 * branches)], shape, *[shape] * (branches - 1))
    ends = []
    for branch in range(branches):
        x = first + branch
        for _ in range(length):
            x = net.conv(x, rng.randint(1, 32))
        ends.append(x)
    return net.problem(net.concat(*ends))


def in_series(*parts: OrderProblem) -> OrderProblem:
    """Networks one behind the other: each takes the last one's first output for its first input."""
    sizes: list[int] = []
    steps: list[Step] = []
    joint = -1
    for part in parts:
        base = len(sizes)
        here = {t: base + t for t in range(len(part.sizes))}
        sizes += part.sizes
        if joint >= 0:
            here[part.inputs[0]] = joint
            sizes[base + part.inputs[0]] = 0
        for step in part.steps:
            reads, writes = (tuple(here[t] for t in ids) for ids in (step.reads, step.writes))
            steps.append(Step(reads, writes, step.scratch))
        joint = here[part.outputs[0]]
    return OrderProblem(tuple(sizes), tuple(steps), parts[0].inputs, (joint,))


def random_wiring(
    nodes: int, seed: int = 0, neighbours: int = 4, rewired: float = 0.75
) -> OrderProblem:
    """A stage of a randomly wired network (Xie et al. 2019): a Watts-Strogatz graph of ADD + conv."""
    rng = random.Random(seed)
    edges = {(i, (i + k) % nodes) for i in range(nodes) for k in range(1, neighbours // 2 + 1)}
    for edge in sorted(edges):
        if rng.random() < rewired:
            target = rng.randrange(nodes)
            if target != edge[0] and (edge[0], target) not in edges:
                edges = (edges - {edge}) | {(edge[0], target)}
    reads: dict[int, set[int]] = {i: set() for i in range(nodes)}
    for a, b in edges:
        reads[max(a, b)].add(min(a, b))
    net = Net()
    stem = net.conv(net.input(32, 32, 3), 16)
    made: list[int] = []
    for i in range(nodes):
        sources = [made[j] for j in sorted(reads[i])] or [stem]
        x = sources[0] if len(sources) == 1 else net.same("ADD", *sources)
        made.append(net.conv(net.same("DEPTHWISE_CONV_2D", x), 16))
    read = {tensor for step in net.steps for tensor in step.reads}
    ends = [x for x in made if x not in read]
    return net.problem(net.same("ADD", *ends))


def random_problem(rng: random.Random, steps: int) -> OrderProblem:
    """Anything: several inputs and outputs, dead ends, scratch, side effects, overlaps."""
    sizes: list[int] = []

    def tensors(count: int) -> tuple[int, ...]:
        sizes.extend(16 * rng.randint(0, 8) for _ in range(count))
        return tuple(range(len(sizes) - count, len(sizes)))

    inputs = tensors(rng.randint(1, 2))
    window = rng.randint(2, 12)
    made = []
    for i in range(steps):
        reach = range(len(sizes))[-window:]
        reads = tuple(rng.choice(reach) for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 2, 3, 3))))
        writes = tensors(rng.choice((1, 1, 1, 2, 3)))
        pairs = []
        for source in dict.fromkeys(reads):
            for target in writes:
                low = 16 * rng.randint(-2, 3)
                high = rng.choice((None, low + 16 * rng.randint(0, 3)))
                if rng.random() < 0.4:
                    pairs.append((source, target, low, high))
        after = (rng.randrange(i),) if i and rng.random() < 0.1 else ()
        scratch = rng.choice((0, 0, 0, 16 * rng.randint(0, 6)))
        made.append(Step(reads, writes, scratch, after, tuple(pairs)))
    outputs = {rng.randrange(len(sizes)) for _ in range(rng.randint(1, 2))}
    return OrderProblem(tuple(sizes), tuple(made), inputs, tuple(outputs))

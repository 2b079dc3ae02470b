"""Segments of one operator, of every kind that has code of its own for DSP and MVE, with shapes,
scales and values from all over their ranges; and what portable C makes of them on the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from arenafit.partial.encoding import encode
from arenafit.partial.layout import lay_out
from arenafit.partial.program import Arithmetic, Conv, Place, Program, TensorType
from support.builder import GraphBuilder
from support.segment import program_of, run_bytes, sizes

Rng = np.random.Generator
Build = Callable[[GraphBuilder], None]

SEED = 11
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 33)
CLAMPS = ((-128, 127), (-128, 127), (-128, 30), (-5, 127), (-20, 20))


def vectors() -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    blob, found = bytearray(), {}
    for name, programs in FAMILIES.items():
        rows = []
        for program in programs(rng):
            for cpu in (None, "cortex-m55"):
                values = None if name != "long" else [[-128], [127]][len(rows) % 2]
                rows.append(_case(rng, encode(lay_out(program, cpu)), blob, values))
        found[f"{name}_cases"] = np.array(rows, np.int32)
    every = np.concatenate([found[f"{name}_cases"] for name in FAMILIES])
    found["largest"] = int(every[:, 3::2].max())  # of inputs and outputs
    found["blob"] = np.frombuffer(bytes(blob), np.uint8)
    return found


def _case(rng: Rng, data: bytes, blob: bytearray, values: list[int] | None) -> list[int]:
    """Where in `blob` program, inputs and output are, and their bytes, as test_kernels.c has them."""
    given = [_bytes(rng, size, values) for size in sizes(data, Place.INPUT)]
    (made,) = run_bytes(data, given)
    row: list[int] = []
    for part in (data, given[0], given[1] if len(given) > 1 else b"", made):
        blob += bytes(-len(blob) % 16)
        row += [len(blob), len(part)]
        blob += part
    return row


def _bytes(rng: Rng, size: int, values: list[int] | None) -> bytes:
    """Of some values; else random, and in one of four cases the extremes alone."""
    if values is None and rng.random() < 0.25:
        values = [-128, 127]
    found = rng.integers(-128, 128, size) if values is None else rng.choice(values, size)
    return found.astype(np.int8).tobytes()


# -- parameters ---------------------------------------------------------------------------


def _wild(rng: Rng, program: Program) -> Program:
    """The program with other values where there can be any."""
    operators = tuple(
        replace(op, parameters=_wild_parameters(rng, op.parameters)) for op in program.operators
    )
    return replace(program, operators=operators)


def _wild_parameters(rng: Rng, given: Any) -> Any:
    clamp = CLAMPS[rng.integers(len(CLAMPS))]
    zero = int(rng.choice([-128, -7, 0, 127]))
    if isinstance(given, Conv):
        count = len(given.folded)
        weights = rng.integers(-128, 128, len(given.weights))
        if rng.random() < 0.3:
            weights = rng.choice([-127, 127, -128], len(weights))
        if rng.random() < 0.7:
            weights = np.maximum(weights, -127)  # as they are in models
        large = int(rng.choice([1 << 8, 1 << 20, (1 << 31) - 1]))
        bias = tuple(int(b) for b in rng.integers(-large, large, count))
        offset = int(rng.choice([-127, 0, 5, 128]))
        folded = _folded(given, weights.astype(np.int8), bias, offset)
        scaled = given.multipliers and [_scale(rng) for _ in range(count)]
        return replace(
            given, input_offset=offset, output_offset=zero, clamp=clamp,
            weights=weights.astype(np.int8).tobytes(),
            bias=None if given.bias is None else bias, folded=folded,
            multipliers=tuple(m for m, _ in scaled), shifts=tuple(s for _, s in scaled),
        )  # fmt: skip
    assert isinstance(given, Arithmetic)
    (m0, s0), (m1, s1), (multiplier, shift) = (_scale(rng, largest=0) for _ in range(3))
    offsets = tuple(int(o) for o in rng.choice([-127, 0, 9, 128], 2))
    return replace(
        given, input_offset=offsets, input_multiplier=(m0, m1), input_shift=(s0, s1),
        left_shift=int(rng.choice([20, 20, 0, 22])), multiplier=multiplier, shift=shift,
        output_offset=zero, clamp=clamp,
    )  # fmt: skip


def _folded(
    given: Conv, weights: np.ndarray, bias: tuple[int, ...], offset: int
) -> tuple[int, ...]:
    """Of DEPTHWISE_CONV_2D, channels are last; it is known by that its weights are few."""
    count = len(bias)
    depthwise = len(weights) == count * given.window.kernel[0] * given.window.kernel[1]
    filters = weights.reshape(-1, count).T if depthwise else weights.reshape(count, -1)
    totals = filters.astype(np.int64).sum(1)
    return tuple(
        (b + offset * int(total) + (1 << 31)) % (1 << 32) - (1 << 31)
        for b, total in zip(bias, totals, strict=True)
    )


def _scale(rng: Rng, largest: int = 6) -> tuple[int, int]:
    """Multiplier and shift: mostly as in models, sometimes of channels that are all but 0."""
    multiplier = int(rng.integers(1 << 30, (1 << 31) - 1))
    shift = int(rng.integers(-12, -4))
    odd = rng.random()
    if odd < 0.1:
        shift = int(rng.integers(-31, largest + 1))
    elif odd < 0.15:
        multiplier = int(rng.choice([0, 1, (1 << 30) - 1, 1 << 30, (1 << 31) - 1]))
    return multiplier, shift


# -- families -----------------------------------------------------------------------------


def _one(rng: Rng, build: Build) -> Iterator[Program]:
    """The operator as TFLM has it, and with wild parameters."""
    g = GraphBuilder(int(rng.integers(1 << 30)))
    build(g)
    program = program_of(g.model())
    yield program
    yield _wild(rng, program)


def _channels(rng: Rng) -> int:
    return int(rng.choice(CHANNELS))


def _conv(rng: Rng) -> Iterator[Program]:
    shapes = [
        # rows, width, depth, channels, kernel, stride, dilation
        (3, 5, 3, 9, (3, 3), 2, 1), (4, 5, 1, 8, (4, 4), (2, 1), 1), (2, 3, 16, 8, (1, 1), 1, 1),
        (4, 4, 5, 7, (3, 3), 1, 1), (5, 6, 4, 4, (3, 3), 1, 2), (5, 7, 3, 6, (2, 3), 1, 2),
        (1, 9, 2, 5, (1, 5), 1, 1), (2, 2, 260, 5, (1, 1), 1, 1), (3, 3, 100, 4, (3, 3), 1, 1),
        (1, 1, 8, 12, (1, 1), 1, 1), (2, 8, 7, 4, (1, 1), 2, 1), (9, 1, 6, 4, (3, 1), 1, 1),
    ]  # fmt: skip
    for rows, width, depth, channels, kernel, stride, dilation in shapes:
        yield from _one(rng, _maker((rows, width, depth), channels, kernel, stride, dilation))
    for _ in range(10):
        kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 6)))
        size = int(rng.integers(1, 5)), int(rng.integers(1, 8)), _channels(rng)
        yield from _one(rng, _maker(size, _channels(rng), kernel, int(rng.integers(1, 3)), 1))


def _long(rng: Rng) -> Iterator[Program]:
    """Many products, all of them as large as can be: sums of thousands in each of the pairs."""
    for build in (_maker((1, 1, 1100), 4, 1, 1, 1), _maker((1, 2, 400), 4, (1, 3), 1, 1)):
        (program, _) = _one(rng, build)
        (op,) = program.operators
        conv = op.parameters
        assert isinstance(conv, Conv)
        for weight in (-127, 127):
            weights = np.full(len(conv.weights), weight, np.int8)
            bias = (0,) * len(conv.folded)
            changed = replace(
                conv, weights=weights.tobytes(), input_offset=-127,
                bias=conv.bias and bias, folded=_folded(conv, weights, bias, -127),
                multipliers=(1 << 30,) * len(bias), shifts=(-19,) * len(bias),
            )  # fmt: skip
            yield replace(program, operators=(replace(op, parameters=changed),))


def _edges(rng: Rng) -> Iterator[Program]:
    """Sums beyond 2^30 with scales that make something of them, or that no model has."""
    sums = (1 << 30, (1 << 30) + 12345, (1 << 31) - 9000, -(1 << 30) - 77)
    for multiplier, shift in (
        (1 << 30, -31), (1 << 30, -26), ((1 << 31) - 1, -23), (1 << 30, -21), (1 << 30, -20), (5, -1),
        ((1 << 30) - 1, -9), ((1 << 31) - 1, 0), (0, 0), (1 << 30, -1), (3 << 29, 3),
    ):  # fmt: skip
        (program, _) = _one(rng, _maker((2, 3, 8), 4, 1, 1, 1))
        (op,) = program.operators
        conv = op.parameters
        assert isinstance(conv, Conv)
        changed = replace(conv, folded=sums, multipliers=(multiplier,) * 4, shifts=(shift,) * 4)
        yield replace(program, operators=(replace(op, parameters=changed),))
        changed = replace(changed, folded=tuple(s // 9 for s in sums), clamp=(-128, 60))
        yield replace(program, operators=(replace(op, parameters=changed),))


def _maker(size: Any, channels: int, kernel: Any, stride: Any, dilation: int) -> Build:
    def build(g: GraphBuilder) -> None:
        x = g.input((1, *size))
        g.output(g.conv(x, channels, kernel, stride, "SAME", dilation=dilation))

    return build


def _sums(rng: Rng) -> Iterator[Program]:
    """A convolution of two inputs' channels: sums of the first, which the second goes on with."""
    for depth, channels, kernel in ((8, 9, 1), (5, 4, 3), (3, 6, 3)):
        first, second = (
            next(_one(rng, _maker((3, 4, depth), channels, kernel, 1, 1))) for _ in range(2)
        )
        (x, y), (op,) = first.tensors, first.operators
        begun = replace(op, parameters=replace(op.parameters, multipliers=(), shifts=()))
        ended = second.operators[0]
        zero = (0,) * channels
        without = replace(ended.parameters, bias=ended.parameters.bias and zero, folded=zero)
        ended = replace(ended, operands=(2, 1), output=3, parameters=without)
        sums = replace(y, place=Place.WORKSPACE, type=TensorType.S32, ring=1, offset=16, producer=0)
        tensors = (x, sums, replace(x, offset=1), replace(y, producer=1))
        disjoint = first.overlaps[0][0]
        far = max(disjoint, 1 << 20)
        made = Program(
            2, 1, tensors, (begun, ended), ((1, y.rows),), ((far, far),),
            16 + -(-4 * y.width * channels // 16) * 16,
        )  # fmt: skip
        yield made


def _depthwise(rng: Rng) -> Iterator[Program]:
    def maker(size: Any, kernel: Any, stride: int, dilation: int, multiplier: int) -> Build:
        def build(g: GraphBuilder) -> None:
            x = g.input((1, *size))
            g.output(
                g.depthwise(x, kernel, stride, "SAME", "NONE", dilation, multiplier=multiplier)
            )

        return build

    for size, kernel, stride, dilation, multiplier in [
        ((4, 5, 8), 3, 1, 1, 1), ((4, 5, 8), 3, 2, 1, 1), ((5, 7, 5), 3, 1, 2, 1),
        ((3, 2, 4), 3, 1, 1, 1), ((4, 6, 1), 3, 1, 1, 8), ((3, 4, 3), 3, 1, 1, 4),
        ((6, 6, 7), (5, 5), 1, 1, 1), ((9, 1, 6), (9, 1), 1, 1, 1), ((7, 7, 5), (7, 7), 1, 1, 1),
        ((2, 3, 17), (2, 2), 1, 1, 1), ((1, 1, 4), 1, 1, 1, 1),
    ]:  # fmt: skip
        yield from _one(rng, maker(size, kernel, stride, dilation, multiplier))


def _fully_connected(rng: Rng) -> Iterator[Program]:
    def maker(size: Any, units: int) -> Build:
        def build(g: GraphBuilder) -> None:
            x = g.pool(g.input((1, *size)), 1)  # keeps it an image
            g.output(g.fully_connected(g.reshape(x, (1, int(np.prod(size)))), units))

        return build

    for size, units in (
        ((1, 1, 10), 4), ((3, 2, 5), 7), ((2, 5, 64), 9), ((1, 1, 300), 12), ((2, 1, 3), 3),
    ):  # fmt: skip
        g = GraphBuilder(int(rng.integers(1 << 30)))
        maker(size, units)(g)
        yield program_of(g.model())


def _arithmetic(rng: Rng) -> Iterator[Program]:
    def maker(name: str, size: Any, other: Any, activation: str) -> Build:
        def build(g: GraphBuilder) -> None:
            g.output(g.add(g.input((1, *size)), g.input((1, *other)), activation, name))

        return build

    for name in ("ADD", "SUB", "MUL"):
        for size, other, activation in (
            ((3, 5, 7), (3, 5, 7), "NONE"), ((2, 3, 4), (2, 3, 4), "RELU6"),
            ((2, 3, 8), (1, 1, 8), "NONE"), ((2, 6, 3), (2, 6, 1), "RELU"),
            ((1, 1, 1), (3, 4, 5), "NONE"),
        ):  # fmt: skip
            for _ in range(2):
                yield from _one(rng, maker(name, size, other, activation))


FAMILIES: dict[str, Callable[[Rng], Iterator[Program]]] = {
    "conv": _conv,
    "long": _long,
    "edges": _edges,
    "sums": _sums,
    "depthwise": _depthwise,
    "fully_connected": _fully_connected,
    "arithmetic": _arithmetic,
}

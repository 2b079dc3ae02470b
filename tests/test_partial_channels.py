"""Segments split by channels: TFLM's bytes whatever the slices, and mistakes that are noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from arenafit.graph import Model, save
from arenafit.memory.problem import align
from arenafit.partial.channels import Chain, split, unstreamed
from arenafit.partial.encoding import encode
from arenafit.partial.explain import explain, lines_of
from arenafit.partial.lower import lower
from arenafit.partial.program import Conv, Place, Program, TensorType
from arenafit.partial.roles import role
from arenafit.partial.segment import Segment, make_segment
from arenafit.runtime import available
from support.builder import GraphBuilder
from support.partial import chain_at
from support.rewriting import tflm
from support.segment import Runner, check, rehearse, segment_of

needs_tflm = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")


def bottleneck(g: GraphBuilder) -> None:
    x = g.conv(g.input((1, 6, 5, 4)), 10, kernel=1, activation="RELU6")
    g.output(g.conv(g.depthwise(x, 3, stride=2, activation="RELU6"), 3, kernel=1))


def residual(g: GraphBuilder) -> None:
    """What follows the end is streamed."""
    x = g.input((1, 6, 5, 4))
    y = g.depthwise(g.conv(x, 9, kernel=1, activation="RELU"), 3)
    g.output(g.unary("RELU", g.add(x, g.conv(y, 4, kernel=1))))


def pooled(g: GraphBuilder) -> None:
    """Windows at start and end that leave the image, and a bias for them."""
    x = g.conv(g.input((1, 9, 8, 3)), 7, kernel=3, stride=2, activation="RELU6")
    g.output(g.conv(g.pool(x, 2, stride=1, padding="SAME"), 5, kernel=3, activation="RELU"))


def averaged(g: GraphBuilder) -> None:
    x = g.pool(g.conv(g.input((1, 9, 8, 3)), 6, kernel=3), 3, stride=2, kind="AVERAGE")
    g.output(g.conv(g.unary("TANH", x), 5, kernel=(2, 1)))


def layers(g: GraphBuilder) -> None:
    x = g.fully_connected(g.input((1, 30)), 13, activation="RELU")
    g.output(g.fully_connected(x, 5))


def with_a_mean(g: GraphBuilder) -> None:
    x = g.conv(g.input((1, 5, 4, 3)), 11, kernel=1, activation="RELU6")
    g.output(g.fully_connected(g.mean(x), 4))


def whole_maps(g: GraphBuilder) -> None:
    """The end's kernel is the whole image, of several rows."""
    x = g.pool(g.conv(g.input((1, 8, 6, 2)), 5, kernel=3), 2)
    g.output(g.fully_connected(g.reshape(x, (1, 4 * 3 * 5)), 6))


def constants(g: GraphBuilder) -> None:
    """Operands with a value for each channel, for each pixel, and for all."""
    x = g.conv(g.input((1, 5, 4, 3)), 6, kernel=1)
    x = g.mul(g.add(x, g.random((1, 1, 1, 6))), g.random((1, 5, 4, 6)))
    x = g.pad(g.add(x, g.random((1,))), [(0, 0), (1, 0), (0, 1), (0, 0)])
    g.output(g.conv(x, 5, kernel=2))


def multiplied(g: GraphBuilder) -> None:
    """Two channels for each one of the start."""
    x = g.conv(g.input((1, 6, 5, 3)), 5, kernel=1)
    g.output(g.conv(g.depthwise(x, 3, multiplier=2), 4, kernel=1))


def nothing_between(g: GraphBuilder) -> None:
    g.output(g.conv(g.conv(g.input((1, 6, 5, 3)), 7, kernel=3), 4, kernel=1))


CHAINS = [
    bottleneck, residual, pooled, averaged, layers, with_a_mean, whole_maps, constants,
    multiplied, nothing_between,
]  # fmt: skip
each_chain = pytest.mark.parametrize("network", CHAINS)


def model_of(network: Callable[[GraphBuilder], None]) -> Model:
    g = GraphBuilder(seed=7)
    network(g)
    return g.model()


def chain_of(model: Model) -> Chain:
    found = chain_at(model)
    assert found is not None
    return found


def split_of(model: Model, width: int, stream: bool = True) -> Segment:
    """All of `model` as one segment in slices of `width` channels."""
    made = split(segment_of(model), chain_of(model), width)
    assert made is not None
    return made if stream else unstreamed(made)


def is_tflms(model: Model, program: Program, runs: int = 3) -> bool:
    assert rehearse(program) == "OK", rehearse(program)
    runner, rng = Runner(program), np.random.default_rng(3)
    (source,) = model.main.inputs
    images = [rng.integers(-128, 128, source.shape).astype(np.int8) for _ in range(runs)]
    expected = tflm().run(save(model), [[image] for image in images])
    wanted = [np.asarray(outputs[0]).tobytes() for outputs in expected]
    assert len(set(wanted)) == runs
    return all(
        runner.run([image.tobytes()]) == [data] for image, data in zip(images, wanted, strict=True)
    )


@needs_tflm
@each_chain
@pytest.mark.parametrize("stream", [True, False], ids=["by rows too", "by channels alone"])
def test_every_width_of_slices_gives_tflms_bytes(network, stream: bool):
    model = model_of(network)
    channels = chain_of(model).channels
    for width in range(1, channels):
        assert is_tflms(model, lower(split_of(model, width, stream))), width


@each_chain
def test_no_multiplication_is_done_twice_or_left_out(network):
    model = model_of(network)
    whole = products(lower(segment_of(model)))
    for width in (1, 2, 3):
        assert products(lower(split_of(model, width))) == whole


def products(program: Program) -> int:
    """Multiplications by weights, borders included."""
    total = 0
    for op in program.operators:
        if isinstance(op.parameters, Conv):
            made = program.tensors[op.output]
            total += len(op.parameters.weights) * made.rows * made.width
    return total


@each_chain
@pytest.mark.parametrize("stream", [True, False], ids=["by rows too", "by channels alone"])
def test_a_split_segment_takes_no_less_than_its_floor(network, stream: bool):
    model = model_of(network)
    chain = chain_of(model)
    for width in range(1, chain.channels):
        made = split_of(model, width, stream)
        assert chain.floor(width, stream) <= made.workspace.size


@each_chain
def test_a_program_grows_by_what_was_reckoned(network):
    model = model_of(network)
    chain = chain_of(model)
    whole = len(encode(lower(segment_of(model))))
    for width in (1, 2, 3):
        added = len(encode(lower(split_of(model, width)))) - whole
        assert 0.5 * added < chain.growth(chain.slices(width)) < 2 * added


@each_chain
def test_for_people_slices_are_put_back_together(network):
    model = model_of(network)
    plain = explain(lower(segment_of(model)))
    for width in (1, 2, 3):
        made = explain(lower(split_of(model, width)))
        assert made.slices == chain_of(model).slices(width) and plain.slices == 0
        kinds = [kind.replace("FULLY_CONNECTED", "CONV_2D") for kind in plain.operators]
        assert [kind.replace("FULLY_CONNECTED", "CONV_2D") for kind in made.operators] == kinds
        assert (made.whole, made.largest, made.alone, made.worst, made.weights) == (
            plain.whole, plain.largest, plain.alone, plain.worst, plain.weights,
        )  # fmt: skip
        assert sum(block.size for block in made.stack) == made.workspace
        words = f"{len(plain.operators)} operators by rows and in {made.slices} slices of channels"
        assert lines_of(made)[0].startswith(words)


def test_sums_are_one_block_of_32_bits_and_slices_take_turns():
    model = model_of(bottleneck)
    made = split_of(model, 2, stream=False)
    program = lower(made)
    sums = [t for t in program.tensors if t.type is TensorType.S32]
    assert len(sums) == 4 and len({t.offset for t in sums}) == 1
    (size,) = {t.rows * t.row_bytes for t in sums}
    assert size == 4 * model.main.outputs[0].elements
    slices = 6 * 5 * 2, 3 * 3 * 2
    state = align(4 * 15)
    assert program.workspace == state + align(size) + sum(map(align, slices))


# -- mistakes --------------------------------------------------------------------------------


def changed(program: Program, operator: int, **fields: object) -> Program:
    """`program` with other parameters of an operator."""
    operators = list(program.operators)
    conv = operators[operator].parameters
    assert isinstance(conv, Conv)
    operators[operator] = replace(operators[operator], parameters=replace(conv, **fields))
    return replace(program, operators=tuple(operators))


def ends_of(program: Program) -> list[int]:
    return [
        i for i, op in enumerate(program.operators)
        if len(op.operands) == 2 or program.tensors[op.output].type is TensorType.S32
    ]  # fmt: skip


@needs_tflm
def test_a_slice_that_skips_a_channel_is_noticed():
    model = model_of(bottleneck)
    program = lower(split_of(model, 2))
    second = ends_of(program)[1]
    conv = program.operators[second].parameters
    assert isinstance(conv, Conv) and is_tflms(model, program)
    weights = bytes(0 if i % 2 else value for i, value in enumerate(conv.weights))
    assert not is_tflms(model, changed(program, second, weights=weights))


@needs_tflm
def test_channels_of_the_wrong_slice_are_noticed():
    model = model_of(bottleneck)
    program = lower(split_of(model, 2))
    starts = [0, 3]
    conv = program.operators[starts[1]].parameters
    assert isinstance(conv, Conv)
    first = program.operators[starts[0]].parameters
    assert isinstance(first, Conv)
    assert not is_tflms(model, changed(program, starts[1], weights=first.weights))


@needs_tflm
def test_a_bias_that_every_slice_adds_is_noticed():
    model = model_of(bottleneck)
    program = lower(split_of(model, 5))
    first, second = ends_of(program)
    a, b = (program.operators[i].parameters for i in (first, second))
    assert isinstance(a, Conv) and isinstance(b, Conv)
    assert not is_tflms(model, changed(program, second, folded=a.folded))


def with_tensor(program: Program, index: int, **fields: object) -> Program:
    tensors = list(program.tensors)
    tensors[index] = replace(tensors[index], **fields)
    return replace(program, tensors=tuple(tensors))


def test_sums_that_are_one_row_too_short_are_refused():
    program = lower(split_of(model_of(bottleneck), 5))
    (sums,) = (i for i, t in enumerate(program.tensors) if t.type is TensorType.S32)
    assert rehearse(program) == "OK"
    rows = program.tensors[sums].ring
    assert rehearse(with_tensor(program, sums, ring=rows - 1)) == "RING"


@needs_tflm
def test_sums_that_do_not_go_on_where_the_last_slice_left_them_are_noticed():
    """The third slice adds to the sums of the first: those of the second lie elsewhere."""
    model = model_of(bottleneck)
    program = lower(split_of(model, 4))
    first, second = (i for i, t in enumerate(program.tensors) if t.type is TensorType.S32)
    third = ends_of(program)[2]
    operators = list(program.operators)
    operators[third] = replace(operators[third], operands=(operators[third].operands[0], first))
    apart = align(program.workspace)
    size = program.tensors[second].rows * program.tensors[second].row_bytes
    wrong = with_tensor(program, second, offset=apart)
    wrong = replace(wrong, operators=tuple(operators), workspace=apart + align(size))
    assert not is_tflms(model, wrong)


@needs_tflm
def test_sums_that_a_slice_is_written_over_are_noticed():
    model = model_of(bottleneck)
    program = lower(split_of(model, 5, stream=False))
    (sums,) = (i for i, t in enumerate(program.tensors) if t.type is TensorType.S32)
    inside = [t for t in program.tensors if t.place is Place.WORKSPACE]
    slice_ = next(t for t in inside if t.type is TensorType.S8)
    assert not is_tflms(model, with_tensor(program, sums, offset=slice_.offset))


@needs_tflm
def test_requantising_each_slice_is_noticed():
    """Sums that went through a byte, as if each slice had been requantised."""
    model = model_of(bottleneck)
    program = lower(split_of(model, 5))
    first, last = ends_of(program)
    conv = program.operators[last].parameters
    assert isinstance(conv, Conv)
    (sums,) = (i for i, t in enumerate(program.tensors) if t.type is TensorType.S32)
    operators = list(program.operators)
    half = replace(operators[first].parameters, multipliers=conv.multipliers, shifts=conv.shifts)  # type: ignore[arg-type, type-var]
    operators[first] = replace(operators[first], parameters=half)
    bytes_ = replace(program, operators=tuple(operators))
    # A byte is no sum: the interpreter refuses to go on with it.
    assert check(encode(with_tensor(bytes_, sums, type=TensorType.S8))) == "SHAPE"


# -- what is a chain ------------------------------------------------------------------------------


def chain_or_none(network: Callable[[GraphBuilder], None]) -> Chain | None:
    return chain_of(model_of(network), required=False)


def test_what_leaves_a_chain_makes_it_none():
    def read_twice(g: GraphBuilder) -> None:
        x = g.conv(g.input((1, 6, 5, 3)), 6, kernel=1)
        g.output(g.add(g.conv(x, 6, kernel=1), x))

    def handed_out(g: GraphBuilder) -> None:
        x = g.conv(g.input((1, 6, 5, 3)), 6, kernel=1)
        g.output(g.conv(x, 6, kernel=1), x)

    def never_summed(g: GraphBuilder) -> None:
        g.output(g.depthwise(g.conv(g.input((1, 6, 5, 3)), 6, kernel=1), 3))

    def over_channels(g: GraphBuilder) -> None:
        g.output(g.conv(g.softmax(g.conv(g.input((1, 6, 5, 3)), 6, kernel=1)), 3, kernel=1))

    def no_start(g: GraphBuilder) -> None:
        g.output(g.conv(g.depthwise(g.input((1, 6, 5, 3)), 3), 3, kernel=1))

    for network in (read_twice, handed_out, never_summed, over_channels, no_start):
        assert chain_at(model_of(network)) is None, network.__name__


def test_channels_that_padding_adds_cannot_be_split():
    def deeper(g: GraphBuilder) -> None:
        x = g.conv(g.input((1, 6, 5, 3)), 6, kernel=1)
        g.output(g.conv(g.pad(x, [(0, 0), (0, 0), (0, 0), (0, 2)]), 3, kernel=1))

    model = model_of(deeper)
    assert split(segment_of(model), chain_of(model), 2) is None


def test_channels_that_a_reshape_mixes_cannot_be_split():
    def mixed(g: GraphBuilder) -> None:
        x = g.reshape(g.conv(g.input((1, 6, 5, 3)), 6, kernel=1), (1, 6, 10, 3))
        g.output(g.conv(x, 3, kernel=1))

    model = model_of(mixed)
    assert make_segment(model.main.operators, role, lambda t: t in model.main.outputs) is None


def test_layers_with_one_channel_or_two_rows_of_slices():
    """A single channel cannot be split; widths are powers of two below the channels."""
    assert chain_of(model_of(layers)).widths() == [1, 2, 4, 8]

    def single(g: GraphBuilder) -> None:
        g.output(g.conv(g.conv(g.input((1, 6, 5, 3)), 1, kernel=1), 3, kernel=1))

    assert chain_of(model_of(single)).widths() == []

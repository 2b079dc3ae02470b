"""ARENAFIT_PARTIAL_CONV_2D: a convolution over channels of several tensors, as if side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

import arenafit
from arenafit.candidates import overlap_rule, predict_head
from arenafit.errors import ModelError
from arenafit.graph import Buffer, Model, Tensor, load, save
from arenafit.graph.custom import PARTIAL_CONV_2D, SEGMENT
from arenafit.memory.access import overlaps
from arenafit.partial import partial_conv
from arenafit.partial.encoding import decode, encode
from arenafit.partial.model import partial_model
from arenafit.partial.program import Conv, Program, TensorType
from arenafit.passes import copy_model
from arenafit.runtime import Session, available
from support.builder import GraphBuilder
from support.native import compiler
from support.partial import cleaned, place

needs_tflm = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    compiler("c++")  # skips the tests where there is none
    with Session(planner="arenafit") as opened:
        yield opened


def side_by_side(g: GraphBuilder, tensors: list[Tensor], axis: int = 3) -> Tensor:
    """Their concatenation, all quantised alike."""
    for tensor in tensors[1:]:
        tensor.quantization = tensors[0].quantization
    joined = g.concat(tensors, axis)
    joined.quantization = tensors[0].quantization
    return joined


def fire(g: GraphBuilder, x: Tensor, squeezed: int, expanded: int) -> list[Tensor]:
    """Iandola et al. 2016, SqueezeNet, arXiv 1602.07360: what its fire module concatenates."""
    x = g.conv(x, squeezed, 1, activation="RELU")
    return [g.conv(x, expanded, kernel, activation="RELU") for kernel in (1, 3)]


def squeezed() -> Model:
    g = GraphBuilder(seed=3)
    x = g.conv(g.input((1, 24, 24, 3)), 32, 3, 2, activation="RELU")
    for _ in range(3):
        x = side_by_side(g, fire(g, x, 16, 61))
    g.output(g.mean(g.conv(x, 5, 1)))
    return g.model()


def dense() -> Model:
    """Huang et al. 2016, DenseNet, arXiv 1608.06993: each layer reads all that is before it."""
    g = GraphBuilder(seed=4)
    features = [g.conv(g.input((1, 16, 15, 3)), 25, 3)]
    for _ in range(3):
        x = side_by_side(g, features) if len(features) > 1 else features[0]
        features.append(g.conv(g.conv(x, 64, 1, activation="RELU"), 29, 3))
    g.output(g.conv(side_by_side(g, features), 24, 3, 2))
    return g.model()


def windows() -> Model:
    """Windows that leave the image, and one that is dilated; several readers."""
    g = GraphBuilder(seed=5)
    x = g.input((1, 9, 8, 3))
    parts = [g.conv(x, channels, 1) for channels in (1, 6, 3)]
    joined = side_by_side(g, parts)
    y = g.conv(joined, 7, (3, 2), 2, activation="RELU6")
    g.output(y, g.conv(joined, 5, 3, padding="VALID", dilation=2))
    return g.model()


MODELS: list[tuple[Callable[[], Model], int]] = [(squeezed, 3), (dense, 3), (windows, 2)]
each_model = pytest.mark.parametrize(
    ("make", "count"), MODELS, ids=[make.__name__ for make, _ in MODELS]
)


def rewritten(model: Model) -> Model:
    made = copy_model(model)
    assert partial_conv.run(made) > 0
    place(made)
    return made


@needs_tflm
@each_model
def test_it_computes_the_bytes_of_the_convolution_of_the_concatenation(
    make, count: int, session: Session
):
    model = make()
    made = copy_model(model)
    assert partial_conv.run(made) == count
    assert not any(op.name == "CONCATENATION" for op in made.main.operators)
    place(made)
    verified = session.verify(save(model), save(made), inputs=4, intermediates=False)
    assert verified.bit_exact and verified.distinct_outputs > 1
    assert session.measure(save(made), startup=False).head == predict_head(made, "reference")


@each_model
def test_nothing_else_is_left_of_the_concatenation(make, count: int):
    made = rewritten(make())
    used = {t for op in made.main.operators for t in (*op.inputs, *op.outputs)}
    assert set(made.main.tensors) <= used | {*made.main.inputs, *made.main.outputs}
    codes = [op.code.custom for op in load(save(made)).main.operators]
    assert codes.count(PARTIAL_CONV_2D) == count
    assert partial_conv.run(made) == 0


def program_of(model: Model) -> Program:
    op = next(op for op in model.main.operators if op.code.custom == PARTIAL_CONV_2D)
    assert op.inputs[-1] is not None and op.inputs[-1].buffer is not None
    return decode(op.inputs[-1].buffer.data or b"")


def test_sums_are_there_for_one_row():
    program = program_of(rewritten(windows()))
    sums = [t for t in program.tensors if t.type is TensorType.S32]
    assert [t.ring for t in sums] == [1, 1] and len({t.offset for t in sums}) == 1
    size = sums[0].row_bytes
    assert program.workspace == 16 + size + -size % 16
    assert [op.kind.name for op in program.operators] == ["CONV_2D"] * 3


def test_the_output_may_lie_over_a_part_that_dies():
    made = rewritten(squeezed())
    rule = overlap_rule("reference")
    for op in made.main.operators:
        if op.code.custom == PARTIAL_CONV_2D:
            pairs = overlaps(op, "any")
            assert rule(op) == pairs and {pair.input_index for pair in pairs} == {0, 1}


# -- what it wins, and the switch -----------------------------------------------------------------


@needs_tflm
@pytest.mark.parametrize("make", [squeezed, dense])
def test_it_takes_less_and_can_be_switched_off(make):
    data = save(make())
    off = ["rows", "channels"]
    out, report = arenafit.optimize(data, runtime="arenafit", kernels="reference", disable=off)
    _, without = arenafit.optimize(
        data, runtime="arenafit", kernels="reference", disable=[*off, "partial-conv"]
    )
    assert any(op.code.custom == PARTIAL_CONV_2D for op in load(out).main.operators)
    assert "partial-conv" in [step.name for step in report.passes]
    assert "partial-conv" not in [step.name for step in without.passes]
    assert report.after.head < 0.9 * without.after.head
    assert report.verified.bit_exact is True
    assert report.flash.after <= 1.05 * report.flash.before


@needs_tflm
def test_it_is_not_used_where_its_programs_would_take_much_of_a_small_file():
    data = save(windows())
    out, _ = arenafit.optimize(
        data, runtime="arenafit", kernels="reference", disable=["rows", "channels"]
    )
    assert not any(op.code.custom == PARTIAL_CONV_2D for op in load(out).main.operators)


# -- mistakes -------------------------------------------------------------------------------------


def altered(model: Model, change: Callable[[Program], Program]) -> bytes:
    op = next(op for op in model.main.operators if op.code.custom == PARTIAL_CONV_2D)
    program = op.inputs[-1]
    assert program is not None and program.buffer is not None
    program.buffer = Buffer(encode(change(decode(program.buffer.data or b""))))
    return save(model)


def with_conv(program: Program, operator: int, change: Callable[[Conv], Conv]) -> Program:
    operators = list(program.operators)
    conv = operators[operator].parameters
    assert isinstance(conv, Conv)
    operators[operator] = replace(operators[operator], parameters=change(conv))
    return replace(program, operators=tuple(operators))


def without_a_channel(conv: Conv) -> Conv:
    return replace(conv, weights=bytes(0 if i % 6 else w for i, w in enumerate(conv.weights)))


@needs_tflm
def test_a_slice_that_skips_channels_is_noticed(session: Session):
    wrong = altered(rewritten(windows()), lambda p: with_conv(p, 1, without_a_channel))
    assert not session.verify(save(windows()), wrong, inputs=3, intermediates=False).bit_exact


@needs_tflm
def test_a_bias_that_every_slice_adds_is_noticed(session: Session):
    def again(program: Program) -> Program:
        first = program.operators[0].parameters
        assert isinstance(first, Conv)
        return with_conv(program, 1, lambda conv: replace(conv, bias=first.bias))

    wrong = altered(rewritten(windows()), again)
    assert not session.verify(save(windows()), wrong, inputs=3, intermediates=False).bit_exact


@needs_tflm
def test_a_program_that_does_anything_else_is_refused(session: Session):
    """That of a segment of several operators."""
    g = GraphBuilder(seed=6)
    g.output(g.conv(g.conv(g.input((1, 6, 5, 3)), 4, 1), 2, 1))
    model = cleaned(g.model())
    assert partial_model(model) is not None
    (op,) = model.main.operators
    assert op.code.custom == SEGMENT
    session.measure(save(model), startup=False)
    op.code = replace(op.code, custom=PARTIAL_CONV_2D)
    with pytest.raises(ModelError):
        session.measure(save(model), startup=False)


@needs_tflm
def test_sums_that_no_slice_goes_on_with_are_refused(session: Session):
    def alone(program: Program) -> Program:
        last = program.operators[-1]
        cut = replace(last, operands=last.operands[:1])
        return replace(program, operators=(*program.operators[:-1], cut))

    with pytest.raises(ModelError):
        session.measure(altered(rewritten(windows()), alone), startup=False)


# -- rules ----------------------------------------------------------------------------------------


def test_what_the_rules_exclude_is_left_alone():
    def read_by_another(g: GraphBuilder, joined: Tensor) -> None:
        g.output(g.conv(joined, 3, 1), g.pool(joined, 2))

    def handed_out(g: GraphBuilder, joined: Tensor) -> None:
        g.output(g.conv(joined, 3, 1), joined)

    def grouped(g: GraphBuilder, joined: Tensor) -> None:
        g.output(g.conv(joined, 4, 1, groups=2))

    for build in (read_by_another, handed_out, grouped):
        g = GraphBuilder(seed=7)
        x = g.input((1, 6, 6, 2))
        build(g, side_by_side(g, [g.conv(x, 3, 1), g.conv(x, 5, 3)]))
        before = save(g.model())
        assert partial_conv.run(g.model()) == 0, build.__name__
        assert save(g.model()) == before


def test_rows_side_by_side_and_one_tensor_twice_are_left_alone():
    for axis, twice in ((1, False), (3, True)):
        g = GraphBuilder(seed=8)
        x = g.input((1, 6, 6, 2))
        a, b = g.conv(x, 3, 1), g.conv(x, 3, 3)
        g.output(g.conv(side_by_side(g, [a, a if twice else b], axis), 3, 1), b)
        assert partial_conv.run(g.model()) == 0

"""What programs can say that the compiler does not yet: groups, and sums that go on. And what
they cannot: each check of the interpreter refuses something."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from arenafit.graph import Model, save
from arenafit.memory.access.describe import spatial_image
from arenafit.partial.encoding import encode
from arenafit.partial.lower import parameters_of
from arenafit.partial.program import (
    DISJOINT,
    Conv,
    Kind,
    Pad,
    Place,
    Pool,
    Program,
    ProgramOperator,
    ProgramTensor,
    Quantize,
    Rescale,
    Softmax,
    Table,
    TensorType,
    Window,
)
from arenafit.partial.roles import Role, flat
from support.builder import GraphBuilder
from support.rewriting import tflm
from support.segment import check, program_of, resealed, run_bytes
from test_segment_runs import model_of, plain

# Offsets of fields in bytes: program.h.
HEADER, TENSOR, OPERATOR = 32, 16, 16
TYPE, PARAMETERS = 14, 8
MULTIPLIERS, GROUPS = 44, 52
S32, RESIZE = 3, 15


def patched(data: bytes, **fields: tuple[int, str, int]) -> bytes:
    """`data` with values at offsets: name=(offset, format, value)."""
    changed = bytearray(data)
    for offset, form, value in fields.values():
        struct.pack_into(form, changed, offset, value)
    return resealed(bytes(changed))


def parameters_at(data: bytes, program: Program, operator: int) -> int:
    at = HEADER + TENSOR * len(program.tensors) + OPERATOR * operator + PARAMETERS
    return int(struct.unpack_from("<I", data, at)[0])


def conv_of(model: Model) -> Conv:
    """The parameters of the convolution that `model` is."""
    (op,) = model.main.operators
    source, weights = op.inputs[0], op.inputs[1]
    assert source is not None and weights is not None
    image = spatial_image(op, (weights.shape[1], weights.shape[2]), True)
    assert image is not None
    axes = image.rows, image.columns
    found = parameters_of(
        op, Role("CONV_2D", (source,), (None,), (None,), op.outputs[0], None, image=axes)
    )
    assert isinstance(found, Conv)
    return found


def image(model: Model) -> np.ndarray:
    rng = np.random.default_rng(8)
    return rng.integers(-128, 128, model.main.inputs[0].shape).astype(np.int8)


def in_tflm(model: Model, data: np.ndarray) -> bytes:
    ((made,),) = tflm().run(save(model), [[data]])
    return np.asarray(made).tobytes()


@pytest.mark.parametrize(("depth", "channels", "groups"), [(6, 4, 2), (6, 9, 3), (4, 4, 4)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_grouped_convolution_is_that_of_tflm(depth, channels, groups, padding):
    g = GraphBuilder(3)
    g.output(g.conv(g.input((1, 7, 6, depth)), channels, (3, 2), 1, padding, groups=groups))
    model = g.model()
    data, (rows, width, out) = image(model), flat(model.main.outputs[0])
    program = Program(
        1, 1,
        (
            ProgramTensor(Place.INPUT, 0, 7, 7, 6, depth),
            ProgramTensor(Place.OUTPUT, 0, rows, rows, width, out, 0),
        ),
        (ProgramOperator(Kind.CONV_2D, (0,), 1, conv_of(model)),), ((0, rows),), ((DISJOINT,),), 16,
    )  # fmt: skip
    grouped = encode(program)
    at = parameters_at(grouped, program, 0)
    grouped = patched(grouped, groups=(at + GROUPS, "<H", groups))
    assert run_bytes(grouped, [data.tobytes()]) == [in_tflm(model, data)]


def in_slices(model: Model, slices: list[tuple[int, int]]) -> bytes:
    """A convolution as one of each slice of its input channels; requantised once."""
    conv, source, target = conv_of(model), model.main.inputs[0], model.main.outputs[0]
    (height, columns, depth), (rows, width, out) = flat(source), flat(target)
    kernel = (out, *conv.window.kernel, depth)
    weights = np.frombuffer(conv.weights, np.int8).reshape(kernel)
    tensors, operators = [], []
    for k, (first, end) in enumerate(slices):
        tensors.append(ProgramTensor(Place.INPUT, k, height, height, columns, end - first))
    for k, (first, end) in enumerate(slices):
        part = np.ascontiguousarray(weights[..., first:end])
        assert conv.bias is not None
        bias = conv.bias if k == 0 else (0,) * out
        totals = part.reshape(out, -1).sum(1, dtype=np.int64)
        folded = tuple(int(b + conv.input_offset * t) for b, t in zip(bias, totals, strict=True))
        last = k == len(slices) - 1
        operands = (k,) if k == 0 else (k, len(tensors) - 1)
        operators.append(
            ProgramOperator(
                Kind.CONV_2D, operands, len(tensors),
                replace(conv, weights=part.tobytes(), bias=bias, folded=folded),
            )
        )  # fmt: skip
        place = (Place.OUTPUT, 0, rows, rows) if last else (Place.WORKSPACE, 16, rows, 1)
        tensors.append(ProgramTensor(*place, width, out, k))
    program = Program(
        len(slices), 1, tuple(tensors), tuple(operators), ((len(slices) - 1, rows),),
        ((DISJOINT,) * len(slices),), 16 + 4 * width * out + -4 * width * out % 16,
    )  # fmt: skip
    data = encode(program)
    for k in range(len(slices) - 1):  # sums, and no requantisation
        at = parameters_at(data, program, k) + MULTIPLIERS
        data = patched(
            data,
            type=(HEADER + TENSOR * (len(slices) + k) + TYPE, "<B", S32),
            multipliers=(at, "<I", 0),
            shifts=(at + 4, "<I", 0),
        )
    return data


def sliced() -> Model:
    g = GraphBuilder(5)
    g.output(g.conv(g.input((1, 6, 5, 7)), 6, 3, 1, "SAME", "RELU6"))
    return g.model()


@pytest.mark.parametrize("slices", [[(0, 7)], [(0, 4), (4, 7)], [(0, 1), (1, 3), (3, 7)]])
def test_a_convolution_in_slices_of_input_channels_is_that_of_tflm(slices):
    model = sliced()
    data = image(model)
    code = in_slices(model, slices)
    parts = [np.ascontiguousarray(data[..., first:end]).tobytes() for first, end in slices]
    assert run_bytes(code, parts) == [in_tflm(model, data)]


def test_a_slice_that_skips_a_channel_gives_something_else():
    model = sliced()
    data = image(model)
    code = in_slices(model, [(0, 3), (4, 7)])
    parts = [
        np.ascontiguousarray(data[..., first:end]).tobytes() for first, end in ((0, 3), (4, 7))
    ]
    assert run_bytes(code, parts) != [in_tflm(model, data)]


def test_requantising_each_slice_gives_something_else():
    """The sum of requantised halves, which TFLM's ADD could make, is not the convolution."""
    model = sliced()
    data = image(model)
    conv, wanted = conv_of(model), in_tflm(model, data)
    whole, halves = np.frombuffer(wanted, np.int8).astype(int), []
    for first, end in ((0, 4), (4, 7)):
        code = in_slices(model, [(first, end)])
        part = np.ascontiguousarray(data[..., first:end]).tobytes()
        halves.append(np.frombuffer(run_bytes(code, [part])[0], np.int8).astype(int))
    low, high = conv.clamp
    summed = np.clip(halves[0] + halves[1] - conv.output_offset, low, high)
    assert (summed != whole).any()


@pytest.mark.parametrize("size", [(10, 9), (3, 6), (15, 2), (5, 3)])
def test_resizing_to_the_nearest_neighbour_is_that_of_tflm(size):
    g = GraphBuilder(5)
    g.output(g.resize(g.input((1, 5, 3, 4)), size))
    model = g.model()
    data = image(model)
    rows, columns = ([int(i * old / new) for i in range(new)]
                     for old, new in zip((5, 3), size, strict=True))  # fmt: skip
    tensors = (
        ProgramTensor(Place.INPUT, 0, 5, 5, 3, 4),
        ProgramTensor(Place.OUTPUT, 0, size[0], size[0], size[1], 4, 0),
    )
    op = ProgramOperator(Kind.TABLE, (0,), 1, Table(bytes(256)))  # room for the parameters
    program = Program(1, 1, tensors, (op,), ((0, size[0]),), ((DISJOINT,),), 16)
    code = bytearray(encode(program))
    at = parameters_at(bytes(code), program, 0)
    code[HEADER + 2 * TENSOR] = RESIZE
    struct.pack_into("<2I", code, at, at + 8, at + 8 + 2 * len(rows))
    struct.pack_into(f"<{len(rows) + len(columns)}H", code, at + 8, *rows, *columns)
    assert run_bytes(resealed(bytes(code)), [data.tobytes()]) == [in_tflm(model, data)]
    struct.pack_into("<H", code, at + 8, 5)
    assert check(resealed(bytes(code))) == "PARAMETERS"


# -- refusals -----------------------------------------------------------------------------


def changed_tensor(program: Program, index: int, **fields: object) -> Program:
    tensors = list(program.tensors)
    tensors[index] = replace(tensors[index], **fields)
    return replace(program, tensors=tuple(tensors))


def changed_operator(program: Program, index: int, **fields: object) -> Program:
    operators = list(program.operators)
    operators[index] = replace(operators[index], **fields)
    return replace(program, operators=tuple(operators))


def changed_conv(program: Program, **fields: object) -> Program:
    parameters = program.operators[0].parameters
    assert isinstance(parameters, Conv)
    return changed_operator(program, 0, parameters=replace(parameters, **fields))


def wrong() -> dict[str, tuple[str, Program]]:
    """What is wrong -> the status, and a program that is so."""
    program = program_of(model_of(plain))
    inner = next(i for i, t in enumerate(program.tensors) if t.place is Place.WORKSPACE)
    outer = next(i for i, t in enumerate(program.tensors) if t.place is Place.OUTPUT)
    first = program.operators[0].parameters
    assert isinstance(first, Conv)
    window, goal = first.window, program.goals[0]
    return {
        "a tensor of no rows": ("TENSOR", changed_tensor(program, inner, rows=0)),
        "a ring of no rows": ("TENSOR", changed_tensor(program, inner, ring=0)),
        "a ring of more rows than there are": (
            "TENSOR",
            changed_tensor(program, inner, ring=program.tensors[inner].rows + 1),
        ),
        "an output that is a ring": ("TENSOR", changed_tensor(program, outer, ring=1)),
        "a ring behind the workspace": (
            "TENSOR",
            changed_tensor(program, inner, offset=program.workspace),
        ),
        "a ring over the interpreter's own memory": (
            "TENSOR",
            changed_tensor(program, inner, offset=0),
        ),
        "a tensor of another's making": ("TENSOR", changed_tensor(program, inner, producer=2)),
        "an output that is none": ("TENSOR", changed_tensor(program, outer, offset=1)),
        "a segment with one more input": (
            "TENSOR",
            replace(program, inputs=2, overlaps=((DISJOINT, DISJOINT),)),
        ),
        "a tensor of no known type": ("TENSOR", changed_tensor(program, inner, type=9)),
        "an input of sums": ("TENSOR", changed_tensor(program, 0, type=TensorType.S32)),
        "a convolution of floats to bytes": (
            "SHAPE",
            changed_tensor(program, 0, type=TensorType.F32),
        ),
        "a convolution of bytes without a sign": (
            "SHAPE",
            changed_tensor(program, 0, type=TensorType.U8),
        ),
        "an operator without operands": ("OPERATOR", changed_operator(program, 0, operands=())),
        "a pool of two tensors": ("OPERATOR", changed_operator(program, 4, operands=(0, 0))),
        "a tensor that does not exist": ("OPERATOR", changed_operator(program, 0, operands=(99,))),
        "an operator that reads what comes later": (
            "OPERATOR",
            changed_operator(program, 0, operands=(outer,)),
        ),
        "a table that changes the channels": (
            "SHAPE",
            changed_operator(program, 0, kind=Kind.TABLE, parameters=Table(bytes(256))),
        ),
        "a window of no columns": (
            "PARAMETERS",
            changed_conv(program, window=replace(window, kernel=(3, 0))),
        ),
        "a window of too many rows": (
            "PARAMETERS",
            changed_conv(program, window=replace(window, kernel=(33, 3))),
        ),
        "a stride of nothing": (
            "PARAMETERS",
            changed_conv(program, window=replace(window, stride=(2, 0))),
        ),
        "a window before the image": (
            "PARAMETERS",
            changed_conv(program, window=replace(window, pad=(3, 1))),
        ),
        "a window behind the image": (
            "PARAMETERS",
            changed_conv(program, window=replace(window, stride=(3, 2))),
        ),
        "no biases for the border": ("PARAMETERS", changed_conv(program, bias=None)),
        "a zero point that is no byte": ("PARAMETERS", changed_conv(program, input_offset=129)),
        "a range upside down": ("PARAMETERS", changed_conv(program, clamp=(3, 2))),
        "a range beyond bytes": ("PARAMETERS", changed_conv(program, clamp=(-128, 128))),
        "a negative multiplier": (
            "PARAMETERS",
            changed_conv(program, multipliers=(-1, *first.multipliers[1:])),
        ),
        "a shift out of range": (
            "PARAMETERS",
            changed_conv(program, shifts=(*first.shifts[:-1], 31)),
        ),
        "a goal of too many steps": ("GOAL", replace(program, goals=((goal[0], goal[1] + 1),))),
        "a goal of no operator": ("GOAL", replace(program, goals=((99, 1),))),
        "a workspace of a size that is no multiple of 16": (
            "SIZE",
            replace(program, workspace=program.workspace + 4),
        ),
    }


@pytest.mark.parametrize("what", wrong())
def test_a_program_is_refused_that_has(what):
    status, program = wrong()[what]
    assert check(encode(program_of(model_of(plain)))) == "OK"
    assert check(encode(program)) == status


def converted(read: TensorType, written: TensorType, kind: Kind, parameters) -> Program:
    """A program of one operator between tensors of two types."""
    tensors = (
        ProgramTensor(Place.INPUT, 0, 2, 2, 3, 1, type=read),
        ProgramTensor(Place.OUTPUT, 0, 2, 2, 3, 1, 0, type=written),
    )
    op = ProgramOperator(kind, (0,), 1, parameters)
    return Program(1, 1, tensors, (op,), ((0, 2),), ((DISJOINT,),), 16)


S8, S16, F32, U8 = TensorType.S8, TensorType.S16, TensorType.F32, TensorType.U8


@pytest.mark.parametrize(
    ("kind", "parameters", "right"),
    [
        (Kind.QUANTIZE, Quantize(0.5, 3), {(F32, S8), (F32, S16)}),
        (Kind.DEQUANTIZE, Quantize(0.5, 3), {(S8, F32), (S16, F32), (U8, F32)}),
        (Kind.REQUANTIZE, Rescale(1, 1 << 30, 0, 2), {(S8, S16), (S16, S8), (S16, S16)}),
        (Kind.TABLE, Table(bytes(256)), {(S8, S8), (S8, U8), (U8, S8), (U8, U8)}),
        (Kind.PAD, Pad((0, 0, 0), 0), {(S8, S8), (S16, S16), (F32, F32), (U8, U8)}),
        (Kind.SOFTMAX, Softmax(1 << 30, 1, -100), {(S8, S8)}),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_an_operator_has_just_the_types_that_it_has_kernels_for(kind, parameters, right):
    every = [(a, b) for a in TensorType for b in TensorType if TensorType.S32 not in (a, b)]
    found = {pair: check(encode(converted(*pair, kind, parameters))) for pair in every}
    assert {pair for pair, status in found.items() if status == "OK"} == right
    assert {status for pair, status in found.items() if pair not in right} == {"SHAPE"}


@pytest.mark.parametrize(
    ("types", "kind", "parameters"),
    [
        ((F32, S8), Kind.QUANTIZE, Quantize(0.0, 3)),
        ((F32, S8), Kind.QUANTIZE, Quantize(-1.0, 3)),
        ((F32, S8), Kind.QUANTIZE, Quantize(float("inf"), 3)),
        ((F32, S8), Kind.QUANTIZE, Quantize(float("nan"), 3)),
        ((F32, S8), Kind.QUANTIZE, Quantize(0.5, 128)),
        ((U8, F32), Kind.DEQUANTIZE, Quantize(0.5, -1)),
        ((S16, F32), Kind.DEQUANTIZE, Quantize(0.5, 1 << 15)),
        ((S16, S8), Kind.REQUANTIZE, Rescale(1 << 16, 1 << 30, 0, 0)),
        ((S16, S8), Kind.REQUANTIZE, Rescale(0, -1, 0, 0)),
        ((S16, S8), Kind.REQUANTIZE, Rescale(0, 1 << 30, 31, 0)),
        ((S16, S8), Kind.REQUANTIZE, Rescale(0, 1 << 30, 0, 200)),
        ((F32, F32), Kind.PAD, Pad((0, 0, 0), 1)),
    ],
)
def test_parameters_of_a_conversion_that_make_no_sense_are_refused(types, kind, parameters):
    assert check(encode(converted(*types, kind, parameters))) == "PARAMETERS"


def test_a_pooling_window_without_a_pixel_is_refused():
    program = program_of(model_of(plain))
    pool = program.operators[4].parameters
    assert isinstance(pool, Pool)
    none = replace(pool, window=Window((2, 2), (2, 2), (1, 1), (2, 0)))
    assert check(encode(changed_operator(program, 4, parameters=none))) == "PARAMETERS"


def test_every_truncation_is_refused():
    data = encode(program_of(model_of(plain)))
    assert {check(data[:size]) for size in range(0, len(data), 5)} <= {"FORMAT", "SIZE"}
    for size in range(32, len(data), 16):
        shorter = patched(data[:size], size=(8, "<I", size))
        assert check(shorter) != "OK", size


def test_every_damaged_byte_is_refused_by_the_checksum():
    data = encode(program_of(model_of(plain)))
    for at in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        assert check(bytes(damaged)) in ("FORMAT", "SIZE", "CHECKSUM"), at


def test_a_program_needs_an_address_for_words():
    data = encode(program_of(model_of(plain)))
    assert check(data, misaligned=4) == "OK"
    assert [check(data, misaligned=by) for by in (1, 2, 3)] == ["FORMAT"] * 3

"""Programs as bytes: what is written is read again, damage is refused, C and Python agree."""

from __future__ import annotations

import ctypes
import struct
import zlib

import pytest

from arenafit.errors import ModelError
from arenafit.graph import DType, Model
from arenafit.partial import encoding as e
from arenafit.partial import program as p
from arenafit.partial.encoding import decode, encode
from arenafit.partial.encoding_f32 import STRUCTS_F32
from arenafit.partial.encoding_s16 import STRUCTS_S16
from arenafit.partial.lower import lower
from arenafit.partial.program import Kind, Place, Program
from arenafit.partial.roles import MAX_OPERANDS, MAX_TAPS
from support.builder import GraphBuilder
from support.native import C_FLAGS, KERNELS, compile_shared
from support.segment import segment_of

NATIVE = KERNELS.parent / "tests" / "native"


def everything() -> Model:
    """A model with each kind of operator that arenafit makes, but for FEED: see test_feed_*."""
    g = GraphBuilder(seed=5)
    image = g.input((1, 12, 12, 4))
    x = g.conv(image, 8, kernel=3, activation="RELU6")
    x = g.strided_slice(x, (0, 0, 0, 0), (1, 12, 12, 8))
    a = g.relu(g.depthwise(x, kernel=3))
    b = g.pool(x, kernel=3, stride=1, padding="SAME")
    c = g.pool(x, kernel=3, stride=1, padding="SAME", kind="AVERAGE")
    for tensor in (a, b, c):
        tensor.quantization = x.quantization
    y = g.concat([a, b, c])
    y.quantization = x.quantization
    y = g.conv(g.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0))), 8, kernel=3, padding="VALID")
    y = g.mul(g.add(y, x), g.random((1, 1, 1, 8)))
    y = g.add(y, x, name="SUB")
    whole = g.pool(y, kernel=12, padding="VALID")
    mean = g.reshape(g.pool(y, kernel=12, padding="VALID", kind="AVERAGE"), (1, 8))
    z = g.add(g.reshape(whole, (1, 8)), g.add(mean, g.mean(y)))
    probabilities = g.softmax(g.fully_connected(z, 5))
    wide = g.quantize(probabilities, DType.INT16)
    floats = g.unary("LEAKY_RELU", g.relu(g.dequantize(wide)), alpha=0.25)
    g.output(g.quantize(floats, DType.INT8), probabilities)
    return g.model()


@pytest.fixture(scope="module")
def program() -> Program:
    return lower(segment_of(everything()))


def test_the_model_has_every_kind_and_every_place(program: Program):
    assert {op.kind for op in program.operators} == set(Kind) - {Kind.FEED}
    assert {tensor.place for tensor in program.tensors} == set(Place)


def test_what_is_written_is_read_again(program: Program):
    read = decode(encode(program))
    for mine, theirs in zip(program.tensors, read.tensors, strict=True):
        if mine.place is not Place.CONSTANT:
            assert mine == theirs
        assert mine.data == theirs.data
    assert program.operators == read.operators
    assert (program.goals, program.overlaps, program.workspace) == (
        read.goals,
        read.overlaps,
        read.workspace,
    )
    assert encode(read) == encode(program)


def test_a_program_is_aligned_and_holds_its_arrays_once(program: Program):
    data = encode(program)
    assert len(data) % p.ALIGNMENT == 0
    conv = next(op for op in program.operators if isinstance(op.parameters, p.Conv))
    twice = Program(
        program.inputs,
        program.outputs,
        program.tensors,
        (*program.operators, conv),
        program.goals,
        program.overlaps,
        program.workspace,
    )
    weights = len(conv.parameters.weights)
    assert len(encode(twice)) < len(data) + weights


def test_damage_is_refused_wherever_it_is(program: Program):
    data = encode(program)
    for at in range(0, len(data), 7):
        harmed = bytearray(data)
        harmed[at] ^= 0x10
        with pytest.raises(ModelError):
            decode(bytes(harmed))
    for length in range(0, len(data), 11):
        with pytest.raises(ModelError):
            decode(data[:length])


def test_wrong_numbers_under_a_right_checksum_are_refused_or_read_within_bounds(program: Program):
    data = encode(program)
    refused = 0
    for at in range(8, min(len(data), 1500)):
        harmed = bytearray(data)
        harmed[at] ^= 0xFF
        struct.pack_into("<I", harmed, 4, zlib.crc32(bytes(harmed[8:])))
        try:
            decode(bytes(harmed))
        except ModelError:
            refused += 1
    assert refused > 100


def test_what_does_not_fit_the_format_is_refused(program: Program):
    long = Program(1, 1, program.tensors, program.operators, ((0, 1 << 16),), ((0,),), 16)
    with pytest.raises(ModelError, match="too large"):
        encode(long)


def test_python_and_c_have_the_same_layout():
    library = compile_shared([NATIVE / "program_layout.c"], *C_FLAGS)
    buffer = (ctypes.c_uint32 * 256)()
    count = library.program_layout(buffer)
    structs = (
        e._HEADER, e._TENSOR, e._OPERATOR, e._GOAL, e._CONV, e._POOL, e._MEAN, e._ARITHMETIC,
        e._CONCATENATION, e._PAD, e._RESIZE, e._SOFTMAX, e._QUANTIZE, e._RESCALE, e._FEED,
        *STRUCTS_F32, *STRUCTS_S16,
    )  # fmt: skip
    fields = [
        *(12, 4), *(16, 2), *(26, 2),  # header: workspace, inputs, operands
        *(0, 4), *(12, 2), *(14, 1), *(15, 1),  # tensor: offset, producer, type, place
        *(1, 1), *(2, 2), *(8, 4), *(12, 4),  # operator: operands, first, parameters, accumulator
        *(16, 4), *(32, 4), *(48, 4), *(52, 2),  # conv: input_offset, weights, shifts, groups
        *(16, 4), *(24, 4), *(40, 4), *(6, 2),  # clamp_min; left_shift, clamp_min; value
        *(16, 4), *(24, 4), *(32, 2), *(16, 4),  # of floats: weights, clamp_min, groups; clamp_min
        *(16, 4), *(24, 4), *(40, 2), *(42, 1), *(16, 4),  # of int16: clamp_min ... narrow; clamp_min
    ]  # fmt: skip
    assert list(buffer[:count]) == [
        *(s.size for s in structs),
        p.MAGIC, p.ALIGNMENT, p.NO_OPERATOR, p.DISJOINT, MAX_TAPS, MAX_OPERANDS, 16,
        *Kind, *Place, *p.TensorType, *fields,
    ]  # fmt: skip

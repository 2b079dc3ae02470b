"""Programs of segments as bytes, after kernels/core/include/arenafit/program.h.

`encode` lays a program out, `decode` takes one apart again.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

from arenafit.errors import ModelError
from arenafit.partial.encoding_common import Sections, take, weight_count
from arenafit.partial.encoding_f32 import KINDS_F32, read_f32, write_f32
from arenafit.partial.encoding_s16 import KINDS_S16, read_s16, write_s16
from arenafit.partial.layout import arrange, restore
from arenafit.partial.program import (
    MAGIC,
    Arithmetic,
    Concatenation,
    Conv,
    ConvF32,
    ConvS16,
    Feed,
    Kind,
    Layout,
    LeakyReluF32,
    LeakyReluS16,
    Mean,
    Pad,
    Parameters,
    Place,
    Pool,
    PoolF32,
    Program,
    ProgramOperator,
    ProgramTensor,
    Quantize,
    RangeF32,
    Rescale,
    Resize,
    Softmax,
    Table,
    TensorType,
    Window,
)

__all__ = ["decode", "encode"]

_HEADER = struct.Struct("<4I6H4x")
_TENSOR = struct.Struct("<I5H2B")
_OPERATOR = struct.Struct("<2B3H2I")
_GOAL = struct.Struct("<2H")
_CONV = struct.Struct("<8H4i5I2H")
_POOL = struct.Struct("<8H2i")
_MEAN = struct.Struct("<4i")
_ARITHMETIC = struct.Struct("<12i")
_CONCATENATION = struct.Struct("<I")
_PAD = struct.Struct("<3Hh")
_RESIZE = struct.Struct("<2I")
_SOFTMAX = struct.Struct("<3i")
_QUANTIZE = struct.Struct("<fi")
_RESCALE = struct.Struct("<4i")
_FEED = struct.Struct("<I")
_TABLE = 256  # bytes


# -- writing ------------------------------------------------------------------------------


def encode(program: Program) -> bytes:
    """The program as its constant tensor has it: a multiple of 16 bytes.

    Raises:
        ModelError: something is too large for the format.
    """
    try:
        return _encode(program)
    except struct.error as error:
        raise ModelError(f"too large for a program ({error})", "a segment") from error


def _encode(program: Program) -> bytes:
    out = Sections()
    operands = [tensor for op in program.operators for tensor in op.operands]
    out.reserve(_HEADER.size)
    tensors = out.reserve(_TENSOR.size * len(program.tensors), 4)
    operators = out.reserve(_OPERATOR.size * len(program.operators), 4)
    for goal in program.goals:
        out.data += _GOAL.pack(*goal)
    for row in program.overlaps:
        out.data += struct.pack(f"<{len(row)}i", *row)
    out.data += struct.pack(f"<{len(operands)}H", *operands)
    first = 0
    for i, op in enumerate(program.operators):
        at = _write_parameters(out, op, program)
        _OPERATOR.pack_into(
            out.data, operators + i * _OPERATOR.size,
            op.kind, len(op.operands), first, op.output, 0, at, op.accumulator,
        )  # fmt: skip
        first += len(op.operands)
    for i, t in enumerate(program.tensors):
        offset = out.append(t.data) if t.place is Place.CONSTANT else t.offset
        _TENSOR.pack_into(
            out.data, tensors + i * _TENSOR.size,
            offset, t.rows, t.ring, t.width, t.channels, t.producer, t.type, t.place,
        )  # fmt: skip
    out.reserve(0)
    counts = (len(program.tensors), len(program.operators), len(program.goals), len(operands))
    _HEADER.pack_into(
        out.data, 0,
        MAGIC, 0, len(out.data), program.workspace, program.inputs, program.outputs, *counts,
    )  # fmt: skip
    struct.pack_into("<I", out.data, 4, zlib.crc32(bytes(out.data[8:])))
    return bytes(out.data)


def _write_parameters(out: Sections, op: ProgramOperator, program: Program) -> int:
    """The struct and what it points at; its offset."""
    match op.parameters:
        case Conv() as conv:
            weights = conv.weights
            if conv.layout is not Layout.PLAIN:
                weights = arrange(op.kind, conv, program.tensors[op.operands[0]])
            return _write_conv(out, conv, weights)
        case Pool(window, clamp):
            return out.append(_POOL.pack(*window.fields(), *clamp))
        case Mean(sum_offset, multiplier, shift, output_offset):
            return out.append(_MEAN.pack(sum_offset, multiplier, shift, output_offset))
        case Arithmetic() as a:
            return out.append(
                _ARITHMETIC.pack(
                    *a.input_offset, *a.input_multiplier, *a.input_shift, a.left_shift,
                    a.multiplier, a.shift, a.output_offset, *a.clamp,
                )
            )  # fmt: skip
        case Concatenation(axis):
            return out.append(_CONCATENATION.pack(axis))
        case Pad(before, value):
            return out.append(_PAD.pack(*before, value))
        case Table(values):
            return out.append(values)
        case Resize(rows, columns):
            where = (out.append(struct.pack(f"<{len(m)}H", *m)) for m in (rows, columns))
            return out.append(_RESIZE.pack(*where))
        case Softmax(multiplier, left_shift, diff_min):
            return out.append(_SOFTMAX.pack(multiplier, left_shift, diff_min))
        case ConvF32() | PoolF32() | RangeF32() | LeakyReluF32():
            return write_f32(out, op.parameters)
        case ConvS16() | LeakyReluS16():
            return write_s16(out, op.parameters)
        case Quantize(scale, zero_point):
            return out.append(_QUANTIZE.pack(scale, zero_point))
        case Rescale(input_offset, multiplier, shift, output_offset):
            return out.append(_RESCALE.pack(input_offset, multiplier, shift, output_offset))
        case Feed(number):
            return out.append(_FEED.pack(number))


def _write_conv(out: Sections, conv: Conv, weights_as_laid_out: bytes) -> int:
    at = out.reserve(_CONV.size)
    bias = 0 if conv.bias is None else out.words(conv.bias)
    folded, multipliers, shifts = out.words(conv.folded), 0, 0
    if conv.multipliers:
        multipliers = out.words(conv.multipliers)
        shifts = out.append(struct.pack(f"<{len(conv.shifts)}b", *conv.shifts))
    weights = out.append(weights_as_laid_out)
    _CONV.pack_into(
        out.data, at, *conv.window.fields(), conv.input_offset, conv.output_offset, *conv.clamp,
        weights, bias, folded, multipliers, shifts, conv.groups, conv.layout,
    )  # fmt: skip
    return at


# -- reading ------------------------------------------------------------------------------


def decode(data: bytes) -> Program:
    """The program in `data`.

    Raises:
        ModelError: it is no program of this version, damaged, or points out of itself. (That its
            operators make sense is for the interpreter to check.)
    """
    if len(data) < _HEADER.size:
        raise ModelError("a program of a segment is too short")
    magic, checksum, size, workspace, inputs, outputs, *counts = _HEADER.unpack_from(data)
    if magic != MAGIC or size != len(data):
        raise ModelError("not a program of a segment, or of another version")
    if checksum != zlib.crc32(data[8:]):
        raise ModelError("a program of a segment is damaged")
    try:
        return _decode(data, workspace, inputs, outputs, counts)
    except (struct.error, ValueError, IndexError) as error:
        raise ModelError(f"a program of a segment is inconsistent ({error})") from error


def _decode(data: bytes, workspace: int, inputs: int, outputs: int, counts: list[int]) -> Program:
    tensor_count, operator_count, goal_count, operand_count = counts
    at = _HEADER.size
    tensors = []
    for _ in range(tensor_count):
        offset, rows, ring, width, channels, producer, kind, place = _TENSOR.unpack_from(data, at)
        at += _TENSOR.size
        tensor = ProgramTensor(
            Place(place), offset, rows, ring, width, channels, producer, type=TensorType(kind)
        )
        if tensor.place is Place.CONSTANT:
            tensor = replace(tensor, data=take(data, offset, rows * tensor.row_bytes))
        tensors.append(tensor)
    records = [_OPERATOR.unpack_from(data, at + i * _OPERATOR.size) for i in range(operator_count)]
    at += operator_count * _OPERATOR.size
    goals = tuple(_GOAL.unpack_from(data, at + i * _GOAL.size) for i in range(goal_count))
    at += goal_count * _GOAL.size
    flat = struct.unpack_from(f"<{outputs * inputs}i", data, at)
    at += 4 * len(flat)
    overlaps = tuple(flat[i * inputs : (i + 1) * inputs] for i in range(outputs))
    operands = struct.unpack_from(f"<{operand_count}H", data, at)
    operators = []
    for kind, count, first, output, _, where, accumulator in records:
        read = operands[first : first + count]
        if max((*read, output)) >= tensor_count or len(read) != count:
            raise ValueError("a tensor's number")
        parameters = _read_parameters(data, Kind(kind), where, tensors, read, output)
        operators.append(ProgramOperator(Kind(kind), read, output, parameters, accumulator))
    return Program(inputs, outputs, tuple(tensors), tuple(operators), goals, overlaps, workspace)


def _read_parameters(
    data: bytes,
    kind: Kind,
    at: int,
    tensors: list[ProgramTensor],
    read: tuple[int, ...],
    output: int,
) -> Parameters:
    if tensors[output].type is TensorType.S16 and kind in KINDS_S16:
        return read_s16(data, kind, at, tensors[read[0]], tensors[output])
    if tensors[output].type is TensorType.F32 and kind in KINDS_F32:
        return read_f32(data, kind, at, tensors[read[0]], tensors[output])
    match kind:
        case Kind.CONV_2D | Kind.DEPTHWISE_CONV_2D | Kind.FULLY_CONNECTED:
            return _read_conv(data, kind, at, tensors[read[0]], tensors[output])
        case Kind.ADD | Kind.SUB | Kind.MUL:
            a = _ARITHMETIC.unpack_from(data, at)
            return Arithmetic(a[0:2], a[2:4], a[4:6], a[6], a[7], a[8], a[9], a[10:12])
        case Kind.MEAN:
            return Mean(*_MEAN.unpack_from(data, at))
        case Kind.CONCATENATION:
            return Concatenation(*_CONCATENATION.unpack_from(data, at))
        case Kind.PAD:
            *before, value = _PAD.unpack_from(data, at)
            return Pad((before[0], before[1], before[2]), value)
        case Kind.TABLE:
            return Table(take(data, at, _TABLE))
        case Kind.RESIZE_NEAREST_NEIGHBOR:
            made = tensors[output]
            rows, columns = _RESIZE.unpack_from(data, at)
            return Resize(
                struct.unpack_from(f"<{made.rows}H", data, rows),
                struct.unpack_from(f"<{made.width}H", data, columns),
            )
        case Kind.SOFTMAX:
            return Softmax(*_SOFTMAX.unpack_from(data, at))
        case Kind.QUANTIZE | Kind.DEQUANTIZE:
            return Quantize(*_QUANTIZE.unpack_from(data, at))
        case Kind.REQUANTIZE:
            return Rescale(*_RESCALE.unpack_from(data, at))
        case Kind.FEED:
            return Feed(*_FEED.unpack_from(data, at))
        case _:
            fields = _POOL.unpack_from(data, at)
            return Pool(Window.of(fields[:8]), fields[8:10])


def _read_conv(
    data: bytes, kind: Kind, at: int, source: ProgramTensor, target: ProgramTensor
) -> Conv:
    channels = target.channels
    fields = _CONV.unpack_from(data, at)
    window = Window.of(fields[:8])
    input_offset, output_offset, low, high = fields[8:12]
    weights, bias, folded, multipliers, shifts, groups, layout = fields[12:]
    count = weight_count(kind, window, groups, source, target)
    scaled = target.type is not TensorType.S32

    def words(offset: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{channels}i", data, offset)

    found = take(data, weights, count)
    conv = Conv(
        window, input_offset, output_offset, (low, high), found,
        words(bias) if bias else None, words(folded),
        words(multipliers) if scaled else (),
        struct.unpack_from(f"<{channels}b", data, shifts) if scaled else (), groups,
        Layout(layout),
    )  # fmt: skip
    if conv.layout is Layout.PLAIN:
        return conv
    return replace(conv, weights=restore(found, kind, conv, source))

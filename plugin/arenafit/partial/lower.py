"""From a segment to its program: parameters as TFLM's kernels work them out in Prepare.

Each function names the file below tensorflow/lite/micro/kernels/ that it follows. What TFLM
computes in float is computed in float here, too; see `arithmetic`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from arenafit.errors import ModelError
from arenafit.graph.model import DType, Operator
from arenafit.memory.access.describe import integers
from arenafit.memory.access.window import Axis
from arenafit.partial.arithmetic import (
    INT32_MAX,
    INT32_MIN,
    activation_range,
    f32,
    input_radius,
    quantize_multiplier,
    scale_of,
    zero_of,
)
from arenafit.partial.lower_common import MAX_SHIFT, data_of, factors_of, image_of
from arenafit.partial.lower_float import FLOAT_PARAMETERS
from arenafit.partial.lower_int16 import INT16_PARAMETERS
from arenafit.partial.program import (
    DISJOINT,
    NO_OPERATOR,
    Arithmetic,
    Concatenation,
    Conv,
    Feed,
    Kind,
    Mean,
    Pad,
    Parameters,
    Place,
    Pool,
    Program,
    ProgramOperator,
    ProgramTensor,
    Quantize,
    Rescale,
    Resize,
    Softmax,
    Table,
    Window,
)
from arenafit.partial.roles import TYPES, Role, operand_shape
from arenafit.partial.rows import RowOperator
from arenafit.partial.segment import Member, Segment
from arenafit.partial.slices import of_channels, sliced
from arenafit.partial.tables import table_of

__all__ = ["lower", "parameters_of"]


def lower(segment: Segment) -> Program:
    """The program of `segment`.

    Raises:
        ModelError: an operator has parameters that TFLM, or a program, cannot have. Ask
            `parameters_of` beforehand.
    """
    tensors = _tensors(segment)
    operators = []
    whole: dict[Operator, Parameters] = {}
    for member, row, sums in zip(
        segment.members, segment.graph.operators, segment.workspace.sums, strict=True
    ):
        op, role = member.operator, member.role
        if op not in whole:
            parameters = parameters_of(op, role)
            if parameters is None:
                raise ModelError("its parameters are beyond what a program can have", op.code.label)
            whole[op] = parameters
        parameters, kind = whole[op], Kind[role.kind]
        if member.part is not None:
            source = segment.shapes[row.demands[0].tensor]
            kind, parameters = sliced(kind, parameters, member.part, source)
        operands = tuple(_operands(member, row, tensors))
        operators.append(ProgramOperator(kind, operands, row.output, parameters, sums))
    return Program(
        len(segment.inputs),
        len(segment.outputs),
        tuple(tensors),
        tuple(operators),
        segment.simulation.goals,
        _overlaps(segment),
        segment.workspace.size,
    )


def _overlaps(segment: Segment) -> tuple[tuple[int, ...], ...]:
    """By output and input; DISJOINT where nothing could be shared."""
    distances = segment.simulation.distances
    return tuple(
        tuple(
            row[k] if row[k] < target.nbytes else DISJOINT for row in distances
        )
        for k, target in enumerate(segment.outputs)
    )  # fmt: skip


def _tensors(segment: Segment) -> list[ProgramTensor]:
    """Those of the segment, in its order; constants are added by whoever reads them."""
    graph = segment.graph
    inputs = {t: k for k, t in enumerate(graph.inputs)}
    outputs = {t: k for k, t in enumerate(graph.outputs)}
    producers = {op.output: i for i, op in enumerate(graph.operators)}
    tensors = []
    for i, (rows, width, channels) in enumerate(segment.shapes):
        if i in inputs:
            place, offset, ring = Place.INPUT, inputs[i], rows
        elif i in outputs:
            place, offset, ring = Place.OUTPUT, outputs[i], rows
        else:
            place, offset = Place.WORKSPACE, segment.workspace.rings[i]
            ring = segment.simulation.rings[i]
        producer, kind = producers.get(i, NO_OPERATOR), segment.types[i]
        tensors.append(
            ProgramTensor(place, offset, rows, ring, width, channels, producer, type=kind)
        )
    return tensors


def _operands(member: Member, row: RowOperator, tensors: list[ProgramTensor]) -> list[int]:
    """Tensors that a member reads; the constant operand of an elementwise one becomes a tensor."""
    read = [demand.tensor for demand in row.demands]
    if member.role.kind not in _ARITHMETIC:
        return read
    found = []
    for tensor in member.operator.inputs:
        assert tensor is not None
        if not tensor.is_constant:
            found.append(read.pop(0))
            continue
        (rows, width, channels), data = operand_shape(tensor), data_of(tensor)
        if member.part is not None and channels > 1:
            data = of_channels(data, channels, member.part)
            channels = member.part.stop - member.part.first
        found.append(len(tensors))
        kind = TYPES[tensor.dtype]
        tensors.append(
            ProgramTensor(Place.CONSTANT, 0, rows, rows, width, channels, data=data, type=kind)
        )
    return found


def parameters_of(op: Operator, role: Role) -> Parameters | None:
    """The parameters of `op` in a program, None where it cannot have them."""
    own = _OF_TYPE.get(role.output.dtype, {}).get(role.kind)
    return (own or _PARAMETERS[role.kind])(op, role)


def _conv(op: Operator, role: Role) -> Parameters | None:
    """conv_common.cc, depthwise_conv_common.cc, fully_connected_common.cc"""
    weights, target = op.inputs[1], role.output
    bias = op.inputs[2] if len(op.inputs) > 2 else None
    assert weights is not None
    depthwise = role.kind == "DEPTHWISE_CONV_2D"
    channels = weights.shape[3] if depthwise else weights.shape[0]
    factors = factors_of(op, role, channels)
    clamp = activation_range(op, target)
    if factors is None or clamp is None:
        return None
    data, offset = data_of(weights), -zero_of(role.inputs[0])
    biases = (0,) * channels
    if bias is not None:
        biases = struct.unpack(f"<{channels}i", data_of(bias))
    per_channel = len(data) // channels
    totals = [
        _sum(data[n::channels] if depthwise else data[n * per_channel : (n + 1) * per_channel])
        for n in range(channels)
    ]
    folded = tuple(b + offset * total for b, total in zip(biases, totals, strict=True))
    if not all(INT32_MIN <= value <= INT32_MAX for value in folded):
        return None
    leaves = role.image is not None and any(map(_leaves, role.image))
    return Conv(
        image_of(role) if role.image is not None else Window(),
        offset, zero_of(target), clamp, data, biases if leaves else None, folded,
        tuple(multiplier for multiplier, _ in factors), tuple(shift for _, shift in factors),
    )  # fmt: skip


def _sum(values: bytes) -> int:
    """Of int8 values."""
    return sum(values) - 256 * sum(value > 127 for value in values)


def _leaves(axis: Axis) -> bool:
    """True where a window reaches out of the image."""
    return axis.pad > 0 or axis.pad_after > 0


def _pool(op: Operator, role: Role) -> Parameters | None:
    """pooling_common.cc"""
    clamp = activation_range(op, role.output)
    window = Window() if role.reduces else image_of(role)
    return None if clamp is None else Pool(window, clamp)


def _mean(op: Operator, role: Role) -> Parameters | None:
    """reduce_common.cc, and QuantizedMeanOrSum in kernels/internal/reference/reduce.h"""
    del op
    source, target = role.inputs[0], role.output
    pixels = source.shape[1] * source.shape[2]
    multiplier, shift = quantize_multiplier(scale_of(source) / scale_of(target))
    bits = min(pixels.bit_length() - 1, 32, 31 + shift)
    multiplier, shift = (multiplier << bits) // pixels, shift - bits
    if not -31 <= shift <= MAX_SHIFT or multiplier > INT32_MAX:
        return None
    return Mean(-zero_of(source) * pixels, multiplier, shift, zero_of(target))


def _sum_or_difference(op: Operator, role: Role) -> Parameters | None:
    """add_common.cc in double, sub_common.cc in float"""
    first, second = op.inputs
    assert first is not None and second is not None
    exact: Callable[[float], float] = (lambda x: x) if role.kind == "ADD" else f32
    a, b, written = scale_of(first), scale_of(second), scale_of(role.output)
    left_shift = 15 if role.output.dtype is DType.INT16 else 20
    twice = exact(2 * max(a, b))
    unit = exact((1 << left_shift) * written)
    if not (0 < twice < math.inf and 0 < unit < math.inf):
        return None
    factors = [quantize_multiplier(exact(real)) for real in (a / twice, b / twice, twice / unit)]
    clamp = activation_range(op, role.output)
    if clamp is None or any(shift > 0 for _, shift in factors):
        return None
    (m0, s0), (m1, s1), (multiplier, shift) = factors
    return Arithmetic(
        (-zero_of(first), -zero_of(second)), (m0, m1), (s0, s1), left_shift,
        multiplier, shift, zero_of(role.output), clamp,
    )  # fmt: skip


def _product(op: Operator, role: Role) -> Parameters | None:
    """mul_common.cc"""
    first, second = op.inputs
    assert first is not None and second is not None
    real = scale_of(first) * scale_of(second) / scale_of(role.output)
    multiplier, shift = quantize_multiplier(real)
    clamp = activation_range(op, role.output)
    if clamp is None or shift > MAX_SHIFT:
        return None
    offsets = -zero_of(first), -zero_of(second)
    zero = zero_of(role.output)
    return Arithmetic(offsets, (0, 0), (0, 0), 0, multiplier, shift, zero, clamp)


def _concatenation(op: Operator, role: Role) -> Parameters:
    del op
    return Concatenation(role.axis)


def _pad(op: Operator, role: Role) -> Parameters:
    """pad_common.cc: the output's zero point all around"""
    pads = integers(op, 1, 8)
    assert pads is not None
    value = 0 if role.output.dtype is DType.FLOAT32 else zero_of(role.output)
    return Pad((pads[2], pads[4], pads[6]), value)


def _table(op: Operator, role: Role) -> Parameters | None:
    del role
    values = table_of(op)
    return None if values is None else Table(values)


def _resize(op: Operator, role: Role) -> Parameters:
    """strided_slice.cc, resize_nearest_neighbor.cc"""
    del op
    assert role.lookup is not None
    return Resize(*role.lookup)


def _softmax(op: Operator, role: Role) -> Parameters | None:
    """softmax_common.cc, PreprocessSoftmaxScaling"""
    integer_bits = 5
    source, target = role.inputs[0], role.output
    if zero_of(target) != -128 or scale_of(target) != 1 / 256:
        return None
    real = f32(op.option("beta", 0.0)) * scale_of(source) * (1 << (31 - integer_bits))
    real = min(real, float(INT32_MAX))
    if real <= 1:
        return None
    multiplier, left_shift = quantize_multiplier(real)
    return Softmax(multiplier, left_shift, -input_radius(integer_bits, left_shift))


def _quantize(op: Operator, role: Role) -> Parameters:
    """quantize_common.cc and dequantize_common.cc, where floats come or go"""
    del op
    quantized = role.output if role.kind == "QUANTIZE" else role.inputs[0]
    return Quantize(scale_of(quantized), zero_of(quantized))


def _requantize(op: Operator, role: Role) -> Parameters | None:
    """quantize_common.cc between integers"""
    del op
    source, target = role.inputs[0], role.output
    multiplier, shift = quantize_multiplier(scale_of(source) / scale_of(target))
    if shift > MAX_SHIFT:
        return None
    return Rescale(-zero_of(source), multiplier, shift, zero_of(target))


def _feed(op: Operator, role: Role) -> Parameters:
    del role
    return Feed(op.option("input"))


_ARITHMETIC = frozenset({"ADD", "SUB", "MUL"})

_OF_TYPE = {DType.FLOAT32: FLOAT_PARAMETERS, DType.INT16: INT16_PARAMETERS}

_PARAMETERS: dict[str, Callable[[Operator, Role], Parameters | None]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "FULLY_CONNECTED": _conv,
    "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool,
    "GLOBAL_AVERAGE_POOL": _pool,
    "GLOBAL_MAX_POOL": _pool,
    "MEAN": _mean,
    "ADD": _sum_or_difference,
    "SUB": _sum_or_difference,
    "MUL": _product,
    "CONCATENATION": _concatenation,
    "PAD": _pad,
    "TABLE": _table,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SOFTMAX": _softmax,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _quantize,
    "REQUANTIZE": _requantize,
    "FEED": _feed,
}

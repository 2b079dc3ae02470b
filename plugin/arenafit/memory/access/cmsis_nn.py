"""Access orders of a TFLM build with CMSIS-NN (OPTIMIZED_KERNEL_DIR=cmsis_nn).

Such a build replaces the operators of tensorflow/lite/micro/kernels/cmsis_nn/ and runs the
reference kernels for all others. The library has three variants: plain C, DSP (Cortex-M4,
M7) and MVE (M55). The first two go through their tensors in the same order, so there are
two tables. `docs/access-orders.md` names the files and says what was left out.

Where a kernel copies the windows of two or four pixels to scratch before it writes their
outputs, the description takes one pixel at a time. Later writes only help, so the distance
holds for any number of pixels, in this and in other releases of the library.
"""

from __future__ import annotations

from collections.abc import Mapping

from arenafit.graph.model import DType, Operator
from arenafit.memory.access.describe import Describe, Description
from arenafit.memory.access.movement import padding
from arenafit.memory.access.order import NO_ACCESS, Accesses, reads, writes
from arenafit.memory.access.recurrent import lstm
from arenafit.memory.access.reference import (
    REFERENCE,
    Convolution,
    convolution,
    depthwise,
    matmul,
    pooling,
)

__all__ = ["CMSIS_NN", "REPLACED"]

REPLACED = frozenset({
    "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED", "MAXIMUM", "MAX_POOL_2D", "MINIMUM", "MUL", "PAD", "PADV2",
    "SOFTMAX", "SVDF", "TRANSPOSE", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM",
})  # fmt: skip
"""Operators that do not run their reference kernel."""

_NONE: Description = {}
_MVE_CHANNELS = 124  # CH_IN_BLOCK_MVE, arm_nnsupportfunctions.h
_MVE_ROWS = 4  # rows of the left matrix that arm_nn_mat_mult_nt_t_s8 takes at once


def _product_by_pairs(rows: int, outputs: int, read_step: int) -> Accesses:
    """arm_nn_mat_mult_nt_t_s8.c, C and DSP: two outputs of all rows, two rows at a time."""
    pair = reads().then(writes(2)).then(writes(2, at=outputs))
    sweep = pair.repeat(rows // 2, 2 * read_step, 2 * outputs)
    if rows % 2:
        last = reads().then(writes(2))
        sweep = sweep.then(last.at((rows - 1) * read_step, (rows - 1) * outputs))
    whole = sweep.repeat(outputs // 2, 0, 2)
    if outputs % 2:
        single = reads().then(writes(1)).repeat(rows, read_step, outputs)
        whole = whole.then(single.at(0, outputs - 1))
    return whole


def _product_by_blocks(rows: int, outputs: int, read_step: int) -> Accesses:
    """arm_nn_mat_mult_nt_t_s8.c, MVE: four rows, one output of each; then row by row."""
    blocks, rest = divmod(rows, _MVE_ROWS)
    column = reads().then(writes(1, at=(_MVE_ROWS - 1) * outputs))
    whole = column.repeat(outputs, 0, 1).repeat(blocks, _MVE_ROWS * read_step, _MVE_ROWS * outputs)
    row = reads().then(writes(4)).repeat(outputs // 4, 0, 4)
    if outputs % 4:
        row = row.then(reads().then(writes(outputs % 4)).at(0, outputs - outputs % 4))
    start = blocks * _MVE_ROWS
    return whole.then(row.repeat(rest, read_step, outputs).at(start * read_step, start * outputs))


def _is_1x1(conv: Convolution) -> bool:
    image = conv.image
    return conv.groups == 1 and all(
        axis.kernel == axis.dilation == 1 and axis.pad == 0 for axis in (image.rows, image.columns)
    )


def _conv_1x1_s8(conv: Convolution, mve: bool) -> Accesses:
    """arm_convolve_1x1_s8_fast.c with stride 1, arm_convolve_1x1_s8.c (row by row) otherwise."""
    product = _product_by_blocks if mve else _product_by_pairs
    rows, columns, batches = conv.image.rows, conv.image.columns, conv.image.batches
    depth = conv.group_depth
    if rows.stride == columns.stride == 1:
        return product(batches * rows.size * columns.size, conv.filters, depth)
    row = product(columns.out, conv.filters, depth * columns.stride)
    read_row = columns.size * depth
    plane = row.repeat(rows.out, rows.stride * read_row, columns.out * conv.filters)
    return conv.image.each_batch(plane)


def _conv_copied(conv: Convolution) -> Accesses:
    """arm_convolve_s8.c, arm_convolve_s16.c: windows go to scratch; groups are outermost."""
    size = conv.size
    plane = conv.image.one_batch(reads().then(writes(conv.filters * size)))
    groups = plane.repeat(conv.groups, conv.group_depth * size, conv.filters * size)
    return conv.image.each_batch(groups)


def _conv_s8(conv: Convolution, mve: bool) -> Accesses | None:
    """arm_convolve_wrapper_s8.c; None where the kernel reads past its input."""
    if _is_1x1(conv):
        return _conv_1x1_s8(conv, mve)
    rows, columns = conv.image.rows, conv.image.columns
    if not mve or conv.groups > 1 or rows.size > 1 or rows.kernel > 1:
        return _conv_copied(conv)
    # arm_convolve_1_x_n_s8.c multiplies in place, four windows at a time, or copies them: take
    # it that all four outputs are written before a window is read for the last time. At the
    # right end it copies all columns but one, also where more than one is padding.
    if columns.stride > 1 and columns.pad_after > 1:
        return None
    return conv.image.raster(writes(_MVE_ROWS * conv.filters).then(reads()))


def _conv_2d(mve: bool) -> Describe:
    def describe(op: Operator) -> Description:
        conv = convolution(op)
        if conv is None:
            return _NONE
        types = (op.outputs[0].dtype, conv.weights.dtype)
        if types == (DType.FLOAT32, DType.FLOAT32):
            return REFERENCE["CONV_2D"](op)
        if types == (DType.INT8, DType.INT8):
            order = _conv_s8(conv, mve)
            return _NONE if order is None else {(0, 0): order}
        if types == (DType.INT16, DType.INT8) and conv.groups == 1:
            return {(0, 0): _conv_copied(conv)}
        return _NONE

    return describe


def _depthwise_conv_2d(mve: bool) -> Describe:
    """arm_depthwise_conv_wrapper_s8.c; arm_depthwise_conv_s16.c for int16."""

    def describe(op: Operator) -> Description:
        conv = depthwise(op)
        if conv is None:
            return _NONE
        types = (op.outputs[0].dtype, conv.weights.dtype)
        if types not in (
            (DType.FLOAT32, DType.FLOAT32),
            (DType.INT8,) * 2,
            (DType.INT16, DType.INT8),
        ):
            return _NONE
        by_channel = REFERENCE["DEPTHWISE_CONV_2D"](op)
        if not mve or types != (DType.INT8, DType.INT8):
            # All kernels but MVE's take a pixel at a time, and its channels in ascending order.
            return by_channel
        if conv.groups == 1 and conv.filters > 1:  # arm_depthwise_conv_to_conv_s8
            order = _conv_s8(conv, mve)
            return _NONE if order is None else {(0, 0): order}
        image = conv.image
        dilated = image.rows.dilation > 1 or image.columns.dilation > 1
        if conv.filters > 1 or image.batches > 1 or dilated:
            return by_channel
        return {(0, 0): _depthwise_by_blocks(conv)}

    return describe


def _depthwise_by_blocks(conv: Convolution) -> Accesses:
    """arm_depthwise_conv_s8_opt.c, MVE: the whole image for 124 channels, then for the next."""
    whole = NO_ACCESS
    for start in range(0, conv.groups, _MVE_CHANNELS):
        active = min(_MVE_CHANNELS, conv.groups - start)
        plane = conv.image.one_batch(reads().then(writes(active)))
        whole = whole.then(plane.at(start, start))
    return whole


def _max_pool_2d(op: Operator) -> Description:
    """arm_max_pool_s8.c, arm_max_pool_s16.c: the first tap goes straight to the output.

    By memcpy, so that tap and output must be disjoint: the write counts as earlier.
    """
    pool = pooling(op)
    if pool is None or op.outputs[0].dtype is DType.FLOAT32:
        return REFERENCE["MAX_POOL_2D"](op)
    return {(0, 0): pool.image.raster(writes(pool.groups * pool.size).then(reads()))}


def _fully_connected(mve: bool) -> Describe:
    """arm_nn_vec_mat_mult_t_s8.c and its kin: row by row, outputs ascending.

    With more than two axes, TFLM's wrapper takes the 1x1 convolution instead.
    """
    product = _product_by_blocks if mve else _product_by_pairs

    def describe(op: Operator) -> Description:
        matrix = matmul(op)
        if matrix is None:
            return _NONE
        types = (op.outputs[0].dtype, matrix.weights.dtype)
        if types not in (
            (DType.FLOAT32, DType.FLOAT32),
            (DType.INT8,) * 2,
            (DType.INT16, DType.INT8),
        ):
            return _NONE
        rank = len(op.outputs[0].shape)
        if op.outputs[0].dtype is DType.INT8 and rank > 2 and matrix.depth % 4 == 0:
            return {(0, 0): product(matrix.rows, matrix.outputs, matrix.depth)}
        return REFERENCE["FULLY_CONNECTED"](op)

    return describe


def _extremum(op: Operator) -> Description:
    """arm_maximum_s8.c, arm_minimum_s8.c: described where nothing is broadcast."""
    if op.outputs[0].dtype is DType.INT8 and any(
        t is None or t.shape != op.outputs[0].shape or len(t.shape) > 4 for t in op.inputs
    ):
        return _NONE
    return REFERENCE[op.name](op)


def _pad(op: Operator) -> Description:
    """arm_pad_s8.c: rows by memcpy, or pixels where channels are padded."""
    source = op.inputs[0]
    if source is None or source.dtype is not DType.INT8:
        return REFERENCE[op.name](op)
    order = padding(op, (DType.INT8,), by_memcpy=True) if len(source.shape) <= 4 else None
    return _NONE if order is None else {(0, 0): order}


def _table(mve: bool) -> Mapping[str, Describe]:
    table = {name: describe for name, describe in REFERENCE.items() if name not in REPLACED}
    table |= {
        "CONV_2D": _conv_2d(mve),
        "DEPTHWISE_CONV_2D": _depthwise_conv_2d(mve),
        "FULLY_CONNECTED": _fully_connected(mve),
        "MAX_POOL_2D": _max_pool_2d,
        "MAXIMUM": _extremum,
        "MINIMUM": _extremum,
        "PAD": _pad,
        "PADV2": _pad,
        # These kernels work in blocks of 2 to 16 elements, each read before it is written,
        # or an element at a time: the reference's order bounds them all.
        "ADD": REFERENCE["ADD"],  # arm_elementwise_add_s8.c, _s16.c
        "MUL": REFERENCE["MUL"],  # arm_elementwise_mul_s8.c, _s16.c
        "AVERAGE_POOL_2D": REFERENCE["AVERAGE_POOL_2D"],  # arm_avgpool_s8.c, _s16.c
        "SOFTMAX": REFERENCE["SOFTMAX"],  # arm_softmax_s8.c, _s16.c, arm_softmax_s8_s16.c
        "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm((DType.INT8,)),
    }
    return table


CMSIS_NN: tuple[Mapping[str, Describe], ...] = (_table(mve=False), _table(mve=True))
"""The tables of the variants: plain C and DSP, and MVE."""

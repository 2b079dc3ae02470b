"""Access orders of a TFLM build with CMSIS-NN (OPTIMIZED_KERNEL_DIR=cmsis_nn).

Such a build replaces the operators of tensorflow/lite/micro/kernels/cmsis_nn/ and runs the
reference kernels for all others.
"""

from __future__ import annotations

from collections.abc import Mapping

from arenafit.memory.access.describe import Describe
from arenafit.memory.access.reference import REFERENCE

__all__ = ["CMSIS_NN", "REPLACED"]

REPLACED = frozenset({
    "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED", "MAXIMUM", "MAX_POOL_2D", "MINIMUM", "MUL", "PAD", "PADV2",
    "SOFTMAX", "SVDF", "TRANSPOSE", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM",
})  # fmt: skip
"""Operators that do not run their reference kernel."""

_SHARED = {name: describe for name, describe in REFERENCE.items() if name not in REPLACED}

CMSIS_NN: tuple[Mapping[str, Describe], ...] = (_SHARED,)
"""One table a variant of the library."""

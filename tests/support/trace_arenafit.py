"""arenafit's own kernels, reduced to their loops and accesses of input and output.

Written after kernels/core/src, independently of arenafit.memory.access.
"""

from __future__ import annotations

import itertools

from support.trace import Trace

__all__ = ["max_pool"]

Shape = tuple[int, ...]
Pair = tuple[int, int]


def max_pool(
    trace: Trace, source: Shape, target: Shape, kernel: Pair, stride: Pair, pad: Pair
) -> None:
    """max_pool.c: sixteen channels of the whole window, then their maxima."""
    depth = source[3]
    written = 0
    for batch, y, x in itertools.product(*map(range, target[:3])):
        for start in range(0, depth, 16):
            channels = range(start, min(start + 16, depth))
            for ky, kx in itertools.product(range(kernel[0]), range(kernel[1])):
                row, column = y * stride[0] - pad[0] + ky, x * stride[1] - pad[1] + kx
                if 0 <= row < source[1] and 0 <= column < source[2]:
                    pixel = (batch * source[1] + row) * source[2] + column
                    for channel in channels:
                        trace.read(pixel * depth + channel)
            for _ in channels:
                trace.write(written)
                written += 1

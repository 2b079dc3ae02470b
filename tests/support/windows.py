"""Sliding windows for hypothesis to draw."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import assume
from hypothesis import strategies as st

from support.trace_ops import same_padding, valid_extent

__all__ = ["ACTIVATIONS", "EXTENTS", "SEEDS", "Window", "windows"]

ACTIVATIONS = st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
EXTENTS = st.integers(1, 9)
SEEDS = st.integers(0, 999)

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Extents and parameters of a window over NHWC; pairs are (rows, columns)."""

    size: Pair
    out: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    pad: Pair  # before the image
    same: bool
    batches: int

    def options(self) -> dict[str, object]:
        """As CONV_2D and DEPTHWISE_CONV_2D have them."""
        return self._strided() | {
            "dilation_h_factor": self.dilation[0],
            "dilation_w_factor": self.dilation[1],
        }

    def pool_options(self) -> dict[str, object]:
        """As MAX_POOL_2D and AVERAGE_POOL_2D have them."""
        return self._strided() | {"filter_height": self.kernel[0], "filter_width": self.kernel[1]}

    def _strided(self) -> dict[str, object]:
        padding = 0 if self.same else 1
        return {"stride_h": self.stride[0], "stride_w": self.stride[1], "padding": padding}


@st.composite
def windows(
    draw: st.DrawFn,
    *,
    rows: int = 0,
    kernel: int = 0,
    kernel_rows: int = 0,
    dilation: int = 0,
    batches: int = 0,
) -> Window:
    """Windows that fit; the arguments pin an extent that is otherwise drawn."""

    def pair(pinned: int, largest: int, pinned_rows: int = 0) -> Pair:
        whole = st.just(pinned) if pinned else st.integers(1, largest)
        return draw(st.just(pinned_rows) if pinned_rows else whole), draw(whole)

    size, taps, stride = pair(0, 7, rows), pair(kernel, 4, kernel_rows), pair(0, 3)
    spread, same = pair(dilation, 2), draw(st.booleans())
    found = []
    for n, k, s, d in zip(size, taps, stride, spread, strict=True):
        found.append(same_padding(n, k, s, d) if same else (valid_extent(n, k, s, d), 0))
    assume(min(out for out, _ in found) >= 1)
    (height, top), (width, left) = found
    count = batches or draw(st.integers(1, 2))
    return Window(size, (height, width), taps, stride, spread, (top, left), same, count)

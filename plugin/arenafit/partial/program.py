"""Programs of segments: the Python side of kernels/core/include/arenafit/program.h.

That header says what the fields mean; here they have the same names and the same order.
`arenafit.partial.encoding` turns a program into bytes, and back.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from arenafit.memory.problem import Bytes

__all__ = [
    "ALIGNMENT",
    "DISJOINT",
    "MAGIC",
    "NO_OPERATOR",
    "Arithmetic",
    "Concatenation",
    "Conv",
    "ConvF32",
    "ConvS16",
    "Feed",
    "Kind",
    "Layout",
    "LeakyReluF32",
    "LeakyReluS16",
    "Mean",
    "Pad",
    "Parameters",
    "Place",
    "Pool",
    "PoolF32",
    "Program",
    "ProgramOperator",
    "ProgramTensor",
    "Quantize",
    "RangeF32",
    "Rescale",
    "Resize",
    "Softmax",
    "Table",
    "TensorType",
    "Window",
]

MAGIC = 0x31534641
ALIGNMENT = 16
NO_OPERATOR = 0xFFFF
DISJOINT = (1 << 31) - 1


class Kind(enum.IntEnum):
    """arenafit_kind; those that arenafit makes."""

    CONV_2D = 1
    DEPTHWISE_CONV_2D = 2
    FULLY_CONNECTED = 3
    MAX_POOL_2D = 4
    AVERAGE_POOL_2D = 5
    GLOBAL_AVERAGE_POOL = 6
    GLOBAL_MAX_POOL = 7
    MEAN = 8
    ADD = 9
    SUB = 10
    MUL = 11
    CONCATENATION = 12
    PAD = 13
    TABLE = 14
    RESIZE_NEAREST_NEIGHBOR = 15
    SOFTMAX = 16
    QUANTIZE = 17
    DEQUANTIZE = 18
    REQUANTIZE = 19
    FEED = 20
    LEAKY_RELU = 21
    CLAMP = 22


class TensorType(enum.IntEnum):
    """arenafit_tensor_type."""

    S8 = 0
    S16 = 1
    F32 = 2
    S32 = 3  # sums of a convolution that goes on
    U8 = 4

    @property
    def size(self) -> Bytes:
        """Of an element."""
        return _SIZES[self]


_SIZES = {
    TensorType.S8: 1,
    TensorType.S16: 2,
    TensorType.F32: 4,
    TensorType.S32: 4,
    TensorType.U8: 1,
}


class Place(enum.IntEnum):
    """arenafit_place."""

    WORKSPACE = 0
    INPUT = 1
    OUTPUT = 2
    CONSTANT = 3


class Layout(enum.IntEnum):
    """arenafit_layout: how weights lie in a program's bytes."""

    PLAIN = 0
    BLOCKS = 1


@dataclass(frozen=True, slots=True)
class ProgramTensor:
    """arenafit_tensor; `data` is what a CONSTANT holds, `offset` is then ignored."""

    place: Place
    offset: int
    rows: int
    ring: int
    width: int
    channels: int
    producer: int = NO_OPERATOR
    data: bytes = field(default=b"", repr=False)
    type: TensorType = TensorType.S8

    @property
    def row_bytes(self) -> Bytes:
        """Of one row."""
        return self.width * self.channels * self.type.size


@dataclass(frozen=True, slots=True)
class Window:
    """arenafit_window: pairs are (rows, columns)."""

    kernel: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (0, 0)
    pad: tuple[int, int] = (0, 0)

    def fields(self) -> tuple[int, ...]:
        """In the order of the struct."""
        return (*self.kernel, *self.stride, *self.dilation, *self.pad)

    @classmethod
    def of(cls, fields: tuple[int, ...]) -> Window:
        """The other way round."""
        kh, kw, sh, sw, dh, dw, ph, pw = fields
        return cls((kh, kw), (sh, sw), (dh, dw), (ph, pw))


@dataclass(frozen=True, slots=True)
class Conv:
    """arenafit_conv; `weights` are plain here, `bias` is None where no window leaves the image.

    Where the result is sums, S32, `multipliers` and `shifts` are empty.
    """

    window: Window
    input_offset: int
    output_offset: int
    clamp: tuple[int, int]
    weights: bytes = field(repr=False)
    bias: tuple[int, ...] | None
    folded: tuple[int, ...]
    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]
    groups: int = 1
    layout: Layout = Layout.PLAIN


@dataclass(frozen=True, slots=True)
class Pool:
    """arenafit_pool."""

    window: Window
    clamp: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mean:
    """arenafit_mean."""

    sum_offset: int
    multiplier: int
    shift: int
    output_offset: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """arenafit_arithmetic: ADD, SUB and MUL."""

    input_offset: tuple[int, int]
    input_multiplier: tuple[int, int]
    input_shift: tuple[int, int]
    left_shift: int
    multiplier: int
    shift: int
    output_offset: int
    clamp: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Concatenation:
    """arenafit_concatenation: axis 0 rows, 1 columns, 2 channels."""

    axis: int


@dataclass(frozen=True, slots=True)
class Pad:
    """arenafit_pad: what lies before the image, and the value."""

    before: tuple[int, int, int]
    value: int


@dataclass(frozen=True, slots=True)
class Table:
    """256 int8 values."""

    values: bytes


@dataclass(frozen=True, slots=True)
class Resize:
    """arenafit_resize: where each row and each column of Y comes from."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Softmax:
    """arenafit_softmax."""

    multiplier: int
    left_shift: int
    diff_min: int


@dataclass(frozen=True, slots=True)
class Quantize:
    """arenafit_quantize: QUANTIZE from float, and DEQUANTIZE; the scale is a float."""

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class Rescale:
    """arenafit_rescale: REQUANTIZE."""

    input_offset: int
    multiplier: int
    shift: int
    output_offset: int


@dataclass(frozen=True, slots=True)
class Feed:
    """arenafit_feed."""

    input: int


@dataclass(frozen=True, slots=True)
class ConvF32:
    """arenafit_conv_f32; weights and bias as the bytes of floats."""

    window: Window
    clamp: tuple[float, float]
    weights: bytes = field(repr=False)
    bias: bytes | None = field(repr=False)
    groups: int = 1


@dataclass(frozen=True, slots=True)
class ConvS16:
    """arenafit_conv_s16; where it is not narrow, multipliers are of 15 bits."""

    window: Window
    clamp: tuple[int, int]
    weights: bytes = field(repr=False)
    bias: tuple[int, ...] | None
    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]
    narrow: bool = False
    groups: int = 1


@dataclass(frozen=True, slots=True)
class LeakyReluS16:
    """arenafit_leaky_relu_s16: of x from 0 on, and below."""

    multiplier: tuple[int, int]
    shift: tuple[int, int]
    clamp: tuple[int, int]


@dataclass(frozen=True, slots=True)
class PoolF32:
    """arenafit_pool_f32."""

    window: Window
    clamp: tuple[float, float]


@dataclass(frozen=True, slots=True)
class RangeF32:
    """arenafit_range_f32: ADD, SUB, MUL and CLAMP of floats."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LeakyReluF32:
    """arenafit_leaky_relu_f32."""

    alpha: float


Parameters = (
    ConvS16 | LeakyReluS16 | ConvF32 | PoolF32 | RangeF32 | LeakyReluF32 | Conv | Pool | Mean | Arithmetic | Concatenation | Pad | Table | Resize | Softmax | Quantize
    | Rescale | Feed
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProgramOperator:
    """arenafit_operator."""

    kind: Kind
    operands: tuple[int, ...]  # tensors
    output: int
    parameters: Parameters
    accumulator: int = 0


@dataclass(frozen=True, slots=True)
class Program:
    """A whole program; `overlaps` by output, then by input."""

    inputs: int
    outputs: int
    tensors: tuple[ProgramTensor, ...]
    operators: tuple[ProgramOperator, ...]
    goals: tuple[tuple[int, int], ...]  # operator, steps
    overlaps: tuple[tuple[int, ...], ...]
    workspace: Bytes

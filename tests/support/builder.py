"""Small test models without TensorFlow: operators are calls, tensors their results.

    g = GraphBuilder(seed=1)
    x = g.input((1, 16, 16, 3))
    y = g.conv(x, 8, kernel=3, stride=2, activation="RELU6")
    z = g.add(y, g.conv(y, 8))
    g.output(g.softmax(g.fully_connected(g.mean(z), 10)))
    data = save(g.model())

Weights are random, and scaled so that activations keep a spread of about 1: outputs vary
with the input and hardly saturate, and the models run in TFLM as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from arenafit.graph import (
    Buffer,
    DType,
    Metadata,
    Model,
    OpCode,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
    schema,
)
from arenafit.graph.schema_options import options_of

__all__ = ["GraphBuilder"]

Shape = Sequence[int]
Pair = int | tuple[int, int]
Array = npt.NDArray[Any]

_NUMPY = {
    DType.FLOAT32: np.float32,
    DType.INT8: np.int8,
    DType.UINT8: np.uint8,
    DType.INT16: np.int16,
    DType.INT32: np.int32,
    DType.INT64: np.int64,
    DType.BOOL: np.bool_,
}
_DTYPES = {np.dtype(value): key for key, value in _NUMPY.items()}

# Real value of one step of an activation; a spread of 1 is 40 steps of int8.
_SCALE = {DType.INT8: 1 / 40, DType.INT16: 1 / 8192}


class GraphBuilder:
    """Builds one subgraph of a model; the first is the main one, `subgraph` begins others."""

    def __init__(self, seed: int = 0, dtype: str | DType = DType.INT8) -> None:
        """Weights and zero points follow from `seed`; `dtype` is INT8, INT16 or FLOAT32."""
        self.dtype = DType[dtype.upper()] if isinstance(dtype, str) else dtype
        self.rng = np.random.default_rng(seed)
        self.graph = Subgraph("main")
        self._model = Model([self.graph], description="made by arenafit's tests")
        self._codes: dict[tuple[str, str | None, int], OpCode] = {}

    def model(self) -> Model:
        """The model so far; every tensor that was named by `output` is an output."""
        return self._model

    def subgraph(self, name: str) -> GraphBuilder:
        """A builder for one more subgraph of the same model."""
        child = GraphBuilder.__new__(GraphBuilder)
        child.__dict__.update(self.__dict__)
        child.graph = Subgraph(name)
        self._model.subgraphs.append(child.graph)
        return child

    @property
    def index(self) -> int:
        """The subgraph's index in the model."""
        return self._model.subgraphs.index(self.graph)

    # Tensors

    def tensor(
        self,
        shape: Shape,
        *,
        name: str | None = None,
        dtype: DType | None = None,
        quantization: Quantization | None = None,
        buffer: Buffer | None = None,
        is_variable: bool = False,
    ) -> Tensor:
        """A tensor that nothing writes yet, quantised as its type asks for unless told."""
        dtype = self.dtype if dtype is None else dtype
        if quantization is None and buffer is None:
            quantization = self.quantization(dtype)
        tensor = Tensor(
            name or f"t{len(self.graph.tensors)}",
            tuple(int(extent) for extent in shape),
            dtype,
            buffer,
            is_variable,
            quantization,
        )
        self.graph.tensors.append(tensor)
        return tensor

    def quantization(self, dtype: DType, activation: str = "NONE") -> Quantization | None:
        """A fresh activation's quantisation: int8 with some zero point, int16 with none."""
        if dtype not in _SCALE:
            return None
        if dtype == DType.INT16:
            return Quantization((_f32(_SCALE[dtype]),), (0,))
        if activation in ("RELU", "RELU6"):
            return Quantization((_f32(4 / 255),), (-128,))
        return Quantization((_f32(_SCALE[dtype]),), (int(self.rng.integers(-20, 21)),))

    def input(
        self,
        shape: Shape,
        *,
        name: str | None = None,
        dtype: DType | None = None,
        like: Tensor | None = None,
    ) -> Tensor:
        """An input of the subgraph, quantised as `like` is."""
        quantization = like.quantization if like else None
        tensor = self.tensor(shape, name=name, dtype=dtype, quantization=quantization)
        self.graph.inputs.append(tensor)
        return tensor

    def output(self, *tensors: Tensor) -> None:
        """Make `tensors` outputs of the subgraph."""
        self.graph.outputs.extend(tensors)

    def const(
        self,
        values: Array | Sequence[Any] | float,
        dtype: DType = DType.INT32,
        quantization: Quantization | None = None,
        *,
        name: str | None = None,
    ) -> Tensor:
        """A constant; a numpy array brings its own type."""
        if not isinstance(values, np.ndarray):
            values = np.asarray(values, _NUMPY[dtype])
        return self.tensor(
            values.shape,
            name=name,
            dtype=_DTYPES[values.dtype],
            quantization=quantization,
            buffer=Buffer(values.tobytes()),
        )

    def random(self, shape: Shape, like: Tensor | None = None) -> Tensor:
        """A constant activation (an operand of ADD, say), with values all over its range."""
        quantization = like.quantization if like else self.quantization(self.dtype)
        if self.dtype == DType.FLOAT32:
            return self.const(self.rng.normal(size=shape).astype(np.float32))
        kind = _NUMPY[self.dtype]
        values = np.clip(self.rng.normal(0, 1 / _SCALE[self.dtype], shape), *_limits(kind))
        return self.const(values.astype(kind), quantization=quantization)

    def weights(
        self, shape: Shape, axis: int | None, x: Tensor, fan_in: int, bias: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """A filter and its bias, for an operator that sums `fan_in` products with `x`.

        `axis` is the filter's output channel; None quantises it per tensor (axis 0 is then
        its output channel). Without `bias` there is None for it.
        """
        channels = shape[axis or 0]
        biases = self.rng.normal(0, 0.3, channels)
        if x.dtype == DType.FLOAT32:
            filter_ = self.const(self.rng.normal(0, fan_in**-0.5, shape).astype(np.float32))
            return filter_, self.const(biases.astype(np.float32)) if bias else None
        stored = self.rng.integers(-127, 128, shape, np.int8)
        spread = self.rng.uniform(0.5, 1.5, channels if axis is not None else 1)
        scales = tuple(_f32(s / (73 * math.sqrt(fan_in))) for s in spread)
        assert x.quantization is not None
        sums = tuple(_f32(s * x.quantization.scales[0]) for s in scales)
        zeros = (0,) * len(scales)
        filter_ = self.const(stored, quantization=Quantization(scales, zeros, axis or 0))
        if not bias:
            return filter_, None
        wide = np.int64 if x.dtype == DType.INT16 else np.int32
        steps = np.round(biases / np.array(sums)).astype(wide)
        return filter_, self.const(steps, quantization=Quantization(sums, zeros))

    # Operators

    def op(
        self,
        name: str,
        inputs: Sequence[Tensor | None],
        shape: Shape,
        *,
        dtype: DType | None = None,
        quantization: Quantization | None = None,
        like: Tensor | None = None,
        custom: str | None = None,
        custom_options: bytes | None = None,
        version: int = 1,
        **options: Any,
    ) -> Tensor:
        """Any operator with one output of `shape`, which is quantised as told or as `like`."""
        if like is not None:
            dtype, quantization = like.dtype, like.quantization
        output = self.tensor(shape, dtype=dtype, quantization=quantization)
        self.node(
            name,
            inputs,
            [output],
            custom=custom,
            custom_options=custom_options,
            version=version,
            **options,
        )
        return output

    def node(
        self,
        name: str,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
        *,
        custom: str | None = None,
        custom_options: bytes | None = None,
        version: int = 1,
        **options: Any,
    ) -> Operator:
        """Any operator, between tensors that are there already; enums by name or number."""
        options_type = options_of(name) if name != "CUSTOM" else ""
        values = {}
        if options_type:
            known = {field.name: field for field in schema.fields(options_type)}
            for key, value in options.items():
                field = known[key]
                if isinstance(value, str) and field.values:
                    value = schema.enum(field.type).index(value)
                if field.kind != "scalar" or value != field.default:
                    values[key] = value
        elif options:
            raise KeyError(f"{name} has no options")
        code = self._codes.setdefault((name, custom, version), OpCode(name, custom, version))
        op = Operator(
            code,
            list(inputs),
            list(outputs),
            options_type=options_type,
            options=values,
            custom_options=custom_options,
        )
        self.graph.operators.append(op)
        return op

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: Pair = 1,
        stride: Pair = 1,
        padding: str = "SAME",
        activation: str = "NONE",
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> Tensor:
        """CONV_2D over NHWC."""
        (kh, kw), (sh, sw), (dh, dw) = _pair(kernel), _pair(stride), _pair(dilation)
        depth = x.shape[3] // groups
        filter_, bias_ = self.weights((channels, kh, kw, depth), 0, x, kh * kw * depth, bias)
        extent = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
        return self.op(
            "CONV_2D",
            [x, filter_, bias_],
            (x.shape[0], *_window(x.shape[1:3], extent, (sh, sw), padding), channels),
            dtype=x.dtype,
            quantization=self.quantization(x.dtype, activation),
            padding=padding,
            stride_h=sh,
            stride_w=sw,
            dilation_h_factor=dh,
            dilation_w_factor=dw,
            fused_activation_function=activation,
        )

    def depthwise(
        self,
        x: Tensor,
        kernel: Pair = 3,
        stride: Pair = 1,
        padding: str = "SAME",
        activation: str = "NONE",
        dilation: Pair = 1,
        multiplier: int = 1,
    ) -> Tensor:
        """DEPTHWISE_CONV_2D over NHWC, with `multiplier` output channels an input channel."""
        (kh, kw), (sh, sw), (dh, dw) = _pair(kernel), _pair(stride), _pair(dilation)
        channels = x.shape[3] * multiplier
        filter_, bias = self.weights((1, kh, kw, channels), 3, x, kh * kw)
        extent = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
        return self.op(
            "DEPTHWISE_CONV_2D",
            [x, filter_, bias],
            (x.shape[0], *_window(x.shape[1:3], extent, (sh, sw), padding), channels),
            dtype=x.dtype,
            quantization=self.quantization(x.dtype, activation),
            padding=padding,
            stride_h=sh,
            stride_w=sw,
            depth_multiplier=multiplier,
            dilation_h_factor=dh,
            dilation_w_factor=dw,
            fused_activation_function=activation,
        )

    def fully_connected(self, x: Tensor, units: int, activation: str = "NONE") -> Tensor:
        """FULLY_CONNECTED; all dimensions but the first are taken together."""
        depth = x.elements // x.shape[0]
        filter_, bias = self.weights((units, depth), None, x, depth)
        return self.op(
            "FULLY_CONNECTED",
            [x, filter_, bias],
            (x.shape[0], units),
            dtype=x.dtype,
            quantization=self.quantization(x.dtype, activation),
            fused_activation_function=activation,
        )

    def pool(
        self,
        x: Tensor,
        kernel: Pair = 2,
        stride: Pair | None = None,
        padding: str = "VALID",
        kind: str = "MAX",
        activation: str = "NONE",
    ) -> Tensor:
        """MAX_POOL_2D or AVERAGE_POOL_2D; `stride` is the kernel unless told."""
        (kh, kw), (sh, sw) = _pair(kernel), _pair(kernel if stride is None else stride)
        return self.op(
            f"{kind}_POOL_2D",
            [x],
            (x.shape[0], *_window(x.shape[1:3], (kh, kw), (sh, sw), padding), x.shape[3]),
            like=x,
            padding=padding,
            filter_height=kh,
            filter_width=kw,
            stride_h=sh,
            stride_w=sw,
            fused_activation_function=activation,
        )

    def add(self, a: Tensor, b: Tensor, activation: str = "NONE", name: str = "ADD") -> Tensor:
        """ADD, or another binary operator by `name` (SUB, MUL, MAXIMUM ...), with broadcast."""
        options: dict[str, Any] = (
            {"fused_activation_function": activation} if name in ("ADD", "SUB", "MUL") else {}
        )
        quantization = self.quantization(a.dtype, activation)
        if name in ("MAXIMUM", "MINIMUM"):
            quantization = a.quantization
        return self.op(
            name,
            [a, b],
            np.broadcast_shapes(a.shape, b.shape),
            dtype=a.dtype,
            quantization=quantization,
            **options,
        )

    def mul(self, a: Tensor, b: Tensor, activation: str = "NONE") -> Tensor:
        """MUL, with broadcast."""
        return self.add(a, b, activation, "MUL")

    def concat(self, tensors: Sequence[Tensor], axis: int = 3) -> Tensor:
        """CONCATENATION; the tensors should be quantised alike, the kernel only copies."""
        first = tensors[0]
        shape = list(first.shape)
        shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
        return self.op("CONCATENATION", tensors, shape, like=first, axis=axis)

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """RESHAPE to a shape without -1."""
        return self.op(
            "RESHAPE", [x, self.const(list(shape))], shape, like=x, new_shape=tuple(shape)
        )

    def pad(self, x: Tensor, paddings: Sequence[tuple[int, int]]) -> Tensor:
        """PAD with zeros: (before, after) of every dimension."""
        shape = [extent + sum(pads) for extent, pads in zip(x.shape, paddings, strict=True)]
        return self.op("PAD", [x, self.const([list(pads) for pads in paddings])], shape, like=x)

    def unary(self, name: str, x: Tensor, **options: Any) -> Tensor:
        """An operator from one tensor to one of the same shape, type and quantisation."""
        return self.op(name, [x], x.shape, like=x, **options)

    def relu(self, x: Tensor, name: str = "RELU") -> Tensor:
        """RELU or RELU6."""
        quantization = self.quantization(x.dtype, name)
        return self.op(name, [x], x.shape, dtype=x.dtype, quantization=quantization)

    def softmax(self, x: Tensor) -> Tensor:
        """SOFTMAX over the last dimension."""
        return self.op(
            "SOFTMAX", [x], x.shape, dtype=x.dtype, quantization=_unit(x.dtype), beta=1.0
        )

    def logistic(self, x: Tensor) -> Tensor:
        """LOGISTIC."""
        return self.op("LOGISTIC", [x], x.shape, dtype=x.dtype, quantization=_unit(x.dtype))

    def mean(self, x: Tensor, axes: Sequence[int] = (1, 2), keep_dims: bool = False) -> Tensor:
        """MEAN over `axes`: a global average pool, unless told."""
        shape = [
            1 if d in axes else extent
            for d, extent in enumerate(x.shape)
            if keep_dims or d not in axes
        ]
        quantization = self.quantization(x.dtype)
        if quantization is not None:
            spread = math.sqrt(math.prod(x.shape[d] for d in axes))
            scale = _f32(quantization.scales[0] / math.sqrt(spread))
            quantization = Quantization((scale,), quantization.zero_points)
        return self.op(
            "MEAN",
            [x, self.const(list(axes))],
            shape,
            dtype=x.dtype,
            quantization=quantization,
            keep_dims=keep_dims,
        )

    def transpose(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """TRANSPOSE: dimension d of the output is dimension ``axes[d]`` of `x`."""
        return self.op("TRANSPOSE", [x, self.const(list(axes))], [x.shape[d] for d in axes], like=x)

    def strided_slice(
        self, x: Tensor, begin: Shape, end: Shape, strides: Shape | None = None
    ) -> Tensor:
        """STRIDED_SLICE with positive strides and no masks."""
        strides = strides or [1] * len(begin)
        shape = [-(-(e - b) // s) for b, e, s in zip(begin, end, strides, strict=True)]
        ends = [self.const(list(part)) for part in (begin, end, strides)]
        return self.op("STRIDED_SLICE", [x, *ends], shape, like=x)

    def split(self, x: Tensor, parts: int, axis: int = 3) -> list[Tensor]:
        """SPLIT into equal parts."""
        shape = list(x.shape)
        shape[axis] //= parts
        outputs = [
            self.tensor(shape, dtype=x.dtype, quantization=x.quantization) for _ in range(parts)
        ]
        self.node("SPLIT", [self.const(axis), x], outputs, num_splits=parts)
        return outputs

    def resize(
        self, x: Tensor, size: Pair, kind: str = "NEAREST_NEIGHBOR", **options: bool
    ) -> Tensor:
        """RESIZE_NEAREST_NEIGHBOR or RESIZE_BILINEAR to (height, width)."""
        height, width = _pair(size)
        shape = (x.shape[0], height, width, x.shape[3])
        size_ = self.const([height, width])
        return self.op(f"RESIZE_{kind}", [x, size_], shape, like=x, **options)

    def quantize(self, x: Tensor, dtype: DType) -> Tensor:
        """QUANTIZE from float, or from one integer type to another."""
        return self.op("QUANTIZE", [x], x.shape, dtype=dtype)

    def dequantize(self, x: Tensor) -> Tensor:
        """DEQUANTIZE to float."""
        return self.op("DEQUANTIZE", [x], x.shape, dtype=DType.FLOAT32)

    # State and calls

    def var_handle(self, name: str) -> Tensor:
        """VAR_HANDLE: a handle of the resource variable `name`."""
        return self.op("VAR_HANDLE", [], (), dtype=DType.RESOURCE, shared_name=name, container="")

    def read_variable(self, handle: Tensor, like: Tensor, shape: Shape | None = None) -> Tensor:
        """READ_VARIABLE: its value, shaped and quantised as `like`."""
        return self.op("READ_VARIABLE", [handle], shape or like.shape, like=like)

    def assign_variable(self, handle: Tensor, value: Tensor) -> None:
        """ASSIGN_VARIABLE."""
        self.node("ASSIGN_VARIABLE", [handle, value], [])

    def call_once(self, init: GraphBuilder) -> None:
        """CALL_ONCE of the subgraph that `init` builds."""
        self.node("CALL_ONCE", [], [], init_subgraph_index=init.index)

    def if_(
        self, condition: Tensor, then: GraphBuilder, else_: GraphBuilder, inputs: Sequence[Tensor]
    ) -> list[Tensor]:
        """IF: the outputs of one of two subgraphs, whose outputs are alike."""
        outputs = self._results(then)
        calls: dict[str, Any] = {
            "then_subgraph_index": then.index,
            "else_subgraph_index": else_.index,
        }
        self.node("IF", [condition, *inputs], outputs, **calls)
        return outputs

    def while_(
        self, condition: GraphBuilder, body: GraphBuilder, inputs: Sequence[Tensor]
    ) -> list[Tensor]:
        """WHILE: what `body` makes of `inputs` while `condition` says yes."""
        outputs = self._results(body)
        calls: dict[str, Any] = {
            "cond_subgraph_index": condition.index,
            "body_subgraph_index": body.index,
        }
        self.node("WHILE", inputs, outputs, **calls)
        return outputs

    def _results(self, callee: GraphBuilder) -> list[Tensor]:
        return [
            self.tensor(t.shape, dtype=t.dtype, quantization=t.quantization)
            for t in callee.graph.outputs
        ]

    # The rest of a model

    def metadata(self, name: str, data: bytes) -> None:
        """A named blob."""
        self._model.metadata.append(Metadata(name, Buffer(data)))

    def signature(self, key: str = "serving_default") -> None:
        """A signature of this subgraph with its inputs and outputs as they are now."""
        self._model.signatures.append(
            Signature(
                key,
                self.graph,
                [(tensor.name, tensor) for tensor in self.graph.inputs],
                [(tensor.name, tensor) for tensor in self.graph.outputs],
            )
        )


def _f32(value: float) -> float:
    """The float that a file can hold."""
    return float(np.float32(value))


def _limits(kind: Any) -> tuple[int, int]:
    return int(np.iinfo(kind).min), int(np.iinfo(kind).max)


def _unit(dtype: DType) -> Quantization | None:
    """What TFLM asks of an output between 0 and 1."""
    return {
        DType.INT8: Quantization((1 / 256,), (-128,)),
        DType.INT16: Quantization((1 / 32768,), (0,)),
    }.get(dtype)


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _window(size: Shape, kernel: Shape, stride: Shape, padding: str) -> list[int]:
    """Extent of the output of a sliding window, of (height, width)."""
    if padding == "SAME":
        return [-(-extent // s) for extent, s in zip(size, stride, strict=True)]
    return [(extent - k) // s + 1 for extent, k, s in zip(size, kernel, stride, strict=True)]

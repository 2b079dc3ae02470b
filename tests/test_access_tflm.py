"""Overlap distances in the real TFLM: the output written over the input, bytes compared.

The model's OfflineMemoryAllocation, which TFLM obeys unchecked, puts one operator's output
over its input at exactly the stated distance, rounded up to 16. The answers must be those
of the same model under TFLM's own plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from arenafit.graph import DType, Tensor, save
from arenafit.memory.access import PairOverlap, overlaps
from arenafit.memory.problem import align
from arenafit.runtime.inputs import stimuli
from arenafit.runtime.session import Session, available
from support.builder import GraphBuilder

pytestmark = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")

Make = Callable[[GraphBuilder, Tensor], Tensor]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as opened:
        yield opened


class Case:
    """One operator under test, between an input and an output that lie elsewhere.

    A copy that leaves values as they are (MAXIMUM with itself) stands before and after it,
    so that the tensors that overlap are no graph inputs or outputs.
    """

    def __init__(self, make: Make, shape: tuple[int, ...], dtype: str = "INT8", seed: int = 1):
        g = GraphBuilder(seed=seed, dtype=dtype)
        image = g.input(shape)
        self.source = g.add(image, image, name="MAXIMUM")
        self.source.quantization = image.quantization
        self.target = make(g, self.source)
        self.op = g.graph.operators[1]
        assert self.op.outputs == [self.target]
        result = g.add(self.target, self.target, name="MAXIMUM")
        result.quantization = self.target.quantization
        g.output(result)
        self.model = g.model()
        self.ends = (image, result)

    def pair(self, kernels: str = "reference") -> PairOverlap | None:
        """What is stated for the tensor under test, None if it may share nothing."""
        for pair in overlaps(self.op, kernels):
            if self.op.inputs[pair.input_index] is self.source:
                return pair
        return None

    def at(self, distance: int) -> bytes:
        """The model with offset(source) - offset(target) = `distance`."""
        graph = self.model.subgraphs[0]
        self.model.has_offline_plan = True
        base = max(0, -distance)
        self.target.offline_offset = base
        self.source.offline_offset = base + distance
        top = align(max(base + self.target.nbytes, base + distance + self.source.nbytes))
        for tensor in graph.tensors:
            if tensor in (self.source, self.target) or tensor.is_constant or tensor.is_variable:
                continue
            assert tensor in self.ends
            tensor.offline_offset = top
            top += align(tensor.nbytes)
        data = save(self.model)
        self.model.has_offline_plan = False
        for tensor in graph.tensors:
            tensor.offline_offset = -1
        return data

    def stock(self) -> bytes:
        """The model as TFLM would place it."""
        return save(self.model)


def answers(session: Session, model: bytes, count: int = 6) -> list[bytes]:
    """The output for each of `count` structured inputs."""
    steps = [s.steps[0] for s in stimuli(session.describe(model), count)]
    return [np.asarray(outputs[0]).tobytes() for outputs in session.run(model, steps)]


def conv(**options) -> Make:
    return lambda g, x: g.conv(x, **options)


def depthwise(**options) -> Make:
    return lambda g, x: g.depthwise(x, **options)


def pool(**options) -> Make:
    return lambda g, x: g.pool(x, **options)


def unary(name: str, **options) -> Make:
    return lambda g, x: g.unary(name, x, **options)


def lstm(g: GraphBuilder, x: Tensor) -> Tensor:
    """Float, narrower than its input; the state starts at zero in every interpreter."""
    _, _, depth = x.shape
    units = 8
    rng = np.random.default_rng(5)

    def constant(*shape: int) -> Tensor:
        return g.const((rng.standard_normal(shape) / 4).astype(np.float32))

    def state() -> Tensor:
        return g.tensor((1, units), dtype=DType.FLOAT32, is_variable=True)

    weights = [constant(units, depth) for _ in range(4)]
    weights += [constant(units, units) for _ in range(4)]
    biases = [constant(units) for _ in range(4)]
    inputs = [x, *weights, *[None] * 3, *biases, None, None, state(), state(), *[None] * 4]
    options = {"fused_activation_function": "TANH", "time_major": False}
    shape = (*x.shape[:2], units)
    return g.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, shape, **options)


def transpose_conv(g: GraphBuilder, x: Tensor) -> Tensor:
    weights, bias = g.weights((3, 3, 3, x.shape[3]), 0, x, 9 * x.shape[3])
    shape = (x.shape[0], 2 * x.shape[1], 2 * x.shape[2], 3)
    return g.op(
        "TRANSPOSE_CONV", [g.const(list(shape)), weights, x, bias], shape, dtype=x.dtype,
        quantization=g.quantization(x.dtype), padding="SAME", stride_h=2, stride_w=2,
    )  # fmt: skip


def space_to_depth(g: GraphBuilder, x: Tensor) -> Tensor:
    n, h, w, c = x.shape
    return g.op("SPACE_TO_DEPTH", [x], (n, h // 2, w // 2, 4 * c), like=x, block_size=2)


def slice_rows(g: GraphBuilder, x: Tensor) -> Tensor:
    n, h, w, c = x.shape
    begin, size = g.const([0, 3, 0, 0]), g.const([n, h - 4, w, c])
    return g.op("SLICE", [x, begin, size], (n, h - 4, w, c), like=x)


def every_second_column(g: GraphBuilder, x: Tensor) -> Tensor:
    n, h, w, c = x.shape
    ends = [g.const([0, 0, 0, 0]), g.const([n, h, w, c]), g.const([1, 1, 2, 1])]
    return g.op("STRIDED_SLICE", [x, *ends], (n, h, -(-w // 2), c), like=x)


CASES: dict[str, tuple[Make, tuple[int, ...], str]] = {
    "3x3": (conv(channels=8, kernel=3), (1, 12, 12, 8), "INT8"),
    "3x3 to more channels": (conv(channels=24, kernel=3), (1, 10, 10, 8), "INT8"),
    "3x3 stride 2": (conv(channels=16, kernel=3, stride=2), (1, 17, 15, 4), "INT8"),
    "3x3 valid": (conv(channels=8, kernel=3, padding="VALID"), (1, 12, 13, 8), "INT8"),
    "dilated": (conv(channels=8, kernel=3, dilation=2), (1, 13, 11, 8), "INT8"),
    "pointwise, fewer channels": (conv(channels=8), (1, 9, 9, 32), "INT8"),
    "pointwise, more channels": (conv(channels=32), (1, 9, 9, 8), "INT8"),
    "grouped": (conv(channels=12, kernel=3, groups=2), (1, 8, 8, 8), "INT8"),
    "int16 convolution": (conv(channels=8, kernel=3), (1, 9, 9, 8), "INT16"),
    "float convolution": (conv(channels=8, kernel=3), (1, 9, 9, 8), "FLOAT32"),
    "two images": (conv(channels=6, kernel=3), (2, 8, 7, 6), "INT8"),
    "depthwise": (depthwise(), (1, 12, 12, 16), "INT8"),
    "depthwise stride 2": (depthwise(stride=2), (1, 15, 13, 12), "INT8"),
    "depthwise 5x3": (depthwise(kernel=(5, 3)), (1, 14, 9, 8), "INT8"),
    "depthwise with multiplier": (depthwise(multiplier=4), (1, 9, 9, 8), "INT8"),
    "int16 depthwise": (depthwise(), (1, 9, 9, 8), "INT16"),
    "max pool": (pool(), (1, 12, 12, 8), "INT8"),
    "max pool 3x3 stride 1": (pool(kernel=3, stride=1, padding="SAME"), (1, 9, 9, 8), "INT8"),
    "average pool": (pool(kind="AVERAGE", kernel=3, stride=2), (1, 13, 13, 8), "INT8"),
    "int16 average pool": (pool(kind="AVERAGE"), (1, 12, 12, 8), "INT16"),
    "fully connected rows": (lambda g, x: g.fully_connected(x, 24), (9, 40), "INT8"),
    "add": (lambda g, x: g.add(x, g.random(x.shape, x)), (1, 6, 6, 8), "INT8"),
    "add itself": (lambda g, x: g.add(x, x), (1, 6, 6, 8), "INT8"),
    "int16 add": (lambda g, x: g.add(x, g.random(x.shape, x)), (1, 6, 6, 8), "INT16"),
    "multiply by channels": (lambda g, x: g.mul(x, g.random((8,), x)), (1, 6, 6, 8), "INT8"),
    "spread a row": (lambda g, x: g.mul(x, g.random((6, 6, 8), x)), (6, 1, 8), "INT8"),
    "relu": (lambda g, x: g.relu(x), (1, 6, 6, 8), "INT8"),
    "leaky relu": (unary("LEAKY_RELU", alpha=0.25), (1, 6, 6, 8), "INT8"),
    "hard swish": (unary("HARD_SWISH"), (1, 6, 6, 8), "INT8"),
    "logistic": (lambda g, x: g.logistic(x), (1, 6, 6, 8), "INT8"),
    "softmax": (lambda g, x: g.softmax(x), (12, 20), "INT8"),
    "int16 softmax": (lambda g, x: g.softmax(x), (12, 20), "INT16"),
    "float softmax": (lambda g, x: g.softmax(x), (12, 20), "FLOAT32"),
    "reshape": (lambda g, x: g.reshape(x, (1, x.elements)), (1, 6, 6, 8), "INT8"),
    "pad": (lambda g, x: g.pad(x, [(0, 0), (1, 2), (3, 1), (0, 0)]), (1, 8, 8, 8), "INT8"),
    "dequantize": (lambda g, x: g.dequantize(x), (1, 6, 6, 8), "INT8"),
    "quantize": (lambda g, x: g.quantize(x, DType.INT8), (1, 6, 6, 8), "FLOAT32"),
    "transpose": (lambda g, x: g.transpose(x, (0, 2, 1, 3)), (1, 5, 9, 8), "INT8"),
    "nearest neighbour": (lambda g, x: g.resize(x, (13, 14)), (1, 6, 7, 8), "INT8"),
    "bilinear": (lambda g, x: g.resize(x, (13, 14), "BILINEAR"), (1, 6, 7, 8), "INT8"),
    "transposed convolution": (transpose_conv, (1, 6, 6, 8), "INT8"),
    "space to depth": (space_to_depth, (1, 8, 8, 8), "INT8"),
    "float lstm": (lstm, (1, 9, 12), "FLOAT32"),
    "slice": (slice_rows, (1, 12, 6, 8), "INT8"),
    "strided slice": (every_second_column, (1, 8, 9, 16), "INT8"),
}


# What the reference kernels allow and CMSIS-NN's do not, or not for 16 bytes.
REFERENCE_ONLY = {
    "float lstm",
    "grouped",
    "pointwise, fewer channels",
    "pointwise, more channels",
    "transpose",
    "transposed convolution",
}

PAIRS = [("reference", name) for name in CASES]
PAIRS += [("any", name) for name in CASES if name not in REFERENCE_ONLY]


@pytest.mark.parametrize(("kernels", "name"), PAIRS)
def test_tflm_computes_the_same_bytes_at_the_stated_distance(session, kernels, name):
    case = Case(*CASES[name])
    pair = case.pair(kernels)
    assert pair is not None
    distance = align(pair.low) if pair.high is None else pair.high
    assert -case.source.nbytes <= distance < case.target.nbytes
    assert answers(session, case.at(distance)) == answers(session, case.stock())


@pytest.mark.parametrize("name", sorted(REFERENCE_ONLY))
def test_nothing_to_share_is_stated_where_cmsis_nn_allows_nothing(name):
    case = Case(*CASES[name])
    pair = case.pair("any")
    assert pair is None or align(pair.low) >= case.target.nbytes


# 16 bytes less must show; where rounding up to 16 hides that, the shapes are chosen so.
CORRUPTED = [
    "3x3",
    "3x3 to more channels",
    "3x3 stride 2",
    "dilated",
    "pointwise, more channels",
    "pointwise, fewer channels",
    "grouped",
    "int16 convolution",
    "float convolution",
    "depthwise",
    "depthwise with multiplier",
    "max pool",
    "average pool",
    "fully connected rows",
    "add",
    "relu",
    "softmax",
    "pad",
    "dequantize",
    "transpose",
    "space to depth",
    "float lstm",
]


@pytest.mark.parametrize("name", CORRUPTED)
def test_tflm_is_corrupted_at_sixteen_bytes_less(session, name):
    case = Case(*CASES[name])
    pair = case.pair()
    assert pair is not None
    distance = align(pair.low) - 16
    assert answers(session, case.at(distance)) != answers(session, case.stock())


def test_a_start_up_that_crashes_in_a_small_arena_is_no_start_up(session):
    """TFLM's LSTM writes through null where the arena is too small to prepare it."""
    case = Case(*CASES["float lstm"])
    measured = session.measure(case.at(align(case.pair().low)))
    assert measured.startup >= measured.total


def test_one_input_of_an_addition_may_lie_under_the_sum_wherever_the_other_is(session):
    g = GraphBuilder(seed=2)
    image = g.input((1, 8, 8, 8))
    left, right = g.relu(image), g.relu(image, "RELU6")
    right.quantization = left.quantization
    total = g.add(left, right)
    result = g.relu(total)
    g.output(result)
    stock = answers(session, save(g.model()))
    for over, other in ((left, right), (right, left)):
        g.model().has_offline_plan = True
        for tensor, place in ((total, 0), (over, 0), (other, 512), (image, 1024), (result, 1536)):
            tensor.offline_offset = place
        assert answers(session, save(g.model())) == stock

"""The test models' builder: what it makes runs in the real TFLM, and its outputs vary."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from arenafit.graph import DType, Tensor, load, save
from arenafit.runtime import Session, available
from support.builder import GraphBuilder
from support.compare import equal

NUMPY = {DType.INT8: np.int8, DType.INT16: np.int16, DType.FLOAT32: np.float32, DType.BOOL: bool}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    if not available():
        pytest.skip("no TFLM on this machine")
    with Session() as session:
        yield session


def inputs(tensors: list[Tensor], rng: np.random.Generator) -> list[np.ndarray]:
    values = []
    for tensor in tensors:
        if tensor.dtype == DType.BOOL:
            values.append(rng.integers(0, 2, tensor.shape).astype(bool))
            continue
        spread = {DType.INT8: 40, DType.INT16: 8192, DType.FLOAT32: 1}[tensor.dtype]
        limit = 3.1 * spread
        value = np.clip(rng.normal(0, spread, tensor.shape), -limit, limit)
        values.append(value.astype(NUMPY[tensor.dtype]))
    return values


def run(session: Session, g: GraphBuilder, steps: int = 2) -> list[list[np.ndarray]]:
    """Outputs of consecutive invocations on random inputs, after a check of the round trip."""
    model = g.model()
    data = save(model)
    assert equal(load(data), model)
    rng = np.random.default_rng(0)
    return session.run(data, [inputs(model.main.inputs, rng) for _ in range(steps)])


def network(g: GraphBuilder) -> None:
    x = g.input((1, 16, 16, 4))
    a = g.conv(x, 8, kernel=3, stride=2, activation="RELU6")
    b = g.depthwise(a, kernel=3)
    c = g.add(a, g.conv(b, 8))
    d = g.pool(g.concat([c, c]), kernel=2)
    e = g.conv(d, 8, kernel=3, padding="VALID", bias=False)
    g.output(c, e, g.softmax(g.fully_connected(e, 10)))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_a_network_runs_in_tflm_and_its_outputs_follow_its_input(
    session: Session, dtype: str
) -> None:
    g = GraphBuilder(1, dtype)
    network(g)
    first, second = run(session, g)
    for a, b in zip(first, second, strict=True):
        assert np.unique(a).size > 3
        assert not np.array_equal(a, b)


OPERATORS: dict[str, Callable[[GraphBuilder, Tensor], Tensor | list[Tensor]]] = {
    "pad": lambda g, x: g.pad(x, [(0, 0), (1, 1), (1, 2), (0, 0)]),
    "reshape": lambda g, x: g.reshape(x, (1, 4, 64)),
    "transpose": lambda g, x: g.transpose(x, (0, 3, 1, 2)),
    "strided_slice": lambda g, x: g.strided_slice(x, (0, 1, 1, 0), (1, 8, 7, 4), (1, 2, 1, 1)),
    "split": lambda g, x: g.split(x, 2),
    "mean": lambda g, x: g.mean(x),
    "mean keeping dimensions": lambda g, x: g.mean(x, keep_dims=True),
    "relu": lambda g, x: g.relu(x),
    "relu6": lambda g, x: g.relu(x, "RELU6"),
    "logistic": lambda g, x: g.logistic(x),
    "mul": lambda g, x: g.mul(x, g.random((4,))),
    "sub": lambda g, x: g.add(x, g.random((1, 8, 8, 4)), name="SUB"),
    "maximum": lambda g, x: g.add(x, g.random((4,), like=x), name="MAXIMUM"),
    "average pool": lambda g, x: g.pool(x, 3, 1, "SAME", "AVERAGE"),
    "grouped conv": lambda g, x: g.conv(x, 8, 3, groups=2),
    "dilated conv": lambda g, x: g.conv(x, 8, 3, dilation=2, padding="VALID"),
    "depth multiplier": lambda g, x: g.depthwise(x, 3, multiplier=2),
    "resize nearest": lambda g, x: g.resize(x, (16, 12)),
    "resize bilinear": lambda g, x: g.resize(x, (16, 12), "BILINEAR"),
    "dequantize": lambda g, x: g.dequantize(x),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_operator_runs_in_tflm_with_the_shape_it_claims(
    session: Session, operator: str
) -> None:
    g = GraphBuilder(2)
    made = OPERATORS[operator](g, g.input((1, 8, 8, 4)))
    outputs = made if isinstance(made, list) else [made]
    g.output(*outputs)
    for values in run(session, g):
        assert [v.shape for v in values] == [tensor.shape for tensor in outputs]
        assert all(np.unique(v).size > 1 for v in values)


def test_variables_keep_their_value_between_invocations(session: Session) -> None:
    g = GraphBuilder(3)
    x = g.input((1, 8))
    init = g.subgraph("init")
    init.assign_variable(init.var_handle("state"), init.random((1, 8), like=x))
    g.call_once(init)
    handle = g.var_handle("state")
    total = g.add(g.read_variable(handle, x), x)
    g.assign_variable(handle, total)
    g.output(total)
    data = save(g.model())
    step = inputs(g.graph.inputs, np.random.default_rng(0))
    first, second = session.run(data, [step, step])
    assert not np.array_equal(first[0], second[0])


def test_if_runs_the_subgraph_that_its_condition_names(session: Session) -> None:
    g = GraphBuilder(4)
    x, condition = g.input((1, 8)), g.input((), dtype=DType.BOOL)
    then, other = g.subgraph("then"), g.subgraph("else")
    a = then.input((1, 8), like=x)
    then.output(then.op("MUL", [a, a], a.shape, like=a))
    b = other.input((1, 8), like=x)
    other.output(other.op("ADD", [b, b], b.shape, like=b))
    g.output(*g.if_(condition, then, other, [x]))
    values = np.full((1, 8), 7, np.int8)
    model = save(g.model())
    yes, no = (session.run(model, [[values, np.array(c)]])[0][0] for c in (True, False))
    assert not np.array_equal(yes, no)


def test_an_option_that_the_operator_does_not_have_is_an_error() -> None:
    g = GraphBuilder()
    x = g.input((1, 4))
    with pytest.raises(KeyError):
        g.op("SOFTMAX", [x], x.shape, like=x, gamma=1.0)
    with pytest.raises(KeyError):
        g.op("LOGISTIC", [x], x.shape, like=x, beta=1.0)

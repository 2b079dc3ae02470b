"""The second oracle: LiteRT's reference kernels, with no memory plan in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from arenafit.errors import ModelError
from arenafit.graph import Buffer, save
from arenafit.runtime import Session, available, record, unavailable_reason, verify
from support.builder import GraphBuilder
from support.zoo import each_zoo_model, zoo_rows

pytestmark = pytest.mark.skipif(not available("litert"), reason=str(unavailable_reason("litert")))


@pytest.fixture(scope="module")
def litert() -> Iterator[Session]:
    with Session("litert") as opened:
        yield opened


def network(seed: int = 1) -> GraphBuilder:
    g = GraphBuilder(seed=seed)
    x = g.input((1, 8, 8, 3))
    g.output(g.fully_connected(g.conv(g.conv(x, 8, kernel=3), 8), 10))
    return g


def test_it_says_that_it_does_not_cover_the_plan(litert: Session):
    data = save(network().model())
    result = verify(litert, data, data)
    assert result.bit_exact
    assert not result.plan_covered
    assert "ai-edge-litert" in result.oracle and "BUILTIN_REF" in result.oracle


def test_it_reports_a_corrupt_weight(litert: Session):
    bad = network().model()
    weights = bad.main.operators[1].inputs[1]
    assert weights is not None and weights.buffer is not None and weights.buffer.data
    weights.buffer = Buffer(bytes([weights.buffer.data[0] ^ 64]) + weights.buffer.data[1:])
    assert not verify(litert, save(network().model()), save(bad)).bit_exact


def test_it_compares_tensors_inside(litert: Session):
    data = save(network().model())
    assert verify(litert, data, data, intermediates=True).intermediates_compared == 2


def test_state_lasts_for_one_run(litert: Session):
    g = GraphBuilder()
    x = g.input((1, 4))
    handle, init = g.var_handle("before"), g.subgraph("init")
    init.assign_variable(init.var_handle("before"), init.random((1, 4), like=x))
    g.call_once(init)
    g.output(g.add(g.read_variable(handle, x), x))
    g.assign_variable(handle, x)
    model = save(g.model())
    assert litert.describe(model).stateful
    steps = [[np.full((1, 4), value, np.int8)] for value in (50, 0, 0)]
    first, second = litert.run(model, steps), litert.run(model, steps)
    assert [a[0].tobytes() for a in first] == [a[0].tobytes() for a in second]
    assert first[1][0].tobytes() != first[2][0].tobytes()


def test_it_refuses_what_is_not_a_model(litert: Session):
    with pytest.raises(ModelError, match="LiteRT refuses this model"):
        litert.describe(b"not a model at all")


def test_it_cannot_measure_and_says_so(litert: Session):
    with pytest.raises(ModelError):
        litert.measure(save(network().model()))


@pytest.mark.slow
@each_zoo_model
def test_it_agrees_with_tflm_where_the_zoo_says_so(model: Path, litert: Session):
    if not available():
        pytest.skip(str(unavailable_reason()))
    row = zoo_rows()[model.name]
    if row["litert_builtin_ref_bitexact"] != "1" or row["dtype"] == "INT16":
        pytest.skip("known to differ, by one step")
    data = model.read_bytes()
    with Session() as tflm:
        ours, theirs = (record(host, data, inputs=2, steps=1) for host in (tflm, litert))
    assert ours.interface == theirs.interface
    for mine, other in zip(ours.answers, theirs.answers, strict=True):
        assert [a.tobytes() for a in mine[0]] == [a.tobytes() for a in other[0]]

"""kernels/tflm compiled with TFLM's own headers, and run in the TFLM that they belong to.

The judge is the wheel's TFLM, three years younger: both must give the same bytes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import numpy as np
import pytest

from arenafit.candidates import overlap_rule
from arenafit.graph import load, save
from arenafit.memory.build import apply_placement, model_problem
from arenafit.memory.metadata import METADATA_NAME
from arenafit.memory.placement import solve
from arenafit.runtime import Session, available, unavailable_reason
from arenafit.runtime.inputs import stimuli
from support.builder import GraphBuilder
from support.pooling import pooled, pooled_in_place
from support.xmos import Ran, Xmos
from support.zoo import zoo_model

INVOCATIONS = 3  # of run_model


@pytest.fixture(scope="module")
def xmos(tmp_path_factory: pytest.TempPathFactory) -> Xmos:
    base = tmp_path_factory.getbasetemp()
    # With pytest-xdist every process has a folder of its own in one that they share.
    folder = base.parent if base.name.startswith("popen-") else base
    shared = folder / "xmos"
    shared.mkdir(exist_ok=True)
    return Xmos(shared)


@pytest.fixture(scope="module")
def wheel() -> Iterator[Session]:
    if not available():
        pytest.skip(str(unavailable_reason()))
    with Session() as session:
        yield session


def both(xmos: Xmos, wheel: Session, reference: bytes, model: bytes, planner: str) -> Ran:
    """Run `model` over there, and hold its outputs against those of `reference` here."""
    (stimulus,) = stimuli(wheel.describe(reference), 1)
    ran = xmos.run(model, stimulus.steps[0], planner)
    (expected,) = wheel.run(reference, stimulus.steps)
    assert ran.outputs == b"".join(output.tobytes() for output in expected) * INVOCATIONS
    return ran


def residual() -> GraphBuilder:
    g = GraphBuilder(seed=3)
    x = g.conv(g.input((1, 12, 12, 3)), 8, kernel=3, activation="RELU")
    y = g.depthwise(g.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), kernel=3)
    g.output(
        g.softmax(g.fully_connected(g.mean(g.add(g.pool(x, 3, stride=1, padding="SAME"), x)), 5))
    )
    g.output(y)
    return g


def upsampling() -> GraphBuilder:
    """TRANSPOSE_CONV, whose kernel requests scratch: int32 for each byte of its output."""
    g = GraphBuilder(seed=4)
    x = g.input((1, 5, 4, 3))
    weights, bias = g.weights((2, 3, 3, 3), 0, x, 27)
    shape, options = (1, 10, 8, 2), {"padding": "SAME", "stride_h": 2, "stride_w": 2}
    like = {"dtype": x.dtype, "quantization": g.quantization(x.dtype)}
    g.output(g.op("TRANSPOSE_CONV", [g.const(shape), weights, x, bias], shape, **like, **options))
    return g


@pytest.mark.parametrize("planner", ["greedy", "arenafit"])
def test_scratch_is_planned_there(xmos: Xmos, wheel: Session, planner: str):
    data = save(upsampling().model())
    assert both(xmos, wheel, data, data, planner).head >= (1 + 4) * 160


@pytest.mark.parametrize("planner", ["greedy", "arenafit"])
def test_a_model_gives_the_same_bytes_there_with_either_planner(
    xmos: Xmos, wheel: Session, planner: str
):
    data = save(residual().model())
    ran = both(xmos, wheel, data, data, planner)
    assert ran.head == wheel.measure(data, startup=False).head
    assert ran.used > ran.head


@pytest.mark.parametrize("name", ["keras__swiftnet_like_96", "tflm__micro_speech_quantized"])
def test_a_real_model_needs_no_larger_a_head_there_with_our_planner(
    xmos: Xmos, wheel: Session, name: str
):
    data = zoo_model(name).read_bytes()
    greedy, ours = (both(xmos, wheel, data, data, planner) for planner in ("greedy", "arenafit"))
    assert ours.head <= greedy.head == wheel.measure(data, startup=False).head


def test_our_pool_writes_over_its_input_there_too(xmos: Xmos, wheel: Session):
    reference, model = save(pooled()), save(pooled_in_place())
    greedy, ours = (both(xmos, wheel, reference, model, p) for p in ("greedy", "arenafit"))
    assert greedy.head == ours.head == 16 * 16 * 16 + 16 * 16 * 2
    assert both(xmos, wheel, reference, reference, "greedy").head > ours.head


def with_plan() -> bytes:
    """The pooled model with a plan for our planner alone: TFLM's own does without."""
    model = load(save(pooled_in_place()))
    placing = model_problem(model, overlap_rule("reference"))
    apply_placement(model, placing, solve(placing.problem))
    for tensor in placing.tensors:
        tensor.offline_offset = -1
    model.has_offline_plan = False
    return save(model)


@pytest.mark.parametrize("planner", ["arenafit", "offline"])
def test_the_plan_in_a_model_is_obeyed_there(xmos: Xmos, wheel: Session, planner: str):
    data = with_plan()
    ran = both(xmos, wheel, save(pooled()), data, planner)
    assert ran.head < both(xmos, wheel, save(pooled()), data, "greedy").head


@pytest.mark.parametrize("planner", ["arenafit", "offline"])
def test_a_damaged_plan_is_refused_there(xmos: Xmos, planner: str):
    model = load(with_plan())
    (plan,) = [entry for entry in model.metadata if entry.name == METADATA_NAME]
    assert plan.buffer.data
    plan.buffer.data = plan.buffer.data[:-1] + bytes([plan.buffer.data[-1] ^ 1])
    assert "memory plan refused: damaged: wrong checksum" in refusal(xmos, save(model), planner)
    model.metadata.remove(plan)
    if planner == "offline":
        assert "memory plan refused" in refusal(xmos, save(model), planner)


def test_an_unsafe_overlap_is_refused_there(xmos: Xmos):
    said = refusal(xmos, save(pooled_in_place(distance=64)), "arenafit")
    assert "ARENAFIT_MAX_POOL_2D: unsafe overlap of input and output" in said


def refusal(xmos: Xmos, model: bytes, planner: str) -> str:
    """The log of a model that TFLM does not take."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        xmos.run(model, [np.zeros((1, 16, 16, 2), np.int8)], planner)
    assert caught.value.returncode == 1
    return str(caught.value.stderr.decode())

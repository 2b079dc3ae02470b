"""arenafit's operators and planner inside the real TFLM of the wheel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import arenafit
from arenafit.errors import ModelError, RuntimeUnavailable
from arenafit.graph import DType, load, save
from arenafit.graph.custom import MaxPool2D
from arenafit.memory.metadata import METADATA_NAME, decode
from arenafit.runtime import REGISTERERS, Session, record
from arenafit.runtime.inputs import stimuli
from arenafit.runtime.planned import PlannedRun, PlannedTflm
from arenafit.runtime.plugin import PlannedBuffer
from support.builder import GraphBuilder
from support.plugin import need_plugin
from support.pooling import pooled, pooled_in_place
from support.zoo import each_zoo_model, requires_zoo, zoo_model, zoo_models

SMALL = ("esphome__alexa", "mlperf__vww_96_int8", "tflm__trained_lstm_int8")  # --all: the others


@pytest.fixture(scope="module")
def stock() -> Iterator[Session]:
    """TFLM as it is, but for arenafit's operators."""
    need_plugin()
    with Session(registerers=REGISTERERS) as session:
        yield session


@pytest.fixture(scope="module")
def ours() -> Iterator[Session]:
    """TFLM with arenafit's planner."""
    need_plugin()
    with Session(planner="arenafit") as session:
        yield session


# ---- operators -------------------------------------------------------------------------------


def test_an_operator_of_ours_gives_the_bytes_of_the_builtin_it_stands_for(stock: Session):
    verified = stock.verify(save(pooled()), save(pooled_in_place()))
    assert verified.bit_exact, verified.first_difference
    assert verified.distinct_outputs == verified.inputs


def test_it_writes_over_its_input_where_the_plan_says_so(stock: Session):
    before, after = (
        stock.measure(save(m), startup=False).head for m in (pooled(), pooled_in_place())
    )
    assert before == 16 * 16 * 16 + 8 * 8 * 16
    assert after == 16 * 16 * 16 + 16 * 16 * 2


def test_an_overlap_that_its_order_does_not_allow_is_refused_and_never_computed(stock: Session):
    wrong = save(pooled_in_place(distance=64))
    (stimulus,) = stimuli(stock.describe(wrong), 1)
    with pytest.raises(ModelError, match="ARENAFIT_MAX_POOL_2D: unsafe overlap"):
        stock.run(wrong, stimulus.steps)


def test_a_file_that_claims_too_much_is_refused_by_prepare(stock: Session):
    model = pooled_in_place()
    pool = model.subgraphs[0].operators[1]
    options = MaxPool2D.decode(pool.custom_options)
    assert options is not None
    claims = MaxPool2D(options.filter, options.stride, options.pad, options.clamp, -64)
    pool.custom_options = claims.encode()
    with pytest.raises(ModelError, match="relies on an input -64 bytes after the output"):
        stock.measure(save(model))


def test_stock_tflm_does_not_know_the_operator():
    need_plugin()
    with Session() as session, pytest.raises(ModelError, match="op code CUSTOM"):
        session.measure(save(pooled_in_place()))


def test_registerers_serve_tflms_own_interpreter_in_the_callers_process(tmp_path: Path):
    need_plugin()
    model = tmp_path / "model.tflite"
    model.write_bytes(save(pooled_in_place()))
    program = """
import sys
from tflite_micro import runtime
import arenafit.runtime
names = arenafit.runtime.registerers()
with open(sys.argv[1], "rb") as file:
    interpreter = runtime.Interpreter.from_bytes(file.read(), custom_op_registerers=names)
interpreter.invoke()
print(names, interpreter.get_output(0).shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(model)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "['arenafit_register_ops'] (1, 8, 8, 4)\n")


# ---- planner ---------------------------------------------------------------------------------


def branches() -> GraphBuilder:
    g = GraphBuilder(seed=3)
    x = g.conv(g.input((1, 12, 12, 3)), 8, kernel=3)
    g.output(g.softmax(g.fully_connected(g.mean(g.add(g.conv(x, 8), g.relu(x))), 5)))
    return g


def condition() -> GraphBuilder:
    """IF: three subgraphs, one of which runs."""
    g = GraphBuilder(seed=4)
    x, yes = g.input((1, 4, 4, 8)), g.input((1,), dtype=DType.BOOL)
    parts = [g.subgraph(name) for name in ("then", "else")]
    for part in parts:
        y = part.conv(part.input((1, 4, 4, 8), like=x), 8, kernel=3)
        part.output(part.relu(y) if part is parts[0] else y)
    g.output(*g.if_(yes, *parts, [g.relu(x)]))
    return g


def counter() -> GraphBuilder:
    """A resource variable that adds up its inputs."""
    g = GraphBuilder(seed=5)
    x = g.input((1, 8))
    init = g.subgraph("init")
    init.assign_variable(init.var_handle("sum"), init.random((1, 8), like=x))
    g.call_once(init)
    handle = g.var_handle("sum")
    total = g.add(g.read_variable(handle, like=x), x)
    g.assign_variable(handle, total)
    g.output(g.relu(total))
    return g


def dense(dtype: str) -> GraphBuilder:
    g = GraphBuilder(seed=6, dtype=dtype)
    g.output(g.softmax(g.fully_connected(g.reshape(g.input((1, 4, 4, 4)), (1, 64)), 10)))
    return g


MODELS: dict[str, Callable[[], GraphBuilder]] = {
    "branches": branches, "condition": condition, "counter": counter,
    "int16": lambda: dense("INT16"), "float": lambda: dense("FLOAT32"),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_models_give_the_same_bytes_with_our_planner_in_no_larger_a_head(
    stock: Session, ours: Session, name: str
):
    data = save(MODELS[name]().model())
    compare(stock, ours, data)


@each_zoo_model
def test_the_zoo_gives_the_same_bytes_with_our_planner_in_no_larger_a_head(
    stock: Session, ours: Session, model: Path
):
    compare(stock, ours, model.read_bytes(), inputs=2)


def compare(stock: Session, ours: Session, data: bytes, inputs: int = 4) -> None:
    verified = record(stock, data, inputs=inputs).check(ours, data, intermediates=False)
    assert verified.bit_exact, verified.first_difference
    before, after = (session.measure(data, startup=False) for session in (stock, ours))
    assert after.head <= before.head
    # The wheel's allocator is the recording one, which keeps its records in the tail.
    assert 0 <= before.tail - after.tail <= 512


@pytest.fixture(scope="module")
def planned() -> PlannedTflm:
    """The same in this process, to look at what is planned."""
    need_plugin()
    return PlannedTflm()


@each_zoo_model
def test_no_two_buffers_that_live_at_once_share_bytes(planned: PlannedTflm, model: Path):
    run = planned.start(model.read_bytes(), 8 << 20)
    assert run.buffers
    assert collisions(run) == []
    assert max(b.offset + b.size for b in run.buffers) == run.head


def test_a_reset_interpreter_starts_afresh_as_the_wheels_own_does(planned: PlannedTflm):
    data, given = save(counter().model()), np.arange(8, dtype=np.int8).reshape(1, 8)
    theirs = _runtime().InterpreterWrapper(
        data, [], 1 << 20, 1, _runtime().PythonInterpreterConfig.kAllocationRecording, 0
    )
    outputs = []
    for run in (planned.start(data, 1 << 20), theirs):
        outputs.append([])
        for reset in (False, False, True):
            if reset:
                run.Reset()
            run.SetInputTensor(given, 0)
            run.Invoke()
            outputs[-1].append(run.GetOutputTensor(0).tolist())
    assert outputs[0] == outputs[1]
    assert outputs[0][0] != outputs[0][1]


def _runtime() -> ModuleType:
    from tflite_micro.python.tflite_micro import _runtime

    return _runtime


def test_scratch_that_kernels_request_is_planned_with_the_tensors(planned: PlannedTflm):
    data = zoo_model("tflm__trained_lstm_int8").read_bytes()
    (graph,) = load(data).subgraphs
    variable = [t for t in graph.tensors if not t.is_constant and not t.is_variable]
    tensors = {t for op in graph.operators for t in [*op.inputs, *op.outputs]} & set(variable)
    run = planned.start(data, 8 << 20)
    scratch = run.buffers[len(tensors) :]
    assert len(scratch) >= 4  # of the LSTM alone
    assert all(b.first == b.last and b.size % 16 == 0 for b in scratch)
    scratch[0].offset = run.buffers[0].offset  # so that what says "none" is seen to say "one"
    assert any(collide(scratch[0], b) for b in run.buffers if b.first <= scratch[0].first)


def collisions(run: PlannedRun) -> list[tuple[int, int]]:
    """Pairs that collide, but for those that the model's own plan puts there."""
    return [
        (i, j)
        for j, b in enumerate(run.buffers)
        for i, a in enumerate(run.buffers[:j])
        if collide(a, b) and (a.asked == -1 or b.asked == -1)
    ]


def collide(a: PlannedBuffer, b: PlannedBuffer) -> bool:
    in_time = a.first <= b.last and b.first <= a.last
    return in_time and a.offset < b.offset + b.size and b.offset < a.offset + a.size


def test_an_offline_plan_is_obeyed(ours: Session, stock: Session):
    model = pooled_in_place()
    data = save(model)
    heads = [session.measure(data, startup=False).head for session in (stock, ours)]
    assert heads[0] == heads[1]
    assert record(stock, save(pooled()), inputs=4).check(ours, data).bit_exact
    model.subgraphs[0].inputs[0].offline_offset = 16384
    moved = ours.measure(save(model), startup=False).head
    assert moved == 16384 + 16 * 16 * 2


def test_an_offline_plan_that_came_with_the_model_is_kept(planned: PlannedTflm):
    data = zoo_model("cfu__presence_0_320_240_1_20220117_140437_201k_26k_96ops").read_bytes()
    run = planned.start(data, 8 << 20)
    asked = [b for b in run.buffers if b.asked >= 0]
    assert len(asked) > 20
    assert all(b.offset == b.asked for b in asked)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.stem, marks=() if path.stem in SMALL else pytest.mark.slow)
        for path in zoo_models()
    ]
    or [pytest.param("", marks=requires_zoo)],
)
def test_a_shrunk_model_serves_both_planners_with_one_plan(
    stock: Session, ours: Session, name: str
):
    original = zoo_model(name).read_bytes()
    data, _ = arenafit.optimize(original, verify=False)
    verified = record(stock, original, inputs=2).check(ours, data, intermediates=False)
    assert verified.bit_exact, verified.first_difference
    heads = [session.measure(data, startup=False).head for session in (stock, ours)]
    plans = [
        decode(entry.buffer.data or b"")
        for entry in load(data).metadata
        if entry.name == METADATA_NAME
    ]
    if plans:
        assert heads[1] == plans[0].head
    # A plan may hold room for scratch that no kernel of this host requests.
    if not any(plan.scratch for plan in plans):
        assert heads[1] <= heads[0]


def test_the_smallest_arena_that_starts_a_model_is_found_with_our_planner_too(ours: Session):
    taken = ours.measure(save(branches().model()))
    assert taken.startup is not None
    assert taken.total <= taken.startup < taken.total + 4096


def test_our_planner_is_named_with_the_figures(ours: Session, stock: Session):
    assert ours.oracle == f"{stock.oracle} with arenafit's planner"


def test_all_tensors_can_be_looked_at_where_no_planner_is_at_work(ours: Session, stock: Session):
    data = save(branches().model())
    (stimulus,) = stimuli(ours.describe(data), 1)
    wanted = range(3, 6)
    ((*a,),), ((*b,),) = (s.peek(data, stimulus.steps, wanted) for s in (ours, stock))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(64), b"\xff" * 64])
def test_what_is_no_model_is_refused(ours: Session, data: bytes):
    with pytest.raises(ModelError):
        ours.measure(data)


def test_an_input_of_another_type_or_shape_is_refused(ours: Session):
    data = save(branches().model())
    for wrong in (np.zeros((1, 12, 12, 3), np.int16), np.zeros((1, 12, 36), np.int8)):
        with pytest.raises(ModelError, match="for input"):
            ours.run(data, [[wrong]])


def test_operators_of_others_do_not_go_with_our_planner():
    need_plugin()
    session = Session(planner="arenafit", registerers=["somebodys"])
    with session, pytest.raises(RuntimeUnavailable, match="somebodys: not with arenafit's planner"):
        session.measure(b"")

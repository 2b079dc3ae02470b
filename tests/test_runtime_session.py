"""Running and measuring models in TFLM, in a process that they may break."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from arenafit.errors import ModelError, RuntimeUnavailable
from arenafit.graph import DType, save
from arenafit.runtime import Session, available, session, unavailable_reason
from support.builder import GraphBuilder
from support.zoo import each_zoo_model, zoo_rows

requires_tflm = pytest.mark.skipif(not available(), reason=str(unavailable_reason()))


@pytest.fixture(scope="module")
def host() -> Iterator[Session]:
    if not available():
        pytest.skip(str(unavailable_reason()))
    with Session() as opened:
        yield opened


def small() -> GraphBuilder:
    g = GraphBuilder(seed=1)
    x = g.input((1, 8, 8, 3))
    g.output(g.softmax(g.fully_connected(g.mean(g.conv(x, 8, kernel=3)), 10)))
    return g


def wider() -> GraphBuilder:
    g = GraphBuilder(seed=2)
    g.output(g.conv(g.input((1, 16, 16, 8)), 16))
    return g


def forever() -> bytes:
    """A model that never ends: a WHILE whose condition always holds."""
    g = GraphBuilder()
    x = g.input((1, 4))
    condition, body = g.subgraph("condition"), g.subgraph("body")
    condition.input((1, 4), like=x)
    yes = condition.const(np.array([True]))
    no = condition.const(np.array([False]))
    condition.output(condition.op("LOGICAL_OR", [yes, no], (1,), dtype=DType.BOOL))
    body.output(body.relu(body.input((1, 4), like=x)))
    g.output(*g.while_(condition, body, [x]))
    return save(g.model())


def wild() -> bytes:
    """A model whose plan puts a tensor far outside of the arena: TFLM does not check."""
    model = small().model()
    model.has_offline_plan = True
    model.main.operators[0].outputs[0].offline_offset = -(1 << 30)
    return save(model)


@each_zoo_model
def test_the_zoo_takes_what_its_table_says(model: Path, host: Session):
    row = zoo_rows()[model.name]
    measured = host.measure(model.read_bytes())
    assert (measured.head, measured.tail) == (int(row["stock_head"]), int(row["stock_tail"]))
    assert measured.total == measured.head + measured.tail
    assert measured.startup is not None and measured.startup >= measured.total


def test_startup_is_the_smallest_arena_that_tflm_starts_with(host: Session):
    g = GraphBuilder()
    x = g.input((1, 16))
    for _ in range(12):  # little to hold, much to plan: the planner's tables need the most
        x = g.fully_connected(x, 16)
    g.output(x)
    model = save(g.model())
    measured = host.measure(model)
    assert measured.startup is not None and measured.startup > measured.total

    from tflite_micro import runtime

    runtime.Interpreter.from_bytes(model, arena_size=measured.startup)
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(model, arena_size=measured.startup - 16)


def test_startup_is_left_out_when_it_is_not_asked_for(host: Session):
    model = save(small().model())
    assert host.measure(model, startup=False).startup is None
    assert host.measure(model, startup=False).head == host.measure(model).head


def test_a_model_is_described_as_its_file_says(host: Session):
    g = small()
    described = host.describe(save(g.model()))
    source = g.graph.inputs[0]
    assert [port.name for port in described.inputs] == [source.name]
    assert described.inputs[0].shape == (1, 8, 8, 3)
    assert described.inputs[0].dtype == "int8"
    assert source.quantization is not None
    assert described.inputs[0].scales == source.quantization.scales
    assert described.inputs[0].zero_points == source.quantization.zero_points
    assert described.outputs[0].shape == (1, 10)
    assert not described.stateful


def test_running_gives_what_tflm_computes(host: Session):
    g = GraphBuilder()
    x = g.input((1, 5))
    g.output(g.unary("RELU", x))
    zero = g.graph.inputs[0].quantization.zero_points[0]
    values = np.array([[-128, -60, 0, 60, 127]], np.int8)
    assert host.run(save(g.model()), [[values]])[0][0].tolist() == [
        [max(int(value), zero) for value in values[0]]
    ]


def test_inputs_are_set_again_before_each_invocation(host: Session):
    """An in-place plan overwrites the graph input: the second run must not see that."""
    g = GraphBuilder()
    x = g.input((1, 64))
    y = g.unary("RELU", x)
    g.output(g.unary("ABS", y))
    model = g.model()
    model.has_offline_plan = True
    x.offline_offset = y.offline_offset = 0
    values = np.arange(-32, 32, dtype=np.int8).reshape(1, 64)
    first, second = host.run(save(model), [[values], [values]])
    assert np.array_equal(first[0], second[0])


def test_state_lasts_for_one_run_and_no_longer(host: Session):
    g = GraphBuilder()
    x = g.input((1, 4))
    handle = g.var_handle("before")
    before = g.read_variable(handle, x)
    g.assign_variable(handle, x)
    g.output(before)
    model = save(g.model())
    assert host.describe(model).stateful
    steps = [[np.full((1, 4), value, np.int8)] for value in (5, 6, 7)]
    for _ in range(2):
        ran = host.run(model, steps)
        assert [int(outputs[0][0, 0]) for outputs in ran[1:]] == [5, 6]


def test_peeking_shows_tensors_that_the_plan_would_have_overwritten(host: Session):
    g = GraphBuilder()
    x = g.input((1, 5))
    y = g.unary("RELU", x)
    g.output(g.unary("ABS", y))
    index = g.graph.tensors.index(y)
    values = np.array([[-128, -60, 0, 60, 127]], np.int8)
    (peeked,) = host.peek(save(g.model()), [[values]], [index, 0])
    assert np.array_equal(peeked[1], values)
    zero = x.quantization.zero_points[0]
    assert np.array_equal(peeked[0], np.maximum(values, zero))


def test_many_inputs_many_outputs_and_empty_tensors_work(host: Session):
    g = GraphBuilder()
    inputs = [g.input((1, 3)) for _ in range(12)]
    empty = g.input((0, 3), like=inputs[0])
    for tensor in inputs:
        g.output(g.unary("ABS", tensor))
    g.output(empty)
    arrays = [np.full((1, 3), index, np.int8) for index in range(12)]
    (outputs,) = host.run(save(g.model()), [[*arrays, np.zeros((0, 3), np.int8)]])
    assert len(outputs) == 13
    assert outputs[12].shape == (0, 3)


def test_subgraphs_are_run_where_they_are_called(host: Session):
    g = GraphBuilder()
    x, condition = g.input((1, 4)), g.input((1,), dtype=DType.BOOL)
    then, other = g.subgraph("then"), g.subgraph("else")
    then.output(then.unary("ABS", then.input((1, 4), like=x)))
    other.output(other.unary("RELU", other.input((1, 4), like=x)))
    g.output(*g.if_(condition, then, other, [x]))
    model = save(g.model())
    values = np.array([[-100, -3, 3, 100]], np.int8)
    steps = [[values, np.array([flag])] for flag in (True, False)]
    yes, no = host.run(model, steps)
    assert not np.array_equal(yes[0], no[0])


def test_an_operator_that_tflm_lacks_is_named_in_one_line(host: Session):
    g = GraphBuilder()
    x = g.input((1, 4))
    g.output(g.op("CUSTOM", [x], (1, 4), like=x, custom="NO_SUCH_OPERATOR"))
    with pytest.raises(ModelError, match=r"TFLM refuses this model: .*CUSTOM") as caught:
        host.measure(save(g.model()))
    assert "\n" not in str(caught.value)


def test_an_input_of_the_wrong_kind_is_refused(host: Session):
    model = save(small().model())
    for wrong in ([np.zeros((1, 8, 8, 3), np.float32)], [np.zeros((1, 8, 8), np.int8)], []):
        with pytest.raises(ModelError):
            host.run(model, [wrong])


@requires_tflm
def test_a_crash_is_one_error_and_the_next_request_works(capfd: pytest.CaptureFixture[str]):
    good = save(small().model())
    with Session() as own:
        before = own.measure(good)
        with pytest.raises(ModelError, match=r"TFLM crashed on this model \(signal \d+\)"):
            own.run(wild(), [[np.zeros((1, 8, 8, 3), np.int8)]])
        assert own.measure(good) == before
    assert capfd.readouterr() == ("", "")


@requires_tflm
def test_a_model_that_never_ends_is_given_up_and_the_next_request_works():
    with Session(timeout=2.0) as own:
        with pytest.raises(ModelError, match="no answer on this model within 2 s"):
            own.run(forever(), [[np.zeros((1, 4), np.int8)]])
        assert own.measure(save(small().model())).head > 0


@requires_tflm
def test_a_worker_that_somebody_kills_between_requests_is_replaced():
    good = save(small().model())
    with Session() as own:
        before = own.measure(good)
        assert own._worker is not None
        own._worker.kill()
        with pytest.raises(ModelError, match="signal 9"):
            own.measure(good)
        assert own.measure(good) == before


def test_damaged_files_end_in_a_result_or_one_error(host: Session):
    good = save(small().model())
    rng = np.random.default_rng(0)
    outcomes = set()
    for round_ in range(30):
        data = bytearray(good)
        for place in rng.integers(0, len(data), 1 + round_ % 4):
            data[place] = rng.integers(0, 256)
        if round_ % 3 == 0:
            del data[int(rng.integers(8, len(data))) :]
        try:
            host.measure(bytes(data))
            outcomes.add("measured")
        except ModelError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
    assert outcomes == {"measured", "refused"}


def test_threads_take_turns(host: Session):
    models = [save(small().model()), save(wider().model())]
    expected = [host.measure(model) for model in models]
    wrong: list[object] = []

    def work(which: int) -> None:
        for _ in range(10):
            if (got := host.measure(models[which])) != expected[which]:
                wrong.append(got)

    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1, 0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert expected[0] != expected[1]
    assert not wrong


@requires_tflm
def test_the_caller_never_loads_tflm_itself(tmp_path: Path):
    path = tmp_path / "model.tflite"
    path.write_bytes(save(small().model()))
    code = (
        "import sys; from pathlib import Path; from arenafit.runtime import Session, verify\n"
        "model = Path(sys.argv[1]).read_bytes()\n"
        "with Session() as host:\n"
        "    host.measure(model); assert verify(host, model, model).bit_exact\n"
        "print([name for name in sys.modules if name.startswith('tflite_micro')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


@requires_tflm
def test_a_file_in_the_callers_folder_cannot_pose_as_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "json.py").write_text("raise SystemExit('wrong json')")
    monkeypatch.chdir(tmp_path)
    with Session() as own:
        assert own.measure(save(small().model())).head > 0


@requires_tflm
def test_a_closed_session_says_so():
    own = Session()
    own.close()
    own.close()
    with pytest.raises(RuntimeUnavailable, match="closed"):
        own.measure(b"")


@requires_tflm
def test_closing_ends_a_request_that_another_thread_waits_for():
    own = Session()
    own.oracle  # noqa: B018  (waits for the worker)
    ended: list[BaseException] = []

    def wait_forever() -> None:
        try:
            own.run(forever(), [[np.zeros((1, 4), np.int8)]])
        except RuntimeUnavailable as error:
            ended.append(error)

    thread = threading.Thread(target=wait_forever)
    thread.start()
    time.sleep(0.3)
    own.close()
    thread.join(10)
    assert not thread.is_alive()
    assert [str(error) for error in ended] == ["the session is closed"]


def test_without_the_wheel_there_is_a_reason_and_no_session(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session.importlib.util, "find_spec", lambda name: None)
    assert not available()
    assert "tflite-micro" in str(unavailable_reason())
    with pytest.raises(RuntimeUnavailable, match="tflite-micro"):
        Session()
    monkeypatch.setattr(session.platform, "machine", lambda: "aarch64")
    assert "Linux on aarch64" in str(unavailable_reason())


@requires_tflm
def test_a_wheel_that_does_not_import_is_unavailable(monkeypatch: pytest.MonkeyPatch):
    with Session(registerers=[]) as own:
        own._stop()
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(RuntimeUnavailable, match="does not start"):
            own.measure(save(small().model()))


@requires_tflm
def test_an_unknown_registerer_is_refused_with_its_name():
    with Session(registerers=["NoSuchRegisterer"]) as own, pytest.raises(ModelError) as caught:
        own.measure(save(small().model()))
    assert "NoSuchRegisterer" in str(caught.value)

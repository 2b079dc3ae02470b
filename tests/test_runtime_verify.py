"""Verifying bit for bit; most of these are negative controls: a wrong model must be caught."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from arenafit.errors import ModelError
from arenafit.graph import Buffer, DType, Model, Quantization, Tensor, load, save
from arenafit.runtime import Session, available, record, unavailable_reason, verify
from support.builder import GraphBuilder
from support.zoo import each_zoo_model


@pytest.fixture(scope="module")
def host() -> Iterator[Session]:
    if not available():
        pytest.skip(str(unavailable_reason()))
    with Session() as opened:
        yield opened


def residual() -> Model:
    """conv -> conv, and the sum of both: the first one's output lives on while the second runs."""
    g = GraphBuilder(seed=3)
    x = g.input((1, 8, 8, 4))
    first = g.conv(x, 4)
    second = g.conv(first, 4)
    g.output(g.fully_connected(g.add(first, second), 6))
    return g.model()


def stream(remember: bool = True) -> Model:
    """Adds the input of the invocation before, unless it forgets it for a constant."""
    g = GraphBuilder(seed=4)
    x = g.input((1, 8))
    handle = g.var_handle("past")
    g.output(g.add(g.fully_connected(x, 8), g.read_variable(handle, x)))
    g.assign_variable(handle, x if remember else g.random((1, 8), like=x))
    return g.model()


def saturated() -> Model:
    """Two convolutions whose result is hidden: the output is 127 everywhere."""
    g = GraphBuilder(seed=5)
    x = g.input((1, 8, 8, 4))
    y = g.conv(g.conv(x, 4), 4)
    top = g.const(np.full((1, 1, 1, 4), 127, np.int8), quantization=y.quantization)
    g.output(g.add(y, top, name="MAXIMUM"))
    return g.model()


def planned(model: Model, *offsets: int) -> Model:
    """`model` with a plan: the offsets of its inputs and results, in order of creation."""
    model.has_offline_plan = True
    results = [t for op in model.main.operators for t in op.outputs]
    for tensor, offset in zip([*model.main.inputs, *results], offsets, strict=True):
        tensor.offline_offset = offset
    return model


def with_changed_weight(model: Model, position: int) -> Model:
    """`model` with one weight of operator `position` one step away."""
    weights = model.main.operators[position].inputs[1]
    assert weights is not None and weights.buffer is not None and weights.buffer.data
    data = bytearray(weights.buffer.data)
    data[0] = (data[0] + 1) % 256
    weights.buffer = Buffer(bytes(data))
    return model


@each_zoo_model
def test_zoo_models_equal_themselves_and_their_outputs_vary(
    model: Path, host: Session, pytestconfig: pytest.Config
):
    if "presence" in model.name and not pytestconfig.getoption("--all"):
        pytest.skip("takes seconds: with --all only")
    data = model.read_bytes()
    result = verify(host, data, data, inputs=3)
    assert result.bit_exact and result.first_difference is None
    assert result.distinct_outputs > 1 or result.intermediates_compared > 0
    assert result.plan_covered
    assert "tflite-micro" in result.oracle


@pytest.mark.parametrize("make", [residual, stream, saturated])
@pytest.mark.parametrize("intermediates", [True, False, None])
def test_a_model_equals_itself(make: Callable[[], Model], intermediates: bool, host: Session):
    data = save(make())
    result = verify(host, data, data, intermediates=intermediates)
    assert result.bit_exact
    assert result.inputs == 8
    assert result.steps == (12 if make is stream else 1)


def test_a_corrupt_weight_is_reported_with_its_place(host: Session):
    result = verify(host, save(residual()), save(with_changed_weight(residual(), 1)))
    assert not result.bit_exact
    assert re.fullmatch(
        r"input \d \([a-z ]+\), step 0, output 0 \(t\d+\): "
        r"\d of 6 elements differ, the first at \d: -?\d+ became -?\d+",
        str(result.first_difference),
    )


def test_a_sound_plan_passes(host: Session):
    # x, first, second, sum, output; the sum is written over its first operand
    data = save(planned(residual(), 0, 256, 512, 256, 0))
    result = verify(host, save(residual()), data)
    assert result.bit_exact
    assert host.measure(data).head == 768


def test_two_live_tensors_on_one_place_are_caught(host: Session):
    result = verify(host, save(residual()), save(planned(residual(), 0, 256, 256, 512, 0)))
    assert not result.bit_exact


def test_an_overlap_one_step_too_greedy_is_caught(host: Session):
    """A 3x3 convolution may not be written over the rows that it is still to read."""
    g = GraphBuilder(seed=6)
    x = g.input((1, 16, 16, 4))
    y = g.conv(x, 4, kernel=3)
    g.output(y)
    model = g.model()
    # Pixel p is written, channel by channel, while the one 17 before it is still being read.
    assert verify(host, save(model), save(planned(model, 80, 0))).bit_exact
    assert not verify(host, save(model), save(planned(model, 64, 0))).bit_exact


def test_a_plan_that_lays_results_over_the_input_passes_again_and_again(host: Session):
    g = GraphBuilder(seed=7)
    x = g.input((1, 64))
    g.output(g.unary("ABS", g.unary("RELU", x)))
    model = g.model()
    data = save(model)
    assert verify(host, data, save(planned(model, 0, 0, 0))).bit_exact


def test_a_state_that_is_forgotten_shows_in_a_sequence_and_only_there(host: Session):
    good, bad = save(stream()), save(stream(remember=False))
    result = verify(host, good, bad)
    assert not result.bit_exact
    assert "step 1" in str(result.first_difference)
    assert verify(host, good, bad, steps=1).bit_exact


def test_a_write_that_is_dropped_is_caught(host: Session):
    bad = stream()
    bad.main.operators = [op for op in bad.main.operators if op.name != "ASSIGN_VARIABLE"]
    assert not verify(host, save(stream()), save(bad)).bit_exact


def test_a_read_moved_behind_the_write_is_caught(host: Session):
    good, bad = stream(), stream()
    operators = {op.name: op for op in bad.main.operators}
    order = ["VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE", "FULLY_CONNECTED", "ADD"]
    bad.main.operators = [operators[name] for name in order]
    assert not verify(host, save(good), save(bad)).bit_exact


def test_what_saturated_outputs_hide_is_found_inside(host: Session):
    good, bad = save(saturated()), save(with_changed_weight(saturated(), 0))
    blind = verify(host, good, bad, intermediates=False)
    assert blind.bit_exact and blind.distinct_outputs == 1
    result = verify(host, good, bad)
    assert not result.bit_exact
    assert "after operator 0" in str(result.first_difference)


def test_a_plan_that_breaks_a_tensor_inside_is_found_inside(host: Session):
    """The second convolution is written over its own input, and the output hides it."""
    good = save(saturated())
    unsound = save(planned(saturated(), 0, 512, 528, 0))
    assert verify(host, good, unsound, intermediates=False).bit_exact
    result = verify(host, good, unsound)
    assert not result.bit_exact
    assert "after operator 1" in str(result.first_difference)


def test_a_reference_with_a_plan_of_its_own_is_looked_into_as_well(host: Session):
    reference = save(planned(saturated(), 0, 512, 1024, 0))
    assert verify(host, reference, save(saturated())).intermediates_compared == 2
    bad = save(with_changed_weight(saturated(), 0))
    assert not verify(host, reference, bad).bit_exact


def test_a_model_too_large_to_keep_all_its_tensors_is_compared_by_its_outputs(host: Session):
    g = GraphBuilder(seed=9)
    x = g.input((1, 4))
    for _ in range(1030):  # TFLM's planner for that takes 1,024 buffers
        x = g.unary("ABS", x)
    g.output(x)
    data = save(g.model())
    result = verify(host, data, data, inputs=1)
    assert result.bit_exact and result.intermediates_compared == 0


def test_varied_outputs_need_no_look_inside_unless_asked_for(host: Session):
    data = save(residual())
    assert verify(host, data, data).intermediates_compared == 0
    assert verify(host, data, data, intermediates=True).intermediates_compared == 3


def test_a_prefix_that_reads_what_only_later_operators_write_is_not_compared(host: Session):
    """TFLM gives a variable its memory only where an ASSIGN_VARIABLE is in the model."""
    data = save(stream())
    result = verify(host, data, data, intermediates=True)
    assert result.bit_exact
    assert result.intermediates_compared == 1  # the FULLY_CONNECTED's; not what was read


def test_tensors_that_the_second_model_lacks_are_not_compared(host: Session):
    good, bad = saturated(), saturated()
    for tensor in bad.main.tensors:
        tensor.name = f"renamed {tensor.name}"
    result = verify(host, save(good), save(bad))
    assert result.bit_exact and result.intermediates_compared == 0


def change_shape(model: Model) -> None:
    model.main.outputs[0].shape = (6, 1)


def change_type(model: Model) -> None:
    model.main.inputs[0].dtype = DType.UINT8


def change_scale(model: Model) -> None:
    tensor = model.main.outputs[0]
    assert tensor.quantization is not None
    scale = struct.unpack("f", struct.pack("f", tensor.quantization.scales[0] * 2))[0]
    tensor.quantization = Quantization((scale,), tensor.quantization.zero_points)


def add_output(model: Model) -> None:
    model.main.outputs.append(model.main.operators[0].outputs[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_shape, "graph output 0"),
        (change_type, "graph input 0"),
        (change_scale, "quantisation"),
        (add_output, "1 graph outputs became 2"),
    ],
)
def test_another_interface_is_not_the_same_model(
    change: Callable[[Model], None], message: str, host: Session
):
    model = residual()
    change(model)
    result = verify(host, save(residual()), save(model))
    assert not result.bit_exact
    assert message in str(result.first_difference)


def test_swapped_outputs_are_caught(host: Session):
    def two() -> tuple[GraphBuilder, list[Tensor]]:
        g = GraphBuilder(seed=8)
        x = g.input((1, 16))
        return g, [g.unary("RELU", x), g.unary("ABS", x)]

    (a, ours), (b, theirs) = two(), two()
    a.output(*ours)
    b.output(*reversed(theirs))
    assert not verify(host, save(a.model()), save(b.model())).bit_exact


def test_one_reference_serves_many_models(host: Session):
    reference = record(host, save(residual()))
    assert reference.check(host, save(residual())).bit_exact
    assert not reference.check(host, save(with_changed_weight(residual(), 0))).bit_exact
    assert reference.check(host, save(load(save(residual())))).bit_exact


def test_another_seed_gives_other_inputs_and_the_same_verdict(host: Session):
    first, second = (record(host, save(residual()), seed=seed) for seed in (0, 1))
    assert not np.array_equal(first.answers[0][0][0], second.answers[0][0][0])
    bad = save(with_changed_weight(residual(), 0))
    assert not first.check(host, bad).bit_exact
    assert not second.check(host, bad).bit_exact


def test_a_model_that_cannot_run_is_an_error_not_a_verdict(host: Session):
    g = GraphBuilder()
    x = g.input((1, 4))
    g.output(g.op("CUSTOM", [x], (1, 4), like=x, custom="NO_SUCH_OPERATOR"))
    bad = save(g.model())
    good = GraphBuilder()
    y = good.input((1, 4))
    good.output(good.unary("RELU", y))
    with pytest.raises(ModelError, match="second model: TFLM refuses"):
        verify(host, save(good.model()), bad)
    with pytest.raises(ModelError, match="first model: TFLM refuses"):
        verify(host, bad, save(good.model()))

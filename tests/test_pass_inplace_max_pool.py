"""MAX_POOL_2D into arenafit's own: when, when not, and what it does to the plan."""

from __future__ import annotations

import pytest

from arenafit.graph import DType, Model, Operator, Quantization, load, save
from arenafit.graph.custom import MAX_EXTENT, MAX_POOL_2D, MaxPool2D
from arenafit.memory.access import overlaps
from arenafit.memory.build import model_problem
from arenafit.memory.placement import solve_stock
from arenafit.passes.inplace_max_pool import pool_options, replacement, run
from support.builder import GraphBuilder
from support.rewriting import rewritten
from support.zoo import zoo_model


def pooled(dtype: str = "INT8", channels: int = 32, **pool) -> Model:
    """A convolution, a pool, and a convolution."""
    g = GraphBuilder(seed=4, dtype=dtype)
    x = g.conv(g.input((1, 16, 16, 3)), channels, kernel=3)
    g.output(g.conv(g.pool(x, **pool), 4))
    return g.model()


def the_pool(model: Model) -> Operator:
    return model.main.operators[1]


def options_of(op: Operator) -> MaxPool2D:
    options = MaxPool2D.decode(op.custom_options)
    assert options is not None
    return options


def low(op: Operator, kernels: str = "any") -> int | None:
    return next((pair.low for pair in overlaps(op, kernels)), None)


@pytest.mark.parametrize("kernels", ["any", "cmsis_nn"])
@pytest.mark.parametrize("dtype", ["INT8", "INT16"])
def test_a_pool_that_may_meet_cmsis_nn_becomes_our_operator(kernels, dtype):
    model = pooled(dtype)
    copy, changed = rewritten(model, lambda m: run(m, kernels))
    made, old = the_pool(copy), the_pool(model)
    assert changed == 1
    assert (made.code.label, made.options, made.options_type) == (MAX_POOL_2D, {}, "")
    assert made.inputs[0] is copy.main.operators[0].outputs[0]
    assert made.outputs == [copy.main.operators[2].inputs[0]]
    assert low(made) == 0 < low(old)
    assert options_of(made) == MaxPool2D((2, 2), (2, 2), (0, 0), options_of(made).clamp, 0)


def test_the_rewritten_model_survives_saving_and_loading():
    copy, _ = rewritten(pooled(), run)
    again = load(save(copy))
    assert the_pool(again).code.label == MAX_POOL_2D
    assert options_of(the_pool(again)) == options_of(the_pool(copy))


def test_nothing_is_done_where_the_builtin_kernel_is_as_good():
    assert rewritten(pooled(), lambda m: run(m, "reference"))[1] == 0
    assert rewritten(pooled(channels=16), lambda m: run(m, "reference"))[1] == 0
    assert rewritten(pooled("FLOAT32"), run)[1] == 0  # CMSIS-NN has no float max-pool


def test_nothing_is_done_where_the_alignment_hides_the_difference():
    model = pooled(channels=4, kernel=3, stride=1, padding="SAME")
    assert (low(the_pool(model), "reference"), low(the_pool(model))) == (68, 72)  # 80 in the arena
    assert rewritten(model, run)[1] == 0


def test_a_pool_over_the_whole_image_is_rewritten_where_the_builtin_shares_nothing():
    model = pooled(kernel=16)
    assert low(the_pool(model)) is None
    copy, changed = rewritten(model, run)
    assert changed == 1 and low(the_pool(copy)) == 0


def test_the_caller_chooses_among_the_pools():
    g = GraphBuilder(seed=4)
    x = g.conv(g.input((1, 16, 16, 3)), 32, kernel=3)
    first = g.pool(x)
    g.output(g.pool(first))
    asked = []

    def second(op: Operator) -> bool:
        asked.append(op)
        return op.inputs[0].shape == first.shape

    copy, changed = rewritten(g.model(), lambda m: run(m, wanted=second))
    assert changed == 1 and len(asked) == 2
    assert [op.code.label for op in copy.main.operators[1:]] == ["MAX_POOL_2D", MAX_POOL_2D]


def test_a_pool_that_cannot_work_in_place_claims_the_distance_it_needs():
    copy, changed = rewritten(pooled(kernel=3, stride=1, padding="SAME"), run)
    made = the_pool(copy)
    assert changed == 1
    assert options_of(made).overlap == low(made) == (16 + 1) * 32
    assert options_of(made).pad == (1, 1)


@pytest.mark.parametrize(
    ("activation", "dtype", "clamp"),
    [
        ("NONE", "INT8", (-128, 127)),
        ("NONE", "INT16", (-32768, 32767)),
        ("RELU", "INT8", (-11, 127)),
        ("RELU6", "INT8", (-11, 49)),  # 6 / 0.1 in floats is 60
        ("RELU_N1_TO_1", "INT8", (-21, -1)),
        ("RELU6", "INT16", (0, 60)),
    ],
)
def test_fused_activations_become_stored_bounds(activation, dtype, clamp):
    scale = 0.10000000149011612
    model = pooled(dtype, activation=activation)
    op = the_pool(model)
    zero = -11 if dtype == "INT8" else 0
    assert clamp_of(op, Quantization((scale,), (zero,))) == clamp


def clamp_of(op: Operator, quantization: Quantization) -> tuple[int, int]:
    op.inputs[0].quantization = op.outputs[0].quantization = quantization
    options = pool_options(op)
    assert options is not None
    return options.clamp


def test_bounds_halfway_between_two_steps_go_away_from_zero_as_in_tflm():
    assert clamp_of(the_pool(pooled(activation="RELU6")), Quantization((4.0,), (3,))) == (3, 5)
    near = the_pool(pooled(activation="RELU_N1_TO_1"))
    assert clamp_of(near, Quantization((2.0,), (3,))) == (2, 4)


def refused() -> dict[str, Model]:
    """Models whose pool must stay, for one reason each."""
    found = {
        "another type": pooled(),
        "another quantisation": pooled(),
        "an activation that pools do not have": pooled(activation="TANH"),
        "a bound with no scale": pooled(activation="RELU6"),
        "a scale of zero": pooled(activation="RELU6"),
        "a scale that is not finite": pooled(activation="RELU6"),
        "a scale too small": pooled(activation="RELU6"),
        "a scale far too small": pooled(activation="RELU6"),
        "a zero point out of range": pooled(activation="RELU"),
        "extents that do not follow": pooled(),
        "a filter too large": pooled(padding="SAME"),
        "other channels": pooled(),
        "a dimension less": pooled(),
        "an absent input": pooled(),
        "two inputs": pooled(),
        "an average pool": pooled(kind="AVERAGE"),
    }
    ops = {name: the_pool(model) for name, model in found.items()}
    for tensor in (ops["another type"].inputs[0], ops["another type"].outputs[0]):
        tensor.dtype = DType.UINT8
    ops["another quantisation"].outputs[0].quantization = Quantization((0.5,), (0,))
    for name, quantization in {
        "a bound with no scale": None,
        "a scale of zero": Quantization((0.0,), (0,)),
        "a scale that is not finite": Quantization((float("nan"),), (0,)),
        "a scale too small": Quantization((1e-30,), (0,)),
        "a scale far too small": Quantization((1e-40,), (0,)),
        "a zero point out of range": Quantization((0.5,), (200,)),
    }.items():
        for tensor in (ops[name].inputs[0], ops[name].outputs[0]):
            tensor.quantization = quantization
    ops["extents that do not follow"].outputs[0].shape = (1, 9, 8, 32)
    ops["a filter too large"].options["filter_height"] = MAX_EXTENT + 1
    ops["other channels"].outputs[0].shape = (1, 8, 8, 16)
    ops["a dimension less"].outputs[0].shape = (8, 8, 32)
    ops["an absent input"].inputs[0] = None
    ops["two inputs"].inputs.append(None)
    return found


@pytest.mark.parametrize("name", refused())
def test_a_pool_stays_that_has(name):
    model = refused()[name]
    labels = [op.code.label for op in model.main.operators]
    assert run(model) == 0
    assert [op.code.label for op in model.main.operators] == labels


def test_a_pool_of_a_variable_stays():
    model = pooled()
    the_pool(model).outputs[0].is_variable = True
    assert run(model) == 0


def head(model: Model, kernels: str = "any") -> int:
    problem = model_problem(model, lambda op: overlaps(op, kernels)).problem
    placement = solve_stock(problem, seconds=5)
    assert placement.optimal
    return placement.head


def test_in_place_pooling_takes_a_pixel_off_the_head_where_the_pool_binds():
    model = pooled(channels=48)
    copy, _ = rewritten(model, run)
    assert head(copy) == head(model) - 48 == head(model, "reference")


def test_in_place_pooling_helps_a_real_model():
    model = load(zoo_model("keras__cifar10_cmsisnn_max").read_bytes())
    copy, changed = rewritten(model, run)
    assert changed == 3
    assert head(copy) <= head(model)


def test_replacement_answers_for_one_operator():
    model = pooled()
    op = the_pool(model)
    made = replacement(op, "any")
    assert made is not None and made.code.label == MAX_POOL_2D
    assert op.code.label == "MAX_POOL_2D" and op.custom_options is None
    assert replacement(op, "reference") is None

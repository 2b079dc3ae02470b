"""ARENAFIT_MAX_POOL_2D in the real TFLM: the same bytes in less arena, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from arenafit.errors import ModelError
from arenafit.graph import DType, Model, OpCode, Operator, Tensor, load, save
from arenafit.graph.custom import MAX_POOL_2D, MaxPool2D
from arenafit.memory.access import overlaps
from arenafit.memory.build import apply_plan, model_problem
from arenafit.memory.placement import solve_stock
from arenafit.memory.problem import align
from arenafit.passes import copy_model
from arenafit.passes.inplace_max_pool import pool_options, run
from arenafit.runtime import Session, available, registerers
from arenafit.runtime.inputs import stimuli
from support.builder import GraphBuilder
from support.native import compiler
from support.zoo import zoo_model

pytestmark = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    compiler("c++")  # skips the tests where there is none
    with Session(registerers=registerers()) as opened:
        yield opened


def answers(session: Session, model: bytes, count: int = 6) -> list[bytes]:
    steps = [s.steps[0] for s in stimuli(session.describe(model), count)]
    return [np.asarray(outputs[0]).tobytes() for outputs in session.run(model, steps)]


class Case:
    """A pool between copies (MAXIMUM with itself), so that it touches no input or output."""

    def __init__(self, dtype: str = "INT8", shape=(1, 16, 16, 24), **pool) -> None:
        g = GraphBuilder(seed=6, dtype=dtype)
        image = g.input(shape)
        before = g.add(image, image, name="MAXIMUM")
        before.quantization = image.quantization
        after = g.pool(before, **pool)
        result = g.add(after, after, name="MAXIMUM")
        result.quantization = after.quantization
        g.output(result)
        self.stock = g.model()
        self.model = copy_model(self.stock)
        self.source, self.target = self.pool.inputs[0], self.pool.outputs[0]
        options = pool_options(self.pool)
        assert isinstance(self.source, Tensor) and options is not None
        self.options = options
        self.become(options)
        (pair,) = overlaps(self.pool)
        self.low = pair.low

    @property
    def pool(self) -> Operator:
        return self.model.main.operators[1]

    def become(self, options: MaxPool2D) -> None:
        """Make the pool ours, with these options."""
        self.model.main.operators[1] = replace(
            self.pool,
            code=OpCode("CUSTOM", MAX_POOL_2D),
            options_type="",
            options={},
            custom_options=options.encode(),
        )

    def at(self, distance: int) -> bytes:
        """The model with offset(input) - offset(output) = `distance` at the pool."""
        graph = self.model.main
        base = max(0, -distance)
        places = {self.target: base, self.source: base + distance}
        top = align(max(base + self.target.nbytes, base + distance + self.source.nbytes))
        for tensor in graph.tensors:
            if tensor not in places:
                places[tensor] = top
                top += align(tensor.nbytes)
        apply_plan(self.model, list(places), list(places.values()))
        return save(self.model)


CASES = {
    "int8": {},
    "int16": {"dtype": "INT16"},
    "float": {"dtype": "FLOAT32"},
    "rectified": {"activation": "RELU"},
    "padded, stride 2": {"kernel": 3, "stride": 2, "padding": "SAME", "shape": (2, 9, 11, 24)},
    "padded, stride 1": {"kernel": 3, "stride": 1, "padding": "SAME"},
    "few channels": {"shape": (1, 16, 16, 3)},
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_max_pool_2d_at_the_overlap_distance(session, name):
    case = Case(**CASES[name])
    expected = answers(session, save(case.stock))
    assert len(set(expected)) > 1
    assert answers(session, save(case.model)) == expected
    assert answers(session, case.at(align(case.low))) == expected


@pytest.mark.parametrize("name", CASES)
def test_a_plan_that_overlaps_further_is_refused_not_computed_wrong(session, name):
    case = Case(**CASES[name])
    with pytest.raises(ModelError, match="unsafe overlap of input and output"):
        answers(session, case.at(align(case.low) - 16))


def test_in_place_needs_no_more_arena_than_the_larger_tensor(session):
    case = Case()
    assert case.low <= 0
    stock, ours = session.measure(save(case.stock)), session.measure(save(case.model))
    assert ours.head == stock.head
    assert ours.tail is not None and stock.tail is not None and ours.tail <= stock.tail
    problem = model_problem(case.model, overlaps)
    apply_plan(case.model, problem.tensors, solve_stock(problem.problem, seconds=5).offsets)
    assert session.measure(save(case.model)).head == case.source.nbytes < stock.head


def refused(case: Case, **change: object) -> bytes:
    case.become(replace(case.options, **change))
    return save(case.model)


def test_a_file_that_claims_more_than_is_safe_is_refused(session):
    case = Case(kernel=3, stride=1, padding="SAME")
    safe = refused(case, overlap=case.low)
    assert session.measure(safe, startup=False).head > 0
    for claim in (case.low - 1, 0, -(1 << 31)):
        with pytest.raises(ModelError, match=f"relies on an input {claim} bytes after the output"):
            session.measure(refused(case, overlap=claim), startup=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filter": (0, 2)}, "filter, stride or padding out of range"),
        ({"stride": (2, 3)}, "filter, stride or padding out of range"),
        ({"pad": (0, 2)}, "filter, stride or padding out of range"),
        ({"clamp": (3, 2)}, "activation range out of order"),
        ({"clamp": (-128, 128)}, "activation range out of order"),
    ],
)
def test_parameters_out_of_range_are_refused_with_their_own_message(session, change, message):
    with pytest.raises(ModelError, match=f"{MAX_POOL_2D}: {message}"):
        session.measure(refused(Case(), **change), startup=False)


def damaged() -> dict[str, tuple[Model, str]]:
    """Models with something else wrong than a number in the options, and TFLM's word on it."""
    cases = {
        name: Case() for name in ("no options", "short options", "type", "types", "rank", "inputs")
    }
    cases["no options"].pool.custom_options = None
    cases["short options"].pool.custom_options = cases["short options"].options.encode()[:-4]
    for tensor in cases["type"].model.main.tensors:
        tensor.dtype = DType.INT32
    cases["types"].target.dtype = DType.INT16
    cases["rank"].target.shape = (1, 8, 8 * 24)
    cases["inputs"].pool.inputs.append(cases["inputs"].source)
    messages = {
        "no options": "unknown options",
        "short options": "unknown options",
        "type": "must both be int8, int16 or float32",
        "types": "must both be int8, int16 or float32",
        "rank": "must have four dimensions",
        "inputs": "needs one input and one output",
    }
    return {name: (case.model, messages[name]) for name, case in cases.items()}


@pytest.mark.parametrize("name", damaged())
def test_an_operator_that_is_not_what_it_should_be_is_refused(session, name):
    model, message = damaged()[name]
    with pytest.raises(ModelError, match=message):
        session.measure(save(model), startup=False)


def test_a_real_model_computes_the_same_with_its_pools_in_place(session):
    data = zoo_model("keras__cifar10_cmsisnn_max").read_bytes()
    model = load(data)
    assert run(model) == 3
    problem = model_problem(model, overlaps)
    placement = solve_stock(problem.problem, seconds=5)
    apply_plan(model, problem.tensors, placement.offsets)
    assert answers(session, save(model)) == answers(session, data)
    assert session.measure(save(model), startup=False).head == placement.head

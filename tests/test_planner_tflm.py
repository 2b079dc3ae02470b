"""Plans that models bring for arenafit's planner, in the real TFLM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arenafit.candidates import overlap_rule, scratch_rule
from arenafit.errors import ModelError
from arenafit.graph import load, save
from arenafit.graph.model import Buffer, Metadata, Model
from arenafit.memory.build import model_problem
from arenafit.memory.metadata import (
    METADATA_NAME,
    DeclaredOverlap,
    MemoryPlan,
    decode,
    encode,
    memory_plan,
)
from arenafit.memory.placement import solve
from arenafit.memory.problem import Placement, Problem
from arenafit.runtime import Session, record
from support.plugin import need_plugin
from support.zoo import each_zoo_model

SHIPPED = sorted((Path(__file__).resolve().parents[1] / "models").glob("*.tflite"))
each_shipped = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def stock() -> Iterator[Session]:
    need_plugin()
    with Session() as session:
        yield session


@pytest.fixture(scope="module", params=["arenafit", "offline"])
def ours(request: pytest.FixtureRequest) -> Iterator[Session]:
    """TFLM with each of the two planners."""
    need_plugin()
    with Session(planner=request.param) as session:
        yield session


@pytest.fixture(scope="module")
def online() -> Iterator[Session]:
    need_plugin()
    with Session(planner="arenafit") as session:
        yield session


@pytest.fixture(scope="module")
def offline() -> Iterator[Session]:
    need_plugin()
    with Session(planner="offline") as session:
        yield session


def planned(model: Model) -> tuple[Problem, Placement]:
    """The best plan for the reference kernels, their overlaps made use of."""
    problem = model_problem(model, overlap_rule("reference"), scratch_rule("reference")).problem
    return problem, solve(problem)


def with_plan(model: Model, plan: bytes) -> bytes:
    """`model` as a file with this plan, and no other."""
    model.metadata = [Metadata(METADATA_NAME, Buffer(plan))]
    return save(model)


def compare(stock: Session, ours: Session, path: Path, inputs: int = 4) -> None:
    data = path.read_bytes()
    model = load(data)
    problem, placement = planned(model)
    file = with_plan(model, encode(problem, placement))
    same_bytes(stock, ours, data, file, inputs)
    assert ours.measure(file, startup=False).head == placement.head


def same_bytes(stock: Session, ours: Session, data: bytes, file: bytes, inputs: int = 4) -> None:
    verified = record(stock, data, inputs=inputs).check(ours, file, intermediates=False)
    assert verified.bit_exact, verified.first_difference


@each_shipped
def test_a_model_runs_on_its_plan_with_the_same_bytes(stock: Session, ours: Session, path: Path):
    compare(stock, ours, path)


@pytest.mark.slow
@each_zoo_model
def test_the_zoo_runs_on_its_plans_with_the_same_bytes(stock: Session, ours: Session, model: Path):
    compare(stock, ours, model, inputs=2)


# ---- refusals: branching_cell_64 has overlaps and, for its MEAN, scratch ------------------------


PATH = next(path for path in SHIPPED if path.stem == "branching_cell_64")


def sound() -> MemoryPlan:
    return memory_plan(*planned(load(PATH.read_bytes())))


def past_the_arena(plan: MemoryPlan) -> MemoryPlan:
    far = replace(plan.tensors[0], offset=plan.head)
    return replace(plan, tensors=(far, *plan.tensors[1:]), overlaps=())


def test_the_plan_that_is_spoilt_here_is_sound():
    plan = sound()
    assert decode(plan.to_bytes()) == plan
    assert plan.overlaps and len(plan.scratch) == 3


REFUSED: dict[str, tuple[Callable[[MemoryPlan], bytes], str]] = {
    "an undeclared overlap": (
        lambda plan: replace(plan, overlaps=plan.overlaps[1:]).to_bytes(),
        "live buffers overlap without being declared to",
    ),
    "an overlap 16 bytes nearer than declared": (
        lambda plan: replace(
            plan,
            overlaps=tuple(replace(pair, low=distance(plan, pair) + 16) for pair in plan.overlaps),
        ).to_bytes(),
        "live buffers overlap without being declared to",
    ),
    "a wrong checksum": (
        lambda plan: plan.to_bytes()[:4] + bytes(4) + plan.to_bytes()[8:],
        "checksum",
    ),
    "a truncated plan": (lambda plan: plan.to_bytes()[:-12], "truncated"),
    "an offset past the arena": (lambda plan: past_the_arena(plan).to_bytes(), "past the arena"),
    "the plan of another model": (
        lambda _: encode(*planned(load(SHIPPED[0].with_stem("lenet5_28").read_bytes()))),
        "a tensor has another size or lifetime than planned",
    ),
}


def distance(plan: MemoryPlan, pair: DeclaredOverlap) -> int:
    return plan.buffers[pair.input].offset - plan.buffers[pair.output].offset


@pytest.mark.parametrize("what", REFUSED)
def test_allocate_tensors_fails_for(what: str, ours: Session):
    spoil, message = REFUSED[what]
    file = with_plan(load(PATH.read_bytes()), spoil(sound()))
    with pytest.raises(ModelError, match=f"memory plan( refused)?: .*{message}"):
        ours.measure(file, startup=False)


def less_scratch() -> bytes:
    """A plan in which the first scratch buffer has 16 bytes too few."""
    plan = sound()
    first = plan.scratch[0]
    smaller = replace(first, size=first.size - 16)
    return replace(plan, scratch=(smaller, *plan.scratch[1:])).to_bytes()


def test_scratch_larger_than_planned_is_refused_where_nothing_is_planned_online(offline: Session):
    file = with_plan(load(PATH.read_bytes()), less_scratch())
    with pytest.raises(ModelError, match="a scratch buffer is larger than planned"):
        offline.measure(file, startup=False)


def test_scratch_larger_than_planned_is_planned_anew_and_computes_the_same_bytes(
    stock: Session, online: Session
):
    data = PATH.read_bytes()
    file = with_plan(load(data), less_scratch())
    same_bytes(stock, online, data, file)
    assert online.measure(file, startup=False).head <= stock.measure(data, startup=False).head


def test_a_model_without_a_plan_is_refused_where_nothing_is_planned_online(offline: Session):
    with pytest.raises(ModelError, match="not a plan"):
        offline.measure(PATH.read_bytes(), startup=False)

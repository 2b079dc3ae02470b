from __future__ import annotations

import random
from pathlib import Path

import pytest

from arenafit.errors import ModelError, UsageError
from arenafit.graph import Model, load, save
from arenafit.passes import PIPELINE, copy_model, run_passes
from support.builder import GraphBuilder
from support.compare import describe
from support.rewriting import names, same_bytes
from support.zoo import each_zoo_model


def work_for_every_pass() -> Model:
    """Something to do for each pass: the second PAD folds once its dead reader is gone."""
    g = GraphBuilder(seed=5)
    x = g.input((1, 8, 8, 3))
    y = g.conv(g.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), 12, 3, 2, padding="VALID")
    padded = g.pad(y, [(0, 0), (1, 1), (1, 1), (0, 0)])
    g.softmax(padded)
    y = g.conv(padded, 4, 3, padding="VALID")
    g.tensor((1, 100))
    z = g.op("RESHAPE", [y, g.reshape(g.const([1, 64]), (2,))], (1, 64), like=y)
    g.output(g.fully_connected(z, 5))
    return g.model()


def test_passes_run_until_nothing_changes() -> None:
    model = work_for_every_pass()
    original = copy_model(model)
    results = run_passes(model)
    assert [result.name for result in results] == [step.name for step in PIPELINE]
    assert all(result.changed for result in results)
    assert names(model) == ["CONV_2D", "CONV_2D", "FULLY_CONNECTED"]
    assert same_bytes(original, model)
    assert not any(result.changed for result in run_passes(model))


@pytest.mark.parametrize("name", [step.name for step in PIPELINE])
def test_a_disabled_pass_does_not_run(name: str) -> None:
    model = work_for_every_pass()
    ran: list[str] = []
    results = run_passes(model, frozenset({name}), watch=lambda step, _, __: ran.append(step))
    assert name not in ran
    assert name not in {result.name for result in results}
    assert same_bytes(work_for_every_pass(), model)


def test_an_unknown_pass_is_refused_with_the_names_of_the_known() -> None:
    model = work_for_every_pass()
    before = describe(model)
    with pytest.raises(UsageError, match=r"fold-pads.*fold-pad, ") as caught:
        run_passes(model, frozenset({"fold-pads"}))
    assert all(step.name in str(caught.value) for step in PIPELINE)
    assert describe(model) == before


def test_the_watcher_sees_each_change_and_the_counts_add_up() -> None:
    model = work_for_every_pass()
    seen: dict[str, int] = {}

    def watch(name: str, changed: int, state: Model) -> None:
        assert state is model
        assert changed > 0
        seen[name] = seen.get(name, 0) + changed

    results = run_passes(model, watch=watch)
    assert seen == {result.name: result.changed for result in results}


def test_a_copy_is_free_of_its_original_but_shares_the_constants() -> None:
    model = work_for_every_pass()
    before = describe(model)
    copy = copy_model(model)
    assert describe(copy) == before
    assert {t.buffer for t in copy.main.tensors} == {t.buffer for t in model.main.tensors}
    assert not set(copy.main.tensors) & set(model.main.tensors)
    run_passes(copy)
    assert describe(model) == before


def planned(model: Model) -> Model:
    model.has_offline_plan = True
    for index, tensor in enumerate(model.main.tensors):
        tensor.offline_offset = 4096 * index
    return model


def test_a_plan_is_withdrawn_when_a_tensor_lives_longer() -> None:
    model = planned(work_for_every_pass())
    run_passes(model)
    assert not model.has_offline_plan
    assert {tensor.offline_offset for tensor in model.main.tensors} == {-1}


def test_a_plan_is_kept_when_things_only_go() -> None:
    model = planned(work_for_every_pass())
    offsets = {t.name: t.offline_offset for t in model.main.tensors}
    results = run_passes(model, frozenset({"fold-pad", "widen-filter", "remove-identity"}))
    assert sum(result.changed for result in results) > 2
    assert model.has_offline_plan
    kept = {t.name: t.offline_offset for t in model.main.tensors if not t.is_constant}
    assert kept == {name: offsets[name] for name in kept}


def test_a_kept_plan_would_be_wrong_after_a_pad_is_folded() -> None:
    g = GraphBuilder(seed=5)
    x = g.conv(g.input((1, 8, 8, 3)), 4)
    padded = g.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    y = g.conv(padded, 4, 3, padding="VALID")
    g.output(y)
    model = g.model()
    original = copy_model(model)
    model.has_offline_plan = True
    g.graph.inputs[0].offline_offset = 2048
    x.offline_offset, padded.offline_offset, y.offline_offset = 0, 1024, 0  # y over dead x
    assert same_bytes(original, model)
    offsets = {t.name: t.offline_offset for t in model.main.tensors}
    run_passes(model)
    assert same_bytes(original, model)
    model.has_offline_plan = True
    for tensor in model.main.tensors:
        tensor.offline_offset = offsets[tensor.name]
    assert not same_bytes(original, model)


def test_damaged_models_that_load_never_break_a_pass() -> None:
    rng = random.Random(1)
    whole = save(work_for_every_pass())
    loaded = changed = 0
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.choice([0, 1, 2, 127, 128, 255])
        try:
            model = load(bytes(damaged))
        except ModelError:
            continue
        loaded += 1
        changed += any(result.changed for result in run_passes(model))
        load(save(model))
    assert loaded > 40 and changed > 40


@each_zoo_model
def test_passes_keep_the_bytes_of_real_models(model: Path) -> None:
    original = load(model.read_bytes())
    out = copy_model(original)
    results = run_passes(out)
    if any(result.changed for result in results):
        assert same_bytes(original, out, inputs=4)
    assert not any(result.changed for result in run_passes(out))

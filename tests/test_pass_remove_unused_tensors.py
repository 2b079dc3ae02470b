from __future__ import annotations

from arenafit.graph import load, save
from arenafit.passes import remove_unused_tensors, run_passes
from support.builder import GraphBuilder
from support.rewriting import rewritten, same_bytes, tflm


def model_with_left_overs() -> GraphBuilder:
    g = GraphBuilder(seed=1)
    x = g.input((1, 8, 8, 3))
    g.tensor((1, 64, 64, 8))
    g.const([1, 2, 3, 4] * 100)
    g.output(g.conv(x, 4, 3))
    return g


def test_an_unused_activation_no_longer_takes_arena() -> None:
    model = model_with_left_overs().model()
    out, removed = rewritten(model, remove_unused_tensors.run)
    assert removed == 2
    before, after = (tflm().measure(save(m), startup=False) for m in (model, out))
    assert before.head == 64 * 64 * 8  # alive before the first operator alone, but alive
    assert after.head < 1024
    assert after.tail < before.tail
    assert same_bytes(model, out)


def test_the_data_of_an_unused_constant_leave_the_file() -> None:
    model = model_with_left_overs().model()
    out, _ = rewritten(model, remove_unused_tensors.run)
    assert len(save(model)) - len(save(out)) >= 1600


def test_constants_that_share_data_go_one_by_one() -> None:
    g = model_with_left_overs()
    conv = g.model().main.operators[0]
    weights = conv.inputs[1]
    assert weights is not None
    g.tensor(weights.shape, buffer=weights.buffer)
    out, removed = rewritten(g.model(), remove_unused_tensors.run)
    assert removed == 3
    assert same_bytes(g.model(), out)


def test_every_subgraph_is_cleaned() -> None:
    g = model_with_left_overs()
    other = g.subgraph("other")
    other.tensor((5,))
    other.output(other.input((3,)))
    out, removed = rewritten(g.model(), remove_unused_tensors.run)
    assert removed == 3
    assert len(out.subgraphs[1].tensors) == 1


def test_whatever_someone_refers_to_stays() -> None:
    g = GraphBuilder()
    x = g.input((1, 4, 4, 3))
    unread = g.input((7,))
    inner, named = g.tensor((3,)), g.tensor((2,))
    g.output(g.conv(x, 2))
    g.model().main.operators[0].intermediates.append(inner)
    g.signature()
    g.model().signatures[0].outputs.append(("named", named))
    g.metadata("notes", b"kept")
    out, removed = rewritten(g.model(), remove_unused_tensors.run)
    assert removed == 0
    assert out.main.inputs[1].name == unread.name
    assert [(entry.name, entry.buffer.data) for entry in out.metadata] == [("notes", b"kept")]


def test_offsets_of_the_remaining_tensors_stay_with_them() -> None:
    model = model_with_left_overs().model()
    x, left_over, *_ = model.main.tensors
    x.offline_offset, left_over.offline_offset = 4096, 0
    model.main.outputs[0].offline_offset = 8192
    model.has_offline_plan = True
    run_passes(model)
    again = load(save(model)).main
    assert (again.inputs[0].offline_offset, again.outputs[0].offline_offset) == (4096, 8192)


def test_the_pass_can_be_disabled() -> None:
    model = model_with_left_overs().model()
    count = len(model.main.tensors)
    run_passes(model, frozenset({"remove-unused-tensors"}))
    assert len(model.main.tensors) == count

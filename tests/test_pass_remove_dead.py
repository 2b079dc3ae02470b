from __future__ import annotations

import pytest

from arenafit.graph import DType, Model, Tensor
from arenafit.passes import remove_dead, run_passes
from support.builder import GraphBuilder
from support.rewriting import names, rewritten, same_bytes


def with_dead_branch() -> tuple[GraphBuilder, Tensor]:
    g = GraphBuilder(seed=1)
    x = g.conv(g.input((1, 5, 5, 3)), 4, 3)
    g.softmax(g.fully_connected(g.mean(g.conv(x, 8)), 3))
    return g, x


def test_a_branch_that_nobody_reads_is_removed_to_its_root() -> None:
    g, x = with_dead_branch()
    g.output(g.depthwise(x))
    out, removed = rewritten(g.model(), remove_dead.run)
    assert (names(out), removed) == (["CONV_2D", "DEPTHWISE_CONV_2D"], 4)
    used = {t for op in out.main.operators for t in [*op.inputs, *op.outputs]}
    assert set(out.main.tensors) == used
    assert same_bytes(g.model(), out)


def test_dead_operators_of_every_subgraph_are_removed() -> None:
    g = GraphBuilder()
    x = g.input((1, 3))
    branches = []
    for activation in ("RELU", "NONE"):
        branch = g.subgraph(activation)
        y = branch.input((1, 3), like=x)
        branch.softmax(y)
        branch.output(branch.add(y, y, activation))
        branches.append(branch)
    branches[1].graph.outputs[0].quantization = branches[0].graph.outputs[0].quantization
    condition = g.op("GREATER", [g.mean(x, (0, 1)), g.mean(x, (0, 1))], (), dtype=DType.BOOL)
    g.output(*g.if_(condition, *branches, [x]))
    out, removed = rewritten(g.model(), remove_dead.run)
    assert removed == 2
    assert [names(graph) for graph in out.subgraphs[1:]] == [["ADD"], ["ADD"]]
    assert names(out)[-1] == "IF"


def test_an_output_of_two_that_is_read_keeps_its_operator() -> None:
    g = GraphBuilder()
    first, _ = g.split(g.input((1, 2, 2, 4)), 2)
    g.output(g.conv(first, 3))
    assert rewritten(g.model(), remove_dead.run)[1] == 0


def test_a_result_that_only_a_signature_names_is_kept() -> None:
    g, x = with_dead_branch()
    g.output(g.depthwise(x))
    g.signature()
    softmax = g.model().main.operators[4].outputs[0]
    g.model().signatures[0].outputs.append(("probabilities", softmax))
    assert rewritten(g.model(), remove_dead.run)[1] == 0


def stream() -> Model:
    """The sum of the last two inputs; the older one is kept in a resource variable."""
    g = GraphBuilder(seed=6)
    x = g.input((1, 8))
    init = g.subgraph("init")
    init.assign_variable(init.var_handle("last"), init.random((1, 8), like=x))
    g.call_once(init)
    handle = g.var_handle("last")
    last = g.read_variable(handle, like=x)
    g.output(g.add(x, last))
    g.assign_variable(handle, x)
    return g.model()


def test_assignments_are_kept_although_they_have_no_output() -> None:
    model = stream()
    out, removed = rewritten(model, remove_dead.run)
    assert (removed, names(out)) == (0, names(model))


@pytest.mark.parametrize("name", ["ASSIGN_VARIABLE", "CALL_ONCE"])
def test_dropping_what_touches_a_variable_would_be_wrong(name: str) -> None:
    model = stream()
    out, _ = rewritten(model, lambda _: 0)
    out.main.operators[:] = [op for op in out.main.operators if op.name != name]
    assert not same_bytes(model, out, steps=4)


def test_a_variable_that_is_read_for_nothing_need_not_be_read() -> None:
    model = stream()
    graph = model.main
    add = next(op for op in graph.operators if op.name == "ADD")
    add.inputs[1] = add.inputs[0]
    out, removed = rewritten(model, remove_dead.run)
    assert removed == 1
    assert names(out) == ["CALL_ONCE", "VAR_HANDLE", "ADD", "ASSIGN_VARIABLE"]
    assert same_bytes(model, out, steps=4)


def test_custom_and_unknown_operators_are_kept() -> None:
    g, x = with_dead_branch()
    g.output(x)
    g.op("CUSTOM", [x], (1,), custom="SIDE_EFFECT")
    g.op("RANDOM_UNIFORM", [g.const([2, 2])], (2, 2))
    out, _ = rewritten(g.model(), remove_dead.run)
    assert names(out) == ["CONV_2D", "CUSTOM", "RANDOM_UNIFORM"]


def test_operators_with_a_state_of_their_own_are_kept() -> None:
    g, x = with_dead_branch()
    g.output(x)
    state = g.tensor((1, 4), is_variable=True)
    g.op("SVDF", [x, state], (1, 4))
    g.op("ADD", [state, state], (1, 4))
    out, _ = rewritten(g.model(), remove_dead.run)
    assert names(out) == ["CONV_2D", "SVDF", "ADD"]


def test_the_pass_can_be_disabled() -> None:
    g, x = with_dead_branch()
    g.output(x)
    model = g.model()
    run_passes(model, frozenset({"remove-dead"}))
    assert len(model.main.operators) == 5

"""State keeps its order: which operators may not pass each other, and which may."""

from __future__ import annotations

from arenafit.graph import DType, Model
from arenafit.memory.checker import check_variables
from arenafit.schedule.effects import after_edges
from arenafit.schedule.reorder import reorder
from support.builder import GraphBuilder
from test_checker import loop_model, small_net, variable_model


def edges(model: Model) -> set[tuple[str, str]]:
    operators = model.main.operators
    return {
        (operators[j].code.label, operators[i].code.label)
        for i, before in enumerate(after_edges(model, model.main))
        for j in before
    }


def test_operators_without_state_are_free() -> None:
    assert edges(small_net()) == set()
    assert edges(loop_model()) == set()


def test_an_assignment_stays_behind_the_read_before_it() -> None:
    assert edges(variable_model()) == {("READ_VARIABLE", "ASSIGN_VARIABLE")}


def test_reads_of_one_variable_and_uses_of_two_are_free() -> None:
    g = GraphBuilder(seed=1)
    x = g.input((1, 8))
    a, b = g.var_handle("a"), g.var_handle("b")
    first, second = g.read_variable(a, x), g.read_variable(a, x)
    g.assign_variable(b, x)
    g.output(g.add(first, second))
    assert edges(g.model()) == set()


def test_two_handles_of_one_name_are_one_variable() -> None:
    g = GraphBuilder(seed=1)
    x = g.input((1, 8))
    old = g.read_variable(g.var_handle("a"), x)
    g.assign_variable(g.var_handle("a"), x)
    g.output(old)
    assert edges(g.model()) == {("READ_VARIABLE", "ASSIGN_VARIABLE")}


def test_call_once_stays_before_the_reads_of_what_it_initialises() -> None:
    g = GraphBuilder(seed=1)
    init = g.subgraph("init")
    init.assign_variable(init.var_handle("a"), init.const([[1] * 8], DType.INT8))
    x = g.input((1, 8))
    g.call_once(init)
    g.output(g.add(g.read_variable(g.var_handle("a"), x), x))
    assert edges(g.model()) == {("CALL_ONCE", "READ_VARIABLE")}


def test_custom_operators_keep_their_order_among_all_that_has_state() -> None:
    model = variable_model()
    for op in model.main.operators:
        if op.name == "RELU":
            op.code.name, op.code.custom = "CUSTOM", "SomebodysOwn"
    assert ("READ_VARIABLE", "SomebodysOwn") in edges(model)
    assert ("SomebodysOwn", "ASSIGN_VARIABLE") in edges(model)


def pressing_model() -> Model:
    """The smallest peak assigns early; the read that must come first is late in the file's data
    flow, so that an order blind to state would assign before it."""
    g = GraphBuilder(seed=1)
    x = g.input((1, 64))
    handle = g.var_handle("a")
    wide = g.fully_connected(x, 512)
    old = g.read_variable(handle, x)
    g.assign_variable(handle, g.relu(x))
    g.output(g.fully_connected(wide, 4), g.add(old, old))
    return g.model()


def test_reordering_never_moves_a_read_across_an_assignment() -> None:
    before, after = pressing_model(), pressing_model()
    assert reorder(after).changed
    assert check_variables(before, after) == []


def test_without_the_edges_the_same_reordering_breaks_the_state(monkeypatch: object) -> None:
    """The negative control: it is the edges that keep the order, not luck."""
    import arenafit.schedule.reorder as module

    before, after = pressing_model(), pressing_model()
    free = [()] * len(after.main.operators)
    monkeypatch.setattr(module, "after_edges", lambda model, graph: free)  # type: ignore[attr-defined]
    reorder(after)
    assert check_variables(before, after) != []

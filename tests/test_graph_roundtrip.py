"""Loading and saving lose nothing, and TFLM cannot tell the result from the original."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.graph import Buffer, DType, Model, OpCode, Quantization, load, save, schema
from arenafit.graph.offline import offline_plan
from arenafit.graph.reader import decode
from arenafit.graph.writer import encode
from arenafit.runtime import Session, available
from arenafit.runtime.verification import verify
from support.builder import GraphBuilder
from support.compare import describe, equal
from support.zoo import each_zoo_model, zoo_model


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    if not available():
        pytest.skip("no TFLM on this machine")
    with Session() as session:
        yield session


def small() -> GraphBuilder:
    """A model with a bit of everything that a file can hold."""
    g = GraphBuilder(5)
    x = g.input((1, 8, 8, 4), name="image")
    y = g.conv(x, 8, 3, stride=2, activation="RELU")
    g.output(g.softmax(g.fully_connected(g.pool(y), 4)))
    g.metadata("min_runtime_version", b"1.5.0\0\0\0")
    g.signature()
    return g


@each_zoo_model
def test_a_real_model_loads_again_as_what_it_was(model: Path) -> None:
    original = load(model.read_bytes())
    saved = save(original)
    assert equal(load(saved), original)
    assert save(load(saved)) == saved


@each_zoo_model
def test_tflm_needs_the_same_arena_for_a_saved_model(session: Session, model: Path) -> None:
    original = model.read_bytes()
    saved = save(load(original))
    before = session.measure(original, startup=False)
    after = session.measure(saved, startup=False)
    assert (after.head, after.tail) == (before.head, before.tail)


@each_zoo_model
def test_tflm_computes_the_same_from_a_saved_model(session: Session, model: Path) -> None:
    original = model.read_bytes()
    saved = save(load(original))
    assert verify(session, original, saved, inputs=1, intermediates=False).bit_exact


def test_a_built_model_loads_again_as_what_it_was() -> None:
    model = small().model()
    assert equal(load(save(model)), model)


def test_the_comparison_of_models_notices_each_kind_of_difference() -> None:
    """Negative control for all tests that rest on `equal`."""

    def changed(change: Any) -> Model:
        model = load(save(small().model()))
        change(model)
        return model

    original = changed(lambda m: None)
    assert equal(original, changed(lambda m: None))
    changes = [
        lambda m: setattr(m.main.tensors[0], "shape", (1, 8, 4, 8)),
        lambda m: setattr(m.main.tensors[0], "name", "other"),
        lambda m: setattr(m.main.tensors[0], "offline_offset", 16),
        lambda m: setattr(m.main.tensors[0].quantization, "scales", (0.5,)),
        lambda m: setattr(m.main.tensors[1], "buffer", Buffer(bytes(288))),
        lambda m: m.main.operators[0].options.update(stride_w=1),
        lambda m: m.main.operators[0].inputs.reverse(),
        lambda m: m.main.operators.reverse(),
        lambda m: setattr(m.main.operators[0].code, "version", 9),
        lambda m: m.metadata.clear(),
        lambda m: m.signatures.clear(),
        lambda m: setattr(m, "description", None),
    ]
    for change in changes:
        assert not equal(original, changed(change))


def test_dead_tensors_and_unused_operator_codes_stay() -> None:
    g = small()
    g.tensor((3, 3), name="dead")
    g.const([1, 2, 3], name="dead constant")
    model = g.model()
    model.fields["unused_operator_codes"] = [OpCode("RESIZE_BILINEAR", version=3)]
    again = load(save(model))
    assert equal(again, model)
    assert {"dead", "dead constant"} <= {tensor.name for tensor in again.main.tensors}
    codes = decode(save(again))["operator_codes"]
    number = schema.enum("BuiltinOperator").index("RESIZE_BILINEAR")
    assert number in [code.get("builtin_code") for code in codes]


def test_shared_buffers_stay_shared_and_distinct_ones_distinct() -> None:
    g = GraphBuilder()
    x = g.input((4,))
    a, b, c = (g.random((4,)) for _ in range(3))
    assert b.buffer is not None
    c.buffer = b.buffer
    a.buffer = Buffer(b.buffer.data)  # equal bytes, but a buffer of its own
    g.output(g.add(g.add(g.add(x, a), b), c))
    model = load(save(g.model()))
    consts = [tensor.buffer for tensor in model.main.tensors if tensor.is_constant]
    assert consts[1] is consts[2] and consts[0] is not consts[1]
    assert len(decode(save(model))["buffers"]) == 3  # with the empty one


def test_buffers_that_nothing_uses_are_dropped_and_buffer_0_is_empty() -> None:
    tables = decode(save(small().model()))
    size = len(tables["buffers"])
    tables["buffers"].append({"data": b"stray"})
    tables["buffers"][0] = {"data": b""}
    saved = decode(save(load(encode(tables))))
    assert len(saved["buffers"]) == size
    assert saved["buffers"][0] == {}


def test_constant_data_lies_at_multiples_of_16() -> None:
    """CMSIS-NN and DMA engines rely on it, and the files stay mappable."""
    g = GraphBuilder()
    x = g.input((1, 1, 1, 3))
    marks = [bytes(range(40 * i, 40 * i + 3)) * 7 for i in range(1, 6)]
    for mark in marks:
        g.metadata("m", mark)
    g.output(g.relu(x))
    saved = save(g.model())
    assert [saved.index(mark) % 16 for mark in marks] == [0] * len(marks)


@pytest.mark.parametrize("name", ["ADD", "CONV_2D", "GELU", "VAR_HANDLE", "STABLEHLO_CASE"])
def test_operator_codes_are_written_for_old_runtimes_and_new(name: str) -> None:
    g = GraphBuilder()
    x = g.input((4,))
    g.output(g.op(name, [x], (4,), like=x))
    number = schema.enum("BuiltinOperator").index(name)
    code = decode(save(g.model()))["operator_codes"][0]
    assert code.get("builtin_code", 0) == number
    assert code.get("deprecated_builtin_code", 0) == min(number, 127)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"deprecated_builtin_code": 3}, "CONV_2D"),
        ({"builtin_code": 3}, "CONV_2D"),
        ({"builtin_code": 150, "deprecated_builtin_code": 127}, "GELU"),
        ({}, "ADD"),
    ],
)
def test_the_larger_of_both_operator_codes_counts(fields: dict[str, int], name: str) -> None:
    g = GraphBuilder()
    x = g.input((4,))
    g.output(g.op("LOGISTIC", [x], (4,), like=x))
    tables = decode(save(g.model()))
    tables["operator_codes"] = [fields]
    assert load(encode(tables)).main.operators[0].name == name


def test_custom_operators_keep_their_name_and_options() -> None:
    g = GraphBuilder()
    x = g.input((4,))
    g.output(g.op("CUSTOM", [x, None], (4,), custom="MyOp", custom_options=b"\1\2\3", version=2))
    op = load(save(g.model())).main.operators[0]
    assert (op.code.label, op.code.version, op.custom_options) == ("MyOp", 2, b"\1\2\3")
    assert op.inputs[1] is None


def test_fields_that_no_pass_knows_survive() -> None:
    g = small()
    model = g.model()
    tensor, op = model.main.tensors[0], model.main.operators[0]
    assert tensor.quantization is not None
    tensor.fields = {
        "has_rank": True,
        "shape_signature": (-1, 8, 8, 4),
        "sparsity": {
            "traversal_order": (0, 1),
            "dim_metadata": [
                {"dense_size": 4},
                {
                    "format": 1,
                    "array_segments": ("Uint8Vector", {"values": b"\0\1\2"}),
                    "array_indices": ("Int32Vector", {"values": (1, 2)}),
                },
            ],
        },
    }
    tensor.quantization.fields = {
        "min": (-1.0,),
        "max": (1.0,),
        "details": ("CustomQuantization", {"custom": b"abc"}),
    }
    op.fields = {"mutating_variable_inputs": (False, True, False), "debug_metadata_index": 3}
    model.fields = {"metadata_buffer": [Buffer(b"legacy")], "external_buffer_groups": [{}]}
    assert equal(load(save(model)), model)


def test_options_that_are_named_but_missing_are_not_made_up() -> None:
    """To TFLM a missing table means zeros, an empty one the schema's defaults."""
    g = GraphBuilder()
    x = g.input((4,))
    g.output(g.add(x, x))
    tables = decode(save(g.model()))
    tables["subgraphs"][0]["operators"][0]["builtin_options"] = ("AddOptions", None)
    data = encode(tables)
    op = load(data).main.operators[0]
    assert op.options_type == ""
    assert decode(save(load(data))) == decode(data)


def test_an_offline_plan_is_read_into_the_tensors_and_written_back() -> None:
    g = small()
    model = g.model()
    for i, tensor in enumerate(model.main.tensors):
        tensor.offline_offset = -1 if i % 3 else 16 * i
    model.has_offline_plan = True
    saved = save(model)
    again = load(saved)
    assert equal(again, model)
    assert [entry.name for entry in again.metadata] == ["min_runtime_version"]
    again.has_offline_plan = False
    assert b"OfflineMemoryAllocation" in saved
    assert b"OfflineMemoryAllocation" not in save(again)


def test_an_offline_plan_counts_the_tensors_of_all_subgraphs(session: Session) -> None:
    g = GraphBuilder()
    x = g.input((1, 64))
    init = g.subgraph("init")
    init.assign_variable(init.var_handle("state"), init.random((1, 64), like=x))
    g.call_once(init)
    g.output(g.add(g.read_variable(g.var_handle("state"), x), x))
    model = g.model()
    x.offline_offset = 4096
    model.has_offline_plan = True
    assert struct.unpack_from("<3i", offline_plan(model))[1:] == (2, 6)
    assert session.measure(save(model), startup=False).head == 4096 + 64


def test_a_real_offline_plan_is_not_lost() -> None:
    path = zoo_model("cfu__presence_0_320_240_1_20220117_140437_201k_26k_96ops")
    model = load(path.read_bytes())
    assert model.has_offline_plan
    assert any(tensor.offline_offset > 0 for tensor in model.main.tensors)
    offsets = [tensor.offline_offset for tensor in model.main.tensors]
    assert [t.offline_offset for t in load(save(model)).main.tensors] == offsets


def test_saving_refuses_a_tensor_that_its_subgraph_lacks() -> None:
    from arenafit.errors import ModelError

    def broken(change: Any) -> Model:
        model = load(save(small().model()))
        change(model, model.main.tensors[0])
        return model

    stranger = GraphBuilder().tensor((1,), name="stranger")
    for change in [
        lambda m, t: m.main.operators[1].inputs.append(stranger),
        lambda m, t: m.main.operators[1].outputs.append(stranger),
        lambda m, t: m.main.outputs.append(stranger),
        lambda m, t: m.signatures[0].inputs.append(("x", stranger)),
        lambda m, t: m.main.tensors.remove(t),
    ]:
        with pytest.raises(ModelError, match="not in the subgraph"):
            save(broken(change))


def test_equal_strings_and_vectors_are_stored_once() -> None:
    g = GraphBuilder()
    x = g.input((1, 8))
    for _ in range(20):
        x = g.relu(x)
        x.name = "the same long name for every tensor of the model"
        x.quantization = Quantization(tuple(float(i) for i in range(8)), (0,) * 8, 1)
    g.output(x)
    saved = save(g.model())
    assert saved.count(b"the same long name") == 1
    assert saved.count(np.arange(8, dtype="<f4").tobytes()) == 1


def test_nan_scales_survive() -> None:
    g = GraphBuilder()
    x = g.input((4,))
    x.quantization = Quantization((float("nan"),), (0,))
    g.output(g.relu(x))
    model = g.model()
    assert equal(load(save(model)), model)
    assert describe(model)["subgraphs"][0]["tensors"][0]["dtype"] == DType.INT8


# Any tables at all, by the schema

_LIMITS = {
    "b": (-128, 127), "B": (0, 255), "h": (-(2**15), 2**15 - 1), "H": (0, 2**16 - 1),
    "i": (-(2**31), 2**31 - 1), "I": (0, 2**32 - 1), "q": (-(2**63), 2**63 - 1), "Q": (0, 2**64 - 1),
}  # fmt: skip


def scalars(field: schema.Field) -> st.SearchStrategy[Any]:
    if field.format == "?":
        return st.booleans()
    if field.format == "f":
        return st.floats(width=32, allow_nan=False)
    if field.values:
        return st.integers(0, field.values - 1)
    return st.integers(*_LIMITS[field.format])


def values(field: schema.Field) -> st.SearchStrategy[Any]:
    if field.kind == "scalar":
        return scalars(field).filter(lambda value: value != field.default)
    if field.kind == "string":
        return st.text(max_size=8)
    if field.kind == "scalars":
        if field.format == "B":
            return st.binary(max_size=8)
        return st.lists(scalars(field), max_size=4).map(tuple)
    if field.kind == "table":
        return tables(field.type)
    if field.kind == "tables":
        return st.lists(tables(field.type), max_size=3)
    member = st.sampled_from(schema.union(field.type)[1:])
    return member.flatmap(lambda name: st.tuples(st.just(name), st.none() | tables(name)))


def tables(name: str) -> st.SearchStrategy[dict[str, Any]]:
    fields = schema.fields(name)
    return st.fixed_dictionaries(
        {}, optional={field.name: st.deferred(lambda f=field: values(f)) for field in fields}
    )


@given(tables(schema.ROOT))
def test_decoding_gives_back_whatever_was_encoded(root: dict[str, Any]) -> None:
    assert decode(encode(root)) == root


@given(
    st.sampled_from([name for name in schema.union("BuiltinOptions")[1:] if schema.fields(name)]),
    st.data(),
)
def test_every_operators_options_survive(name: str, data: st.DataObject) -> None:
    op = {"builtin_options": (name, data.draw(tables(name)))}
    root = {"subgraphs": [{"operators": [op]}]}
    assert decode(encode(root)) == root


def test_a_field_that_the_schema_lacks_is_not_written_silently() -> None:
    with pytest.raises(KeyError, match="Model has no field colour"):
        encode({"colour": 3})

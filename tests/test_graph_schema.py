"""The schema's table against what flatc generates from TensorFlow's own schema."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from arenafit.graph import schema, schema_options
from arenafit.graph.model import DType

UNIONS = ("BuiltinOptions", "BuiltinOptions2", "QuantizationDetails", "SparseIndexVector")
SCALARS = {
    "Bool": "?", "Int8": "b", "Uint8": "B", "Int16": "h", "Uint16": "H", "Int32": "i",
    "Uint32": "I", "Int64": "q", "Uint64": "Q", "Float32": "f", "Float64": "d",
}  # fmt: skip
# The generated code has no accessors for these.
DEPRECATED = {"new_height", "new_width", "deprecated_tag"}


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    """The schema's accessors that come with the tflite-micro wheel."""
    pytest.importorskip("tflite_micro")
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated

    return schema_py_generated


def all_tables() -> list[str]:
    """Every table that can be reached from the root."""
    found = [schema.ROOT]
    for table in found:
        for field in schema.fields(table):
            members = schema.union(field.type)[1:] if field.kind == "union" else ()
            nested = (field.type,) if field.kind in ("table", "tables") else ()
            found.extend(name for name in (*members, *nested) if name not in found)
    return found


class Recorder:
    """Takes the calls that generated code makes of a flatbuffers.Builder."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.calls.append((name, args))


def call(function: Any, *args: Any) -> tuple[str, tuple[Any, ...]]:
    recorder = Recorder()
    function(recorder, *args)
    return recorder.calls[0]


def camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def test_every_table_of_the_generated_schema_is_ours_and_no_other(generated: ModuleType) -> None:
    theirs = {name.removesuffix("Start") for name in vars(generated) if name.endswith("Start")}
    assert theirs == set(all_tables())


@pytest.mark.parametrize("table", all_tables())
def test_fields_have_the_generated_slots_types_and_defaults(
    generated: ModuleType, table: str
) -> None:
    started = call(getattr(generated, f"{table}Start"))
    assert started == ("StartObject", (len(schema.slot_widths(table)),))
    for field in schema.fields(table):
        if field.name in DEPRECATED:
            continue
        what, args = call(getattr(generated, f"{table}Add{camel(field.name)}"), 0)
        if field.kind == "scalar":
            kind = re.fullmatch(r"Prepend(\w+)Slot", what)
            assert kind and SCALARS[kind[1]] == field.format
            assert (args[0], args[2]) == (field.slot, field.default)
        else:
            assert (what, args[0]) == ("PrependUOffsetTRelativeSlot", field.slot)
        if field.kind in ("scalars", "tables"):
            starter = getattr(generated, f"{table}Start{camel(field.name)}Vector")
            assert call(starter, 3)[1][0] == field.size
        if field.kind in ("table", "tables"):
            accessor = getattr(getattr(generated, table), camel(field.name))
            assert f"obj = {field.type}()" in inspect.getsource(accessor)
        if field.kind == "union":
            tagged = call(getattr(generated, f"{table}Add{camel(field.name)}Type"), 0)
            assert tagged == ("PrependUint8Slot", (field.slot - 1, 0, 0))


@pytest.mark.parametrize("name", UNIONS)
def test_unions_have_the_generated_members(generated: ModuleType, name: str) -> None:
    members = vars(getattr(generated, name))
    theirs = {
        key: value for key, value in members.items() if isinstance(value, int) and key[0] != "_"
    }
    ours = {member or "NONE": i for i, member in enumerate(schema.union(name))}
    assert theirs == ours


def test_enums_have_the_generated_values(generated: ModuleType) -> None:
    kinds = {field.type for table in all_tables() for field in schema.fields(table) if field.values}
    assert "BuiltinOperator" in kinds
    for name in kinds:
        members = vars(getattr(generated, name))
        theirs = {k: v for k, v in members.items() if isinstance(v, int) and k[0] != "_"}
        assert theirs == {value: i for i, value in enumerate(schema.enum(name))}


def test_element_types_are_numbered_as_in_the_schema() -> None:
    assert [dtype.name for dtype in DType] == list(schema.enum("TensorType"))


def test_no_table_can_nest_in_itself() -> None:
    """Else a file could send the reader into recursion without an end."""

    def visit(table: str, above: tuple[str, ...]) -> None:
        assert table not in above
        for field in schema.fields(table):
            members = schema.union(field.type)[1:] if field.kind == "union" else ()
            nested = (field.type,) if field.kind in ("table", "tables") else ()
            for name in (*members, *nested):
                visit(name, (*above, table))

    visit(schema.ROOT, ())


def test_every_options_table_is_some_operators() -> None:
    named = {schema_options.options_of(name) for name in schema.enum("BuiltinOperator")} - {""}
    assert named == set(schema.union("BuiltinOptions")[1:])


def test_operators_find_their_options_under_irregular_names_too() -> None:
    expected = {
        "ADD": "AddOptions",
        "MAX_POOL_2D": "Pool2DOptions",
        "MEAN": "ReducerOptions",
        "TOPK_V2": "TopKV2Options",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
        "LOGISTIC": "",
        "CUSTOM": "",
    }
    assert {name: schema_options.options_of(name) for name in expected} == expected


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        schema.fields("NoSuchOptions")


def test_importing_the_graph_brings_no_numpy_and_no_flatbuffers() -> None:
    script = (
        "import sys, arenafit.graph\n"
        "assert not {'numpy', 'flatbuffers'} & sys.modules.keys(), 'heavy import'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

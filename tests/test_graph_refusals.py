"""Every way in which a well-formed file can be wrong is refused, in one line that says where."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from typing import Any

import pytest

from arenafit.errors import ModelError
from arenafit.graph import load, save
from arenafit.graph.model import Table
from arenafit.graph.reader import decode
from arenafit.graph.writer import encode
from support.builder import GraphBuilder

BIG = 2**31 - 1


def network() -> Table:
    """The decoded file of a model to break: convolution, pooling, fully connected, softmax.

    Tensors: 0 image, 1 filter, 2 bias, 3 convolved, 4 pooled, 5 weights, 6 bias, 7 dense, 8 output.
    """
    g = GraphBuilder(6)
    x = g.input((1, 8, 8, 4), name="image")
    y = g.pool(g.conv(x, 8, 3, stride=2))
    g.output(g.softmax(g.fully_connected(y, 4)))
    g.metadata("note", b"text")
    g.signature()
    model = g.model()
    model.has_offline_plan = True
    return decode(save(model))


def calling() -> Table:
    """The decoded file of a model with calls: 0 main -> once 1, if 2 or 3."""
    g = GraphBuilder(7)
    x, c = g.input((1, 8)), g.input((1,))
    init, then, other = (g.subgraph(name) for name in ("init", "then", "else"))
    init.assign_variable(init.var_handle("s"), init.random((1, 8)))
    for branch in (then, other):
        a = branch.input((1, 8), like=x)
        branch.output(branch.op("ADD", [a, a], a.shape, like=a))
    g.call_once(init)
    g.output(*g.if_(c, then, other, [x]))
    return decode(save(g.model()))


def tensor(root: Table, i: int) -> Table:
    found: Table = root["subgraphs"][0]["tensors"][i]
    return found


def op(root: Table, i: int, graph: int = 0) -> Table:
    found: Table = root["subgraphs"][graph]["operators"][i]
    return found


def plan(root: Table, *words: int) -> None:
    """Replace the offline plan by one of these int32."""
    data = struct.pack(f"<{len(words)}i", *words)
    root["buffers"][root["metadata"][1]["buffer"]] = {"data": data}


def options(root: Table, i: int, graph: int = 0) -> Table:
    found: Table = op(root, i, graph)["builtin_options"][1]
    return found


Change = Callable[[Table], Any]

INDICES: dict[str, tuple[Change, str]] = {
    "tensor of an operator's input": (
        lambda r: op(r, 0).update(inputs=(0, 1, 9)),
        r"subgraph 0, operator 0 \(CONV_2D\), input 2: tensor index 9 is out of range",
    ),
    "negative tensor of an input": (
        lambda r: op(r, 0).update(inputs=(-2, 1, 2)),
        "tensor index -2",
    ),
    "tensor of an operator's output": (
        lambda r: op(r, 1).update(outputs=(9,)),
        "operator 1.*output 0: tensor index 9",
    ),
    "absent output": (lambda r: op(r, 1).update(outputs=(-1,)), "output 0: tensor index -1"),
    "tensor of an intermediate": (
        lambda r: op(r, 0).update(intermediates=(9,)),
        "intermediate 0: tensor index 9",
    ),
    "operator code": (lambda r: op(r, 2).update(opcode_index=4), "operator code index 4"),
    "subgraph input": (
        lambda r: r["subgraphs"][0].update(inputs=(9,)),
        "subgraph 0, input 0: tensor index 9",
    ),
    "subgraph output": (
        lambda r: r["subgraphs"][0].update(outputs=(-1,)),
        "subgraph 0, output 0: tensor index -1",
    ),
    "buffer of a tensor": (lambda r: tensor(r, 0).update(buffer=99), "'image'.*: buffer index 99"),
    "buffer of metadata": (lambda r: r["metadata"][0].update(buffer=99), "'note'.*buffer index 99"),
    "buffer of the old metadata": (
        lambda r: r.update(metadata_buffer=(-1,)),
        "metadata_buffer: buffer index -1",
    ),
    "buffer of a model without any": (lambda r: r.pop("buffers"), "buffer index"),
    "subgraph of a signature": (
        lambda r: r["signature_defs"][0].update(subgraph_index=1),
        "signature 0: subgraph index 1",
    ),
    "tensor of a signature's input": (
        lambda r: r["signature_defs"][0]["inputs"][0].update(tensor_index=9),
        "signature 0, inputs 0: tensor index 9",
    ),
    "tensor of a signature's output": (
        lambda r: r["signature_defs"][0]["outputs"][0].update(tensor_index=2**32 - 1),
        "signature 0, outputs 0: tensor index",
    ),
}

CONTENT: dict[str, tuple[Change, str]] = {
    "negative extent": (lambda r: tensor(r, 3).update(shape=(1, -1, 4, 8)), "extent -1"),
    "too many bytes": (lambda r: tensor(r, 3).update(shape=(1, BIG, 4, 8)), "more than 2 GiB"),
    "product of extents beyond 64 bits": (
        lambda r: tensor(r, 3).update(shape=(BIG,) * 9),
        "more than 2 GiB",
    ),
    "bytes beyond 2 GiB by the element's size alone": (
        lambda r: tensor(r, 3).update(shape=(2**29,), type=2),
        "more than 2 GiB",
    ),
    "constant data too short": (
        lambda r: tensor(r, 1).update(shape=(8, 3, 3, 5)),
        r"holds 288 bytes, INT8 \[8, 3, 3, 5\] takes 360",
    ),
    "constant data too long": (lambda r: tensor(r, 2).update(shape=(7,)), "holds 32 bytes"),
    "quantised dimension out of range": (
        lambda r: tensor(r, 1)["quantization"].update(quantized_dimension=4),
        "quantized dimension 4",
    ),
    "negative quantised dimension": (
        lambda r: tensor(r, 1)["quantization"].update(quantized_dimension=-1),
        "quantized dimension -1",
    ),
    "scales for another dimension": (
        lambda r: tensor(r, 1)["quantization"].update(quantized_dimension=1),
        "8 scales for dimension 1",
    ),
    "too few zero points": (
        lambda r: tensor(r, 1)["quantization"].update(zero_point=(0, 0)),
        "2 zero points for 8 scales",
    ),
    "blockwise quantisation": (
        lambda r: tensor(r, 1)["quantization"].update(details=("BlockwiseQuantization", {})),
        "no BlockwiseQuantization",
    ),
    "data outside of the flatbuffer": (
        lambda r: r["buffers"][1].update(offset=4096, size=16),
        "buffer 1: .*outside of the flatbuffer",
    ),
    "data in another file": (lambda r: tensor(r, 1).update(external_buffer=1), "another file"),
    "options outside of the flatbuffer": (
        lambda r: op(r, 0).update(large_custom_options_offset=9999),
        "options are stored outside",
    ),
    "a buffer 0 with data": (lambda r: r["buffers"][0].update(data=b"x"), "buffer 0 must be empty"),
    "a custom operator without a name": (
        lambda r: r["operator_codes"][0].update(builtin_code=32, deprecated_builtin_code=32),
        "without a name",
    ),
    "another operator's options": (
        lambda r: op(r, 0).update(builtin_options=("Pool2DOptions", {"stride_w": 1})),
        "options are Pool2DOptions, not Conv2DOptions",
    ),
    "no subgraph": (lambda r: r.pop("subgraphs"), "no subgraph"),
    "an old schema": (lambda r: r.update(version=2), "schema version 2"),
    "compressed tensors": (
        lambda r: r["metadata"][0].update(name="COMPRESSION_METADATA"),
        "compressed",
    ),
}

ORDER: dict[str, tuple[Change, str]] = {
    "reading before writing": (
        lambda r: r["subgraphs"][0]["operators"].reverse(),
        r"operator 0 \(SOFTMAX\): reads .* before operator 1 writes it",
    ),
    "reading its own output": (
        lambda r: op(r, 1).update(inputs=(4,)),
        "before operator 1 writes it",
    ),
    "reading what nothing writes": (
        lambda r: r["subgraphs"][0].update(inputs=()),
        r"operator 0 \(CONV_2D\): reads .*'image'.* which nothing writes",
    ),
    "writing twice": (lambda r: op(r, 1).update(outputs=(3,)), "which operator 0 writes too"),
    "one output twice": (lambda r: op(r, 1).update(outputs=(4, 4)), "which operator 1 writes too"),
    "writing a constant": (lambda r: op(r, 1).update(outputs=(2,)), "which is constant"),
    "writing an input": (lambda r: op(r, 1).update(outputs=(0,)), "which is an input"),
    "an output never written": (
        lambda r: r["subgraphs"][0]["operators"].pop(),
        "output .* is never written",
    ),
}

PLANS: dict[str, tuple[Change, str]] = {
    "no header": (lambda r: plan(r, 1, 1), "no header"),
    "no data": (lambda r: r["metadata"][1].update(buffer=0), "no header"),
    "fewer offsets than tensors": (
        lambda r: plan(r, 1, 1, 8, *[-1] * 8),
        "8 offsets, .* 9 tensors",
    ),
    "more offsets than tensors": (lambda r: plan(r, 1, 1, 10, *[-1] * 10), "10 offsets"),
    "negative count": (lambda r: plan(r, 1, 1, -1), "offsets"),
    "cut off": (lambda r: plan(r, 1, 1, 9, *[-1] * 8), "cut off"),
    "offset below -1": (lambda r: plan(r, 1, 1, 9, *[-1] * 8, -2), "offset -2 .* out of range"),
    "offset that overflows": (lambda r: plan(r, 1, 1, 9, BIG, *[-1] * 8), "out of range"),
    "two plans": (
        lambda r: r["metadata"].append(dict(r["metadata"][1])),
        "second offline plan",
    ),
}

CALLS: dict[str, tuple[Change, str]] = {
    "call of a subgraph that is not there": (
        lambda r: options(r, 0).update(init_subgraph_index=4),
        r"operator 0 \(CALL_ONCE\): subgraph index 4",
    ),
    "negative index": (
        lambda r: options(r, 1).update(else_subgraph_index=-1),
        r"\(IF\): subgraph index -1",
    ),
    "call of itself": (
        lambda r: options(r, 1).update(then_subgraph_index=0),
        "subgraph 0: .*back to a caller",
    ),
    "call of itself by default": (lambda r: options(r, 0).clear(), "back to a caller"),
    "call of a caller": (
        lambda r: op(r, 1, 1).update(op(r, 0), builtin_options=("CallOnceOptions", {})),
        "back to a caller",
    ),
    "call without options": (lambda r: op(r, 1).pop("builtin_options"), "no options to say"),
}


def refuse(root: Table, case: tuple[Change, str]) -> None:
    """The unchanged model is accepted, the changed one refused with one matching line."""
    load(encode(root))
    change, message = case
    change(root)
    with pytest.raises(ModelError, match=message) as error:
        load(encode(root))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", INDICES)
def test_each_kind_of_index_is_checked(case: str) -> None:
    refuse(network(), INDICES[case])


@pytest.mark.parametrize("case", CONTENT)
def test_contents_that_contradict_each_other_are_refused(case: str) -> None:
    refuse(network(), CONTENT[case])


@pytest.mark.parametrize("case", ORDER)
def test_operators_must_be_in_an_order_that_can_run(case: str) -> None:
    refuse(network(), ORDER[case])


@pytest.mark.parametrize("case", PLANS)
def test_an_offline_plan_that_would_corrupt_memory_is_refused(case: str) -> None:
    refuse(network(), PLANS[case])


@pytest.mark.parametrize("case", CALLS)
def test_calls_go_to_subgraphs_that_exist_and_never_round_in_a_ring(case: str) -> None:
    refuse(calling(), CALLS[case])


FOREIGN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "html": (b"\n<!DOCTYPE html><html>404</html>", "HTML"),
    "gzip": (gzip.compress(b"x" * 100), "gzip"),
    "zip": (b"PK\x03\x04" + bytes(60), "zip archive"),
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(60), "HDF5"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS"),
    "onnx": (b"\x08\x07\x12\x07pytorch" + bytes(60), "ONNX"),
    "text": (b"hello, world\n", "not a TFLite model"),
    "another flatbuffer": (encode({})[:4] + b"ABCD" + encode({})[8:], "not 'TFL3'"),
    "header alone": (b"\x10\0\0\0TFL3", "damaged or cut off"),
    "short": (b"\x10", "not a TFLite model"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_files_that_are_not_models_are_told_apart(case: str) -> None:
    data, message = FOREIGN[case]
    with pytest.raises(ModelError, match=message):
        load(data)


def test_a_custom_operators_name_cannot_break_the_line() -> None:
    g = GraphBuilder()
    x = g.input((4,))
    g.output(g.op("CUSTOM", [x], (4,), custom="two\nlines\x1b[31m"))
    root = decode(save(g.model()))
    op(root, 0)["inputs"] = (7,)
    with pytest.raises(ModelError) as error:
        load(encode(root))
    assert str(error.value).isprintable()


def test_biases_of_the_old_converter_may_name_their_filters_axis() -> None:
    root = network()
    tensor(root, 2)["quantization"]["quantized_dimension"] = 3
    assert load(encode(root)).main.tensors[2].quantization.axis == 3  # type: ignore[union-attr]


def test_absent_inputs_and_empty_constants_need_no_writer() -> None:
    g = GraphBuilder()
    x, nothing = g.input((4,)), g.tensor((0,), name="nothing")
    state = g.tensor((4,), is_variable=True)
    g.output(g.op("CUSTOM", [x, None, nothing, state], (4,), custom="Any"))
    load(save(g.model()))

"""Whole networks as C: compiled with all warnings, run without TFLM, and TFLM's bytes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from arenafit.errors import ModelError
from arenafit.export import Network, c_files, export, make_network
from arenafit.graph import DType, Model, load, save
from arenafit.graph.model import Buffer, Quantization
from arenafit.partial.encoding import decode, encode
from arenafit.partial.model import partial_model
from arenafit.partial.program import Place, Program
from arenafit.passes import copy_model, run_passes
from support.builder import GraphBuilder
from support.exported import MODELS, compile_files, run_in_arena, steps_and_outputs, write
from support.native import C_FLAGS, compile_shared
from support.segment import SOURCES, aligned

SMALL = ("lenet5_28", "ds_cnn_kws", "resnet8_cifar")
LARGE = ("mobilenet_v1_025_96", "branching_cell_64")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Exported:
    """The C of a model, compiled for the host."""

    network: Network
    library: ctypes.CDLL
    name: str

    def check(self) -> int:
        """What NAME_check says; 0 is right."""
        arena = aligned(self.network.arena)
        status: int = self.library[f"{self.name}_check"](ctypes.c_void_p(arena.ctypes.data))
        return status

    def run(self, inputs: Sequence[Array]) -> list[bytes]:
        def run(arena: Array) -> None:
            for port, value in zip(self.network.inputs, inputs, strict=True):
                assert port.size == value.nbytes
                arena[port.offset : port.offset + port.size] = value.ravel().view(np.uint8)
            self.library[f"{self.name}_run"](ctypes.c_void_p(arena.ctypes.data))

        return run_in_arena(self.network, run)


def compiled(data: bytes, folder: Path, name: str = "net") -> Exported:
    library = compile_files(export(data, name), folder)
    (source,) = folder.glob("*.c")
    return Exported(make_network(load(data)), library, source.stem)


def expect_the_bytes_of_tflm(exported: Exported, original: bytes, count: int = 3) -> None:
    assert exported.check() == 0
    steps, expected = steps_and_outputs(original, count)
    assert [exported.run(step) for step in steps] == expected


def two_in_two_out(skewed: bool = False) -> Model:
    """Two inputs and two outputs; branches join, and one output is read again."""
    g = GraphBuilder(seed=3)
    a, b = g.input((1, 12, 9, 4)), g.input((1, 6, 5, 8))
    x = g.conv(a, 8, kernel=3, stride=2, padding="SAME", activation="RELU")
    y = g.add(x, b)
    z = g.softmax(g.fully_connected(g.mean(g.depthwise(y, kernel=3)), 7))
    g.output(z, y) if skewed else g.output(y, z)
    return g.model()


# -- what is computed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_a_shipped_model_gives_the_bytes_of_tflm(name: str, tmp_path: Path):
    data = (MODELS / f"{name}.tflite").read_bytes()
    expect_the_bytes_of_tflm(compiled(data, tmp_path), data)


@pytest.mark.parametrize("skewed", [False, True])
def test_several_inputs_and_outputs_keep_the_model_s_order(skewed: bool, tmp_path: Path):
    data = save(two_in_two_out(skewed))
    exported = compiled(data, tmp_path)
    assert [len(exported.network.inputs), len(exported.network.outputs)] == [2, 2]
    expect_the_bytes_of_tflm(exported, data)


def with_segments(name: str) -> tuple[bytes, bytes]:
    """A shipped model, and the same with segments in the place of all of its operators."""
    data = (MODELS / f"{name}.tflite").read_bytes()
    model = copy_model(load(data))
    run_passes(model)
    assert partial_model(model) is not None
    return data, save(model)


def test_a_model_that_has_segments_already_keeps_them(tmp_path: Path):
    original, data = with_segments("ds_cnn_kws")
    network = make_network(load(data))
    programs = [op.inputs[-1] for op in load(data).main.operators]
    assert [call.program for call in network.calls] == [
        tensor.buffer.data for tensor in programs if tensor is not None and tensor.buffer
    ]
    expect_the_bytes_of_tflm(compiled(data, tmp_path), original)


def between_types() -> Model:
    """Of int8 inside; bytes without a sign go in, floats and int16 come out."""
    g = GraphBuilder(seed=4)
    x = g.tensor((1, 10, 9, 3), dtype=DType.UINT8, quantization=Quantization((1 / 64,), (128,)))
    g.graph.inputs.append(x)
    y = g.conv(g.quantize(x, DType.INT8), 5, kernel=3, stride=2, activation="RELU")
    g.output(g.dequantize(g.conv(y, 2)), g.quantize(y, DType.INT16))
    return g.model()


def test_inputs_and_outputs_have_the_types_of_the_model(tmp_path: Path):
    data = save(between_types())
    exported = compiled(data, tmp_path)
    assert [p.dtype for p in (*exported.network.inputs, *exported.network.outputs)] == [
        DType.UINT8, DType.FLOAT32, DType.INT16,
    ]  # fmt: skip
    header = (tmp_path / "net.h").read_text(encoding="ascii")
    assert "static inline uint8_t* net_input(void* arena)" in header
    assert "static inline float* net_output_0(void* arena)" in header
    assert "static inline int16_t* net_output_1(void* arena)" in header
    assert "NET_OUTPUT_0_SCALE" not in header and "NET_OUTPUT_1_SCALE" in header
    expect_the_bytes_of_tflm(exported, data)


def test_a_model_of_floats_gives_the_bits_of_tflm(tmp_path: Path):
    g = GraphBuilder(seed=5, dtype=DType.FLOAT32)
    x = g.conv(g.input((1, 9, 8, 3)), 6, 3, activation="RELU6")
    g.output(g.fully_connected(g.mean(g.add(x, g.depthwise(x, 3))), 4))
    data = save(g.model())
    expect_the_bytes_of_tflm(compiled(data, tmp_path), data)


def test_kernels_of_types_that_a_network_has_not_can_be_left_out(tmp_path: Path):
    leaner = ("-DARENAFIT_NO_F32", "-DARENAFIT_NO_S16")
    found = {}
    for name, data in (("lean", (MODELS / "lenet5_28.tflite").read_bytes()),
                       ("rich", save(between_types()))):  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        source = write(export(data, "net"), folder)
        header = (folder / "net.h").read_text(encoding="ascii")
        assert all((flag in header) == (name == "lean") for flag in leaner)
        library = compile_shared([source, *SOURCES], *C_FLAGS, *leaner)
        exported = Exported(make_network(load(data)), library, "net")
        assert not any(hasattr(library, f"arenafit_step_{t}") for t in ("f32", "s16"))
        found[name] = exported.check()
        if name == "lean":
            expect_the_bytes_of_tflm(exported, data)
    assert found == {"lean": 0, "rich": 4}  # ARENAFIT_SEGMENT_TENSOR: of a type not built in


# -- the text --------------------------------------------------------------------------------


def test_the_header_is_good_c_plus_plus_and_says_what_the_network_has(tmp_path: Path):
    data = (MODELS / "lenet5_28.tflite").read_bytes()
    write(export(data, "Le Net"), tmp_path)
    user = tmp_path / "user.cc"
    user.write_text(
        '#include "le_net.h"\n#include "le_net.h"\n'
        'extern "C" double figure(int i) {\n'
        "  const double all[] = {LE_NET_ARENA_BYTES, LE_NET_INPUT_BYTES, LE_NET_INPUT_OFFSET,\n"
        "      LE_NET_INPUT_SCALE, LE_NET_INPUT_ZERO_POINT, LE_NET_OUTPUT_BYTES};\n"
        "  return all[i];\n}\n",
        encoding="ascii",
    )
    flags = ("-std=c++17", "-Wall", "-Wextra", "-Werror", *C_FLAGS[5:], f"-I{tmp_path}")
    library = compile_shared([user], *flags)
    library.figure.restype = ctypes.c_double
    network = make_network(load(data))
    source, target = network.inputs[0], network.outputs[0]
    assert [library.figure(i) for i in range(6)] == [
        network.arena, source.size, source.offset, float(np.float32(source.scale)),
        source.zero_point, target.size,
    ]  # fmt: skip


def test_names_cannot_break_out_of_the_c(tmp_path: Path):
    model = two_in_two_out()
    for tensor in model.main.tensors:
        tensor.name = 'a*/ int x = "\n#error\\' + (tensor.name or "")
    files = export(save(model), "9*/\n\\lives")
    assert sorted(files) == ["m_9_lives.c", "m_9_lives.h"]
    compile_shared([write(files, tmp_path), *SOURCES], *C_FLAGS)


def test_damaged_constants_are_refused_when_the_firmware_asks(tmp_path: Path):
    data = (MODELS / "ds_cnn_kws.tflite").read_bytes()
    network = make_network(load(data))
    files = c_files(network, "net")
    lines = files["net.c"].splitlines()
    at = max(i for i, line in enumerate(lines) if line.startswith("  ") and len(line) > 90)
    literal = lines[at].split(",")[0]
    lines[at] = lines[at].replace(literal, f"  {int(literal) ^ 1}", 1)
    source = write({**files, "net.c": "\n".join(lines) + "\n"}, tmp_path)
    broken = Exported(network, compile_shared([source, *SOURCES], *C_FLAGS), "net")
    assert broken.check() == 3  # ARENAFIT_SEGMENT_CHECKSUM


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            (MODELS / "wake_word_stream.tflite").read_bytes(),
            r"operator 0 \(CALL_ONCE\): cannot be in a segment",
        ),
        (b"not a model", "not a TFLite model"),
    ],
    ids=["state", "no model"],
)
def test_what_no_segment_can_do_is_refused_in_one_line(data: bytes, message: str):
    with pytest.raises(ModelError, match=message) as caught:
        export(data, "net")
    assert "\n" not in str(caught.value)


def test_the_operator_that_is_in_the_way_is_named():
    g = GraphBuilder(seed=1)
    x = g.conv(g.input((1, 8, 8, 3)), 4, kernel=3)
    y = g.conv(g.transpose(x, (0, 2, 1, 3)), 4, kernel=3)
    g.output(y)
    with pytest.raises(ModelError, match=r"operator 1 \(TRANSPOSE\)"):
        export(save(g.model()), "net")


def test_a_float_model_with_an_exponential_is_refused():
    g = GraphBuilder(seed=1, dtype=DType.FLOAT32)
    g.output(g.softmax(g.fully_connected(g.mean(g.conv(g.input((1, 8, 8, 3)), 4, 3)), 2)))
    with pytest.raises(ModelError, match=r"operator 3 \(SOFTMAX\)"):
        export(save(g.model()), "net")


def test_a_model_without_operators_is_refused():
    g = GraphBuilder(seed=1)
    g.output(g.input((1, 8, 8, 3)))
    with pytest.raises(ModelError, match="nothing to run"):
        export(save(g.model()), "net")


@pytest.mark.parametrize(
    "quantization",
    [None, Quantization((float("nan"),), (0,)), Quantization((0.5,), ()), Quantization()],
)
def test_an_input_without_a_scale_is_refused(quantization: Quantization | None):
    model = load(with_segments("ds_cnn_kws")[1])
    model.main.inputs[0].quantization = quantization
    with pytest.raises(ModelError, match="has not one scale"):
        make_network(model)


def spoilt(change: str) -> bytes:
    """A model with a segment whose program is for other tensors, or damaged."""
    _, data = with_segments("ds_cnn_kws")
    model = load(data)
    tensor = model.main.operators[0].inputs[-1]
    assert tensor is not None and tensor.buffer is not None and tensor.buffer.data is not None
    program = bytes(tensor.buffer.data)
    if change == "damaged":
        program = program[:-1] + bytes([program[-1] ^ 1])
    else:
        program = encode(_larger(decode(program)))
    tensor.buffer = Buffer(program)
    tensor.shape = (len(program),)
    return save(model)


def _larger(program: Program) -> Program:
    tensors = tuple(
        replace(t, rows=t.rows + 1, ring=t.ring + 1) if t.place is Place.OUTPUT else t
        for t in program.tensors
    )
    return replace(program, tensors=tensors)


@pytest.mark.parametrize(
    ("change", "message"), [("damaged", "damaged"), ("larger", "for other tensors")]
)
def test_a_program_that_is_not_the_model_s_is_refused(change: str, message: str):
    with pytest.raises(ModelError, match=message):
        export(spoilt(change), "net")

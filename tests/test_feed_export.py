"""Exported networks whose inputs come row by row: TFLM's bytes, in an arena without the input."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from arenafit.cli import main
from arenafit.errors import ModelError
from arenafit.export import Network, export, make_network
from arenafit.graph import DType, load, save
from arenafit.memory.problem import align
from arenafit.partial.encoding import decode
from arenafit.partial.model import partial_model
from arenafit.runtime.inputs import stimuli
from support.builder import GraphBuilder
from support.exported import MODELS, compile_files, run_in_arena, steps_and_outputs
from support.native import C_FLAGS, compile_shared
from support.rewriting import tflm
from support.segment import SOURCES, STATUS, Rows
from support.zoo import zoo_model
from test_segment_runs import model_of, two_inputs

SMALL = ("lenet5_28", "ds_cnn_kws", "resnet8_cifar", "mobilenet_v1_025_96")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Exported:
    """The C of a model whose inputs are fed, compiled for the host."""

    network: Network
    library: ctypes.CDLL

    def run(self, rows: Rows | None, status: str = "OK") -> list[bytes]:
        def run(arena: Array) -> None:
            at = ctypes.c_void_p(arena.ctypes.data)
            assert STATUS[self.library.net_check(at)] == "OK"
            source = None if rows is None else rows.source()
            ended = self.library.net_run(at, None if source is None else ctypes.byref(source))
            assert STATUS[ended] == status

        return run_in_arena(self.network, run)


def compiled(data: bytes, folder: Path) -> Exported:
    library = compile_files(export(data, "net", feed_rows=True), folder)
    return Exported(make_network(load(data), feed_rows=True), library)


def rows_of(inputs: Sequence[Array]) -> Rows:
    return Rows([value.tobytes() for value in inputs])


def expect_the_bytes_of_tflm(data: bytes, folder: Path, count: int = 3) -> Exported:
    exported = compiled(data, folder)
    steps, expected = steps_and_outputs(data, count)
    assert [exported.run(rows_of(step)) for step in steps] == expected
    return exported


@pytest.mark.parametrize("name", SMALL)
def test_a_shipped_model_that_is_fed_gives_the_bytes_of_tflm(name: str, tmp_path: Path):
    data = (MODELS / f"{name}.tflite").read_bytes()
    network = expect_the_bytes_of_tflm(data, tmp_path).network
    assert network.inputs == ()
    assert network.arena <= make_network(load(data)).arena


def test_the_arena_has_a_ring_in_the_place_of_the_input():
    model = load((MODELS / "resnet8_cifar.tflite").read_bytes())
    whole, fed = make_network(model), make_network(model, feed_rows=True)
    ((call,), (port,), (output,)) = fed.calls, fed.fed, fed.outputs
    program, before = decode(call.program), decode(whole.calls[0].program)
    assert (port.rows, port.row_bytes) == (32, 96)
    # The output has lain over the input; the workspace has a ring of three rows more, and the
    # state of one more operator.
    state = align(4 * len(program.operators)) - align(4 * len(before.operators))
    assert whole.arena == before.workspace + align(whole.inputs[0].size)
    assert fed.arena == program.workspace + align(output.size)
    assert program.workspace == before.workspace + align(3 * port.row_bytes) + state


def test_cuts_are_searched_for_anew_where_the_input_was_the_bottleneck():
    model = load((MODELS / "mobilenet_v1_025_96.tflite").read_bytes())
    fed = make_network(model, feed_rows=True)
    assert fed.arena < model.main.inputs[0].nbytes < make_network(model).arena


def test_several_inputs_are_told_apart_by_their_numbers(tmp_path: Path):
    data = save(model_of(two_inputs))
    exported = expect_the_bytes_of_tflm(data, tmp_path)
    header = (tmp_path / "net.h").read_text()
    for number, port in enumerate(exported.network.fed):
        assert f"#define NET_INPUT_{number}_ROWS {port.rows}\n" in header
        assert f"#define NET_INPUT_{number}_ROW_BYTES {port.row_bytes}\n" in header
    rows = rows_of([np.zeros(port.shape, np.int8) for port in exported.network.fed])
    exported.run(rows)
    assert {(number, size) for number, _, size in rows.asked} == {(0, 8 * 4), (1, 16 * 2)}


def test_an_input_of_two_segments_is_gathered_in_the_arena(tmp_path: Path):
    """Between its two readers is what no segment has as its inside, but the answer is right."""
    g = GraphBuilder(2)
    x = g.input((1, 6, 6, 4))
    y = g.fully_connected(g.reshape(g.conv(x, 4, 3), (1, 144)), 144)
    g.output(g.add(g.reshape(y, (1, 6, 6, 4)), x), g.reshape(y, (1, 144)))
    expect_the_bytes_of_tflm(save(g.model()), tmp_path)


def test_a_source_that_gives_up_is_reported_and_so_is_none(tmp_path: Path):
    data = (MODELS / "mobilenet_v1_025_96.tflite").read_bytes()
    exported = compiled(data, tmp_path)
    image = np.zeros(exported.network.fed[0].shape, np.int8)
    rows = Rows([image.tobytes()], left=50)
    exported.run(rows, status="ABORTED")
    assert len(rows.asked) == 51
    exported.run(None, status="SOURCE")
    exported.run(rows_of([image]))


def test_a_model_that_has_segments_already_is_refused_in_one_line():
    model = load((MODELS / "ds_cnn_kws.tflite").read_bytes())
    assert partial_model(model) is not None
    with pytest.raises(ModelError, match="the model that it was made from"):
        make_network(model, feed_rows=True)


def test_the_operator_that_is_in_the_way_has_the_number_that_it_has_in_the_model():
    g = GraphBuilder(1)
    x = g.conv(g.input((1, 8, 8, 3)), 4, kernel=3)
    g.output(g.conv(g.transpose(x, (0, 2, 1, 3)), 4, kernel=3))
    with pytest.raises(ModelError, match=r"operator 1 \(TRANSPOSE\)"):
        make_network(g.model(), feed_rows=True)


def test_an_input_of_a_type_that_no_segment_knows_is_named():
    g = GraphBuilder(1)
    x = g.input((1, 4, 4, 2), dtype=DType.INT64)
    x.name = "ticks"
    g.output(g.conv(g.op("CAST", [x], (1, 4, 4, 2)), 2))
    with pytest.raises(ModelError, match="'ticks': cannot be in a segment"):
        make_network(g.model(), feed_rows=True)


def test_the_command_says_what_feeding_saves(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model = MODELS / "mobilenet_v1_025_96.tflite"
    assert main(["export", str(model), "-o", str(tmp_path / "out"), "--feed-rows"]) == 0
    loaded = load(model.read_bytes())
    fed, whole = make_network(loaded, feed_rows=True).arena, make_network(loaded).arena
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"arena: {fed:,} bytes ({whole:,} with the input in it)"
    assert "next_row" in (tmp_path / "out" / f"{model.stem}.h").read_text()


CAMERA = """
#include <stdint.h>
static const uint8_t* image;
static uint32_t line, lines;
void camera_holds(const uint8_t* pixels, uint32_t count);
void camera_holds(const uint8_t* pixels, uint32_t count) { image = pixels, lines = count; }
int camera_wait_for_line(uint32_t wanted);
int camera_wait_for_line(uint32_t wanted) { return (line = wanted) >= lines; }
const uint8_t* camera_line(void);
const uint8_t* camera_line(void) { return image + line * 96 * 3; }
"""


def test_the_camera_of_the_guide_sees_what_tflm_sees(tmp_path: Path):
    guide = (MODELS.parent / "docs" / "firmware.md").read_text(encoding="utf-8")
    _, after = guide.split("<!-- feed: run by tests/test_feed_export.py -->\n```c\n")
    (tmp_path / "firmware.c").write_text(after.split("```")[0], encoding="ascii")
    data = (MODELS / "mobilenet_v1_025_96.tflite").read_bytes()
    for name, text in export(data, "vww", feed_rows=True).items():
        (tmp_path / name).write_text(text, encoding="ascii")
    (tmp_path / "camera.c").write_text(CAMERA, encoding="ascii")
    sources = [tmp_path / f"{name}.c" for name in ("firmware", "camera", "vww")]
    library = compile_shared([*sources, *SOURCES], *C_FLAGS, f"-I{tmp_path}")
    steps = [s.steps[0] for s in stimuli(tflm().describe(data), 12)]
    answers = []
    for (image,), (scores,) in zip(steps, tflm().run(data, steps), strict=True):
        pixels = (np.asarray(image).astype(np.int16) + 128).astype(np.uint8).tobytes()
        library.camera_holds(pixels, 96)
        answers.append(library.is_person())
        assert answers[-1] == int(np.ravel(scores)[1] > np.ravel(scores)[0])
        library.camera_holds(pixels, 40)
        assert library.is_person() == -1
    assert set(answers) == {0, 1}


# -- real models -----------------------------------------------------------------------------

ZOO = {  # bytes: without feeding, with
    "mlperf__vww_96_int8": (28_048, 14_608),
    "mlperf__kws_ref_model": (6_240, 5_872),
    "tflm__person_detect": (14_608, 14_544),
    "openmv__fomo_face_detection": (30_736, 17_024),
    "mltk__keyword_spotting_on_off_v3": (10_288, 4_016),
    "cfu__model_mobilenetv2_160_035": (81_936, 34_448),
    "keras__mobilenet_v2_035_96": (30_736, 17_024),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_real_models_that_are_fed_give_the_bytes_of_tflm_in_smaller_arenas(
    name: str, tmp_path: Path
):
    data = zoo_model(name).read_bytes()
    network = expect_the_bytes_of_tflm(data, tmp_path, count=2).network
    whole, fed = ZOO[name]
    assert make_network(load(data)).arena <= whole
    assert network.arena <= fed

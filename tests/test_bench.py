"""What a network costs on a Cortex-M: exact, accounted for to the last instruction, and right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arenafit.bench import Bench, Flash, Operator, bench, in_tflm
from arenafit.bench import build as bench_build
from arenafit.bench import expected as bench_expected
from arenafit.bench import exported as bench_exported
from arenafit.bench.job import Invocation, read_invocations
from arenafit.bench.text import format_bench
from arenafit.cli import main
from arenafit.errors import CheckFailed, UsageError
from arenafit.export import export, make_network
from arenafit.graph import load, save
from arenafit.sources import kernels
from arenafit.target import build as target_build
from arenafit.target.build import compiler_version, core_sources, missing_packages
from arenafit.target.cpus import CPUS, Cpu
from arenafit.target.qemu import Printed
from arenafit.target.tflm.job import Answer
from arenafit.target.tflm.programs import Program
from arenafit.target.tflm.tree import Library
from support.builder import GraphBuilder
from target.build import build_library, build_program
from target.runner import run_in_qemu

needs_device = pytest.mark.skipif(bool(missing_packages()), reason="no Arm compiler, or no QEMU")


def several_segments() -> bytes:
    """Two inputs, two outputs, and operators of most families."""
    g = GraphBuilder(seed=3)
    a, b = g.input((1, 12, 9, 4)), g.input((1, 6, 5, 8))
    x = g.conv(a, 8, kernel=3, stride=2, padding="SAME", activation="RELU")
    y = g.add(x, b)
    z = g.softmax(g.fully_connected(g.mean(g.depthwise(y, kernel=3)), 7))
    g.output(y, z)
    return save(g.model())


def one_table() -> bytes:
    g = GraphBuilder(seed=3)
    g.output(g.logistic(g.input((1, 4, 5, 3))))
    return save(g.model())


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "net.tflite"
    path.write_bytes(several_segments())
    return path


def run(*arguments: object) -> int:
    return main(["bench", *(str(a) for a in arguments)])


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    assert text.startswith("arenafit: ")
    return text


# -- figures -----------------------------------------------------------------------------------


@needs_device
@pytest.mark.parametrize("cpu", CPUS)
def test_the_command_reports_every_figure_and_they_add_up(
    cpu: str, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "b.json"
    assert run(model_file, "--target", "cortex_m_qemu", "--cpu", cpu, "--json", out) == 0
    seen = json.loads(out.read_text(encoding="utf-8"))
    assert list(seen) == [
        "model", "runtime", "target", "cpu", "machine", "compiler", "instructions", "interpreter",
        "operators", "arena", "stack", "flash", "flash_sections", "verified",
    ]  # fmt: skip
    assert (seen["model"], seen["target"], seen["cpu"]) == ("net.tflite", "cortex_m_qemu", cpu)
    assert [operator["name"] for operator in seen["operators"]] == [
        "CONV_2D 0", "ADD 1", "DEPTHWISE_CONV_2D 2", "MEAN 3", "FULLY_CONNECTED 4", "SOFTMAX 5",
    ]  # fmt: skip
    counts = [operator["instructions"] for operator in seen["operators"]]
    assert min(counts) > 20
    assert sum(counts) + seen["interpreter"] == seen["instructions"]
    assert [operator["macs"] for operator in seen["operators"]] == [
        6 * 5 * 8 * 3 * 3 * 4, 0, 6 * 5 * 8 * 3 * 3, 0, 8 * 7, 0,
    ]  # fmt: skip
    network = make_network(load(model_file.read_bytes()))
    assert seen["arena"] == {"head": network.arena, "tail": 0}
    assert 100 < seen["stack"] < 2000
    sections = seen["flash_sections"]
    assert sections["programs"] == sum(len(call.program) for call in network.calls)
    assert 1_000 < sections["code"] < 50_000
    assert seen["flash"] == sum(sections.values())
    assert seen["verified"]["bit_exact"] is True
    assert seen["verified"]["inputs"] == 2
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 110
    for figure in (*counts, seen["instructions"], seen["interpreter"], seen["flash"]):
        assert f"{figure:,}" in text


MEASURED = """\
#include <string.h>

#include "harness.h"
#include "net.h"
static _Alignas(16) uint8_t arena[NET_ARENA_BYTES];
TEST(it_runs) {
  memset(arena, 0, sizeof arena);
  MEASURE { net_run(arena); }
}
"""


@needs_device
def test_another_program_counts_the_same_instructions_and_stack(tmp_path: Path):
    data, cpu = one_table(), CPUS["cortex-m4"]
    for name, text in export(data, "net").items():
        (tmp_path / name).write_text(text, encoding="ascii")
    (tmp_path / "main.c").write_text(MEASURED, encoding="ascii")
    library = build_library(cpu, tmp_path / "library", [tmp_path / "net.c", *core_sources()])
    report = run_in_qemu(build_program(cpu, tmp_path / "main.c", library, tmp_path), cpu)
    outcome = report.outcome("it_runs")
    seen = bench(data, inputs=1)
    assert outcome.instructions == seen.instructions
    assert outcome.stack == seen.stack


@needs_device
@pytest.mark.skipif(
    compiler_version() != "arm-none-eabi-gcc 12.2.1" if not missing_packages() else True,
    reason="counts are pinned for another compiler",
)
def test_what_a_tiny_network_takes_on_cortex_m4_has_not_changed():
    seen = bench(one_table())
    assert [operator.instructions for operator in seen.operators] == [884]
    assert (seen.instructions, seen.stack) == (1328, 392)


@needs_device
def test_programs_larger_than_cortex_m55s_memory_are_measured(monkeypatch: pytest.MonkeyPatch):
    """Its code lies in 512 KiB; here a few bytes too few stand for that."""
    g = GraphBuilder(seed=1)
    g.output(g.fully_connected(g.input((1, 160)), 200))
    data = save(g.model())
    small = CPUS["cortex-m55"]
    monkeypatch.setitem(CPUS, "cortex-m55", _with_code(small, 36_000))
    seen = bench(data, cpu="cortex-m55", inputs=1)
    assert seen.flash.programs > 32_000
    monkeypatch.setitem(CPUS, "cortex-m55", _with_code(small, 4_000))
    with pytest.raises(UsageError, match=r"cannot build model for cortex-m55: .*overflowed") as no:
        bench(data, cpu="cortex-m55", inputs=1)
    assert "\n" not in str(no.value)


def _with_code(cpu: Cpu, code: int) -> Cpu:
    return replace(cpu, machine_code=code)


@needs_device
def test_where_there_is_no_tflm_figures_come_without_a_comparison(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench_expected, "best_oracle", lambda: None)
    seen = bench(one_table())
    assert seen.to_dict()["verified"] == {"bit_exact": None, "inputs": 0, "oracle": ""}
    assert "not compared" in format_bench(seen)


# -- what is not believed ----------------------------------------------------------------------

Plant = Callable[[str, str, str], None]


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Puts a fault into copies of the sources that bench compiles."""
    ours = {"core": kernels() / "core", "device": bench_build._DEVICE}
    for name, folder in ours.items():
        shutil.copytree(folder, tmp_path / "kernels" / name)

    def fault(file: str, right: str, wrong: str) -> None:
        path = tmp_path / "kernels" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(right) == 1
        path.write_text(text.replace(right, wrong), encoding="utf-8")
        monkeypatch.setattr(target_build, "kernels", lambda: tmp_path / "kernels")
        monkeypatch.setattr(bench_build, "kernels", lambda: tmp_path / "kernels")
        monkeypatch.setattr(bench_build, "_DEVICE", tmp_path / "kernels" / "device")

    return fault


@needs_device
def test_a_kernel_that_computes_another_byte_is_exit_1_and_nothing_is_written(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    plant("core/src/row_move.c", "out[i] = table[(uint8_t)row[i]];",
          "out[i] = (int8_t)(table[(uint8_t)row[i]] ^ (i == 7));")  # fmt: skip
    model, out = tmp_path / "net.tflite", tmp_path / "b.json"
    model.write_bytes(one_table())
    out.write_text("before", encoding="utf-8")
    assert run(model, "--json", out) == 1
    line = error_line(capsys)
    assert "NOT bit-identical: input 0: output" in line
    assert "element 7 is" in line
    assert out.read_text(encoding="utf-8") == "before"


@needs_device
@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("device/profile.S", "  mov r4, r0            /*", "  nop\n  mov r4, r0  /*"),
        ("device/bench.c", "kWith = 3", "kWith = 4"),
    ],
)
def test_a_profile_that_is_an_instruction_off_is_not_reported(
    plant: Plant, file: str, right: str, wrong: str
):
    plant(file, right, wrong)
    with pytest.raises(CheckFailed, match="profile is not to be trusted"):
        bench(one_table(), inputs=1)


@needs_device
def test_damaged_programs_and_crashes_are_told(plant: Plant):
    plant("device/bench.c", "net_check(arena);", "net_check(arena);\n  __builtin_trap();")
    with pytest.raises(CheckFailed, match=r"exit code 70, saying: .*FAULT"):
        bench(one_table(), inputs=1)


LINES = (
    "RAN instructions=9 stack=8",
    "INTERPRETER 2",
    "OPERATOR 3",
    "OPERATOR 4",
    "OUT 00ff",
    "END",
)


def test_lines_of_the_device_make_an_invocation():
    one = Invocation(9, 2, (3, 4), 8, b"\x00\xff")
    assert read_invocations(Printed(LINES, 0), 1) == [one]
    assert read_invocations(Printed((*LINES[:-1], *LINES), 0), 2) == [one, one]


@pytest.mark.parametrize(
    ("lines", "exit_code", "error", "message"),
    [
        (LINES, None, UsageError, "--timeout"),
        (LINES, 1, CheckFailed, "exit code 1"),
        (LINES[:-1], 0, CheckFailed, "saying: OPERATOR 3; OPERATOR 4; OUT 00ff"),
        ((), 0, CheckFailed, "nothing"),
        (LINES[1:], 0, CheckFailed, "0 of 1"),
        ((*LINES[:4], "END"), 0, CheckFailed, "0 of 1"),
        (("END",), 0, CheckFailed, "0 of 1"),
    ],
)
def test_a_device_that_does_not_come_to_its_end_is_not_believed(
    lines: tuple[str, ...], exit_code: int | None, error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        read_invocations(Printed(lines, exit_code), 1)


# -- what cannot be measured -------------------------------------------------------------------


def test_without_a_compiler_and_qemu_the_packages_are_named(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(model_file) == 2
    assert error_line(capsys).endswith(
        "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm\n"
    )


@needs_device
def test_an_operator_that_no_segment_can_have_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    g = GraphBuilder(seed=1)
    g.output(g.transpose(g.conv(g.input((1, 8, 8, 3)), 4, kernel=3), (0, 2, 1, 3)))
    model, out = tmp_path / "net.tflite", tmp_path / "b.json"
    model.write_bytes(save(g.model()))
    assert run(model, "--json", out) == 2
    assert "operator 1 (TRANSPOSE): cannot be in a segment" in error_line(capsys)
    assert not out.exists()


@needs_device
def test_a_device_that_takes_too_long_is_exit_2(
    model_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(
        bench_exported, "run_in_qemu", lambda *_, timeout, **__: Printed(("RUN",), None)
    )
    assert run(model_file, "--timeout", 1) == 2
    assert "--timeout" in error_line(capsys)


# -- the text ----------------------------------------------------------------------------------


def test_the_table_has_a_line_for_each_operator_and_the_whole():
    operators = (
        Operator("CONV_2D 0", 0, (4, 4, 8), 1000, 5000),
        Operator("ADD 1", 1, (4, 4, 8), 0, 4000),
    )
    seen = Bench(
        "m.tflite", "C", "cortex_m_qemu", "cortex-m4", "QEMU x", "gcc 1 -O2", 10_000, 1000,
        operators, 96, 0, 480, Flash(64, 32, 16), 2, "tflite-micro 1",
    )  # fmt: skip
    lines = format_bench(seen).splitlines()
    (conv,) = [line for line in lines if "CONV_2D 0" in line]
    assert conv.split() == ["CONV_2D", "0", "4x4x8", "1,000", "5,000", "50.0%", "5.00"]
    (add,) = [line for line in lines if "ADD 1" in line]
    assert add.split() == ["ADD", "1", "4x4x8", "4,000", "40.0%"]
    (order,) = [line for line in lines if "order of steps" in line]
    assert order.split()[-4:] == ["2", "segments", "1,000", "10.0%"]
    (whole,) = [line for line in lines if line.strip().startswith("all")]
    assert whole.split() == ["all", "1,000", "10,000", "10.00"]
    assert any("112 bytes: 64 of weights and programs, 32 of code, 16" in line for line in lines)
    assert "\x1b[" in format_bench(seen, colour=True)


# -- in TFLM -----------------------------------------------------------------------------------


def library(kernels: tuple[str, ...]) -> Library:
    return Library(Path("tree"), Path("lib"), "cortex-m4", "release_with_logs", kernels)


@pytest.mark.parametrize(
    ("found", "kernels", "answer"),
    [
        ([()], None, 0),
        ([("cmsis_nn",), ()], "reference", 1),
        ([("cmsis_nn",), ()], "cmsis_nn", 0),
        ([("cmsis_nn",), ()], None, "has several for cortex-m4: cmsis_nn kernels, .*--kernels"),
        ([()], "cmsis_nn", "--kernels cmsis_nn: .* has none for cortex-m4, but reference kernels"),
    ],
)
def test_one_library_is_meant_or_the_answer_says_which_there_are(
    monkeypatch: pytest.MonkeyPatch,
    found: list[tuple[str, ...]],
    kernels: str | None,
    answer: int | str,
):
    libraries = [library(parts) for parts in found]
    monkeypatch.setattr(in_tflm, "find_libraries", lambda tree, cpus: libraries)
    if isinstance(answer, int):
        assert in_tflm._library(Path("tree"), "cortex-m4", kernels) == libraries[answer]
    else:
        with pytest.raises(UsageError, match=answer):
            in_tflm._library(Path("tree"), "cortex-m4", kernels)


def test_kernels_go_with_a_tflm_and_a_folder_without_one_is_refused(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(model_file, "--kernels", "reference") == 2
    assert "--kernels goes with --tflm" in error_line(capsys)
    if missing_packages(cxx=True):
        pytest.skip("no Arm compiler for C++, or no QEMU")
    assert run(model_file, "--tflm", tmp_path) == 2
    assert "is not a TFLM source tree" in error_line(capsys)


class Answers:
    """Stands for a program with a TFLM inside, of which no library can be had here."""

    def __init__(self, outputs: tuple[bytes, ...], events: list[tuple[str, int]]) -> None:
        self.outputs, self.events = outputs, tuple(events)
        self.planners: list[str] = []

    def run(
        self, model: bytes, inputs: list[bytes], planner: str, *, profile: bool = False
    ) -> Answer:
        self.planners.append(planner)
        count = len(inputs)
        if profile:
            events = (self.events,) * count if self.events else ()
            return Answer(96, 160, (0,) * count, 0, self.outputs, (), events)
        return Answer(96, 160, (500,) * count, 64, self.outputs)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answers]:
    def stand_in(data: bytes, events: list[tuple[str, int]], wrong: int = 0) -> Answers:
        right = bench_expected.expect(data, load(data), 2).outputs
        assert right is not None
        answers = Answers((right[0], bytes([right[1][0] ^ wrong]) + right[1][1:]), events)
        monkeypatch.setattr(in_tflm, "find_libraries", lambda tree, cpus: [library(())])
        monkeypatch.setattr(in_tflm, "build", lambda *_, **__: Program(answers.run, 1000, 100))
        monkeypatch.setattr("arenafit.bench.missing_packages", lambda **_: [])
        monkeypatch.setattr(in_tflm, "compiler_version", lambda: "gcc 1")
        return answers

    return stand_in


EVENTS = [("CONV_2D", 200), ("RELU", 50)]


def two_operators() -> bytes:
    g = GraphBuilder(seed=2)
    g.output(g.relu(g.conv(g.input((1, 5, 4, 3)), 8)))
    return save(g.model())


def test_in_tflm_operators_and_the_interpreter_add_up_to_the_whole(
    answering: Callable[..., Answers], tmp_path: Path
):
    data = two_operators()
    answers = answering(data, EVENTS)
    seen = bench(data, tflm=tmp_path)
    assert [(o.name, o.macs, o.instructions) for o in seen.operators] == [
        ("CONV_2D 0", 5 * 4 * 3 * 8, 200), ("RELU 1", 0, 50),
    ]  # fmt: skip
    assert (seen.instructions, seen.interpreter) == (500, 250)
    assert (seen.head, seen.tail, seen.stack) == (96, 64, 64)
    assert seen.flash == Flash(len(data), 1000, 100)
    assert set(answers.planners) == {"arenafit"}
    text = format_bench(seen)
    assert "160 bytes: 96 of head, 64 of tail" in text
    assert "interpreter" in text


def test_in_tflm_a_wrong_byte_fails_and_so_does_an_operator_too_few(
    answering: Callable[..., Answers], tmp_path: Path
):
    data = two_operators()
    answering(data, EVENTS, wrong=4)
    with pytest.raises(CheckFailed, match=r"NOT bit-identical: input 1: output .*, element 0"):
        bench(data, tflm=tmp_path)
    answering(data, EVENTS[:1])
    with pytest.raises(CheckFailed, match="TFLM tells of 1 operators, the model has 2"):
        bench(data, tflm=tmp_path)


def test_in_a_silent_tflm_the_whole_is_told_and_why_no_operator_is(
    answering: Callable[..., Answers], tmp_path: Path
):
    data = two_operators()
    answering(data, [])
    seen = bench(data, tflm=tmp_path)
    assert (seen.operators, seen.interpreter) == ((), 500)
    assert "BUILD_TYPE=release_with_logs" in format_bench(seen)

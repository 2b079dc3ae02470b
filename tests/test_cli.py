"""The command line: exit codes, one clear line, and nothing harmed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from arenafit.cli import main
from arenafit.commands import parse_bytes
from arenafit.errors import UsageError
from arenafit.graph import load, save
from arenafit.runtime import available
from support.builder import GraphBuilder
from support.zoo import zoo_models
from test_pipeline import mobilenet_like, wide_cell

needs_tflm = pytest.mark.skipif(not available(), reason="the tflite-micro wheel is not installed")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "net.tflite"
    path.write_bytes(save(mobilenet_like()))
    return path


def run(*arguments: object) -> int:
    return main([str(a) for a in arguments])


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What stderr holds, which must be one line of ours."""
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    assert text.startswith("arenafit: ")
    return text


@needs_tflm
def test_optimize_writes_out_and_the_report(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "out.tflite", tmp_path / "r.json"
    assert run("optimize", model_file, "-o", out, "--kernels", "reference", "--report", report) == 0
    figures = json.loads(report.read_text())
    assert load(out.read_bytes()).has_offline_plan
    assert figures["after"]["head"] < figures["before"]["head"]
    assert figures["verified"]["bit_exact"] is True
    assert figures["flash"]["after"] == out.stat().st_size
    text = capsys.readouterr().out
    assert "bit-identical on 8 inputs" in text
    assert "\x1b" not in text


@needs_tflm
def test_verify_says_yes_and_no(model_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    assert run("optimize", model_file, "-o", out, "--kernels", "reference") == 0
    assert run("verify", model_file, out) == 0
    other = load(model_file.read_bytes())
    weights = next(t for t in other.main.tensors if t.is_constant and t.elements > 100)
    assert weights.buffer is not None and weights.buffer.data is not None
    weights.buffer.data = bytes(255 - b for b in weights.buffer.data)
    out.write_bytes(save(other))
    assert run("verify", model_file, out, "--inputs", "2") == 1


@needs_tflm
def test_verify_runs_as_many_inputs_and_steps_as_told(
    model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", model_file, model_file, "--inputs", "3", "--steps", "4") == 0
    assert "3 inputs x 4 invocations" in capsys.readouterr().out


def test_inspect_tells_what_binds(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", model_file) == 0
    text = capsys.readouterr().out
    assert "<- binds" in text
    assert "largest sum of live buffers 6,144 bytes" in text
    assert run("inspect", model_file, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["head"] == 8192
    assert len(figures["operators"]) == len(load(model_file.read_bytes()).main.operators)


@needs_tflm
def test_a_ram_limit_that_does_not_hold_is_exit_1_and_nothing_is_written(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.tflite"
    assert run("optimize", model_file, "-o", out, "--ram-limit", "1K") == 1
    assert "over the limit of 1,024" in error_line(capsys)
    assert not out.exists()
    assert run("optimize", model_file, "-o", out, "--ram-limit", "1M") == 0
    assert out.exists()


@needs_tflm
def test_a_board_of_ones_own_is_a_limit(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = tmp_path / "tiny.yaml"
    regions = "[{name: SRAM, bytes: 2048}, {name: CCM, bytes: 1024}]"
    tiny.write_text(f"title: Tiny\ncpu: cortex-m4\nregions: {regions}\nsource: this test\n")
    out = tmp_path / "out.tflite"
    assert run("optimize", model_file, "-o", out, "--board", tiny) == 1
    assert "over the limit of 2,048" in error_line(capsys)
    large = (
        "title: Large\ncpu: cortex-m4\nregions: [{name: SRAM, bytes: 99999}]\nsource: this test\n"
    )
    tiny.write_text(f"{large}flash_bytes: 4096\n")
    assert run("optimize", model_file, "-o", out, "--board", tiny) == 1
    assert "over the flash of 4,096" in error_line(capsys)
    tiny.write_text(large)
    assert run("optimize", model_file, "-o", out, "--board", tiny) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["optimize", "{model}"], "-o"),
        (["optimize", "{model}", "-o", "{dir}/nowhere/out.tflite"], "there is no folder"),
        (["optimize", "{model}", "-o", "{dir}"], "it is a folder"),
        (["optimize", "{dir}/none.tflite", "-o", "{dir}/o"], "cannot read"),
        (["optimize", "{model}", "-o", "{dir}/o", "--kernels", "best"], "kernels"),
        (["optimize", "{model}", "-o", "{dir}/o", "--disable", "sleep"], "disable"),
        (["optimize", "{model}", "-o", "{dir}/o", "--plan", "magic"], "plan"),
        (["optimize", "{model}", "-o", "{dir}/o", "--runtime", "vela"], "runtime"),
        (["optimize", "{model}", "-o", "{dir}/o", "--ram-limit", "lots"], "--ram-limit"),
        (["optimize", "{model}", "-o", "{dir}/o", "--board", "abacus"], "abacus"),
        (["verify", "{model}"], "B.tflite"),
        (["verify", "{model}", "{model}", "--inputs", "0"], "--inputs"),
        (["inspect", "{dir}"], "cannot read"),
        (["bench", "{dir}/none.tflite"], "cannot read"),
        (["bench", "{model}", "--cpu", "cortex-m3"], "cortex-m3"),
        (["bench", "{model}", "--target", "esp32"], "esp32"),
        (["bench", "{model}", "--inputs", "0"], "--inputs"),
        (["bench", "{model}", "--json", "{dir}/nowhere/b.json"], "there is no folder"),
        (["shrink", "{model}"], "shrink"),
        ([], "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_arguments_are_exit_2_and_one_line(
    arguments: list[str],
    words: str,
    model_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [a.format(model=model_file, dir=tmp_path) for a in arguments]
    assert run(*filled) == 2
    assert words in error_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_an_unusable_model_leaves_an_existing_out_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, out = tmp_path / "bad.tflite", tmp_path / "out.tflite"
    bad.write_bytes(b"\x1f\x8b not a model at all")
    out.write_bytes(b"precious")
    assert run("optimize", bad, "-o", out) == 2
    error_line(capsys)
    assert out.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.tflite", "out.tflite"]


@needs_tflm
def test_out_may_be_in(model_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(model_file.read_bytes())
    path.chmod(0o640)
    assert run("optimize", path, "-o", path, "--kernels", "reference") == 0
    assert load(path.read_bytes()).has_offline_plan
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("command", ["optimize", "verify", "inspect", "plan", "export", "bench"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(command, "--help")
    assert caught.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 8


def test_plan_shows_the_models_own_plan_and_makes_one_where_there_is_none(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", model_file) == 0
    assert "head: 4,112 bytes" in capsys.readouterr().out
    out = tmp_path / "out.tflite"
    assert run("optimize", model_file, "-o", out, "--kernels", "reference") == 0
    capsys.readouterr()
    assert run("plan", out) == 0
    assert "head: 4,112 bytes" in capsys.readouterr().out


def test_a_plan_as_c_goes_with_a_model_that_has_none(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, bare, header = tmp_path / "out.tflite", tmp_path / "bare.tflite", tmp_path / "plan.h"
    assert run("optimize", model_file, "-o", out, "--kernels", "reference") == 0
    capsys.readouterr()
    assert run("plan", out, "--emit-c", header) == 2
    assert "has a plan inside" in error_line(capsys)
    assert not header.exists()
    assert run("plan", out, "--emit-c", header, "-o", bare) == 0
    assert not load(bare.read_bytes()).has_offline_plan
    assert "BARE_PLAN_HEAD_BYTES 4112" in header.read_text()


def test_a_plan_that_the_kernels_forbid_is_refused(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.tflite"
    assert run("optimize", model_file, "-o", out, "--kernels", "reference") == 0
    capsys.readouterr()
    assert run("plan", out, "--kernels", "cmsis_nn") == 1
    assert "not safe with cmsis_nn kernels" in error_line(capsys)


def test_bytes_are_read_with_and_without_units() -> None:
    assert [parse_bytes(t) for t in ("65536", "64K", "64kb", "64KiB", "1M")] == [65536] * 4 + [
        1 << 20
    ]
    for text in ("", "K", "-1", "0", "1.5K", "64G", "٣"):
        with pytest.raises(UsageError):
            parse_bytes(text)


def test_starting_up_imports_nothing_heavy() -> None:
    code = (
        "import sys, arenafit.cli as c\n"
        "try: c.main(['--version'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'ortools', 'rich', 'yaml', 'tflite_micro', 'flatbuffers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


@needs_tflm
def test_unmodified_tflm_needs_nothing_of_the_search_for_segments(
    model_file: Path, tmp_path: Path
) -> None:
    loaded = {}
    for runtime in ("stock", "arenafit"):
        code = (
            "import sys, arenafit.cli as c\n"
            f"c.main(['optimize', {str(model_file)!r}, '-o', {str(tmp_path / 'o.tflite')!r},"
            f" '--runtime', {runtime!r}, '--no-verify'])\n"
            "print('arenafit.partial.cost' in sys.modules)"
        )
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        loaded[runtime] = found.stdout.splitlines()[-1]
    assert loaded == {"stock": "False", "arenafit": "True"}


# -- files that are not what they claim ---------------------------------------------------


def seeds() -> list[bytes]:
    g = GraphBuilder(seed=7)
    x = g.input((1, 8))
    handle = g.var_handle("state")
    old = g.read_variable(handle, x)
    g.assign_variable(handle, g.relu(x))
    g.output(g.add(old, x))
    made = [save(mobilenet_like()), save(wide_cell()), save(g.model())]
    small = [p for p in zoo_models() if p.stat().st_size < 60_000]
    return made + [p.read_bytes() for p in small]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One of the ways in which files go bad; most hit the structure, not the weights."""
    kind = rng.randrange(5)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    if kind == 1:
        for _ in range(rng.randrange(1, 8)):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        at = rng.randrange(0, len(data) - 4)
        changed[at : at + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"])
    elif kind == 3:
        at, size = rng.randrange(len(data) - 64), rng.randrange(1, 64)
        del changed[at : at + size]
    else:  # the last kilobytes and the first: where tables lie
        for _ in range(4):
            at = rng.choice([rng.randrange(min(512, len(data))), rng.randrange(len(data) * 3 // 4, len(data))])  # fmt: skip
            changed[at] = rng.randrange(256)
    return bytes(changed)


@needs_tflm
@pytest.mark.parametrize(
    ("first", "last"),
    [(0, 60), pytest.param(60, 300, marks=pytest.mark.slow)],
    ids=["60 of 300", "the other 240"],
)
def test_mutated_models_are_refused_or_optimised_right(
    first: int, last: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = seeds()
    outcomes = {0: 0, 2: 0}
    for number in range(first, last):
        rng = random.Random(number)
        data = mutate(made[number % len(made)], rng)
        path, out = tmp_path / "m.tflite", tmp_path / "o.tflite"
        path.write_bytes(data)
        out.unlink(missing_ok=True)
        code = run("optimize", path, "-o", out, "--kernels", "reference")
        captured = capsys.readouterr()
        assert code in (0, 2), f"mutation {number}: exit {code}: {captured.err}"
        outcomes[code] += 1
        if code == 2:
            assert captured.err.count("\n") == 1, f"mutation {number}: {captured.err}"
            assert not out.exists()
        else:
            assert run("verify", path, out, "--inputs", "2") == 0, f"mutation {number}"
            capsys.readouterr()
    assert all(outcomes.values()), outcomes  # both ends were reached


def test_no_traceback_reaches_the_user(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"TFL3" * 8)
    command = [sys.executable, "-m", "arenafit.cli", "optimize", str(path), "-o", str(path) + ".o"]
    found = subprocess.run(
        command, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert found.returncode == 2
    assert found.stderr.startswith("arenafit: ") and found.stderr.count("\n") == 1
    assert found.stdout == ""


def test_export_writes_c_files_or_names_the_operator_in_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = Path(__file__).parent.parent / "models"
    folder = tmp_path / "generated"
    assert run("export", models / "lenet5_28.tflite", "-o", folder) == 0
    assert {p.suffix for p in folder.iterdir()} == {".c", ".h"}
    capsys.readouterr()
    nowhere = tmp_path / "nowhere"
    assert run("export", models / "wake_word_stream.tflite", "-o", nowhere) == 2
    assert "operator" in error_line(capsys)
    assert not nowhere.exists()


@needs_tflm
def test_a_terminal_sees_the_stages_pass_and_nothing_of_them_stays(
    model_file: Path, tmp_path: Path
) -> None:
    try:
        ours, theirs = os.openpty()
    except OSError as error:
        pytest.skip(f"this machine has no pseudo-terminals ({error})")
    command = [sys.executable, "-m", "arenafit.cli", "optimize", str(model_file)]
    command += ["-o", str(tmp_path / "out.tflite"), "--runtime", "arenafit"]
    seen = b""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        with suppress(OSError):  # the end of a terminal, on Linux
            while part := os.read(ours, 1 << 16):
                seen += part
        assert process.stdout is not None
        text = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert "━".encode() in seen  # a bar, which moves by itself
    assert seen.endswith((b"\x1b[2K", b"\x1b[2K\r", b"\x1b[?25h"))  # cleared
    assert b"\x1b" not in text and b"finding" not in text

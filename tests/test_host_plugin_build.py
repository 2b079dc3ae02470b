"""Compiling the plugin: where from, where to, and what it says where it cannot be done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from arenafit import sources
from arenafit.errors import RuntimeUnavailable
from arenafit.graph import save
from arenafit.runtime import Session, build
from support.native import KERNELS, compiler
from support.plugin import need_plugin
from support.pooling import pooled

REPOSITORY = KERNELS.parent
WHEEL = "0.test"  # only a part of the library's name


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Libraries of these tests go to a cache of their own, and are compiled in less time."""
    need_plugin()
    monkeypatch.setattr(build, "_FLAGS", tuple("-O0" if f == "-O2" else f for f in build._FLAGS))
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache / "arenafit"


def counting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Make the C++ compiler count its runs."""
    log, script = folder / "runs", folder / "counting-c++"
    script.write_text(f'#!/bin/sh\necho >> "{log}"\nexec {compiler("c++")} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("CXX", f"'{script}'")
    return lambda: len(log.read_text()) if log.exists() else 0


# ---- once ------------------------------------------------------------------------------------


def test_the_library_is_compiled_once_and_anew_when_anything_changes(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    runs = counting(tmp_path, monkeypatch)
    first = build.build(WHEEL)
    assert build.build(WHEEL) == first
    assert (first.parent, runs()) == (elsewhere, 1)
    kernels = tmp_path / "kernels"
    shutil.copytree(KERNELS, kernels)
    monkeypatch.setattr(build, "kernels", lambda: kernels)
    assert build.build(WHEEL) == first  # the same sources in another place
    header = kernels / "core/include/arenafit/types.h"
    header.write_text(header.read_text() + "\n")
    changed = build.build(WHEEL)
    assert changed != first
    assert build.build("0.other") not in (first, changed)
    assert runs() == 3
    assert {path.suffix for path in elsewhere.iterdir()} == {".so", ""}  # and the lock


def test_processes_that_need_it_at_once_share_one_compilation(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    runs = counting(tmp_path, monkeypatch)
    program = f"from arenafit.runtime.build import build; print(build({WHEEL!r}))"
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    printed = {process.communicate(timeout=120)[0] for process in processes}
    assert printed == {f"{next(elsewhere.glob('plugin-*.so'))}\n"}
    assert runs() == 1


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_can_write_to_is_not_trusted(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    elsewhere.mkdir(parents=True)
    elsewhere.chmod(mode)
    own = tmp_path / f"arenafit-{os.getuid()}"
    assert build.build(WHEEL).parent == own
    assert not list(elsewhere.iterdir())
    own.chmod(mode)
    with pytest.raises(RuntimeUnavailable, match="no folder of this user's own"):
        build.build(WHEEL)


def test_a_user_without_a_home_has_a_cache_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(build.Path, "home", none)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert build.build(WHEEL).parent == tmp_path / f"arenafit-{os.getuid()}"


# ---- what can be wrong -----------------------------------------------------------------------


def test_no_compiler_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(RuntimeUnavailable) as caught:
        build.build(WHEEL)
    assert str(caught.value) == (
        "arenafit's operators need a C and a C++ compiler on this machine:"
        " no cc, gcc, clang (install one, or set CC)"
    )


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CXX", "/bin/false", "/bin/false cannot compile arenafit's operators: no message"),
        ("CC", "no-such-cc", "no no-such-cc (install one, or set CC)"),
        ("CXX", "{} -include no-such.h", "error: no-such.h: No such file"),
    ],
)
def test_a_session_says_in_one_line_why_it_has_no_operators(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
):
    monkeypatch.setenv(variable, value.format(compiler("c++")))
    with Session(planner="arenafit") as session, pytest.raises(RuntimeUnavailable) as caught:
        session.measure(save(pooled()))
    assert said in str(caught.value).replace("fatal ", "")
    assert len(str(caught.value).splitlines()) == 1


def test_sources_that_are_missing_are_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "arenafit" / "sources.py"))
    with pytest.raises(RuntimeUnavailable, match="sources are missing from this installation"):
        sources.kernels()


ABI = "host/tflm_abi/tensorflow/lite"
VIRTUAL = "  virtual void More() {}"
PLANNER = f"{ABI}/micro/memory_planner/micro_memory_planner.h"
DIFFERENT = {  # what a wheel may change: file, text there, text before it
    "tensor": (f"{ABI}/c/common.h", "  size_t bytes;", "  TfLiteType more; "),
    "quantisation": (f"{ABI}/c/common.h", "  float scale;", "  float more;"),
    "evaluation tensor": (f"{ABI}/c/common.h", "  TfLiteType type;\n};", "  void* more;"),
    "node": (f"{ABI}/c/common.h", "  void* user_data;", "  void* more;"),
    "registration": (f"{ABI}/micro/micro_common.h", "  TfLiteStatus (*prepare)", "  void* more; "),
    "context's functions": (f"{ABI}/micro/micro_context.h", "  virtual void* GetScratchBuffer", VIRTUAL),
    "context's place": ("host/src/wheel.cc", "arenafit::host::context_word]", "1 + "),
    "planner's functions": (PLANNER, "  virtual int GetBufferCount", VIRTUAL),
    "planner's last functions": (PLANNER, "  virtual TfLiteStatus Init", VIRTUAL),
    "resolver": ("host/src/wheel.cc", "200;", "100 + "),
    "function": ("host/src/wheel.cc", "6InvokeEv", "6Invoke"),
}  # fmt: skip
SOME = ("tensor", "planner's functions", "function")  # the others take their time: --all


@pytest.mark.parametrize(
    "part",
    [pytest.param(part, marks=() if part in SOME else pytest.mark.slow) for part in DIFFERENT],
)
def test_a_wheel_that_differs_is_refused_and_crashes_nobody(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
):
    """A difference the other way round: the wheel stays, and what is known of it changes."""
    kernels = tmp_path / "kernels"
    shutil.copytree(KERNELS, kernels)
    name, here, before = DIFFERENT[part]
    text = (kernels / name).read_text()
    assert text.count(here) == 1
    (kernels / name).write_text(text.replace(here, before + here))
    monkeypatch.setattr(build, "_FLAGS", (*build._FLAGS, "-Dstatic_assert(...)="))
    monkeypatch.setattr(build, "kernels", lambda: kernels)
    with pytest.raises(RuntimeUnavailable) as caught:
        build.build(WHEEL)
    assert str(caught.value).startswith("arenafit's operators do not fit tflite-micro 0.test: ")
    assert len(str(caught.value).splitlines()) == 1
    assert not list(elsewhere.glob("*.so"))


# ---- packages --------------------------------------------------------------------------------


def test_an_installed_package_has_the_sources_and_compiles_them(tmp_path: Path):
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("kernels", "plugin"):
        shutil.copytree(
            REPOSITORY / name, checkout / name, ignore=shutil.ignore_patterns("*.egg-info")
        )
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, checkout)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(checkout)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("arenafit-*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    kernels = site / "arenafit" / "_kernels"
    for part in ("core", "tflm", "host"):
        ours = {path.relative_to(KERNELS) for path in (KERNELS / part).rglob("*") if path.is_file()}
        theirs = {
            path.relative_to(kernels) for path in (kernels / part).rglob("*") if path.is_file()
        }
        assert ours == theirs
    for part in ("bench/device", "boards", "target/device", "target/tflm/program"):
        ours = {path.name for path in (REPOSITORY / "plugin" / "arenafit" / part).iterdir()}
        theirs = {path.name for path in (site / "arenafit" / part).iterdir()}
        assert len(ours) >= 3
        assert ours == theirs
    program = (
        "import arenafit.runtime as r, arenafit.sources as s;print(s.kernels(), *r.registerers())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == (f"{kernels} arenafit_register_ops\n", 0), done.stderr

"""`./run`: when it installs, when it does not, and what it says when a step fails.

The script runs in a copy of its own, on a stand-in for Python that logs how it is called: no
network, no installation. The real thing is what continuous integration runs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# Answers the probes with the real Python, logs the rest, and makes a ".venv" that is a link
# to itself. A file fail-WORD beside it makes every call that has WORD among its words fail;
# a file missing has the packages that the tests on Cortex-M lack.
STAND_IN = f"""#!/bin/bash
here={{here}}
case "$1" in
  -c | -V) exec {sys.executable} "$@" ;;
esac
if [ "$*" = "-m target --missing" ]; then cat $here/missing 2>/dev/null; exit 0; fi
echo "$*" >> $here/log
for word in "$@"; do
  [ ! -e "$here/fail-$word" ] || exit 1
done
if [ "$2" = venv ]; then mkdir -p .venv/bin && ln -s $here/python .venv/bin/python; fi
"""

# Stands for apt-get, cc and id: as root, with compilers, on a machine that is left as it is.
OTHERS = {
    "apt-get": 'echo "apt-get $*" >> {here}/log; for word in "$@"; do [ ! -e {here}/fail-$word ] || exit 1; done',
    "cc": "cat > /dev/null; [ ! -e {here}/fail-cc ]",
    "c++": "cat > /dev/null; [ ! -e {here}/fail-c++ ]",
    "make": "[ ! -e {here}/no-make ]",
    "clang++": "cat > /dev/null; [ ! -e {here}/fail-clang++ ]",
    "id": "if [ -e {here}/user ]; then echo 1000; else echo 0; fi",
}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what ./run reads, and the stand-in under bin/."""
    root = tmp_path / "check out"  # a blank in the path must not hurt
    root.mkdir()
    shutil.copy(REPOSITORY / "run", root)
    (root / "requirements-dev.txt").write_text("numpy==2.2.6\n", encoding="utf-8")
    (root / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(STAND_IN.format(here=python.parent), encoding="utf-8")
    python.chmod(0o755)
    for name, text in OTHERS.items():
        other = python.parent / name
        other.write_text(f"#!/bin/bash\n{text.format(here=python.parent)}\n", encoding="utf-8")
        other.chmod(0o755)
    return root


@pytest.fixture
def run(checkout: Path, tmp_path: Path) -> Run:
    def call(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
        environment = {"PATH": path, "PYTHON": str(tmp_path / "bin" / "python"), **more}
        return subprocess.run(
            [str(checkout / "run"), *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[str]]:
    """What Python was asked to do since the last time."""
    log = tmp_path / "bin" / "log"

    def take() -> list[str]:
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    return take


INSTALL = [
    "-m venv .venv",
    "-m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt",
    "-m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .",
]


def test_help_lists_the_commands_and_installs_nothing(run: Run, calls: Callable[[], list[str]]):
    done = run("--help")
    assert done.returncode == 0
    for command in ("test", "lint", "demo", "zoo"):
        assert f"\n  {command} " in done.stdout
    assert calls() == []


@pytest.mark.parametrize("arguments", [(), ("tests",)])
def test_an_unknown_command_is_a_usage_error(run: Run, arguments: tuple[str, ...]):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage:")


def test_the_first_run_installs_and_the_second_does_not(run: Run, calls: Callable[[], list[str]]):
    assert run("setup").returncode == 0
    assert calls() == INSTALL
    done = run("setup")
    assert (done.returncode, done.stderr) == (0, "")
    assert calls() == []


@pytest.mark.parametrize("changed", ["requirements-dev.txt", "pyproject.toml"])
def test_a_changed_list_of_dependencies_is_installed_into_the_same_environment(
    run: Run, checkout: Path, calls: Callable[[], list[str]], changed: str
):
    run("setup")
    calls()
    with (checkout / changed).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert run("setup").returncode == 0
    assert calls() == INSTALL[1:]
    run("setup")
    assert calls() == []


def test_an_environment_left_half_made_is_made_anew(
    run: Run, checkout: Path, tmp_path: Path, calls: Callable[[], list[str]]
):
    breaker = tmp_path / "bin" / "fail---editable"
    breaker.touch()
    assert run("setup").returncode == 1
    assert calls() == INSTALL
    breaker.unlink()
    stray = checkout / ".venv" / "half a package"
    stray.touch()
    assert run("setup").returncode == 0
    assert calls() == INSTALL
    assert not stray.exists()


def test_an_environment_whose_python_is_gone_is_made_anew(
    run: Run, checkout: Path, calls: Callable[[], list[str]]
):
    run("setup")
    calls()
    (checkout / ".venv" / "bin" / "python").unlink()
    assert run("setup").returncode == 0
    assert calls() == INSTALL


def test_an_environment_that_came_from_elsewhere_is_not_trusted(
    run: Run, checkout: Path, tmp_path: Path, calls: Callable[[], list[str]]
):
    run("setup")
    calls()
    checkout.rename(tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", checkout, symlinks=True)
    stamp = checkout / ".venv" / ".stamp"
    stamp.write_text(stamp.read_text(encoding="utf-8").replace("check out", "moved"))
    assert run("setup").returncode == 0
    assert INSTALL[-1] in calls()


def test_a_failing_pip_says_what_to_do(run: Run, tmp_path: Path):
    (tmp_path / "bin" / "fail---requirement").touch()
    done = run("test")
    assert done.returncode == 1
    assert "is the network up? then run this again" in done.stderr


def test_a_python_that_is_none_is_refused_in_one_line(run: Run):
    done = run("setup", PYTHON="/bin/false")
    assert done.returncode == 1
    assert done.stderr == "run: PYTHON=/bin/false is not a Python >= 3.10\n"


def test_arguments_reach_pytest_unharmed(run: Run, calls: Callable[[], list[str]]):
    run("setup")
    calls()
    assert run("test", "--all", "-k", "one and not 'two'").returncode == 0
    words = calls()[-1]
    assert words == """-m SCons -Q test pytest=--all -k 'one and not '"'"'two'"'"''"""


def test_lint_that_fails_fails_the_run_but_the_tests_still_run(
    run: Run, tmp_path: Path, calls: Callable[[], list[str]]
):
    run("setup")
    (tmp_path / "bin" / "fail-mypy").touch()
    assert run("test").returncode == 1
    assert calls()[-1] == "-m SCons -Q test pytest="
    assert run("lint").returncode == 1


def test_tests_install_the_tools_for_cortex_m_that_are_missing(
    run: Run, tmp_path: Path, calls: Callable[[], list[str]]
):
    run("setup")
    calls()
    (tmp_path / "bin" / "missing").write_text("an-arm-compiler qemu\n", encoding="utf-8")
    done = run("test", CI="true")
    assert done.returncode == 0
    assert "run: installing an-arm-compiler qemu with apt\n" in done.stderr
    update, install, *rest = calls()
    assert update.startswith("apt-get update")
    assert install.startswith("apt-get install")
    assert install.endswith(" an-arm-compiler qemu")
    assert rest[-1] == "-m SCons -Q test pytest="


@pytest.mark.parametrize("missing", ["fail-cc", "fail-c++", "no-make"])
def test_tests_install_compilers_if_there_are_none(
    run: Run, tmp_path: Path, calls: Callable[[], list[str]], missing: str
):
    run("setup")
    calls()
    (tmp_path / "bin" / missing).touch()
    assert run("test").returncode == 0
    assert calls()[1].endswith(" g++ gcc libc6-dev make")


def test_tests_install_a_clang_that_can_fuzz_if_there_is_none(
    run: Run, tmp_path: Path, calls: Callable[[], list[str]]
):
    run("setup")
    calls()
    (tmp_path / "bin" / "fail-clang++").touch()
    assert run("test", CI="true").returncode == 0
    assert calls()[1].endswith(" clang libclang-rt-dev")
    (tmp_path / "bin" / "fail-install").touch()
    done = run("test")
    assert (done.returncode, calls()[-1]) == (0, "-m SCons -Q test pytest=")
    assert "run: fuzzing is skipped\n" in done.stderr
    assert run("test", CI="true").returncode == 1
    assert not any("SCons" in call for call in calls())


@pytest.mark.parametrize("trouble", ["user", "fail-install"])
def test_without_the_tools_for_cortex_m_the_other_tests_run_but_not_in_ci(
    run: Run, tmp_path: Path, calls: Callable[[], list[str]], trouble: str
):
    run("setup")
    (tmp_path / "bin" / "missing").write_text("qemu\n", encoding="utf-8")
    (tmp_path / "bin" / trouble).touch()
    done = run("test")
    assert done.returncode == 0
    assert "qemu" in done.stderr
    assert "run: the tests on Cortex-M are skipped\n" in done.stderr
    assert calls()[-1] == "-m SCons -Q test pytest="
    assert run("test", CI="true").returncode == 1
    assert not any("SCons" in call for call in calls())


def test_without_tflms_own_headers_the_other_tests_run_but_not_in_ci(
    run: Run, tmp_path: Path, calls: Callable[[], list[str]]
):
    run("setup")
    (tmp_path / "bin" / "fail---requirement").touch()
    calls()
    done = run("test")
    assert done.returncode == 0
    assert done.stderr.endswith("run: the tests with TFLM's own headers are skipped\n")
    first, *_, last = [call for call in calls() if not call.startswith("apt-get")]
    assert first.endswith(" --no-deps --requirement requirements-tflm.txt")
    assert last == "-m SCons -Q test pytest="
    assert run("test", CI="true").returncode == 1


def test_tests_that_fail_fail_the_run(run: Run, tmp_path: Path):
    run("setup")
    (tmp_path / "bin" / "fail-SCons").touch()
    assert run("test").returncode != 0


def test_continuous_integration_runs_the_tests(
    run: Run, checkout: Path, tmp_path: Path, calls: Callable[[], list[str]]
):
    run("setup")
    calls()
    (checkout / ".ci").mkdir()
    shutil.copy(REPOSITORY / ".ci" / "run", checkout / ".ci")
    done = subprocess.run(
        ["bash", ".ci/run"],
        cwd=checkout,
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "CI": "true"},
        check=False,
    )
    assert done.returncode == 0
    assert calls()[-1] == "-m SCons -Q test pytest="

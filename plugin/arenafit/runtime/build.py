"""Compiling the plugin that puts arenafit's kernels and planner into the host's TFLM.

The library is made once from the sources in ``kernels/``, and kept in the user's cache under
a name that follows from all that it depends on. Only a library that has passed `self_test`,
in a process of its own, gets there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from arenafit.errors import RuntimeUnavailable
from arenafit.sources import kernels

__all__ = ["build"]

_C = ("-std=c11",)
_CXX = ("-std=c++17", "-fno-rtti", "-fno-exceptions")
_FLAGS = ("-O2", "-ffp-contract=off", "-fPIC", "-fvisibility=hidden")
_LINK = ("-shared", "-Wl,-z,defs", "-ldl")
_INCLUDE = ("host/src", "host/tflm_abi", "tflm/include", "core/include")
_PARTS = ("core", "tflm", "host")  # folders of kernels/ that the library is made of
_TIMEOUT = 120.0  # seconds for one compiler run, or for the self-test
_MESSAGE = 200  # characters of a compiler's complaint that are passed on


def build(wheel: str) -> Path:
    """The plugin for the tflite-micro wheel of version `wheel`, compiled if need be (~3 s).

    May be called from several processes at once: one compiles, the others wait.

    Raises:
        RuntimeUnavailable: no compiler, it fails, or the library does not fit the wheel.
    """
    folder, compilers = kernels(), _compilers()
    library = _cache() / f"plugin-{_key(folder, compilers, wheel)}.so"
    if library.is_file():
        return library
    with (library.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.is_file():
            with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
                made = _compile(folder, compilers, Path(scratch))
                _check(made, wheel)
                made.replace(library)
    return library


def _compilers() -> tuple[list[str], list[str]]:
    """The commands of a C and a C++ compiler; $CC and $CXX come first."""
    found = []
    for variable, names in (("CC", ("cc", "gcc", "clang")), ("CXX", ("c++", "g++", "clang++"))):
        wanted = shlex.split(os.environ.get(variable, ""))
        candidates = [wanted] if wanted else [[name] for name in names]
        command = next((c for c in candidates if shutil.which(c[0])), None)
        if command is None:
            tried = ", ".join(c[0] for c in candidates)
            raise RuntimeUnavailable(
                "arenafit's operators need a C and a C++ compiler on this machine:"
                f" no {tried} (install one, or set {variable})"
            )
        found.append(command)
    return found[0], found[1]


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for part in _PARTS
        for path in (folder / part).rglob("*")
        if path.suffix in {".c", ".cc", ".h"}
    )


def _key(folder: Path, compilers: tuple[list[str], list[str]], wheel: str) -> str:
    """Changes with anything that the library depends on; runs no compiler."""
    digest = hashlib.sha256(repr((wheel, _C, _CXX, _FLAGS, _LINK, _INCLUDE)).encode())
    for command in compilers:
        path = Path(shutil.which(command[0]) or command[0]).resolve()
        state = path.stat()
        digest.update(repr((command, str(path), state.st_size, state.st_mtime_ns)).encode())
    for file in _files(folder):
        data = file.read_bytes()
        digest.update(f"{file.relative_to(folder)} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def _cache() -> Path:
    """A folder that nobody but this user can write to: what lies in it will be executed."""
    candidates = [Path(tempfile.gettempdir()) / f"arenafit-{os.getuid()}"]
    with contextlib.suppress(RuntimeError):  # a user without a home
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        candidates.insert(0, Path(base) / "arenafit")
    for folder in candidates:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = folder.lstat()
        except OSError:
            continue
        own = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()
        if own and not state.st_mode & 0o022 and os.access(folder, os.W_OK):
            return folder
    tried = " or ".join(map(str, candidates))
    raise RuntimeUnavailable(f"no folder of this user's own for arenafit's library: not {tried}")


def _compile(folder: Path, compilers: tuple[list[str], list[str]], scratch: Path) -> Path:
    """Compile everything in the folder `scratch`; the library's path."""
    cc, cxx = compilers
    files = _files(folder)
    include = [f"-I{folder / part}" for part in _INCLUDE]
    core = [str(file) for file in files if file.suffix == ".c"]
    glue = [str(file) for file in files if file.suffix == ".cc"]
    _run([*cc, *_C, *_FLAGS, *include, "-c", *core], scratch)
    objects = sorted(str(path) for path in scratch.glob("*.o"))
    library = scratch / "plugin.so"
    _run([*cxx, *_CXX, *_FLAGS, *include, *glue, *objects, *_LINK, "-o", str(library)], scratch)
    return library


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeUnavailable(f"the compiler {command[0]} does not run: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.splitlines() or ["no message"]
        said = next((line for line in lines if "error" in line), lines[0]).strip()
        raise RuntimeUnavailable(
            f"{command[0]} cannot compile arenafit's operators: {said[:_MESSAGE]}"
        )


def _check(library: Path, wheel: str) -> None:
    """Whatever the self-test does to its process, this one learns no more than that it failed."""
    command = [sys.executable, "-m", "arenafit.runtime.self_test", str(library)]
    root = Path(__file__).resolve().parents[2]  # where -m looks for modules first
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
        code, lines = done.returncode, done.stderr.strip().splitlines()
    except subprocess.TimeoutExpired:
        code, lines = 1, ["no end"]
    if code != 0:
        said = f"it crashed (signal {-code})" if code < 0 else lines[-1] if lines else "no message"
        raise RuntimeUnavailable(
            f"arenafit's operators do not fit tflite-micro {wheel}: {said[:_MESSAGE]}"
        )

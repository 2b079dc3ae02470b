"""What each command does: arguments in, files and text out. All results are written at the end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from arenafit.errors import UsageError

if TYPE_CHECKING:
    from arenafit.making import Progress

__all__ = ["bench", "export", "inspect", "optimize", "parse_bytes", "plan", "verify"]


def parse_bytes(text: str) -> int:
    """Bytes from text such as ``65536``, ``64K`` or ``1M`` (K = 1024).

    Raises:
        UsageError: anything else.
    """
    units = {"": 1, "k": 1 << 10, "m": 1 << 20}
    cleaned = text.strip().lower().removesuffix("b").removesuffix("i")
    digits = cleaned.rstrip("km")
    unit = cleaned[len(digits) :]
    if not digits.isdecimal() or not digits.isascii() or unit not in units or int(digits) == 0:
        raise UsageError(f"--ram-limit: {text!r} is not a number of bytes (65536, 64K, 1M)")
    return int(digits) * units[unit]


# -- files --------------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def _write(path: Path, data: bytes) -> None:
    """Write through a temporary file beside `path`: what exists is replaced whole or not at all."""
    import tempfile

    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
            Path(temporary).chmod(mode)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_writable(path: Path | None) -> None:
    """Find out before the work, not after it, that a result has no place to go."""
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}")


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """The stages on one line of the terminal; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<24}"), BarColumn(20), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda stage: bar.update(task, description=stage)


# -- commands -----------------------------------------------------------------------------


def optimize(arguments: argparse.Namespace) -> int:
    """`arenafit optimize`; returns the exit code."""
    from arenafit.api import optimize as run
    from arenafit.api import parse_options
    from arenafit.report.text import format_report

    choices = {
        "runtime": arguments.runtime,
        "kernels": arguments.kernels,
        "cpu": arguments.cpu,
        "disable": arguments.disable,
        "plan": arguments.plan,
        "verify": not arguments.no_verify,
        "timeout": arguments.timeout,
        **_limits(arguments),
    }
    parse_options(**choices)
    _check_writable(arguments.output)
    _check_writable(arguments.report)
    data = _read(arguments.model)
    with _progress() as progress:
        out, report = run(data, name=arguments.model.name, progress=progress, **choices)
    _write(arguments.output, out)
    if arguments.report is not None:
        _write(arguments.report, report.to_json().encode())
    print(format_report(report))
    return 0


def _limits(arguments: argparse.Namespace) -> dict[str, int | None]:
    ram = [] if arguments.ram_limit is None else [parse_bytes(arguments.ram_limit)]
    flash = None
    if arguments.board is not None:
        from arenafit.boards import load_board

        board = load_board(arguments.board)
        ram.append(board.ram_bytes)
        flash = board.flash_bytes
    return {"ram_limit": min(ram, default=None), "flash_limit": flash}


def verify(arguments: argparse.Namespace) -> int:
    """`arenafit verify`; returns the exit code: 0 bit-identical, 1 not."""
    from arenafit.errors import RuntimeUnavailable
    from arenafit.runtime import record, unavailable_reason
    from arenafit.runtime.host import best_oracle, session_for

    first, second = _read(arguments.first), _read(arguments.second)
    oracle = best_oracle()
    if oracle is None:
        raise RuntimeUnavailable(f"nothing to verify with: {unavailable_reason()}")
    with _progress() as progress, ExitStack() as stack:
        if progress is not None:
            progress("comparing byte by byte")
        ours, theirs = (stack.enter_context(session_for(data, oracle)) for data in (first, second))
        reference = record(ours, first, inputs=arguments.inputs, steps=arguments.steps)
        found = reference.check(theirs, second)
    if found.bit_exact:
        steps = f" x {found.steps} invocations" if found.steps > 1 else ""
        graph = "" if found.plan_covered else " (the graph; LiteRT does not obey memory plans)"
        print(f"bit-identical on {found.inputs} inputs{steps} in {found.oracle}{graph}")
        return 0
    print(f"NOT bit-identical: {found.first_difference}")
    return 1


def plan(arguments: argparse.Namespace) -> int:
    """`arenafit plan`; returns the exit code."""
    from arenafit.graph import load, save
    from arenafit.memory.build import clear_plan
    from arenafit.report.plan import plan_model
    from arenafit.report.plan_c import emit_c, plan_table

    for path in (arguments.emit_c, arguments.output):
        _check_writable(path)
    model = load(_read(arguments.model))
    if arguments.emit_c and model.has_offline_plan and not arguments.output:
        raise UsageError(
            f"{arguments.model} has a plan inside, which the shim refuses: name a file for the "
            "model without it, with -o"
        )
    problem, placement = plan_model(model, arguments.kernels, arguments.cpu)
    print(plan_table(problem, placement), end="")
    if arguments.output:
        clear_plan(model)
        _write(arguments.output, save(model))
    if arguments.emit_c:
        name = (arguments.output or arguments.model).stem
        _write(arguments.emit_c, emit_c(problem, placement, name=name).encode())
    return 0


def export(arguments: argparse.Namespace) -> int:
    """`arenafit export`; returns the exit code."""
    from arenafit.export import c_files, make_network, split_front
    from arenafit.graph import load, save

    folder: Path = arguments.output
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"cannot write to {folder}: it is a file")
    _check_writable(arguments.rest)
    with _progress() as progress:
        if progress is not None:
            progress("finding segments")
        model, rest = load(_read(arguments.model)), None
        if arguments.rest is not None:
            model, rest = split_front(model)
        network = make_network(model, arguments.cpu, arguments.feed_rows)
        whole = make_network(model).arena if arguments.feed_rows else network.arena
    files = c_files(network, arguments.model.stem)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {folder}: {error.strerror or error}") from error
    for name, text in files.items():
        _write(folder / name, text.encode())
        print(folder / name)
    if rest is not None:
        _write(arguments.rest, save(rest))
        print(arguments.rest)
    besides = f" ({whole:,} with the input in it)" if arguments.feed_rows else ""
    print(f"arena: {network.arena:,} bytes{besides}")
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """`arenafit bench`; returns the exit code: 0 measured, 1 the device computes other bytes."""
    from arenafit.bench import bench as run
    from arenafit.bench.text import format_bench

    _check_writable(arguments.json)
    data = _read(arguments.model)
    with _progress() as progress:
        seen = run(
            data,
            name=arguments.model.name,
            cpu=arguments.cpu,
            tflm=arguments.tflm,
            kernels=arguments.kernels,
            inputs=arguments.inputs,
            timeout=arguments.timeout,
            progress=progress,
        )
    if arguments.json is not None:
        _write(arguments.json, seen.to_json().encode())
    print(format_bench(seen, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    """`arenafit inspect`; returns the exit code."""
    import json

    from arenafit.graph import load
    from arenafit.report.figures import Arena
    from arenafit.report.inspect import format_inspection
    from arenafit.report.inspect import inspect as account
    from arenafit.runtime import unavailable_reason
    from arenafit.runtime.host import session_for

    data = _read(arguments.model)
    model = load(data)
    measured = None
    if arguments.kernels == "reference" and unavailable_reason() is None:
        with session_for(data, "tflm") as session:
            taken = session.measure(data)
        measured = Arena(taken.head, taken.tail, taken.total, taken.startup, measured=True)
    seen = account(model, arguments.kernels, arguments.model.name, measured)
    if arguments.json:
        print(json.dumps(seen.to_dict(), indent=2))
    else:
        print(format_inspection(seen, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return 0

"""The command line: arguments in, one clear line out where something is wrong.

Exit codes: 0 done, 1 a check did not hold, 2 unusable input or arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from arenafit import __version__
from arenafit.errors import ArenafitError, UsageError

if TYPE_CHECKING:
    from arenafit.making import Progress

__all__ = ["main"]

_OPTIMIZE = """\
Writes a model that computes the same bytes as IN in a smaller arena, for unmodified TFLM.

What is tried, each switchable with --disable NAME:
  fold-constants, remove-identity, fold-pad, remove-dead, remove-unused-tensors, ...
                the passes that clean the graph
  reorder       the operator order with the smallest peak
  inplace-max-pool  (--runtime arenafit) max-pooling that may write over its input
  overlap       an operator's output written over its dying input, where the kernels allow it

OUT is never larger in the arena than IN, and is compared with it bit for bit in the real
TFLM. Say which kernels your firmware has: --kernels reference allows far more sharing than
the default, which is safe on TFLM's reference kernels and on CMSIS-NN alike.

examples:
  arenafit optimize model.tflite -o smaller.tflite
  arenafit optimize model.tflite -o smaller.tflite --kernels reference --report report.json
  arenafit optimize model.tflite -o smaller.tflite --board arduino-nano-33-ble-sense
  arenafit optimize model.tflite -o smaller.tflite --ram-limit 64K
"""

_VERIFY = """\
Runs A and B in the real TFLM on structured inputs (ramps, blobs, smooth fields, noise ...)
and compares every output byte. Models with state are run for several invocations in a row.
Exit code 0: bit-identical, 1: not.
"""

_INSPECT = """\
Shows where the head of the arena goes: what each operator reads, writes, and what must be
held for later, which operator binds, and a map of the arena over time.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        arguments = _parser().parse_args(argv)
        return int(arguments.run(arguments))
    except ArenafitError as error:
        print(f"arenafit: {_one_line(error)}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has gone: not our failure
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("arenafit: interrupted", file=sys.stderr)
        return 130
    except MemoryError:
        print("arenafit: not enough memory for this model", file=sys.stderr)
        return 2


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


class _Parser(argparse.ArgumentParser):
    """argparse, but a wrong argument is one line that says where to look."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="arenafit",
        description="The same bytes out of a TFLite Micro model, in a fraction of the RAM.",
        epilog="arenafit COMMAND --help teaches each command.",
    )
    parser.add_argument("--version", action="version", version=f"arenafit {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_optimize(commands)
    _add_verify(commands)
    _add_inspect(commands)
    return parser


def _add_command(commands: argparse._SubParsersAction[_Parser], name: str, summary: str, text: str) -> _Parser:  # fmt: skip
    return commands.add_parser(
        name,
        help=summary,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_optimize(commands: argparse._SubParsersAction[_Parser]) -> None:
    add = _add_command(commands, "optimize", "make a model that needs a smaller arena", _OPTIMIZE)
    add.add_argument("model", metavar="IN.tflite", type=Path)
    add.add_argument("-o", "--output", metavar="OUT.tflite", type=Path, required=True)
    add.add_argument(
        "--runtime",
        default="stock",
        metavar="stock|arenafit",
        help="what OUT runs on; stock = unmodified TFLM (default), arenafit = TFLM with "
        "arenafit's operators and planner linked in",
    )
    add.add_argument(
        "--kernels",
        default="any",
        metavar="any|reference|cmsis_nn",
        help="the builtin kernels that OUT will meet (default: any = safe on all of them)",
    )
    add.add_argument(
        "--cpu",
        metavar="cortex-m4|cortex-m7|cortex-m55",
        help="what CMSIS-NN is compiled for; its kernels allow most on cortex-m55 (default: all)",
    )
    add.add_argument(
        "--disable",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out a pass, reorder or overlap; may be given several times",
    )
    add.add_argument(
        "--plan",
        default="optimal",
        metavar="optimal|greedy|pingpong",
        help="who places the tensors: optimal (default) with a proof, greedy = TFLM's own "
        "planner, pingpong = two ends in turn, a baseline",
    )
    add.add_argument("--board", metavar="NAME|FILE.yaml", help="fail unless it fits the board")
    add.add_argument(
        "--ram-limit", metavar="BYTES", help="fail unless the arena fits; 65536, 64K and 1M work"
    )
    add.add_argument("--report", metavar="R.json", type=Path, help="write the figures as JSON")
    add.add_argument("--no-verify", action="store_true", help="do not compare OUT with IN")
    add.add_argument(
        "--timeout",
        type=_positive,
        default=8,
        metavar="S",
        help="seconds that TFLM may take for one invocation (default 8)",
    )
    add.set_defaults(run=_optimize)


def _add_verify(commands: argparse._SubParsersAction[_Parser]) -> None:
    add = _add_command(commands, "verify", "are two models bit-identical in TFLM?", _VERIFY)
    add.add_argument("first", metavar="A.tflite", type=Path)
    add.add_argument("second", metavar="B.tflite", type=Path)
    add.add_argument("--inputs", type=_positive, default=8, metavar="N", help="default 8")
    add.add_argument(
        "--steps",
        type=_positive,
        metavar="K",
        help="invocations in a row (default: 1, and 12 for models with state)",
    )
    add.set_defaults(run=_verify)


def _add_inspect(commands: argparse._SubParsersAction[_Parser]) -> None:
    add = _add_command(commands, "inspect", "where a model's memory goes", _INSPECT)
    add.add_argument("model", metavar="M.tflite", type=Path)
    add.add_argument("--json", action="store_true", help="the same as JSON")
    add.add_argument(
        "--kernels",
        default="reference",
        choices=("reference", "cmsis_nn"),
        help="whose scratch buffers to count (default: reference)",
    )
    add.set_defaults(run=_inspect)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


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


def _optimize(arguments: argparse.Namespace) -> int:
    from arenafit.api import optimize, parse_options
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
        out, report = optimize(data, name=arguments.model.name, progress=progress, **choices)
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


def _verify(arguments: argparse.Namespace) -> int:
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


def _inspect(arguments: argparse.Namespace) -> int:
    import json

    from arenafit.graph import load
    from arenafit.report.figures import Arena
    from arenafit.report.inspect import format_inspection, inspect
    from arenafit.runtime import unavailable_reason
    from arenafit.runtime.host import session_for

    data = _read(arguments.model)
    model = load(data)
    measured = None
    if arguments.kernels == "reference" and unavailable_reason() is None:
        with session_for(data, "tflm") as session:
            taken = session.measure(data)
        measured = Arena(taken.head, taken.tail, taken.total, taken.startup, measured=True)
    seen = inspect(model, arguments.kernels, arguments.model.name, measured)
    if arguments.json:
        print(json.dumps(seen.to_dict(), indent=2))
    else:
        print(format_inspection(seen, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return 0


if __name__ == "__main__":
    sys.exit(main())

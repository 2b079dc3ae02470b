"""The command line: arguments in, one clear line out where something is wrong.

Exit codes: 0 done, 1 a check did not hold, 2 unusable input or arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from arenafit import __version__, commands
from arenafit.errors import ArenafitError, UsageError

__all__ = ["main"]

_OPTIMIZE = """\
Writes a model that computes the same bytes as IN in a smaller arena, for unmodified TFLM.

What is tried, each switchable with --disable NAME:
  fold-constants, remove-identity, fold-pad, remove-dead, remove-unused-tensors, ...
                the passes that clean the graph
  reorder       the operator order with the smallest peak
  overlap       an operator's output written over its dying input, where the kernels allow it
and with --runtime arenafit:
  inplace-max-pool  max-pooling that may write over its input
  partial-conv  a convolution of a concatenation that reads what was concatenated
  rows          pieces of the network a few rows at a time; none of their tensors is ever whole
  channels      chains of convolutions a few channels at a time

OUT is never larger in the arena than IN, and is compared with it bit for bit in the real
TFLM. Say which kernels your firmware has: --kernels reference allows far more sharing than
the default, which is safe on TFLM's reference kernels and on CMSIS-NN alike.

With --ram-limit memory that the limit leaves is spent on speed: segments where they are faster
than the builtin kernels that you name, builtin operators where these are; but not for less than
1 % of the instructions.

examples:
  arenafit optimize model.tflite -o smaller.tflite
  arenafit optimize model.tflite -o smaller.tflite --kernels reference --report report.json
  arenafit optimize model.tflite -o smaller.tflite --board arduino-nano-33-ble-sense
  arenafit optimize model.tflite -o faster.tflite --ram-limit 64K --runtime arenafit
"""

_VERIFY = """\
Runs A and B in the real TFLM on structured inputs (ramps, blobs, smooth fields, noise ...)
and compares every output byte. Models with state are run for several invocations in a row.
Exit code 0: bit-identical, 1: not.
"""

_INSPECT = """\
Shows where the head of the arena goes: what each operator reads, writes, and what must be
held for later, which operator binds, and a map of the arena over time. For each segment, besides:
what it takes and saves, and which rings and sums its workspace is made of; its operators are
numbered within it, from 0.
"""

_PLAN = """\
Shows where every buffer goes: the model's own plan if it has one, otherwise the best plan for its
operator order. With --emit-c the plan becomes a C table for TFLM's NonPersistentMemoryPlannerShim,
scratch included, for firmware that wants no planner code at all. The shim takes only models
without a plan inside: -o writes M without it.

examples:
  arenafit plan smaller.tflite
  arenafit plan smaller.tflite --kernels cmsis_nn --cpu cortex-m4 --emit-c plan.h -o bare.tflite
"""

_EXPORT = """\
Writes a whole network as C: its programs, a run function, and a header that documents its buffers,
for firmware that has no room for an interpreter. All operators have to be such that arenafit can
stream them by rows; the first that is not is named. Compile the files together with arenafit's
kernels/core, which needs no library but string.h.

With --feed-rows an input needs no place in the arena: while it runs, the network asks a function of
yours for the next row (of a camera, of a spectrogram), in order, each once, and keeps only as many
as it still needs. The header says how many there are, and how large.

With --rest R.tflite only the operators before the first that cannot be streamed become C. R is a
model of all others: an interpreter reads the front's outputs there, and comes to the same bytes.

examples:
  arenafit export model.tflite -o generated/
  arenafit export model.tflite -o generated/ --feed-rows
  arenafit export model.tflite -o generated/ --feed-rows --rest rest.tflite
"""


_BENCH = """\
Runs a model on a Cortex-M in QEMU and reports what it costs: instructions, in all and by operator,
arena, stack and flash. Its outputs must be those of the real TFLM on this machine, byte for byte;
exit code 1 if they are not. It runs as the C that `arenafit export` writes; or, with --tflm, in a
TFLM that you have built for that CPU, with arenafit's operators and memory planner linked in.

Instructions are exact and the same on every run. They are not cycles: QEMU knows no wait states
and no caches. Steps of a segment's operators take turns row by row; those of one operator are added
up, and "order of steps" is what choosing the next one takes. All lines add up to the whole.

As C, nothing is in the arena's tail: all but constants and stack is in the head. Flash is what the
network adds to your firmware: programs (weights, biases, multipliers), and the kernels that it needs.

DIR is a source tree of TFLM in which your own build, with TFLM's Makefile, has made a library for that
CPU. BUILD_TYPE=release_with_logs keeps what figures by operator need. Nothing in it is changed.

Needs gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm, with --tflm also
libstdc++-arm-none-eabi-newlib; says so where they are missing.

examples:
  arenafit bench model.tflite
  arenafit bench model.tflite --cpu cortex-m55 --json bench.json
  arenafit bench smaller.tflite --tflm ~/tflite-micro --kernels cmsis_nn
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
    to = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_optimize, _add_verify, _add_inspect, _add_plan, _add_export, _add_bench):
        add(to)
    return parser


def _add_command(to: argparse._SubParsersAction[_Parser], name: str, summary: str, text: str) -> _Parser:  # fmt: skip
    return to.add_parser(
        name,
        help=summary,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_optimize(to: argparse._SubParsersAction[_Parser]) -> None:
    add = _add_command(to, "optimize", "make a model that needs a smaller arena", _OPTIMIZE)
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
        help="what OUT will run on: CMSIS-NN's kernels allow most on cortex-m55, and segments have "
        "their weights in that CPU's order (default: right on all, fast on those with DSP)",
    )
    add.add_argument(
        "--disable",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out a pass, reorder, overlap, rows ...; may be given several times",
    )
    add.add_argument(
        "--plan",
        default="optimal",
        metavar="optimal|greedy|pingpong",
        help="who places the tensors: optimal (default) with a proof, greedy = TFLM's own "
        "planner, pingpong = two ends in turn, a baseline",
    )
    add.add_argument(
        "--ram-limit",
        metavar="BYTES",
        help="not the smallest but the fastest plan whose arena, start-up included, fits (65536, "
        "64K and 1M work), by estimated instructions of a Cortex-M4; fail if none fits",
    )
    add.add_argument(
        "--board",
        metavar="NAME|FILE.yaml",
        help="a board's RAM as the limit; its flash is one, too",
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
    add.set_defaults(run=commands.optimize)


def _add_verify(to: argparse._SubParsersAction[_Parser]) -> None:
    add = _add_command(to, "verify", "are two models bit-identical in TFLM?", _VERIFY)
    add.add_argument("first", metavar="A.tflite", type=Path)
    add.add_argument("second", metavar="B.tflite", type=Path)
    add.add_argument("--inputs", type=_positive, default=8, metavar="N", help="default 8")
    add.add_argument(
        "--steps",
        type=_positive,
        metavar="K",
        help="invocations in a row (default: 1, and 12 for models with state)",
    )
    add.set_defaults(run=commands.verify)


def _add_inspect(to: argparse._SubParsersAction[_Parser]) -> None:
    add = _add_command(to, "inspect", "where a model's memory goes", _INSPECT)
    add.add_argument("model", metavar="M.tflite", type=Path)
    add.add_argument("--json", action="store_true", help="the same as JSON")
    add.add_argument(
        "--kernels",
        default="reference",
        choices=("reference", "cmsis_nn"),
        help="whose scratch buffers to count (default: reference)",
    )
    add.set_defaults(run=commands.inspect)


def _add_plan(to: argparse._SubParsersAction[_Parser]) -> None:
    add = _add_command(to, "plan", "a model's memory plan, as a table or as C", _PLAN)
    add.add_argument("model", metavar="M.tflite", type=Path)
    add.add_argument("--emit-c", metavar="plan.h", type=Path, help="write the plan as C")
    add.add_argument("-o", "--output", metavar="OUT.tflite", type=Path, help="M without its plan")
    add.add_argument(
        "--kernels",
        default="reference",
        choices=("reference", "cmsis_nn"),
        help="whose scratch and access orders count (default: reference)",
    )
    add.add_argument(
        "--cpu",
        choices=("cortex-m4", "cortex-m7", "cortex-m55"),
        help="what CMSIS-NN is compiled for",
    )
    add.set_defaults(run=commands.plan)


def _add_export(to: argparse._SubParsersAction[_Parser]) -> None:
    add = _add_command(to, "export", "C files that run a model with no interpreter", _EXPORT)
    add.add_argument("model", metavar="M.tflite", type=Path)
    add.add_argument("-o", "--output", metavar="DIR", type=Path, required=True)
    add.add_argument(
        "--cpu",
        choices=("cortex-m4", "cortex-m7", "cortex-m55"),
        help="what weights are laid out for; runs on every CPU (default: those with DSP)",
    )
    add.add_argument(
        "--feed-rows", action="store_true", help="inputs come row by row, and are not in the arena"
    )
    add.add_argument(
        "--rest", metavar="R.tflite", type=Path, help="write what cannot be C as a model of its own"
    )
    add.set_defaults(run=commands.export)


def _add_bench(to: argparse._SubParsersAction[_Parser]) -> None:
    add = _add_command(to, "bench", "what a model costs on a Cortex-M in QEMU", _BENCH)
    add.add_argument("model", metavar="M.tflite", type=Path)
    add.add_argument(
        "--target",
        default="cortex_m_qemu",
        choices=("cortex_m_qemu",),
        help="what stands for the CPU (default, and all there is: cortex_m_qemu)",
    )
    add.add_argument(
        "--cpu",
        default="cortex-m4",
        choices=("cortex-m4", "cortex-m7", "cortex-m55"),
        help="default: cortex-m4",
    )
    add.add_argument("--tflm", metavar="DIR", type=Path, help="run it in the TFLM built in DIR")
    add.add_argument(
        "--kernels",
        choices=("reference", "cmsis_nn"),
        help="with --tflm: which library, where DIR has both",
    )
    add.add_argument(
        "--inputs",
        type=_positive,
        default=2,
        metavar="N",
        help="how many inputs are run and compared; the figures are the slowest one's (default 2)",
    )
    add.add_argument("--json", metavar="B.json", type=Path, help="write the figures as JSON")
    add.add_argument(
        "--timeout",
        type=_positive,
        default=300,
        metavar="S",
        help="seconds that QEMU may take (default 300)",
    )
    add.set_defaults(run=commands.bench)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

"""The figures of a network for people: a few lines, and a table of its operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arenafit.bench.figures import Bench, Operator

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["format_bench"]

_WIDTH = 100  # columns


def format_bench(bench: Bench, *, colour: bool = False) -> str:
    """The report, with colours for a terminal that wants them."""
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=_WIDTH, no_color=not colour, force_terminal=colour)
    for line in _lines(bench):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(_table(bench))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in str(text).splitlines())


def _lines(bench: Bench) -> list[str]:
    flash = bench.flash
    arena = (
        f"{bench.head + bench.tail:>13,} bytes: {bench.head:,} of head, {bench.tail:,} of tail"
        if bench.tail
        else f"{bench.head:>13,} bytes of head; no tail: all but constants and stack is in the head"
    )
    compared = f"bit-identical to {bench.oracle} on {bench.inputs} inputs"
    return [
        f"{bench.model} on {bench.cpu} ({bench.machine}; {bench.compiler})",
        f"  runtime      {bench.runtime}",
        f"  instructions {bench.instructions:>13,} an inference, exact; they are not cycles",
        f"  arena        {arena}",
        f"  stack        {bench.stack:>13,} bytes",
        f"  flash        {flash.total:>13,} bytes: {flash.programs:,} of weights and programs, "
        f"{flash.code:,} of code, {flash.constants:,} of its constants",
        f"  outputs      {compared if bench.oracle else 'not compared: there is no TFLM here'}",
    ]


def _table(bench: Bench) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("operator", footer="all")
    table.add_column("output")
    table.add_column("MACs", justify="right", footer=f"{_macs(bench.operators):,}")
    table.add_column("instructions", justify="right", footer=f"{bench.instructions:,}")
    table.add_column("share", justify="right")
    table.add_column("per MAC", justify="right", footer=_each(bench.instructions, bench.operators))
    for operator in bench.operators:
        end = bench.operators[-1:] == (operator,)
        table.add_row(
            operator.name,
            "x".join(map(str, operator.output)),
            f"{operator.macs:,}" if operator.macs else "",
            f"{operator.instructions:,}",
            _share(operator.instructions, bench),
            _each(operator.instructions, [operator]),
            end_section=end,
        )
    rest = f"{bench.interpreter:,}", _share(bench.interpreter, bench)
    table.add_row(_rest(bench), "", "", *rest, "")
    return table


def _rest(bench: Bench) -> str:
    """A name for what is in no operator."""
    segments = {operator.segment for operator in bench.operators}
    if not segments:
        return "all (built without names: BUILD_TYPE=release_with_logs has them)"
    if None in segments:
        return "interpreter"
    what = "1 segment" if len(segments) == 1 else f"{len(segments)} segments"
    return f"order of steps, {what}"


def _macs(operators: tuple[Operator, ...] | list[Operator]) -> int:
    return sum(operator.macs for operator in operators)


def _each(instructions: int, operators: tuple[Operator, ...] | list[Operator]) -> str:
    """Instructions for one multiply-accumulate."""
    macs = _macs(operators)
    return f"{instructions / macs:.2f}" if macs else ""


def _share(instructions: int, bench: Bench) -> str:
    return f"{instructions / bench.instructions:.1%}"

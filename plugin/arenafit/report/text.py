"""The report for people: a few lines of text."""

from __future__ import annotations

from arenafit.report.figures import Arena, Report

__all__ = ["format_report"]


def format_report(report: Report) -> str:
    """What was won, what bounds it, and how it was checked; one fact a line."""
    lines = [f"{report.model}: {_headline(report)}"]
    rows = [("head", report.before.head, report.after.head)]
    if report.before.measured:
        rows += [
            ("tail", report.before.tail or 0, report.after.tail or 0),
            ("total", report.before.total or 0, report.after.total or 0),
            ("to start", report.before.startup or 0, report.after.startup or 0),
        ]
    for name, before, after in rows:
        lines.append(f"  {name:<9}{before:>10,} -> {after:>9,} bytes{_percent(before, after)}")
    source = "measured in TFLM on this host" if report.after.measured else "predicted"
    kernels = "reference kernels" if report.after.measured else f"{report.kernels} kernels"
    lines.append(f"  {'':<9}({source}, {kernels})")
    if "cmsis_nn" in report.predicted:
        heads = report.predicted["cmsis_nn"]
        lines.append(
            f"  {'cmsis_nn':<9}{heads.before:>10,} -> {heads.after:>9,} bytes of head with CMSIS-NN, "
            "its scratch included (predicted)"
        )
    for step in report.passes:
        if step.changed:
            lines.append(
                f"  {step.name}: {step.changed} changed, "
                f"head {step.head_before:,} -> {step.head_after:,}"
            )
    if report.segments:
        inside = sum(segment.operators for segment in report.segments)
        count = f"{len(report.segments)} segment{'s' * (len(report.segments) != 1)}"
        lines.append(f"  {count} of {inside} operators (arenafit inspect explains each)")
    lines.append(f"  bound     {report.bound:>10,} bytes: {_verdict(report)}")
    lines.append(f"  binding   {report.binding}")
    lines.append(f"  verified  {_verified(report)}")
    speed = report.instructions
    if speed.before is not None and speed.after is not None and speed.before != speed.after:
        lines.append(
            f"  speed     {speed.before / 1e6:>10,.1f} -> {speed.after / 1e6:>9,.1f} million "
            f"instructions{_percent(speed.before, speed.after)}, estimated for a Cortex-M4 with "
            f"{'cmsis_nn' if report.kernels == 'cmsis_nn' else 'reference'} kernels"
        )
    lines.append(f"  flash     {report.flash.before:>10,} -> {report.flash.after:>9,} bytes")
    lines += [f"  note: {note}" for note in report.notes]
    return "\n".join(lines)


def _headline(report: Report) -> str:
    before, after = report.before, report.after
    if after.head < before.head:
        return f"head {before.head / after.head:.2f} times smaller, in {report.seconds:.1f} s"
    if _smaller_total(before, after):
        return f"head unchanged, total smaller, in {report.seconds:.1f} s"
    return f"nothing to win here, in {report.seconds:.1f} s"


def _smaller_total(before: Arena, after: Arena) -> bool:
    return before.total is not None and after.total is not None and after.total < before.total


def _percent(before: int, after: int) -> str:
    return f"  ({(after - before) / before:+.1%})" if before and before != after else ""


def _verdict(report: Report) -> str:
    if report.optimal:
        return f"proved optimal ({report.proof})"
    gap = (report.after.head - report.bound) / report.bound if report.bound else 0.0
    return f"not proved optimal, at most {gap:.1%} above"


def _verified(report: Report) -> str:
    found = report.verified
    if found.bit_exact is None or not found.oracle:
        return found.note
    steps = f" x {found.steps} invocations" if found.steps > 1 else ""
    note = f" ({found.note})" if found.note else ""
    return f"bit-identical on {found.inputs} inputs{steps} in {found.oracle}{note}"

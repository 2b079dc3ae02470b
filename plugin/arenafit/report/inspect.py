"""`arenafit inspect`: where a model's memory goes, operator by operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from arenafit.candidates import scratch_rule
from arenafit.graph.model import Model
from arenafit.memory.build import model_problem
from arenafit.memory.problem import Bytes
from arenafit.partial.explain import Explanation, explain, lines_of, program_of
from arenafit.partial.unsplit import unsplit
from arenafit.report.chart import draw
from arenafit.report.figures import Arena, SegmentSize
from arenafit.report.profile import Occupancy, OperatorMemory, binding_operator, occupancy

__all__ = ["Inspection", "SegmentMemory", "format_inspection", "inspect", "segment_sizes"]


@dataclass(frozen=True)
class SegmentMemory:
    """A segment, and the head while it runs."""

    line: OperatorMemory
    inside: Explanation

    @property
    def alone(self) -> Bytes:
        """What would be alive at the worst of its operators if they ran one by one."""
        return self.inside.alone + self.line.held

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found = self.inside
        return {
            "operators": list(found.operators),
            "slices": found.slices,
            "weights": found.weights,
            "whole": found.whole,
            "largest": found.largest,
            "alone": self.alone,
            "worst": found.worst,
            "workspace": [
                {
                    "offset": block.offset,
                    "size": block.size,
                    "operator": block.operator,
                    "ring": block.ring,
                    "rows": block.rows,
                }
                for block in found.stack
            ],
        }


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found; sizes in bytes."""

    model: str
    kernels: str
    arena: Arena
    max_live: int  # the largest sum of live buffers: no plan without overlap goes lower
    has_plan: bool
    found: Occupancy
    binding: str
    segments: tuple[SegmentMemory, ...] = ()

    @property
    def unsegmented(self) -> Bytes:
        """The head if the segments' operators ran one by one, nothing of theirs shared; were the
        tensors placed without gaps."""
        whole = {segment.line.operator for segment in self.segments}
        plain = (line.occupied for line in self.found.operators if line.operator not in whole)
        return max((*plain, *(segment.alone for segment in self.segments)), default=0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; "segment" is null for an operator that is none."""
        inside = {segment.line.operator: segment.to_dict() for segment in self.segments}
        return {
            "model": self.model,
            "kernels": self.kernels,
            "head": self.arena.head,
            "tail": self.arena.tail,
            "total": self.arena.total,
            "startup": self.arena.startup,
            "measured": self.arena.measured,
            "max_live": self.max_live,
            "has_plan": self.has_plan,
            "binding": self.binding,
            "unsegmented": self.unsegmented if self.segments else None,
            "operators": [
                {
                    "subgraph": line.subgraph,
                    "number": line.number,
                    "name": line.operator.code.label,
                    "output": line.operator.outputs[0].name if line.operator.outputs else None,
                    "inputs": line.inputs,
                    "outputs": line.outputs,
                    "scratch": line.scratch,
                    "held": line.held,
                    "occupied": line.occupied,
                    "extent": line.extent,
                    "segment": inside.get(line.operator),
                }
                for line in self.found.operators
            ],
        }


def inspect(model: Model, kernels: str, name: str, measured: Arena | None = None) -> Inspection:
    """Account for the head of `model` as it stands, under `kernels` ("reference" or "cmsis_nn")."""
    scratch = scratch_rule(kernels)
    found = occupancy(model, scratch)
    problem = model_problem(model, None, scratch).problem
    scopes = {r.first for r in problem.requests}
    live = max(
        (sum(r.size for r in problem.requests if r.first <= s <= r.last) for s in scopes),
        default=0,
    )
    return Inspection(
        model=name,
        kernels=kernels,
        arena=measured or Arena(found.head),
        max_live=live,
        has_plan=model.has_offline_plan,
        found=found,
        binding=binding_operator(model, scratch),
        segments=tuple(_segments(model, found)),
    )


def segment_sizes(model: Model) -> list[SegmentSize]:
    """The segments of the main subgraph."""
    programs = enumerate(map(program_of, model.main.operators))
    return [
        SegmentSize(i, len(unsplit(p).program.operators), p.workspace)
        for i, p in programs
        if p is not None
    ]


def _segments(model: Model, found: Occupancy) -> Iterator[SegmentMemory]:
    for line in found.operators:
        program = program_of(line.operator)
        if program is not None:
            graph = model.subgraphs[line.subgraph]
            later = {t for op in graph.operators[line.number + 1 :] for t in op.activations()}
            later.update(graph.outputs)
            given = line.operator.inputs[:-1]
            kept = {i for i, tensor in enumerate(given) if tensor in later}
            yield SegmentMemory(line, explain(program, kept))


def format_inspection(seen: Inspection, *, colour: bool = False) -> str:
    """The table and the chart, for people."""
    arena = seen.arena
    lines = [f"{seen.model}: {len(seen.found.operators)} operators, {seen.kernels} kernels"]
    lines.append(
        f"  head {arena.head:,} bytes"
        + (f", tail {arena.tail:,}, total {arena.total:,}" if arena.tail is not None else "")
        + (f", {arena.startup:,} to start" if arena.startup is not None else "")
        + (" (measured in TFLM on this host)" if arena.measured else " (predicted)")
    )
    lines.append(f"  largest sum of live buffers {seen.max_live:,} bytes")
    lines.append(f"  planned by {'the model itself (offline plan)' if seen.has_plan else 'TFLM'}")
    lines.append(f"  binding: {seen.binding}")
    if seen.segments:
        count = len(seen.segments)
        inside = sum(len(segment.inside.operators) for segment in seen.segments)
        lines.append(
            f"  {count} segment{'s' * (count != 1)} of {inside} operators; run one by one, these "
            f"would bring the head to {seen.unsegmented:,} bytes"
        )
    lines.append("")
    lines.append(
        f"  {'':>4} {'operator':<24}{'in':>10}{'out':>10}{'scratch':>9}{'held':>10}{'occupied':>10}"
    )
    peak = seen.found.binding
    for line in seen.found.operators:
        number = _number(line)
        mark = " <- binds" if line is peak else ""
        lines.append(
            f"  {number:>4} {line.operator.code.label[:23]:<24}{line.inputs:>10,}"
            f"{line.outputs:>10,}{line.scratch:>9,}{line.held:>10,}{line.occupied:>10,}{mark}"
        )
    if seen.found.head:
        lines += ["", draw(seen.found, top=seen.found.head, colour=colour)]
    for segment in seen.segments:
        lines += ["", *_segment_lines(segment, binds=segment.line is peak)]
    for op in seen.found.unknown_scratch:
        lines.append(f"  note: the scratch of {op.code.label} is not known, and not counted")
    return "\n".join(lines)


def _number(line: OperatorMemory) -> str:
    return f"{line.subgraph}:{line.number}" if line.subgraph else f"{line.number}"


def _segment_lines(segment: SegmentMemory, *, binds: bool) -> list[str]:
    """What a segment saves, and what its bytes are."""
    line, inside = segment.line, segment.inside
    parts = [("in", line.inputs), ("out", line.outputs)]
    parts += [("workspace", line.scratch), ("held", line.held)]
    spent = " + ".join(f"{size:,} {what}" for what, size in parts if size)
    shared = sum(size for _, size in parts) - line.occupied
    spent += f" - {shared:,} shared" if shared else ""
    worst = f"{inside.operators[inside.worst]} {inside.worst}" if inside.operators else "none"
    saved = segment.alone - line.occupied
    verdict = f"saves {saved:,}" if saved > 0 else "saves no head, but what TFLM keeps for each"
    first, *rest = lines_of(inside)
    return [
        f"  segment {_number(line)}: {first}",
        f"    takes {line.occupied:,} bytes: {spent}{' <- binds' if binds else ''}",
        f"    {verdict}: one by one they would take {segment.alone:,} (at {worst})",
        *(f"    {text}" for text in rest),
    ]

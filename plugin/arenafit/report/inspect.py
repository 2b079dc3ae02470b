"""`arenafit inspect`: where a model's memory goes, operator by operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arenafit.candidates import scratch_rule
from arenafit.graph.model import Model
from arenafit.memory.build import model_problem
from arenafit.report.chart import draw
from arenafit.report.figures import Arena
from arenafit.report.profile import Occupancy, binding_operator, occupancy

__all__ = ["Inspection", "format_inspection", "inspect"]


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

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
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
    )


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
    lines.append("")
    lines.append(
        f"  {'':>4} {'operator':<24}{'in':>10}{'out':>10}{'scratch':>9}{'held':>10}{'occupied':>10}"
    )
    peak = seen.found.binding
    for line in seen.found.operators:
        number = f"{line.subgraph}:{line.number}" if line.subgraph else f"{line.number}"
        mark = " <- binds" if line is peak else ""
        lines.append(
            f"  {number:>4} {line.operator.code.label[:23]:<24}{line.inputs:>10,}"
            f"{line.outputs:>10,}{line.scratch:>9,}{line.held:>10,}{line.occupied:>10,}{mark}"
        )
    if seen.found.head:
        lines += ["", draw(seen.found, top=seen.found.head, colour=colour)]
    for op in seen.found.unknown_scratch:
        lines.append(f"  note: the scratch of {op.code.label} is not known, and not counted")
    return "\n".join(lines)

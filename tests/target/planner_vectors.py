"""The buffers of the shipped models, their plans, and plans that are not sound."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from arenafit.candidates import overlap_rule, scratch_rule
from arenafit.graph import load
from arenafit.memory.build import model_problem
from arenafit.memory.greedy import greedy
from arenafit.memory.metadata import MemoryPlan, memory_plan
from arenafit.memory.placement import solve
from support.planner import STATUSES

MODELS = sorted((Path(__file__).resolve().parents[2] / "models").glob("*.tflite"))
KERNELS = ("reference", "cmsis_nn")
SPOILT = "branching_cell_64"  # has overlaps and scratch


def spoilt(plan: MemoryPlan) -> dict[str, tuple[bytes, str]]:
    """Plans that are refused, and as what."""
    blob = plan.to_bytes()
    far = replace(plan.scratch[-1], offset=plan.head)
    return {
        "undeclared": (replace(plan, overlaps=plan.overlaps[1:]).to_bytes(), "UNDECLARED"),
        "unused": (replace(plan, overlaps=plan.overlaps + plan.overlaps[:1]).to_bytes(), "UNUSED"),
        "checksum": (blob[:4] + struct.pack("<I", 1) + blob[8:], "CHECKSUM"),
        "beyond": (replace(plan, scratch=(*plan.scratch[:-1], far)).to_bytes(), "BOUNDS"),
        "version": (blob[:3] + b"9" + blob[4:], "FORMAT"),
    }


def vectors() -> dict[str, Any]:
    found: dict[str, Any] = {}
    requests, starts, heads, blobs, blob_starts = [], [0], [], b"", [0]
    for path in MODELS:
        model = load(path.read_bytes())
        for kernels in KERNELS:
            rules = overlap_rule(kernels), scratch_rule(kernels)
            problem = model_problem(model, *rules).problem
            requests += [(r.size, r.first, r.last, r.fixed) for r in problem.requests]
            starts.append(len(requests))
            free = replace(problem, overlaps=())
            heads.append((greedy(problem).head, solve(free).head))
            plan = memory_plan(problem, solve(problem))
            blobs += plan.to_bytes()
            blob_starts.append(len(blobs))
            if (path.stem, kernels) == (SPOILT, "reference"):
                found["spoilt_model"] = len(starts) - 2
                for name, (blob, status) in spoilt(plan).items():
                    found[name] = np.frombuffer(blob, np.uint8)
                    found[f"{name}_status"] = STATUSES.index(status)
                first = plan.scratch[0]
                plan = replace(
                    plan, scratch=(replace(first, size=first.size - 16), *plan.scratch[1:])
                )
                found["small_scratch"] = np.frombuffer(plan.to_bytes(), np.uint8)
                found["first_scratch"] = len(plan.tensors)
    found["requests"] = np.array(requests, np.int32)
    found["starts"] = np.array(starts, np.int32)
    found["heads"] = np.array(heads, np.int32)
    found["plans"] = np.frombuffer(blobs, np.uint8)
    found["plan_starts"] = np.array(blob_starts, np.int32)
    return found

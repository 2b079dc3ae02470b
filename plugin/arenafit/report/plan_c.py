"""A memory plan for people, as a table, and for firmware that wants no planner, as C.

The C is data for TFLM's NonPersistentMemoryPlannerShim, whose BufferPlan is a count and that many
offsets (tensorflow/lite/micro/memory_planner/memory_plan_struct.h).
"""

from __future__ import annotations

import re

from arenafit.memory.metadata import MemoryPlan, memory_plan
from arenafit.memory.problem import Placement, Problem

__all__ = ["c_name", "comment_text", "emit_c", "plan_table"]

_LABEL = 48  # characters


def plan_table(problem: Problem, placement: Placement) -> str:
    """One line a buffer, in the order of TFLM's requests; sizes and offsets in bytes.

    Raises:
        ValueError: the placement is not for the problem, see `memory_plan`.
    """
    plan = memory_plan(problem, placement)
    rows = [("buffer", "offset", "size", "end", "scopes", "shares with", "what")]
    for i, (buffer, request) in enumerate(zip(plan.buffers, problem.requests, strict=True)):
        rows.append(
            (
                str(i),
                f"{buffer.offset:,}",
                f"{buffer.size:,}",
                f"{buffer.offset + buffer.size:,}",
                f"{buffer.first}-{buffer.last}",
                ", ".join(map(str, _partners(plan, i))),
                comment_text(request.label),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[:6], widths, strict=False)]
        lines.append("  ".join([*cells, row[6]]).rstrip())
    lines.append(f"head: {plan.head:,} bytes")
    return "\n".join(lines) + "\n"


def emit_c(problem: Problem, placement: Placement, *, name: str) -> str:
    """A C header with the plan as a BufferPlan, tensors and scratch.

    It needs no header of TFLM's, so that it is good C and C++ with every release.

    Args:
        problem: its requests in the order of TFLM's AddBuffer calls, scratch last.
        placement: an answer to it.
        name: of the model; makes the names in C, and stands in a comment.

    Raises:
        ValueError: the placement is not for the problem, see `memory_plan`.
    """
    plan = memory_plan(problem, placement)
    identifier = c_name(name)
    guard = f"ARENAFIT_PLAN_{identifier.upper()}_H_"
    width = len(str(plan.head)) + 1
    entries = []
    for i, (buffer, request) in enumerate(zip(plan.buffers, problem.requests, strict=True)):
        note = f"{i}: {buffer.size} bytes, scopes {buffer.first}-{buffer.last}"
        partners = _partners(plan, i)
        if partners:
            note += f", shares bytes with {' and '.join(map(str, partners))}"
        entries.append(
            f"        {str(buffer.offset) + ',':<{width}} /* {note}: {comment_text(request.label)} */"
        )
    count = len(plan.buffers)
    body = "\n".join(entries) or "        0 /* C has no empty arrays */"
    return _TEMPLATE.format(
        name=comment_text(name), guard=guard, identifier=identifier, upper=identifier.upper(),
        head=plan.head, count=count, length=max(count, 1), entries=body,
        scratch=len(plan.scratch), tensors=len(plan.tensors),
    )  # fmt: skip


def _partners(plan: MemoryPlan, index: int) -> list[int]:
    """The buffers that share bytes with buffer `index` while both are alive."""
    return sorted(
        pair.output + pair.input - index
        for pair in plan.overlaps
        if index in (pair.output, pair.input)
    )


def comment_text(text: str) -> str:
    """`text` as it can stand in a comment: short printable ASCII that does not end it."""
    if len(text) > _LABEL:  # Keras joins the names of all that was fused into one operator
        text = text[: _LABEL - 3] + "..."
    text = "".join(c if " " <= c <= "~" else "?" for c in text)
    return text.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/")


def c_name(name: str) -> str:
    """`name` as a name in C."""
    plain = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_").lower() or "model"
    return f"m_{plain}" if plain[0].isdigit() else plain


_TEMPLATE = """\
/* Memory plan of {name}, made by arenafit.
 *
 * {tensors} tensors and {scratch} scratch buffers, in the order in which TFLM asks for them. For
 * firmware without a planner:
 *
 *   tflite::NonPersistentMemoryPlannerShim planner(
 *       reinterpret_cast<const tflite::BufferPlan*>(&{identifier}_plan));
 *   auto* allocator = tflite::MicroAllocator::Create(arena, sizeof arena, &planner);
 *
 * The shim checks nothing but the number of buffers:
 *   - the plan is good for this model alone, and for the kernels it was made for: their scratch
 *     requests, and the order in which they read and write where buffers share bytes;
 *   - the model must not have an OfflineMemoryAllocation, which the shim refuses;
 *   - TFLM does not know the plan's {head} bytes: the arena has to have them besides its persistent
 *     part. arena_used_bytes() is the persistent part alone.
 */
#ifndef {guard}
#define {guard}

#include <stdint.h>

#define {upper}_PLAN_HEAD_BYTES {head}
#define {upper}_PLAN_BUFFERS {count}

/* A BufferPlan of TFLM's: the number of buffers, and where each starts in the arena. */
static const struct {{
  int32_t buffer_count;
  int32_t offsets[{length}];
}} {identifier}_plan = {{
    {count},
    {{
{entries}
    }},
}};

#endif /* {guard} */
"""

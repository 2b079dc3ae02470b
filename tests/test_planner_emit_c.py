"""The plan as a table, and as C for TFLM's planner shim."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path

import pytest

from arenafit.memory.placement import solve
from arenafit.memory.problem import Overlap, Placement, Problem, Request
from arenafit.report.plan_c import emit_c, plan_table
from support.native import compile_shared

PROBLEM = Problem(
    (
        Request(96, 0, 1, "input"),
        Request(96, 1, 2, "conv"),
        Request(32, 2, 3, "pool"),
        Request(32, 2, 2, "scratch of POOL", scratch=True),
    ),
    (Overlap(output=1, input=0, low=32),),
)
PLACEMENT = solve(PROBLEM)

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")


def compiled(header: str, name: str, folder: Path, language: str) -> list[int]:
    """The words of the plan, as the compiler has laid them out."""
    (folder / "plan.h").write_text(header, encoding="utf-8")
    source = folder / f"user.{language}"
    source.write_text(
        '#include "plan.h"\n#include "plan.h"\n'
        + ('extern "C" const int32_t* plan(void);\n' if language == "cc" else "")
        + f"const int32_t* plan(void) {{ return &{name}_plan.buffer_count; }}\n",
        encoding="utf-8",
    )
    standard = "-std=c++17" if language == "cc" else "-std=c11"
    library = compile_shared([source], standard, *WARNINGS, f"-I{folder}")
    library.plan.restype = ctypes.POINTER(ctypes.c_int32)
    words = library.plan()
    return [words[i] for i in range(1 + words[0])]


@pytest.mark.parametrize("language", ["c", "cc"])
def test_the_c_is_the_words_of_a_buffer_plan(language: str, tmp_path: Path):
    header = emit_c(PROBLEM, PLACEMENT, name="Person-Detect.v1")
    words = compiled(header, "person_detect_v1", tmp_path, language)
    assert words == [4, *PLACEMENT.offsets]
    assert f"#define PERSON_DETECT_V1_PLAN_HEAD_BYTES {PLACEMENT.head}\n" in header


def test_names_cannot_break_out_of_the_c(tmp_path: Path):
    label = 'a*/ int x = "\n#error\\'
    requests = tuple(replace(request, label=label + "é/*") for request in PROBLEM.requests)
    header = emit_c(replace(PROBLEM, requests=requests), PLACEMENT, name="9*/\n\\lives")
    assert compiled(header, "m_9_lives", tmp_path, "c") == [4, *PLACEMENT.offsets]
    assert "#error" not in {line[:6] for line in header.splitlines()}


def test_a_model_without_buffers_has_a_plan_too(tmp_path: Path):
    header = emit_c(Problem(()), Placement((), 0, 0, True), name="*")
    assert compiled(header, "model", tmp_path, "c") == [0]


def test_the_table_has_every_buffer_and_what_shares_bytes():
    assert plan_table(PROBLEM, Placement((32, 0, 128, 96), 160, 160, True)) == (
        "buffer  offset  size  end  scopes  shares with  what\n"
        "     0      32    96  128     0-1            1  input\n"
        "     1       0    96   96     1-2            0  conv\n"
        "     2     128    32  160     2-3               pool\n"
        "     3      96    32  128     2-2               scratch of POOL\n"
        "head: 160 bytes\n"
    )


def test_scratch_before_a_tensor_is_not_an_order_of_tflm_s():
    reversed_problem = Problem(PROBLEM.requests[::-1])
    for show in (plan_table, lambda p, q: emit_c(p, q, name="m")):
        with pytest.raises(ValueError, match="scratch"):
            show(reversed_problem, PLACEMENT)

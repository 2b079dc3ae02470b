"""The planner takes no more code than the one it replaces."""

from __future__ import annotations

import pytest

from support.planner_size import COMPILER, code_bytes, compiler_version

GREEDY = 918  # TFLM's GreedyMemoryPlanner with the same flags and gcc 12.2: 870 text, 48 vtable

needs_gcc_12 = pytest.mark.skipif(
    (compiler_version() or "").partition(".")[0] != "12",
    reason=f"sizes are those of {COMPILER} 12 (apt-get install gcc-arm-none-eabi)",
)


@needs_gcc_12
def test_the_planner_is_no_larger_than_tflm_s_greedy_planner():
    assert code_bytes("MemoryPlanner") <= GREEDY


@needs_gcc_12
def test_without_planning_on_the_device_it_is_a_third_smaller():
    assert code_bytes("OfflineMemoryPlanner") <= 600

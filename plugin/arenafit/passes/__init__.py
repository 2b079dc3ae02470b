"""Bit-exact rewrites of the graph, one file each, and the pipeline that runs them."""

from arenafit.passes.pipeline import (
    COSTLY_PASSES,
    PIPELINE,
    Pass,
    PassResult,
    copy_model,
    run_passes,
)

__all__ = ["COSTLY_PASSES", "PIPELINE", "Pass", "PassResult", "copy_model", "run_passes"]

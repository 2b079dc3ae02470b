"""Bit-exact rewrites of the graph, one file each, and the pipeline that runs them."""

from arenafit.passes.pipeline import PIPELINE, Pass, PassResult, copy_model, run_passes

__all__ = ["PIPELINE", "Pass", "PassResult", "copy_model", "run_passes"]

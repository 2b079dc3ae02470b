"""Partial execution on real models: heads before and after, against the floors of this kind.

usage: python tools/bench_partial.py [MODEL ...] [--run]

For each model (default: ../shared/zoo and models/): the stock head, the head of the best cut
into segments as predicted and as placed (workspace included), the floor where one is known
(rows and overlap alone, before workspace), the nodes left, and what the search took. With
--run also what the real TFLM measures, and whether the outputs are the same bytes.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

from arenafit.candidates import overlap_rule, predict_head, scratch_rule
from arenafit.graph import Model, load, save
from arenafit.memory.build import apply_placement, model_problem
from arenafit.memory.placement import solve_stock
from arenafit.partial.model import partial_model
from arenafit.passes import run_passes

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]

FLOORS = {
    "mlperf__vww_96_int8": 27_648,
    "mlperf__kws_ref_model": 6_186,
    "mlperf__pretrainedResnet_quant": 15_616,
    "mlperf__str_ww_ref_model": 3_584,
    "tflm__person_detect": 14_592,
    "mltk__keyword_spotting_on_off_v2": 6_784,
    "mltk__keyword_spotting_on_off_v3": 10_232,
    "mlonmcu__micro_kws_m_quantized": 5_640,
    "openmv__fomo_face_detection": 30_720,
    "mltk__zip_keyword_spotting_mobilenetv2": 9_803,
    "tinyengine__vww": 76_800,
    "cfu__model_mobilenetv2_160_035": 81_920,
    "keras__mobilenet_v2_035_96": 30_720,
    "emza__ssd_slim_120x160x1_v1_int8": 49_798,
    "keras__swiftnet_like_96": 81_024,
    "keras__cifar10_cmsisnn_max": 8_704,
    "openmv__blazeface_front_128": 196_608,
}
"""Bytes; an estimate made before there was any code, without workspace."""

KERNELS = "reference"


def streamed(data: bytes) -> tuple[Model, str]:
    """The model with segments and a plan, and its part of the line."""
    model = load(data)
    run_passes(model)
    rule, scratch = overlap_rule(KERNELS), scratch_rule(KERNELS)
    start = time.perf_counter()
    done = partial_model(model, rule, scratch)
    seconds = time.perf_counter() - start
    placing = model_problem(model, rule, scratch)
    placement = solve_stock(placing.problem, seconds=5)
    apply_placement(model, placing, placement)
    predicted = done.head if done is not None else placement.head
    simulated = done.cut.simulated if done is not None else 0
    return model, (
        f"{predicted:10}{placement.head:9}{len(model.main.operators):7}"
        f"{simulated:6}{seconds:8.2f}{len(save(model)) / len(data):7.2f}"
    )


def measured(data: bytes, made: bytes) -> str:
    """What the real TFLM says: head and tail before and after, same bytes or not."""
    from arenafit.runtime import Session

    with Session() as stock, Session(planner="arenafit") as ours:
        before, after = stock.measure(data), ours.measure(made)
        same = ours.verify(data, made, inputs=4, intermediates=False).bit_exact
    return (
        f"  head {before.head} -> {after.head}, tail {before.tail} -> {after.tail}, "
        f"{'same bytes' if same else 'OTHER BYTES'}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 where TFLM computed other bytes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    zoo = Path(os.environ.get("ARENAFIT_ZOO") or ROOT.parent / "shared" / "zoo")
    default = [*sorted(zoo.glob("*.tflite")), *sorted((ROOT / "models").glob("*.tflite"))]
    parser.add_argument("models", nargs="*", type=Path, default=default, metavar="MODEL")
    parser.add_argument("--run", action="store_true", help="measure and compare in the real TFLM")
    options = parser.parse_args(arguments)
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}")
    print(
        f"{'model':40}{'stock':>8}{'predicted':>10}{'placed':>9}{'nodes':>7}{'sims':>6}"
        f"{'seconds':>8}{'flash':>7}{'floor':>8}"
    )
    wrong = 0
    for path in options.models:
        data = path.read_bytes()
        stock = predict_head(load(data), KERNELS)
        model, line = streamed(data)
        floor = FLOORS.get(path.stem, "")
        print(f"{path.stem[:39]:40}{stock:8}{line}{floor:>8}", flush=True)
        if options.run:
            said = measured(data, save(model))
            wrong += "OTHER" in said
            print(said, flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Whole models cut into segments: heads, and every segment's bytes against the real TFLM's."""

from __future__ import annotations

from pathlib import Path

import pytest

from arenafit.graph import Model, load
from arenafit.partial.search import Cut, best_cut
from arenafit.runtime import available
from support.partial import cleaned, costs_of, each_model, values_in_tflm
from support.segment import makes
from support.zoo import each_zoo_model, zoo_model

needs_tflm = pytest.mark.skipif(not available(), reason="needs the tflite-micro wheel")


def cut_of(path: Path) -> tuple[Model, Cut]:
    model = cleaned(load(path.read_bytes()))
    return model, best_cut(costs_of(model))


def same_bytes_in_every_segment(path: Path, count: int) -> int:
    """Run each segment on the values that its inputs have in TFLM; how many there were."""
    model, cut = cut_of(path)
    segments = [step.segment for step in cut.steps if step.segment is not None]
    if not segments:
        return 0
    ends = [t for segment in segments for t in (*segment.inputs, *segment.outputs)]
    values = values_in_tflm(model, list(dict.fromkeys(ends)), count)
    for segment in segments:
        runs = [{t: held[t].tobytes() for t in held} for held in values]
        assert makes(segment, runs), segment.outputs
        answers = {tuple(run[t] for t in segment.outputs) for run in runs}
        assert len(answers) > 1, "TFLM's values do not vary"
    return len(segments)


@needs_tflm
@each_model
def test_segments_compute_tflms_bytes(path: Path):
    assert same_bytes_in_every_segment(path, 3) > 0


@needs_tflm
@pytest.mark.slow
@each_zoo_model
def test_segments_of_real_models_compute_tflms_bytes(model: Path):
    found = same_bytes_in_every_segment(model, 5)
    assert found or model.stem == "keras__dscnn_s_int16"


HEADS = {
    "mlperf__vww_96_int8": 27_760,
    "mlperf__kws_ref_model": 6_240,
    "mlperf__pretrainedResnet_quant": 15_680,
    "mlperf__str_ww_ref_model": 3_632,
    "tflm__person_detect": 14_608,
    "mltk__keyword_spotting_on_off_v2": 6_800,
    "mlonmcu__micro_kws_m_quantized": 5_664,
    "openmv__fomo_face_detection": 30_736,
    "mltk__zip_keyword_spotting_mobilenetv2": 8_384,
    "tinyengine__vww": 76_800,
    "cfu__model_mobilenetv2_160_035": 81_936,
    "keras__mobilenet_v2_035_96": 30_736,
    "keras__cifar10_cmsisnn_max": 8_720,
    "keras__lenet5_28": 1_568,
    "openmv__blazeface_front_128": 196_608,
}
"""Predicted heads of the best cuts, in bytes."""

SLOW_HEADS = {
    "mltk__keyword_spotting_on_off_v3": 10_272,
    "emza__ssd_slim_120x160x1_v1_int8": 50_016,
    "keras__swiftnet_like_96": 81_104,
}


@pytest.mark.parametrize(
    ("name", "head"),
    [
        *HEADS.items(),
        *(pytest.param(*item, marks=pytest.mark.slow) for item in SLOW_HEADS.items()),
    ],
)
def test_heads_of_real_models(name: str, head: int):
    _, cut = cut_of(zoo_model(name))
    assert cut.cost <= head

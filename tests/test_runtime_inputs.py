"""The inputs that models are verified with."""

from __future__ import annotations

import numpy as np
import pytest

from arenafit.runtime.inputs import KINDS, stimuli
from arenafit.runtime.interface import Interface, Port


def interface(*ports: Port) -> Interface:
    return Interface(ports, (), stateful=False)


IMAGE = Port("image", (1, 24, 24, 3), "int8", (0.5,), (0,))


def raw(made: list) -> list[bytes]:
    return [array.tobytes() for stimulus in made for step in stimulus.steps for array in step]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    model = interface(IMAGE, Port("more", (4,), "float32"))
    assert raw(stimuli(model, 8, 3, seed=5)) == raw(stimuli(model, 8, 3, seed=5))
    assert raw(stimuli(model, 8, 3, seed=5)) != raw(stimuli(model, 8, 3, seed=6))


def test_no_two_stimuli_are_alike_even_when_the_kinds_come_round_again():
    made = stimuli(interface(IMAGE), 3 * len(KINDS))
    assert len(set(raw(made))) == 3 * len(KINDS)
    assert [stimulus.kind for stimulus in made[: len(KINDS)]] == list(KINDS)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_quantised_inputs_use_their_whole_range(dtype: str):
    made = stimuli(interface(Port("x", (1, 16, 16, 1), dtype, (0.1,), (0,))), len(KINDS))
    arrays = [stimulus.steps[0][0] for stimulus in made]
    limits = np.iinfo(dtype)
    assert {array.dtype.name for array in arrays} == {dtype}
    assert min(array.min() for array in arrays) == limits.min
    assert max(array.max() for array in arrays) == limits.max


def test_smooth_fields_are_smooth_and_noise_is_not():
    made = {s.kind: s.steps[0][0].astype(int) for s in stimuli(interface(IMAGE), len(KINDS))}
    jump = {kind: np.abs(np.diff(field, axis=1)).mean() for kind, field in made.items()}
    assert jump["smooth"] < 0.3 * jump["noise"]
    assert jump["low contrast"] < 0.1 * jump["noise"]


def test_integers_without_a_scale_are_small_enough_to_be_indices():
    made = stimuli(interface(Port("index", (16,), "int32")), 2 * len(KINDS))
    arrays = [stimulus.steps[0][0] for stimulus in made]
    assert min(a.min() for a in arrays) == 0
    assert max(a.max() for a in arrays) == 7


def test_float_inputs_come_in_the_usual_ranges():
    made = stimuli(interface(Port("x", (1, 64), "float32")), 24)
    tops = [float(np.abs(stimulus.steps[0][0]).max()) for stimulus in made]
    assert any(top > 200 for top in tops)
    assert any(top <= 1 for top in tops)
    assert any(float(stimulus.steps[0][0].min()) < -0.9 for stimulus in made)


def test_a_sequence_moves_from_step_to_step():
    first = stimuli(interface(IMAGE), 1, steps=12)[0]
    assert len(first.steps) == 12
    assert len({step[0].tobytes() for step in first.steps}) == 12


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (1, 1, 1, 1), (2, 3, 4, 5, 6)])
@pytest.mark.parametrize("dtype", ["int8", "float32", "bool", "int64", "uint16", "float16"])
def test_any_shape_and_type_gets_what_it_asks_for(shape: tuple[int, ...], dtype: str):
    for stimulus in stimuli(interface(Port("x", shape, dtype)), len(KINDS), steps=2):
        for (array,) in stimulus.steps:
            assert (array.shape, array.dtype.name) == (shape, dtype)


def test_a_model_without_inputs_gets_steps_without_arrays():
    assert [s.steps for s in stimuli(interface(), 2, steps=3)] == [[[], [], []]] * 2

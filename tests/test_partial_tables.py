"""Functions of a byte as tables: all 256 values, in the real TFLM and by arenafit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from arenafit.graph import Model, Operator, Quantization, save
from arenafit.partial.arithmetic import (
    divide_by_power,
    high_mul,
    quantize_multiplier,
    requantize,
    round_away,
)
from arenafit.partial.tables import table_of
from support.builder import GraphBuilder
from support.rewriting import tflm

BYTES = np.arange(256, dtype=np.uint8).view(np.int8)


def one(name: str, read: tuple[float, int], written: tuple[float, int], **options) -> Model:
    """A model of one unary operator over 256 values."""
    g = GraphBuilder()
    x = g.input((1, 256))
    y = g.unary(name, x, **options)
    for tensor, (scale, zero) in ((x, read), (y, written)):
        tensor.quantization = Quantization((float(np.float32(scale)),), (zero,))
    g.output(y)
    return g.model()


def in_tflm(model: Model) -> bytes:
    (outputs,) = tflm().run(save(model), [[BYTES.reshape(1, 256)]])
    return np.asarray(outputs[0]).tobytes()


def table(model: Model) -> bytes | None:
    op: Operator = model.main.operators[0]
    return table_of(op)


CASES = [
    ("RELU", {}, None),
    ("RELU6", {}, "same"),
    ("LEAKY_RELU", {"alpha": 0.1}, None),
    ("LEAKY_RELU", {"alpha": 1.7}, None),
    ("HARD_SWISH", {}, None),
    ("LOGISTIC", {}, (1 / 256, -128)),
    ("TANH", {}, (1 / 128, 0)),
    ("QUANTIZE", {}, None),
]


@pytest.mark.parametrize(("name", "options", "written"), CASES)
def test_a_table_has_tflms_answer_for_every_byte(name: str, options, written):
    rng = np.random.default_rng(7)
    distinct = set()
    for _ in range(12):
        scale = 0.08 * 2.0 ** rng.uniform(-4, 2)
        read = (scale, int(rng.integers(-128, 128)))
        out = (scale * 2.0 ** rng.uniform(-0.5, 2), int(rng.integers(-128, 128)))
        if written is not None:
            out = read if written == "same" else written
        model = one(name, read, out, **options)
        made = table(model)
        assert made == in_tflm(model), (read, out)
        distinct.add(made)
    assert len(distinct) > 8


def test_a_hard_swish_that_tflm_refuses_has_no_table():
    assert table(one("HARD_SWISH", (1.0, 0), (0.001, 0))) is None


def test_a_logistic_with_another_output_than_tflms_has_no_table():
    assert table(one("LOGISTIC", (0.1, 0), (1 / 256, 0))) is None


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (0.5, (1 << 30, 0)),
        (1.0, (1 << 30, 1)),
        (0.75, (3 << 29, 0)),
        (2.0**-40, (0, 0)),
        (1 - 2.0**-40, (1 << 30, 1)),  # rounds up to 2^31, which has no place
    ],
)
def test_multipliers_are_normalised(real: float, expected: tuple[int, int]):
    assert quantize_multiplier(real) == expected


def test_requantising_is_within_a_step_of_real_arithmetic_and_rounds_halves_away():
    rng = np.random.default_rng(1)
    for _ in range(2000):
        value, real = int(rng.integers(-(1 << 24), 1 << 24)), 2.0 ** rng.uniform(-16, 4)
        assert abs(requantize(value, *quantize_multiplier(real)) - value * real) <= 1.01
    assert [divide_by_power(v, 1) for v in (-3, -1, 1, 3)] == [-2, -1, 1, 2]
    assert [round_away(v) for v in (-1.5, -0.5, 0.5, 1.5)] == [-2, -1, 1, 2]
    assert high_mul(-(1 << 31), -(1 << 31)) == (1 << 31) - 1
    assert math.isclose(high_mul(1 << 30, 1 << 30) / 2**31, 0.25)

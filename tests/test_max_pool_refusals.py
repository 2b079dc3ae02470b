"""What arenafit's max-pooling refuses, and that nothing it accepts leaves its tensors."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from arenafit.graph.custom import MAX_EXTENT, MaxPool2D
from arenafit.graph.model import DType
from support.max_pool import SOURCES, Kernel, custom_pool
from support.native import C_FLAGS, SANITIZE, compile_program

FUZZ = Path(__file__).parent / "native" / "max_pool_fuzz.c"
GOOD = MaxPool2D((3, 2), (2, 2), (1, 0), (-128, 127), 0)


def bits(*values: float) -> tuple[int, int]:
    low, high = struct.unpack("<2i", struct.pack("<2f", *values))
    return low, high


def kernel(options: MaxPool2D = GOOD, shape=(1, 8, 8, 4), out=(4, 4), dtype=DType.INT8) -> Kernel:
    return Kernel(custom_pool(shape, out, options, dtype))


def test_a_sound_operator_is_accepted_and_its_claim_is_read():
    accepted = kernel(replace(GOOD, overlap=-48))
    assert accepted.status == "OK" and accepted.claimed == -48


@pytest.mark.parametrize("size", [0, 1, 36, 39, 41, 44, 80])
def test_options_of_another_size_are_refused(size):
    op = custom_pool((1, 8, 8, 4), (4, 4), GOOD)
    op.custom_options = (GOOD.encode() * 2)[:size]
    refused = Kernel(op)
    assert refused.status == "BAD_OPTIONS" and refused.text == "unknown options"


@pytest.mark.parametrize("version", [0, 2, -1, 256])
def test_options_of_another_version_are_refused(version):
    op = custom_pool((1, 8, 8, 4), (4, 4), GOOD)
    op.custom_options = struct.pack("<i", version) + GOOD.encode()[4:]
    assert Kernel(op).status == "BAD_OPTIONS"


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filter", 0), ("filter", -1), ("filter", MAX_EXTENT + 1), ("filter", 2**31 - 1),
        ("stride", 0), ("stride", -2), ("stride", MAX_EXTENT + 1), ("stride", 2**31 - 1),
        ("pad", -1), ("pad", 3), ("pad", -(2**31)), ("pad", 2**31 - 1),
    ],
)  # fmt: skip
def test_windows_out_of_range_are_refused(axis, field, value):
    pair = list(getattr(GOOD, field))
    pair[axis] = value
    assert kernel(replace(GOOD, **{field: tuple(pair)})).status == "BAD_WINDOW"


def test_the_last_window_may_hold_a_pixel_but_not_none():
    assert kernel(out=(4, 4)).status == "OK"
    assert kernel(out=(5, 4)).status == "OK"  # one row above: the last starts in row 7
    assert kernel(out=(6, 4)).status == "BAD_WINDOW"
    assert kernel(out=(4, 5)).status == "BAD_WINDOW"
    assert kernel(shape=(1, MAX_EXTENT, 1, 1), out=(MAX_EXTENT, 1)).status == "BAD_WINDOW"


@pytest.mark.parametrize(
    "shape",
    [
        (0, 8, 8, 4),
        (1, -8, 8, 4),
        (1, 8, 0, 4),
        (1, 8, 8, 0),
        (MAX_EXTENT + 1, 1, 1, 1),
        (1 << 10, 1 << 10, 1 << 10, 2),
        (MAX_EXTENT,) * 4,
    ],
)
def test_empty_and_enormous_tensors_are_refused(shape):
    assert kernel(shape=shape).status == "BAD_SHAPE"


@pytest.mark.parametrize("shape", [(1, 4, 4, 5), (2, 4, 4, 4), (1, 0, 4, 4), (1, 4, -4, 4)])
def test_an_output_that_does_not_go_with_the_input_is_refused(shape):
    op = custom_pool((1, 8, 8, 4), (4, 4), GOOD)
    op.outputs[0].shape = shape
    refused = Kernel(op)
    assert refused.status == "BAD_SHAPE" and refused.text == "shapes do not fit"


@pytest.mark.parametrize(
    ("dtype", "clamp", "accepted"),
    [
        (DType.INT8, (-128, 127), True),
        (DType.INT8, (5, 5), True),
        (DType.INT8, (6, 5), False),
        (DType.INT8, (-129, 127), False),
        (DType.INT8, (0, 128), False),
        (DType.INT16, (-32768, 32767), True),
        (DType.INT16, (-32769, 0), False),
        (DType.INT16, (0, 32768), False),
        (DType.FLOAT32, bits(0.0, 6.0), True),
        (DType.FLOAT32, bits(6.0, 0.0), False),
        (DType.FLOAT32, bits(float("nan"), 6.0), False),
        (DType.FLOAT32, bits(0.0, float("nan")), False),
    ],
)
def test_activation_ranges_must_be_in_order_and_of_the_type(dtype, clamp, accepted):
    found = kernel(replace(GOOD, clamp=clamp), dtype=dtype)
    assert found.status == ("OK" if accepted else "BAD_CLAMP")


def test_tensors_that_share_too_much_are_refused():
    padded = kernel(MaxPool2D((3, 3), (1, 1), (1, 1), (-128, 127), 0), out=(8, 8))
    assert not padded.allows(0)
    assert padded.allows(padded.overlap) and not padded.allows(padded.overlap - 1)
    assert padded.allows(-256) and not padded.allows(-255)  # behind each other, and one byte less


@pytest.mark.parametrize("rounds", [20_000, pytest.param(2_000_000, marks=pytest.mark.slow)])
def test_sanitizers_find_nothing_in_sound_and_damaged_operators(rounds):
    program = compile_program([FUZZ, *SOURCES], *C_FLAGS, *SANITIZE, "-DSTANDALONE")
    done = subprocess.run([program, str(rounds)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts = re.match(r"refused (\d+), ran (\d+)", done.stdout)
    assert counts is not None
    assert all(int(count) > rounds // 10 for count in counts.groups())


def test_the_sanitizer_would_find_a_kernel_that_trusts_its_padding(tmp_path):
    text = SOURCES[0].read_text(encoding="utf-8")
    careless = text.replace("return origin > 0 ? origin : 0;", "return origin;")
    assert careless != text
    source = tmp_path / "max_pool.c"
    source.write_text(careless, encoding="utf-8")
    program = compile_program([FUZZ, source, SOURCES[1]], *C_FLAGS, *SANITIZE, "-DSTANDALONE")
    done = subprocess.run([program, "20000"], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "max_pool.c" in done.stderr

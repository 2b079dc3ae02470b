"""The plan in a model's metadata: what is written, and what is refused, in Python and in C."""

from __future__ import annotations

import random
import re
import struct
import subprocess
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.errors import ModelError
from arenafit.memory import metadata
from arenafit.memory.metadata import (
    DeclaredOverlap,
    MemoryPlan,
    PlannedBuffer,
    decode,
    encode,
    memory_plan,
)
from arenafit.memory.problem import ALIGNMENT, Overlap, Placement, Problem, Request
from support.native import C_FLAGS, KERNELS, SANITIZE, compile_program
from support.planner import CORE, NATIVE, STATUSES

HEADER = (KERNELS / "core" / "include" / "arenafit" / "plan.h").read_text(encoding="utf-8")

# Two convolutions in place, with scratch for the second one.
PROBLEM = Problem(
    (
        Request(64, 0, 1),
        Request(96, 1, 2),
        Request(32, 2, 3),
        Request(16, 2, 2, scratch=True),
    ),
    (Overlap(output=1, input=0, low=32), Overlap(output=2, input=1, low=-16, high=64)),
)
PLACEMENT = Placement((32, 0, 96, 128), 144, 144, True)
GOOD = MemoryPlan(
    144,
    (PlannedBuffer(64, 32, 0, 1), PlannedBuffer(96, 0, 1, 2), PlannedBuffer(32, 96, 2, 3)),
    (PlannedBuffer(16, 128, 2, 2),),
    (DeclaredOverlap(1, 0, 32, metadata.UNLIMITED),),
)


def verdicts(blobs: list[bytes]) -> list[str]:
    """What arenafit_plan_check says, built with the sanitizers, which must find nothing."""
    source = [NATIVE / "plan_fuzz.c", *CORE]
    program = compile_program(source, *C_FLAGS, "-DSTANDALONE", *SANITIZE)
    text = "".join(blob.hex() + "\n" for blob in blobs)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [STATUSES[int(line)] for line in done.stdout.split()]


def accepted(blob: bytes) -> bool:
    try:
        decode(blob)
    except ModelError:
        return False
    return True


def sealed(blob: bytes) -> bytes:
    """`blob` with the checksum that it should have."""
    return blob[:4] + struct.pack("<I", zlib.crc32(blob[8:])) + blob[8:]


def with_buffer(index: int, **changes: int) -> MemoryPlan:
    buffers = list(GOOD.buffers)
    buffers[index] = replace(buffers[index], **changes)
    count = len(GOOD.tensors)
    return replace(GOOD, tensors=tuple(buffers[:count]), scratch=tuple(buffers[count:]))


def test_a_plan_has_tensors_then_scratch_and_the_overlaps_it_uses():
    assert memory_plan(PROBLEM, PLACEMENT) == GOOD


def test_overlaps_are_written_in_the_order_in_which_they_are_checked():
    """Whatever the problem's: by output, then by input."""
    requests = (Request(32, 0, 1), Request(32, 0, 1), Request(64, 1, 2), Request(64, 2, 2))
    overlaps = (Overlap(3, 2, 0), Overlap(2, 1, 0), Overlap(2, 0, 0))
    placement = Placement((0, 32, 0, 0), 64, 64, True)
    plan = decode(encode(Problem(requests, overlaps), placement))
    assert [(pair.output, pair.input) for pair in plan.overlaps] == [(2, 0), (2, 1), (3, 2)]


def test_a_plan_survives_being_written_and_read():
    blob = encode(PROBLEM, PLACEMENT)
    assert len(blob) == 20 + 12 * 4 + 12
    assert decode(blob) == GOOD


def test_the_bytes_of_a_plan_are_those_of_the_format():
    problem = Problem((Request(16, -1, -1), Request(32, 0, 1, scratch=True)))
    blob = encode(problem, Placement((0, 16), 48, 48, True))
    body = struct.pack("<I4H", 48, 1, 2, 0, 0) + struct.pack("<2I2h", 16, 0, -1, -1)
    body += struct.pack("<2I2h", 32, 16, 0, 1)
    assert blob == b"AFP1" + struct.pack("<I", zlib.crc32(body)) + body


def test_the_constants_of_the_header_are_those_of_python():
    constants = dict(re.findall(r"#define (ARENAFIT_\w+) (\S+)", HEADER))
    assert constants["ARENAFIT_PLAN_METADATA"] == f'"{metadata.METADATA_NAME}"'
    assert int(constants["ARENAFIT_PLAN_MAGIC"], 16) == metadata.MAGIC
    assert int(constants["ARENAFIT_PLAN_ALIGNMENT"]) == ALIGNMENT
    block = HEADER[: HEADER.index("} arenafit_plan_status")].rpartition("typedef enum")[2]
    assert tuple(re.findall(r"ARENAFIT_PLAN_(\w+),", block)) == STATUSES


@pytest.mark.parametrize(
    ("struct_name", "layout"),
    [
        ("arenafit_plan", metadata._HEADER),
        ("arenafit_plan_buffer", metadata._BUFFER),
        ("arenafit_plan_overlap", metadata._OVERLAP),
    ],
)
def test_the_structs_of_the_header_are_those_of_python(struct_name: str, layout: struct.Struct):
    body = HEADER[: HEADER.index(f"}} {struct_name};")].rpartition("typedef struct {")[2]
    letters = {"uint32_t": "I", "int32_t": "i", "uint16_t": "H", "int16_t": "h"}
    fields = re.findall(r"^\s+(u?int\d+_t) \w+;", body, re.MULTILINE)
    assert "<" + "".join(letters[field] for field in fields) == layout.format


def test_a_sound_plan_is_accepted_by_the_device_s_check():
    assert verdicts([encode(PROBLEM, PLACEMENT), MemoryPlan(0, ()).to_bytes()]) == ["OK", "OK"]


def test_a_plan_is_refused_at_every_length_but_its_own():
    blob = encode(PROBLEM, PLACEMENT)
    cuts = [blob[:size] for size in range(len(blob))] + [blob + b"\0", blob + bytes(12)]
    assert not any(map(accepted, cuts))
    assert verdicts(cuts) == ["FORMAT"] * 20 + ["TRUNCATED"] * (len(cuts) - 20)


def test_every_damaged_bit_is_noticed():
    blob = encode(PROBLEM, PLACEMENT)
    damaged = []
    for bit in range(8 * len(blob)):
        copy = bytearray(blob)
        copy[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(copy))
    assert not any(map(accepted, damaged))
    assert set(verdicts(damaged)) == {"FORMAT", "TRUNCATED", "CHECKSUM"}
    assert verdicts([blob[:4] + bytes(4) + blob[8:]]) == ["CHECKSUM"]


UNSOUND = {
    "an offset past the arena": (with_buffer(3, offset=144), "BOUNDS"),
    "an end past the arena": (with_buffer(3, size=32), "BOUNDS"),
    "a size that wraps": (with_buffer(3, size=2**32 - 128), "BOUNDS"),
    "an offset that is not aligned": (replace(with_buffer(3, offset=136), head=160), "BOUNDS"),
    "an arena of more than 2 GiB": (replace(GOOD, head=2**31), "BOUNDS"),
    "an overlap that is not declared": (replace(GOOD, overlaps=()), "UNDECLARED"),
    "an overlap of another pair": (
        replace(GOOD, overlaps=(DeclaredOverlap(2, 1, 32, 96),)),
        "UNDECLARED",
    ),
    "an overlap with input and output exchanged": (
        replace(GOOD, overlaps=(DeclaredOverlap(0, 1, -96, 96),)),
        "UNDECLARED",
    ),
    "an overlap 16 bytes too far": (
        replace(GOOD, overlaps=(DeclaredOverlap(1, 0, 48, 96),)),
        "UNDECLARED",
    ),
    "an overlap 16 bytes too near": (
        replace(GOOD, overlaps=(DeclaredOverlap(1, 0, 0, 16),)),
        "UNDECLARED",
    ),
    "an overlap with an input that lives on": (with_buffer(0, last=2), "UNDECLARED"),
    "two tensors in one place that live on": (
        MemoryPlan(32, (PlannedBuffer(32, 0, 0, 3), PlannedBuffer(32, 0, 1, 2))),
        "UNDECLARED",
    ),
    "scratch on a live tensor": (with_buffer(3, offset=96), "UNDECLARED"),
    "an overlap that is not used": (
        replace(GOOD, overlaps=(*GOOD.overlaps, DeclaredOverlap(2, 1, -16, 64))),
        "UNUSED",
    ),
    "an overlap declared twice": (replace(GOOD, overlaps=GOOD.overlaps * 2), "UNUSED"),
    "an overlap of a buffer that does not exist": (
        replace(GOOD, overlaps=(DeclaredOverlap(1, 9, 32, 96),)),
        "UNDECLARED",
    ),
}


@pytest.mark.parametrize("what", UNSOUND)
def test_a_plan_is_refused_for(what: str):
    plan, status = UNSOUND[what]
    assert verdicts([plan.to_bytes()]) == [status]
    with pytest.raises(ModelError, match="metadata 'arenafit_plan': "):
        decode(plan.to_bytes())


def test_what_is_refused_when_read_is_not_written():
    with pytest.raises(ModelError, match="undeclared"):
        encode(replace(PROBLEM, overlaps=()), PLACEMENT)
    with pytest.raises(ModelError, match="operators"):
        encode(Problem((Request(16, 0, 2**15),)), Placement((0,), 16, 16, True))
    with pytest.raises(ModelError, match="the most is 2147483647"):
        encode(Problem((Request(2**31, 0, 1),)), Placement((0,), 2**31, 2**31, True))
    with pytest.raises(ModelError, match="the most is 65535"):
        many = tuple(Request(16, k % 30000, k % 30000) for k in range(65536))
        encode(Problem(many), Placement(tuple(range(0, 16 * 65536, 16)), 2**20, 0, False))
    with pytest.raises(ValueError, match="scratch"):
        encode(Problem(PROBLEM.requests[::-1]), PLACEMENT)


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_python_and_c_agree_on_mutated_plans(seed: int, changes: int):
    """Half of the numbers come from the plan itself, so that they nearly make sense."""
    rng = random.Random(seed)
    blobs = []
    for _ in range(60):
        blob = bytearray(encode(PROBLEM, PLACEMENT))
        for _ in range(rng.randint(1, changes)):
            at = rng.randrange(8, len(blob), 2)
            source = rng.randrange(8, len(blob), 2)
            value = blob[source : source + 2] if rng.random() < 0.5 else rng.randbytes(2)
            blob[at : at + 2] = value
        blobs.append(sealed(bytes(blob)))
    assert [status == "OK" for status in verdicts(blobs)] == [accepted(blob) for blob in blobs]


def test_the_mutated_plans_of_that_test_are_not_all_refused():
    rng = random.Random(0)
    plan = [
        with_buffer(rng.randrange(4), offset=16 * rng.randrange(9), first=rng.randrange(3))
        for _ in range(200)
    ]
    found = verdicts([p.to_bytes() for p in plan])
    assert {"OK", "UNDECLARED", "UNUSED", "BOUNDS"} <= set(found)

"""The messages between session and worker, of which neither end trusts the other's."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.runtime.protocol import ProtocolError, frame, pack_arrays, read_frame, unpack_arrays


def reader(data: bytes):
    stream = io.BytesIO(data)

    def read(count: int) -> bytes:
        piece = stream.read(count)
        if len(piece) != count:
            raise EOFError
        return piece

    return read


def test_a_frame_arrives_as_it_was_sent():
    read = reader(b"".join(frame({"do": "run", "steps": [1, 2]}, [b"model", b""])) + b"rest")
    assert read_frame(read) == ({"do": "run", "steps": [1, 2]}, [b"model", b""])
    assert read(4) == b"rest"


@given(st.binary(max_size=64))
def test_bytes_that_are_no_frame_end_in_one_of_two_errors(data: bytes):
    with pytest.raises((ProtocolError, EOFError)):
        read_frame(reader(data))


@pytest.mark.parametrize("blobs", [[-1], [1 << 40], ["x"], None, 7])
def test_a_header_with_impossible_blobs_is_refused(blobs: object):
    text = json.dumps({"blobs": blobs}).encode()
    with pytest.raises(ProtocolError):
        read_frame(reader(len(text).to_bytes(4, "little") + text + bytes(100)))


def test_arrays_of_all_shapes_arrive_as_they_were_sent():
    sent = [
        np.arange(6, dtype=np.int8).reshape(1, 2, 3),
        np.float32(1.5).reshape(()),
        np.zeros((0, 4), np.int16),
        np.array([True, False]),
        np.arange(12, dtype=np.int64).reshape(3, 4).T,
    ]
    received = unpack_arrays(*pack_arrays(sent))
    for ours, theirs in zip(sent, received, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("described", "blobs"),
    [
        ([["int8", [3]]], [b"12"]),
        ([["int8", [3]]], []),
        ([["object", [1]]], [bytes(8)]),
        ([["no such type", [1]]], [b"1"]),
        ([["int8", ["x"]]], [b"1"]),
        ([[1]], [b"1"]),
    ],
)
def test_arrays_that_do_not_fit_their_bytes_are_refused(described: list, blobs: list):
    with pytest.raises(ProtocolError):
        unpack_arrays(described, blobs)

"""How weights lie in programs: every layout says the same, where it can say it at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenafit.partial.encoding import decode, encode
from arenafit.partial.layout import lay_out
from arenafit.partial.program import Conv, Kind, Layout, Program
from support.builder import GraphBuilder
from support.segment import check, program_of, resealed

CHANNELS = st.integers(1, 13)


def conv_of(program: Program) -> Conv:
    (found,) = (op.parameters for op in program.operators if isinstance(op.parameters, Conv))
    return found


def with_conv(program: Program, **changes: object) -> Program:
    operators = tuple(
        replace(op, parameters=replace(op.parameters, **changes))  # type: ignore[arg-type]
        if isinstance(op.parameters, Conv)
        else op
        for op in program.operators
    )
    return replace(program, operators=operators)


def convolution(depth: int = 5, channels: int = 6, kernel: int = 3, dilation: int = 1) -> Program:
    g = GraphBuilder(seed=2)
    g.output(g.conv(g.input((1, 9, 9, depth)), channels, kernel, dilation=dilation))
    return program_of(g.model())


def depthwise(depth: int, multiplier: int = 1) -> Program:
    g = GraphBuilder(seed=2)
    g.output(g.depthwise(g.input((1, 5, 6, depth)), (3, 2), multiplier=multiplier))
    return program_of(g.model())


def fully_connected(units: int, size: tuple[int, int, int]) -> Program:
    g = GraphBuilder(seed=2)
    x = g.pool(g.input((1, *size)), 1)  # keeps it an image
    g.output(g.fully_connected(g.reshape(x, (1, x.elements)), units))
    return program_of(g.model())


PROGRAMS = st.one_of(
    st.builds(convolution, CHANNELS, CHANNELS, st.integers(1, 4), st.integers(1, 2)),
    st.builds(depthwise, CHANNELS, st.integers(1, 3)),
    st.builds(fully_connected, CHANNELS, st.tuples(*[st.integers(1, 5)] * 3)),
)


@given(PROGRAMS, st.sampled_from([None, "cortex-m4", "cortex-m7", "cortex-m55"]))
def test_a_program_in_any_layout_is_read_back(program, cpu):
    laid = lay_out(program, cpu)
    data = encode(laid)
    assert check(data) == "OK"
    assert decode(data) == decode(encode(decode(data)))
    assert conv_of(decode(data)) == conv_of(laid)
    assert len(data) == len(encode(program))


@pytest.mark.parametrize("dilation", [1, 2])
def test_blocks_lie_as_the_header_says(dilation):
    """Worked out here weight by weight: program.h, arenafit_conv."""
    program = lay_out(convolution(depth=7, channels=6, kernel=2, dilation=dilation))
    conv = conv_of(program)
    assert conv.layout is Layout.BLOCKS
    filters = np.frombuffer(conv.weights, np.int8).reshape(6, -1).astype(int)
    run = 7 * (2 if dilation == 1 else 1)  # a row of the window, or a tap
    a, b, c, d = filters[:4]
    wanted: list[int] = []
    for start in range(0, filters.shape[1], run):
        quads = range(start, start + run // 4 * 4, 4)
        for k in quads:
            for x, y in ((a, b), (c, d)):
                wanted += [256 * y[i] + x[i] for i in (k, k + 2, k + 1, k + 3)]
        for i in range(start + run // 4 * 4, start + run):
            wanted += [256 * b[i] + a[i], 256 * d[i] + c[i]]
    expected = np.array(wanted, "<i2").tobytes() + filters[4:].astype(np.int8).tobytes()
    assert expected in encode(program)
    assert expected not in encode(convolution(7, 6, 2, dilation))


def test_taps_of_four_channels_lie_together():
    program = lay_out(depthwise(6))
    taps = np.frombuffer(conv_of(program).weights, np.int8).reshape(6, 6)
    assert taps[:, :4].tobytes() + taps[:, 4:].tobytes() in encode(program)


def test_vectors_have_convolutions_plain_and_dsp_has_blocks():
    assert conv_of(lay_out(convolution(), "cortex-m55")).layout is Layout.PLAIN
    for cpu in (None, "cortex-m4", "cortex-m7"):
        assert conv_of(lay_out(convolution(), cpu)).layout is Layout.BLOCKS
    for cpu in (None, "cortex-m4", "cortex-m55"):
        assert conv_of(lay_out(depthwise(8), cpu)).layout is Layout.BLOCKS


def test_weights_that_are_no_pairs_stay_plain():
    program = convolution(channels=4)
    weights = np.frombuffer(conv_of(program).weights, np.int8).reshape(4, -1).copy()
    for first, second, layout in ((1, -128, Layout.BLOCKS), (-1, -128, Layout.PLAIN)):
        weights[:2, 0] = first, second
        changed = with_conv(program, weights=weights.tobytes())
        assert conv_of(lay_out(changed)).layout is layout
        assert check(encode(lay_out(changed))) == "OK"


@pytest.mark.parametrize("program", [convolution(channels=3), depthwise(3)])
def test_less_than_a_block_stays_plain(program):
    assert conv_of(lay_out(program)).layout is Layout.PLAIN


def test_a_depthwise_convolution_of_one_channel_becomes_a_convolution():
    program = depthwise(1, multiplier=8)
    (op,) = lay_out(program).operators
    assert op.kind is Kind.CONV_2D
    taps = np.frombuffer(conv_of(program).weights, np.int8).reshape(6, 8)
    assert conv_of(lay_out(program)).weights == taps.T.tobytes()


# -- what is refused ------------------------------------------------------------------------


def field_of_conv(data: bytes, at: int) -> int:
    """Where a field of the only arenafit_conv is: the struct begins at a multiple of 16."""
    (parameters,) = np.frombuffer(data, "<u4", 1, 32 + 2 * 16 + 8)
    return int(parameters) + at


GROUPS, LAYOUT, WEIGHTS = 52, 54, 32


def changed(data: bytes, at: int, value: int, size: int = 2) -> bytes:
    where = field_of_conv(data, at)
    return resealed(data[:where] + value.to_bytes(size, "little") + data[where + size :])


def test_a_layout_that_is_none_is_refused():
    data = encode(lay_out(convolution()))
    assert check(changed(data, LAYOUT, 1)) == "OK"
    assert check(changed(data, LAYOUT, 0)) == "OK"
    assert check(changed(data, LAYOUT, 2)) == "PARAMETERS"


def test_blocks_of_a_grouped_convolution_are_refused():
    data = encode(lay_out(convolution(depth=6, channels=6)))
    assert check(changed(data, GROUPS, 2)) == "PARAMETERS"
    assert check(changed(changed(data, GROUPS, 2), LAYOUT, 0)) == "OK"


def test_blocks_at_no_multiple_of_four_are_refused():
    data = encode(lay_out(convolution()))
    at = field_of_conv(data, WEIGHTS)
    weights = int.from_bytes(data[at : at + 4], "little")
    assert check(changed(data, WEIGHTS, weights - 2, 4)) == "PARAMETERS"
    plain = changed(data, LAYOUT, 0)
    assert check(changed(plain, WEIGHTS, weights - 2, 4)) == "OK"

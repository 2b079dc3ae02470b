"""Damaged and hostile files: refused, or loaded into something that can be saved; never worse."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import pytest

from arenafit.errors import ModelError
from arenafit.graph import load, save
from arenafit.graph.reader import decode
from arenafit.graph.writer import encode
from support.builder import GraphBuilder
from support.compare import equal
from support.zoo import requires_zoo, zoo_models


def built() -> list[bytes]:
    """Small models that together use every table the loader looks into."""
    g = GraphBuilder(8)
    x = g.input((1, 8, 8, 4))
    y = g.conv(x, 4, 3, activation="RELU6")
    g.output(g.softmax(g.fully_connected(g.pool(g.add(x, y)), 3)))
    g.metadata("note", b"text")
    g.signature()
    planned = g.model()
    planned.has_offline_plan = True

    h = GraphBuilder(9)
    x, c = h.input((1, 8)), h.input((1,))
    then, other = h.subgraph("then"), h.subgraph("else")
    for branch in (then, other):
        a = branch.input((1, 8), like=x)
        branch.output(branch.op("CUSTOM", [a, None], (1, 8), custom="Op", custom_options=b"abc"))
    h.output(*h.if_(c, then, other, [x]))
    return [save(planned), save(h.model())]


def flip(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice([1, 1, 4, 32])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def truncate(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def splice(data: bytearray, rng: random.Random) -> bytearray:
    """Copy one stretch over, or into, another place."""
    size = rng.randrange(1, min(64, len(data)))
    start, to = rng.randrange(len(data) - size), rng.randrange(len(data) - size)
    data[to : to + rng.choice([0, size])] = data[start : start + size]
    return data


def corrupt_word(data: bytearray, rng: random.Random) -> bytearray:
    """Put an interesting number where an offset, a length or an index may be."""
    words = [
        0,
        1,
        3,
        4,
        127,
        2**16 - 1,
        2**31 - 1,
        2**31,
        2**32 - 1,
        len(data),
        rng.getrandbits(32),
    ]
    at = 4 * rng.randrange(len(data) // 4)
    data[at : at + 4] = struct.pack("<I", rng.choice(words))
    return data


def corrupt_short(data: bytearray, rng: random.Random) -> bytearray:
    """The same for vtables."""
    at = 2 * rng.randrange(len(data) // 2)
    data[at : at + 2] = struct.pack("<H", rng.choice([0, 2, 3, 4, 6, 8, 200, 2**16 - 1]))
    return data


DAMAGE: list[Callable[[bytearray, random.Random], bytearray]] = [
    flip, truncate, splice, corrupt_word, corrupt_short,
]  # fmt: skip


def survives(data: bytes) -> bool:
    """True where a damaged file was loaded all the same, and could be saved and loaded again."""
    try:
        model = load(data)
    except ModelError as error:
        assert "\n" not in str(error)
        return False
    assert equal(load(save(model)), model)
    return True


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damaged_files_are_refused_or_loaded_but_never_crash(
    damage: Callable[[bytearray, random.Random], bytearray],
) -> None:
    rng = random.Random(damage.__name__)
    models = built()
    survived = [survives(bytes(damage(bytearray(rng.choice(models)), rng))) for _ in range(300)]
    assert not all(survived)  # else the damage did not reach anything
    assert any(survived) or damage is truncate  # else saving what was loaded was never tried


@requires_zoo
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damaged_real_models_are_refused_or_loaded_but_never_crash(
    damage: Callable[[bytearray, random.Random], bytearray],
) -> None:
    rng = random.Random(damage.__name__)
    models = [data for data in (path.read_bytes() for path in zoo_models()) if len(data) < 60_000]
    for _ in range(20):
        data = bytearray(rng.choice(models))
        # Weights are most of a file and any byte will do for them: aim at the tables, too.
        survives(bytes(damage(data, rng)))
    for data in map(bytearray, models):
        tables = data[-12_000:]
        survives(bytes(data[:-12_000] + damage(tables, rng)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_thousands_of_damaged_files_never_crash(seed: int) -> None:
    rng = random.Random(seed)
    models = built()
    for _ in range(1000):
        data = bytearray(rng.choice(models))
        for _ in range(rng.choice([1, 2, 3])):
            if len(data) >= 64:
                data = rng.choice(DAMAGE)(data, rng)
        survives(bytes(data))


def numbers(value: Any) -> list[tuple[Any, Any]]:
    """The (container, key) of every number, flag and vector of them inside decoded tables."""
    found: list[tuple[Any, Any]] = []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            found += numbers(item)
        elif isinstance(item, tuple) and dict in map(type, item):
            found += numbers(item[1])  # a union
        elif isinstance(item, int | float | tuple):
            found.append((value, key))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_well_formed_files_with_wrong_numbers_never_crash(seed: int) -> None:
    """Gets past the reader each time, which random damage seldom does."""
    rng = random.Random(seed)
    survived = []
    for data in built() * 50:
        root = decode(data)
        container, key = rng.choice(numbers(root))
        value = container[key]
        wrong = rng.choice([-(2**31), -2, -1, 0, 1, 2, 3, 5, 9, 127, 2**16, 2**31 - 1])
        if isinstance(value, tuple) and value and rng.random() < 0.7:
            place = rng.randrange(len(value))
            container[key] = (*value[:place], wrong, *value[place + 1 :])
        elif isinstance(value, tuple):
            container[key] = value[: rng.randrange(len(value) + 1)] + value[:1]
        else:
            container[key] = wrong
        try:
            changed = encode(root)
        except (TypeError, OverflowError):  # a number that the field cannot hold
            continue
        survived.append(survives(changed))
    assert any(survived) and not all(survived)


def test_every_truncation_of_a_model_is_refused() -> None:
    data = built()[1]
    for size in range(len(data) - 4):
        with pytest.raises(ModelError):
            load(data[:size])


def test_bytes_behind_the_model_do_no_harm() -> None:
    """Metadata packers append a zip archive there."""
    data = built()[0]
    assert equal(load(data + b"PK\x03\x04" + bytes(1000)), load(data))


class HandMade:
    """A flatbuffer put together by hand, with offsets that no writer would choose."""

    def __init__(self) -> None:
        self.out = bytearray(b"\0\0\0\0TFL3")

    def table(self, *slots: int, size: int, claimed: int | None = None) -> int:
        """A vtable with these slots, and a zeroed table of `size` bytes; the table's place.

        The vtable says that the table is of `claimed` bytes, if that is given.
        """
        vtable = len(self.out)
        sizes = (4 + 2 * len(slots), size if claimed is None else claimed)
        self.out += struct.pack(f"<{2 + len(slots)}H", *sizes, *slots)
        self.out += bytes(-len(self.out) % 4)
        start = len(self.out)
        self.out += struct.pack("<i", start - vtable) + bytes(size - 4)
        return start

    def vector(self, *words: int) -> int:
        """A vector of 4-byte elements; its place."""
        start = len(self.out)
        self.out += struct.pack(f"<{1 + len(words)}I", len(words), *words)
        return start

    def point(self, at: int, target: int) -> None:
        """Store at byte `at` the offset that leads to byte `target`."""
        struct.pack_into("<I", self.out, at, target - at)

    def model_of_subgraphs(self, count: int) -> list[int]:
        """A model with `count` subgraphs; the places of the offsets that lead to them."""
        model = self.table(0, 0, 4, size=8)
        self.point(0, model)
        subgraphs = self.vector(*[0] * count)
        self.point(model + 4, subgraphs)
        return [subgraphs + 4 + 4 * i for i in range(count)]


def test_files_can_be_made_by_hand() -> None:
    """The two bombs below are refused for what they do, not for how they are made."""
    file = HandMade()
    (at,) = file.model_of_subgraphs(1)
    graph = file.table(0, 4, size=8)
    file.point(at, graph)
    file.point(graph + 4, file.vector(5, 6, 7))
    assert decode(bytes(file.out)) == {"subgraphs": [{"inputs": (5, 6, 7)}]}


def test_tables_shared_over_and_over_do_not_multiply_the_work() -> None:
    """n offsets to one subgraph, n offsets in it to one operator: n * n tables from 8 n bytes."""
    count = 20_000
    file = HandMade()
    places = file.model_of_subgraphs(count)
    graph = file.table(0, 0, 0, 4, size=8)
    for at in places:
        file.point(at, graph)
    operators = file.vector(*[0] * count)
    file.point(graph + 4, operators)
    operator = file.table(size=4)
    for i in range(count):
        file.point(operators + 4 + 4 * i, operator)
    with pytest.raises(ModelError, match="shared too often"):
        decode(bytes(file.out))


def test_vectors_that_overlap_do_not_multiply_the_work() -> None:
    """n vectors of n elements, each one word behind the one before: n * n from 8 n bytes."""
    count = 20_000
    file = HandMade()
    places = file.model_of_subgraphs(count)
    graphs = [file.table(0, 4, size=8) for _ in places]
    words = file.vector(*[count] * (2 * count))
    for i, (at, graph) in enumerate(zip(places, graphs, strict=True)):
        file.point(at, graph)
        file.point(graph + 4, words + 4 + 4 * i)
    with pytest.raises(ModelError, match="overlap"):
        decode(bytes(file.out))


def test_a_field_from_a_newer_schema_is_refused_not_lost() -> None:
    file = HandMade()
    (at,) = file.model_of_subgraphs(1)
    graph = file.table(0, 0, 0, 0, 0, 0, 4, size=8)  # one slot more than a subgraph has
    file.point(at, graph)
    with pytest.raises(ModelError, match="schema is too old for this SubGraph"):
        decode(bytes(file.out))


def test_empty_slots_behind_the_known_ones_are_no_newer_schema() -> None:
    file = HandMade()
    (at,) = file.model_of_subgraphs(1)
    file.point(at, file.table(0, 0, 0, 0, 0, 0, 0, 0, size=4))
    assert decode(bytes(file.out)) == {"subgraphs": [{}]}


@pytest.mark.parametrize(
    ("slots", "size", "message"),
    [
        ((0, 8), 8, "outside of its SubGraph"),
        ((0, 3), 8, "outside of its SubGraph"),
        ((0, 6), 12, "not a multiple of 4"),
        ((0, 4), 8, "points at itself"),
        ((0, 4), 60_000, "damaged or cut off"),
    ],
)
def test_a_tables_fields_lie_inside_of_it_and_aligned(
    slots: tuple[int, ...], size: int, message: str
) -> None:
    file = HandMade()
    (at,) = file.model_of_subgraphs(1)
    file.point(at, file.table(*slots, size=12, claimed=size))
    with pytest.raises(ModelError, match=message):
        decode(bytes(file.out))


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"ab\0", None), (b"ab!", "no end"), (b"\xff\xfe\0", "UTF-8"), (b"ab", "cut off")],
)
def test_strings_end_with_a_zero_byte_and_are_utf8(text: bytes, message: str | None) -> None:
    file = HandMade()
    (at,) = file.model_of_subgraphs(1)
    graph = file.table(0, 0, 0, 0, 4, size=8)
    file.point(at, graph)
    file.point(graph + 4, len(file.out))
    file.out += struct.pack("<I", 2) + text
    if message is None:
        assert decode(bytes(file.out)) == {"subgraphs": [{"name": "ab"}]}
        return
    with pytest.raises(ModelError, match=message):
        decode(bytes(file.out))


def test_an_enum_value_from_a_newer_schema_is_refused() -> None:
    root = {"subgraphs": [{"tensors": [{"type": 23}]}]}
    with pytest.raises(ModelError, match="no TensorType 23"):
        decode(encode(root))


def test_a_union_member_from_a_newer_schema_is_refused() -> None:
    file = HandMade()
    (at,) = file.model_of_subgraphs(1)
    graph = file.table(0, 0, 0, 4, size=8)
    file.point(at, graph)
    operators = file.vector(0)
    file.point(graph + 4, operators)
    operator = file.table(0, 0, 0, 4, 0, size=8)
    file.point(operators + 4, operator)
    file.out[operator + 4] = 11
    expected = {"subgraphs": [{"operators": [{"builtin_options": ("AddOptions", None)}]}]}
    assert decode(bytes(file.out)) == expected
    file.out[operator + 4] = 250
    with pytest.raises(ModelError, match="no BuiltinOptions 250"):
        decode(bytes(file.out))

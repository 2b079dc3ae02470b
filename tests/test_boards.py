"""Board files: those that come with arenafit are right, others are checked before use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from arenafit.boards import Board, Region, board_names, load_board
from arenafit.errors import UsageError

GOOD = """
title: A board
cpu: cortex-m4
flash_bytes: 524288
kernels: cmsis_nn
regions:
  - {name: SRAM, bytes: 65536}
  - {name: CCM, bytes: 16384}
source: its datasheet
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


@pytest.mark.parametrize("name", board_names())
def test_every_board_that_comes_along_is_valid(name: str):
    board = load_board(name)
    assert board.name == name
    assert board.cpu.startswith("cortex-m")
    assert board.ram_bytes in [region.bytes for region in board.regions]
    assert all(region.bytes % 1024 == 0 for region in board.regions)


def test_there_are_boards_of_each_size_class():
    sizes = [load_board(name).ram_bytes for name in board_names()]
    assert min(sizes) == 64 * 1024
    assert max(sizes) == 4 * 1024 * 1024
    assert len(sizes) >= 10


def test_an_arena_lies_in_the_largest_region_not_in_the_sum_of_all():
    board = load_board("nucleo-l476rg")
    assert [region.bytes for region in board.regions] == [96 * 1024, 32 * 1024]
    assert board.ram_bytes == 96 * 1024


def test_a_file_of_the_users_own_is_read_by_its_path(file: Path):
    file.write_text(GOOD, encoding="utf-8")
    assert load_board(str(file)) == Board(
        name="mine",
        title="A board",
        cpu="cortex-m4",
        flash_bytes=524288,
        kernels="cmsis_nn",
        regions=(Region("SRAM", 65536), Region("CCM", 16384)),
        source="its datasheet",
    )


def test_flash_and_kernels_may_be_left_out(file: Path):
    lines = [line for line in GOOD.splitlines() if not line.startswith(("flash", "kernels"))]
    file.write_text("\n".join(lines), encoding="utf-8")
    board = load_board(str(file))
    assert (board.flash_bytes, board.kernels) == (None, "any")


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(UsageError, match="no board 'nucleo'") as error:
        load_board("nucleo")
    for name in board_names():
        assert name in str(error.value)


@pytest.mark.parametrize("name", ["", ".", "..", "../boards/nucleo-f446re"])
def test_what_is_neither_a_name_nor_a_file_is_refused(name: str):
    with pytest.raises(UsageError):
        load_board(name)


def test_a_missing_file_is_refused_by_its_path(tmp_path: Path):
    with pytest.raises(UsageError, match=r"nothing\.yaml: No such file"):
        load_board(str(tmp_path / "nothing.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("title: A board\n", "", "the file has no title"),
        ("title: A board", "title: 7", "title is 7, must be text"),
        ("title: A board", "title: '  '", "title is '  ', must be text"),
        ("cpu: cortex-m4", "cpu: []", "cpu is [], must be text"),
        ("flash_bytes: 524288", "flash_bytes: 512K", "flash_bytes is '512K', must be a number"),
        ("flash_bytes: 524288", "flash_bytes: -1", "flash_bytes is -1"),
        ("flash_bytes: 524288", "flash_bytes: 0", "flash_bytes is 0"),
        ("flash_bytes: 524288", "flash_bytes: true", "flash_bytes is True"),
        ("flash_bytes: 524288", "flash_bytes: 1.5", "flash_bytes is 1.5"),
        ("flash_bytes: 524288", "flash_bytes:", "flash_bytes is None"),
        ("flash_bytes: 524288", "flash: 524288", "unknown key 'flash'"),
        ("kernels: cmsis_nn", "kernels: fast", "must be one of any, reference, cmsis_nn"),
        ("kernels: cmsis_nn", "kernels: [any]", "must be one of any, reference, cmsis_nn"),
        ("bytes: 65536", "bytes: -65536", "regions[0].bytes is -65536"),
        ("bytes: 16384", "bytes: 4294967297", "regions[1].bytes is 4294967297"),
        ("name: CCM, ", "", "regions[1] has no name"),
        ("name: CCM, ", "name: CCM, at: 16, ", "unknown key 'at' in regions[1]"),
        ("{name: SRAM, bytes: 65536}", "65536", "regions[0] must hold the keys name, bytes"),
        ("source: its datasheet", "!!python/object:os.system {}", "not YAML"),
        ("title: A board", "title: [", "not YAML"),
        ("title: A board", "title: &a [*a]", "title is [[...]], must be text"),
    ],
)
def test_a_wrong_description_is_refused_in_one_line_that_says_where(
    file: Path, old: str, new: str, complaint: str
):
    assert old in GOOD
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError) as error:
        load_board(str(file))
    message = str(error.value)
    assert complaint in message
    assert message.startswith(f"board file {file}")
    assert "\n" not in message


@pytest.mark.parametrize("regions", ["", "[]", "4096", "{name: RAM, bytes: 4096}"])
def test_a_board_has_at_least_one_region(file: Path, regions: str):
    file.write_text(f"title: a\ncpu: b\nsource: c\nregions: {regions}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="regions must be a list of at least one"):
        load_board(str(file))


@pytest.mark.parametrize(
    "data", [b"", b"- 1\n", b"\xff\xfe\x00", b"\x00\x01\x02", b"[" * 100_000, b"a: 2026-13-40"]
)
def test_a_file_that_is_something_else_is_refused(file: Path, data: bytes):
    file.write_bytes(data)
    with pytest.raises(UsageError) as error:
        load_board(str(file))
    assert "\n" not in str(error.value)


def test_importing_the_module_does_not_load_the_yaml_library():
    code = "import sys, arenafit.boards; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Boards: how much RAM an arena can have, and how much flash a model.

A board is a YAML file: one of those in ``boards/`` beside this module, by its name, or the
user's own, by its path::

    title: NUCLEO-L476RG
    cpu: cortex-m4
    flash_bytes: 1048576          # leave out where code is loaded into RAM
    kernels: cmsis_nn             # what TFLM is usually built with there; default: any
    regions:                      # RAM that is contiguous in the address map, one entry each
      - {name: SRAM1, bytes: 98304}
      - {name: SRAM2, bytes: 32768}
    source: where the figures come from
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from arenafit.errors import UsageError

__all__ = ["Board", "Region", "board_names", "load_board"]

_FOLDER = Path(__file__).parent / "boards"
_KERNELS = ("any", "reference", "cmsis_nn")
_REQUIRED = ("title", "cpu", "regions", "source")
_OPTIONAL = ("flash_bytes", "kernels")
_LARGEST = 1 << 32  # bytes: a Cortex-M addresses no more


@dataclass(frozen=True, slots=True)
class Region:
    """RAM with no gap in it. An arena lies in one region."""

    name: str
    bytes: int  # > 0


@dataclass(frozen=True, slots=True)
class Board:
    """What arenafit needs to know of a board. All sizes are the hardware's, in bytes."""

    name: str  # the file's, without its suffix
    title: str
    cpu: str  # as in gcc's -mcpu: "cortex-m4"
    flash_bytes: int | None  # None: no flash of its own, code is loaded into RAM
    kernels: str  # any | reference | cmsis_nn
    regions: tuple[Region, ...]  # at least one
    source: str

    @property
    def ram_bytes(self) -> int:
        """The largest arena that could be placed, were nothing else in RAM."""
        return max(region.bytes for region in self.regions)


def board_names() -> tuple[str, ...]:
    """The names of the boards that come with arenafit, in order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_board(name_or_path: str) -> Board:
    """The board with that name, or the one described by that file.

    What has a folder in it or ends in .yaml or .yml is a path.

    Raises:
        UsageError: no such board or file, not YAML, or not the description of a board.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml") and path.name == name_or_path:
        if name_or_path not in board_names():
            known = ", ".join(board_names())
            raise UsageError(f"no board {name_or_path!r}; give a .yaml file, or one of {known}")
        path = _FOLDER / f"{name_or_path}.yaml"
    return _board(path, _read(path))


def _read(path: Path) -> Any:
    import yaml  # here: most commands need no board

    try:
        return yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise UsageError(f"board file {path}: {error.strerror}") from error
    except RecursionError as error:
        raise UsageError(f"board file {path}: nested too deep") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an impossible date, an endless int
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise UsageError(f"board file {path}{line}: not YAML: {problem}") from error


def _board(path: Path, data: Any) -> Board:
    check = _Checker(f"board file {path}")
    table = check.table(data, _REQUIRED, _OPTIONAL, "the file")
    regions = table["regions"]
    if not isinstance(regions, list) or not regions:
        check.fail("regions must be a list of at least one {name, bytes}")
    kernels = table.get("kernels", "any")
    if kernels not in _KERNELS:
        check.fail(f"kernels is {kernels!r}, must be one of {', '.join(_KERNELS)}")
    return Board(
        name=path.stem,
        title=check.text(table["title"], "title"),
        cpu=check.text(table["cpu"], "cpu"),
        flash_bytes=check.size(table["flash_bytes"], "flash_bytes")
        if "flash_bytes" in table
        else None,
        kernels=kernels,
        regions=tuple(_region(check, item, f"regions[{i}]") for i, item in enumerate(regions)),
        source=check.text(table["source"], "source"),
    )


def _region(check: _Checker, data: Any, where: str) -> Region:
    table = check.table(data, ("name", "bytes"), (), where)
    return Region(
        name=check.text(table["name"], f"{where}.name"),
        bytes=check.size(table["bytes"], f"{where}.bytes"),
    )


@dataclass(frozen=True, slots=True)
class _Checker:
    """Takes values that have the type they must have; refuses others by file and key."""

    file: str

    def fail(self, what: str) -> NoReturn:
        raise UsageError(f"{self.file}: {what}")

    def table(
        self, data: Any, required: tuple[str, ...], optional: tuple[str, ...], where: str
    ) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail(f"{where} must hold the keys {', '.join(required)}")
        for key in data:
            if key not in required + optional:
                self.fail(
                    f"unknown key {key!r} in {where}; known: {', '.join(required + optional)}"
                )
        for key in required:
            if key not in data:
                self.fail(f"{where} has no {key}")
        return data

    def text(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or not value.strip():
            self.fail(f"{where} is {value!r}, must be text")
        return value

    def size(self, value: Any, where: str) -> int:
        if type(value) is not int or not 0 < value <= _LARGEST:
            self.fail(f"{where} is {value!r}, must be a number of bytes from 1 to {_LARGEST}")
        return value

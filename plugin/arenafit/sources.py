"""Where arenafit's C and C++ sources are: they are compiled where they are used."""

from __future__ import annotations

from pathlib import Path

from arenafit.errors import RuntimeUnavailable

__all__ = ["kernels"]


def kernels() -> Path:
    """The folder ``kernels``: of the checkout, or the copy in an installed package.

    Raises:
        RuntimeUnavailable: there is none.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_kernels", package.parents[1] / "kernels"):
        if (folder / "host" / "src" / "plugin.cc").is_file():
            return folder
    raise RuntimeUnavailable("arenafit's C and C++ sources are missing from this installation")

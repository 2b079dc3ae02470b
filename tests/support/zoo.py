"""The zoo: a folder of real models, with their figures in zoo.csv, kept beside the repository.

It is looked for in $ARENAFIT_ZOO, else in ../shared/zoo next to the repository. Tests that
use it are skipped, and say why, where there is none.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

__all__ = ["ZOO", "each_zoo_model", "requires_zoo", "zoo_model", "zoo_models", "zoo_rows"]

REPOSITORY = Path(__file__).resolve().parents[2]
ZOO = Path(os.environ.get("ARENAFIT_ZOO") or REPOSITORY.parent / "shared" / "zoo")

requires_zoo = pytest.mark.skipif(
    not (ZOO / "zoo.csv").is_file(), reason=f"no model zoo in {ZOO} (set ARENAFIT_ZOO)"
)


def zoo_models() -> list[Path]:
    """The zoo's models in the order of their names; empty where there is no zoo."""
    return sorted(ZOO.glob("*.tflite"))


def zoo_rows() -> dict[str, dict[str, str]]:
    """File name -> its row of zoo.csv; empty where there is no zoo."""
    try:
        text = (ZOO / "zoo.csv").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return {row["name"]: row for row in csv.DictReader(text.splitlines())}


def zoo_model(name: str) -> Path:
    """The zoo's model `name` ("mlperf__vww_96_int8.tflite" or without the suffix).

    Skips the calling test where there is no zoo; a zoo without that model fails it.
    """
    if not (ZOO / "zoo.csv").is_file():
        pytest.skip(f"no model zoo in {ZOO} (set ARENAFIT_ZOO)")
    path = ZOO / (name if name.endswith(".tflite") else f"{name}.tflite")
    assert path.is_file(), f"{path.name} is not in the zoo ({ZOO})"
    return path


each_zoo_model = pytest.mark.parametrize(
    "model",
    [pytest.param(path, id=path.stem) for path in zoo_models()]
    or [pytest.param(None, id="no-zoo", marks=requires_zoo)],
)
"""Runs the test once a model, with ``model`` its path; one skipped case where there is no zoo."""

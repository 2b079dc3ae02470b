"""README's picture and table are what a command measures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from arenafit.runtime import available
from support.zoo import requires_zoo

ROOT = Path(__file__).parent.parent
needs_tflm = pytest.mark.skipif(not available(), reason="the tflite-micro wheel is not installed")


def results(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "results.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.slow
@needs_tflm
@requires_zoo
def test_readme_says_what_the_zoo_measures() -> None:
    done = results("--check", "README.md")
    assert done.returncode == 0, done.stderr


@needs_tflm
def test_the_table_is_written_between_the_markers_and_a_stale_one_is_found(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    name = "lenet5_28.tflite"
    (models / name).write_bytes((ROOT / "models" / name).read_bytes())
    page = tmp_path / "page.md"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page.write_text(readme, encoding="utf-8")
    arguments = ["--models", str(models)]
    assert results(*arguments, "--write", str(page)).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert "| lenet5_28 | 5,888 |" in text
    assert text.startswith(readme.split("<!-- example")[0])
    assert text.endswith(readme.split("<!-- end of results -->")[1])
    assert results(*arguments, "--check", str(page)).returncode == 0
    page.write_text(text.replace("5,888", "5,887"), encoding="utf-8")
    done = results(*arguments, "--check", str(page))
    assert done.returncode == 1 and "is not what" in done.stderr


def test_a_folder_without_models_is_said(tmp_path: Path) -> None:
    done = results("--models", str(tmp_path))
    assert done.returncode == 1 and "no .tflite" in done.stderr

"""docs/architecture.md is true: folders import only what its picture lets them import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import arenafit

ROOT = Path(arenafit.__file__).parent
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
COMMON = {"errors", "__version__"}


def imports(path: Path) -> set[str]:
    """The arenafit modules that a file imports, anywhere in it: "graph.load", "errors" ..."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{path}: relative import")
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name.removeprefix("arenafit.") for name in found if name.startswith("arenafit.")}


def drawn() -> dict[str, set[str]]:
    """Node -> the nodes it has a path of arrows to."""
    block = PICTURE.read_text(encoding="utf-8").split("```mermaid")[1].split("```")[0]
    arrows: dict[str, set[str]] = {}
    for source, target in re.findall(r'^\s*(\w+)(?:\[".*?"\])? --> (\w+)', block, re.MULTILINE):
        arrows.setdefault(source, set()).add(target)
        arrows.setdefault(target, set())
    grown = True
    while grown:
        grown = False
        for targets in arrows.values():
            further = set().union(*(arrows[t] for t in targets)) - targets
            targets |= further
            grown = grown or bool(further)
    return arrows


FOLDERS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
MODULES = sorted(path.stem for path in ROOT.glob("*.py") if path.stem != "__init__")


def test_the_picture_has_everything_and_no_circle():
    reachable = drawn()
    assert {*FOLDERS, *MODULES} - {"partial", *COMMON} <= set(reachable)
    assert all(node not in targets for node, targets in reachable.items())


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_what_the_picture_lets_it(folder: str):
    allowed = drawn().get(folder, set()) | COMMON | {folder}
    for path in (ROOT / folder).rglob("*.py"):
        for name in imports(path):
            assert name.split(".")[0] in allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_beside_the_folders_imports_only_what_the_picture_lets_it(module: str):
    allowed = drawn().get(module, set()) | COMMON
    for name in imports(ROOT / f"{module}.py"):
        assert name.split(".")[0] in allowed, f"{module}.py imports {name}"


def test_the_checker_imports_nothing_of_what_makes_plans():
    assert {name.rsplit(".", 1)[0] for name in imports(ROOT / "memory" / "checker.py")} <= {
        "graph",
        "graph.model",
    }
    for path in (ROOT / "memory" / "placement").rglob("*.py"):
        assert not any(name.startswith("memory.checker") for name in imports(path))


@pytest.mark.parametrize("module", ["arenafit", "arenafit.cli"])
def test_importing_loads_nothing_heavy(module: str):
    heavy = "ortools", "tflite_micro", "tensorflow", "ai_edge_litert", "pandas", "rich", "yaml"
    code = f"import sys, {module}; print(*set({heavy!r}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")

"""What holds for every test: which ones run, and how hypothesis draws its examples."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from support.zoo import requires_zoo, zoo_models

# The default suite is the same on every run; the long one draws new examples each time.
settings.register_profile(
    "default",
    derandomize=True,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "all",
    settings.get_profile("default"),
    derandomize=False,
    max_examples=500,
    print_blob=True,
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the slow tests as well")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("all" if config.getoption("--all") else "default")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the slow tests out, unless they are asked for by --all, -m or their own name."""
    if config.getoption("--all") or config.option.markexpr:
        return
    if any("::" in argument for argument in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture(scope="session")
def zoo() -> list[Path]:
    """The zoo's models; skips the test where there is no zoo."""
    if requires_zoo.args[0]:
        pytest.skip(str(requires_zoo.kwargs["reason"]))
    return zoo_models()

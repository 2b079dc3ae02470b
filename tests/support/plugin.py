"""What tests need of the plugin that puts arenafit's code into the host's TFLM."""

from __future__ import annotations

import os
from functools import cache

import pytest

from arenafit.runtime import available, unavailable_reason
from support.native import compiler

__all__ = ["need_plugin"]


@cache
def need_plugin() -> None:
    """Skip the test where the plugin cannot be made: no wheel, no compiler; CI=true fails it."""
    if not available():
        reason = str(unavailable_reason())
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    compiler("c")
    compiler("c++")

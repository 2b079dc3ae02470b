"""How a measurement says what it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Progress"]

Progress: TypeAlias = Callable[[str], None]
"""Called with what is being done."""

"""arenafit: the same bytes out of a TFLM model, in a fraction of the RAM.

out, report = arenafit.optimize(model_bytes)
model = arenafit.convert(tf_lite_converter)
with arenafit.hook(): converter.convert()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# At once, and cheap: imported later, the module `hook` would take the place of the function.
from arenafit.hook import convert, hook

__version__ = "0.1.0"
__all__ = ["convert", "hook", "optimize"]

if TYPE_CHECKING:
    from arenafit.api import optimize

_HOME = {"optimize": "arenafit.api"}


def __getattr__(name: str) -> Any:
    """Import the interface when it is first used: `import arenafit` itself stays cheap."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)

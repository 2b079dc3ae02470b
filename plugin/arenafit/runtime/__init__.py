"""Running models in the real TFLM on the host, and comparing them bit for bit.

`Session` runs models in a process of its own; `Session.measure` reads what TFLM
allocates.
"""

from arenafit.errors import RuntimeUnavailable
from arenafit.runtime.interface import Interface, Measured, Port
from arenafit.runtime.session import Session, available, unavailable_reason

__all__ = [
    "Interface",
    "Measured",
    "Port",
    "RuntimeUnavailable",
    "Session",
    "available",
    "unavailable_reason",
]

"""Running models in the real TFLM on the host, and comparing them bit for bit.

`Session` runs models in a process of its own; `Session.measure` reads what TFLM
allocates; `verify` compares two models, or `record` and `Reference.check` do so in
two halves, the first of which can run early. `registerers` makes arenafit's operators known
to an interpreter of the caller's own.
"""

from arenafit.errors import RuntimeUnavailable
from arenafit.runtime.interface import Interface, Measured, Port
from arenafit.runtime.plugin import REGISTERERS, registerers
from arenafit.runtime.session import Session, available, unavailable_reason
from arenafit.runtime.verification import Reference, Verification, record, verify

__all__ = [
    "REGISTERERS",
    "Interface",
    "Measured",
    "Port",
    "Reference",
    "RuntimeUnavailable",
    "Session",
    "Verification",
    "available",
    "record",
    "registerers",
    "unavailable_reason",
    "verify",
]

"""The errors that end a command with one line for the user.

Every error names what is wrong and where; the command line prints it after
``arenafit:`` and exits with the code of its class.
"""

from __future__ import annotations

__all__ = ["ArenafitError", "CheckFailed", "ModelError", "RuntimeUnavailable", "UsageError"]


class ArenafitError(Exception):
    """Base class: something the user can act on, said in one line."""

    exit_code = 2


class ModelError(ArenafitError):
    """The model file is unusable: truncated, corrupt, out of range, or not TFLite.

    Args:
        what: what is wrong ("tensor index 7 is out of range, there are 5").
        where: the place in the file ("subgraph 0, operator 3 (CONV_2D), input 1").
    """

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what
        self.where = where


class UsageError(ArenafitError):
    """The arguments or options cannot be used as given."""


class RuntimeUnavailable(ArenafitError):
    """No TFLM can be run on this machine: the wheel is missing, or its worker does not start."""


class CheckFailed(ArenafitError):
    """The work was done, but a check that the user asked for does not hold."""

    exit_code = 1

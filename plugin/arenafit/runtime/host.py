"""The real TFLM beside the optimiser: it runs IN while the optimiser thinks about OUT."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from arenafit.graph import load
from arenafit.graph.custom import has_own_operators
from arenafit.runtime.interface import Measured
from arenafit.runtime.plugin import REGISTERERS
from arenafit.runtime.session import Oracle, Session, available
from arenafit.runtime.verification import Reference, Verification, record

__all__ = ["Host", "best_oracle", "session_for"]


def best_oracle() -> Oracle | None:
    """The best there is on this machine: TFLM, else LiteRT, else None."""
    oracles: tuple[Oracle, ...] = ("tflm", "litert")
    return next((oracle for oracle in oracles if available(oracle)), None)


def _session(oracle: Oracle, own: bool, timeout: float) -> Session:
    if not own or oracle != "tflm":
        return Session(oracle, timeout=timeout)
    return Session(oracle, timeout=timeout, registerers=REGISTERERS, planner="arenafit")


def session_for(model: bytes, oracle: Oracle, timeout: float = 60.0) -> Session:
    """A session for `model`: on arenafit's operators and planner where it has need of them.

    Raises:
        ModelError: the file cannot be read.
        RuntimeUnavailable: as `Session`.
    """
    return _session(oracle, has_own_operators(load(model)), timeout)


class Host:
    """Measures and verifies against one original; a context manager.

    The work on the original starts at once, in a thread that waits for TFLM's process.

    Args:
        original: the model that is right by definition, and the measure of all others.
        oracle: what runs the models; LiteRT compares, but cannot measure an arena.
        inputs: structured inputs to compare on; None: nothing will be verified.
        timeout: seconds that one invocation or measurement may take.
        own_original: the original has operators of arenafit's own.
        own_runtime: what is compared with it runs on arenafit's operators and planner.

    Raises:
        RuntimeUnavailable: TFLM cannot be run on this machine.
    """

    def __init__(
        self,
        original: bytes,
        oracle: Oracle,
        *,
        inputs: int | None,
        timeout: float,
        own_original: bool = False,
        own_runtime: bool = False,
    ) -> None:
        self._session = _session(oracle, own_original, timeout)
        self._other = self._session
        if own_runtime != own_original:
            self._other = _session(oracle, own_runtime, timeout)
        self._thread = ThreadPoolExecutor(1)
        self._measured: Future[Measured] | None = None
        if oracle == "tflm":
            self._measured = self._thread.submit(self._session.measure, original)
        self._reference: Future[Reference] | None = None
        if inputs is not None:
            self._reference = self._thread.submit(record, self._session, original, inputs=inputs)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._session.close()
        self._other.close()

    def ready(self) -> None:
        """Wait until what is compared can be run.

        Raises:
            RuntimeUnavailable: it cannot: no compiler for arenafit's operators, say.
        """
        _ = self._other.oracle

    def original(self) -> Measured | None:
        """What the original needs; None where the oracle cannot measure.

        Raises:
            ModelError: TFLM refuses it.
        """
        return None if self._measured is None else self._measured.result()

    def measure(self, data: bytes) -> Measured | None:
        """What the model `data` needs; as `original`."""
        return None if self.original() is None else self._other.measure(data)

    def verify(self, data: bytes) -> Verification:
        """Is `data` bit-identical to the original? The host must have been told `inputs`."""
        if self._reference is None:
            raise ValueError("this host was made to verify nothing")
        return self._reference.result().check(self._other, data)

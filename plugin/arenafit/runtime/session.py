"""A session: models run in a worker process, so that none can take us with it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from arenafit.errors import ModelError, RuntimeUnavailable
from arenafit.runtime import protocol
from arenafit.runtime.interface import Interface, Measured
from arenafit.runtime.process import Gone, Late, WorkerProcess
from arenafit.runtime.protocol import ProtocolError

if TYPE_CHECKING:
    from arenafit.runtime.protocol import Array
    from arenafit.runtime.verification import Verification

__all__ = ["Oracle", "Planner", "Session", "available", "unavailable_reason"]

Oracle = Literal["tflm", "litert"]
Planner = Literal["tflm", "arenafit", "offline"]

_PACKAGES = {"tflm": "tflite_micro", "litert": "ai_edge_litert"}
_MESSAGE = 300  # characters of a reason that are passed on


def unavailable_reason(oracle: Oracle = "tflm") -> str | None:
    """Why `oracle` cannot run here, in one line; None where it can. Imports nothing."""
    if os.name != "posix":  # the worker's pipes are waited for with select()
        return "models run on Linux and macOS only"
    package = _PACKAGES[oracle]
    if importlib.util.find_spec(package) is not None:
        return None
    if oracle == "litert":
        return "ai-edge-litert is not installed (pip install arenafit[litert])"
    system, machine = platform.system(), platform.machine()
    if system == "Linux" and machine == "x86_64":
        return "the tflite-micro wheel is not installed"
    return f"the tflite-micro wheel exists for Linux on x86-64 only, this is {system} on {machine}"


def available(oracle: Oracle = "tflm") -> bool:
    """True where `oracle` can run on this machine."""
    return unavailable_reason(oracle) is None


class Session:
    """Owns one worker process; use as a context manager.

    The worker starts in the background, so open the session early: its imports (~0.3 s)
    then overlap with other work. A worker that crashes or hangs is replaced at the
    next request. Methods may be called from several threads; they take turns.

    Args:
        oracle: ``tflm``: the real TFLM, which obeys a model's memory plan; ``litert``: LiteRT's
            reference kernels, which ignore it and cannot measure.
        timeout: seconds that one answer may take (an invocation, a measurement).
        registerers: C functions that register custom operators with TFLM's Python wrapper;
            `REGISTERERS`: arenafit's own, which the worker compiles at first use.
        planner: ``tflm``: TFLM's greedy planner; ``arenafit``: arenafit::MemoryPlanner;
            ``offline``: arenafit::OfflineMemoryPlanner. The last two are for TFLM alone, and
            have arenafit's operators with them.

    Raises:
        RuntimeUnavailable: the oracle cannot run on this machine.
    """

    def __init__(
        self,
        oracle: Oracle = "tflm",
        *,
        timeout: float = 60.0,
        registerers: Sequence[str] = (),
        planner: Planner = "tflm",
    ) -> None:
        reason = unavailable_reason(oracle)
        if reason is not None:
            raise RuntimeUnavailable(reason)
        self.oracle_kind = oracle
        self.timeout = timeout
        self._registerers = tuple(registerers)
        self._planner = planner
        self._lock = threading.RLock()
        self._closed = False
        self._oracle: str | None = None
        self._worker: WorkerProcess | None = self._start()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker, and a request that another thread waits for. Idempotent."""
        self._closed = True
        worker = self._worker
        if worker is not None:
            worker.kill()
        with self._lock:
            self._stop()

    @property
    def oracle(self) -> str:
        """What runs the models, with its version; waits for the worker to be up."""
        with self._lock:
            self._ready()
            assert self._oracle is not None
            return self._oracle

    @property
    def obeys_plans(self) -> bool:
        """True where models run under their own memory plan."""
        return self.oracle_kind == "tflm"

    def describe(self, model: bytes) -> Interface:
        """Inputs, outputs, and whether the model keeps state.

        Raises:
            ModelError: the file cannot be read.
        """
        with self._request("describe", [model]) as sent:
            try:
                return Interface.from_json(sent.answer()[0]["interface"])
            except (KeyError, TypeError, ValueError) as error:
                raise ModelError("its interface cannot be read") from error

    def measure(self, model: bytes, *, startup: bool = True) -> Measured:
        """Arena bytes of `model` after AllocateTensors(), from TFLM's recording allocator.

        Args:
            model: the file.
            startup: find the smallest arena that can start the model, too.

        Raises:
            ModelError: TFLM refuses the model, crashes on it, or takes too long.
        """
        with self._lock:
            with self._request("measure", [model]) as sent:
                sent.answer()
                log = sent.worker.log()
            figures = {
                kind: int(number)
                for kind, number in re.findall(r"Arena allocation (\w+) (\d+) bytes", log)
            }
            try:
                head, tail, total = (figures[kind] for kind in ("head", "tail", "total"))
            except KeyError as error:
                raise RuntimeUnavailable("TFLM did not print its allocations") from error
            if not startup:
                return Measured(head, tail, total)
            with self._request("startup", [model], used=total) as sent:
                return Measured(head, tail, total, int(sent.answer()[0]["startup"]))

    def run(self, model: bytes, steps: Sequence[Sequence[Array]]) -> list[list[Array]]:
        """Outputs of consecutive invocations of one fresh interpreter.

        All inputs are set before each invocation, as TFLM may have overwritten them.

        Args:
            model: the file.
            steps: for each invocation one array a graph input, of its exact dtype and shape.

        Returns:
            For each invocation one array a graph output.

        Raises:
            ModelError: TFLM refuses the model or an input, crashes, or takes too long.
        """
        return list(self._invoke(model, steps, None))

    def peek(
        self, model: bytes, steps: Sequence[Sequence[Array]], tensors: Sequence[int]
    ) -> list[list[Array]]:
        """As `run`, but the values of `tensors` (indices of subgraph 0) after each invocation.

        Every tensor has a place of its own then. TFLM refuses a model with a memory plan here.
        """
        return list(self._invoke(model, steps, list(tensors)))

    def verify(self, reference: bytes, model: bytes, **settings: Any) -> Verification:
        """Short for `arenafit.runtime.verify`, in this session."""
        from arenafit.runtime.verification import verify

        return verify(self, reference, model, **settings)

    def _invoke(
        self, model: bytes, steps: Sequence[Sequence[Array]], preserved: list[int] | None
    ) -> Iterator[list[Array]]:
        packed = [protocol.pack_arrays(step) for step in steps]
        blobs = [model, *(blob for _, data in packed for blob in data)]
        described = [description for description, _ in packed]
        with self._request("run", blobs, steps=described, preserved=preserved) as sent:
            for _ in steps:
                header, data = sent.answer()
                yield protocol.unpack_arrays(header["arrays"], data)

    # The worker, and what its failures mean

    def _start(self) -> WorkerProcess:
        settings = {
            "oracle": self.oracle_kind,
            "planner": self._planner,
            "registerers": self._registerers,
            "timeout": self.timeout,
        }
        try:
            return WorkerProcess(settings, self.timeout)
        except OSError as error:
            raise RuntimeUnavailable(f"the worker process does not start: {error}") from error

    def _stop(self) -> None:
        worker, self._worker, self._oracle = self._worker, None, None
        if worker is not None:
            worker.close()

    def _ready(self) -> WorkerProcess:
        """The worker, once it has said hello."""
        if self._closed:
            raise RuntimeUnavailable("the session is closed")
        if self._worker is None:
            self._worker = self._start()
        if self._oracle is None:
            try:
                greeting = self._worker.greeting()
            except (Gone, Late, ProtocolError) as error:
                reason = _first_line(self._worker.log()) or "no message"
                self._stop()
                raise RuntimeUnavailable(f"the worker process does not start: {reason}") from error
            if "unavailable" in greeting:
                self._stop()
                raise RuntimeUnavailable(str(greeting["unavailable"]))
            if "error" in greeting:
                self._stop()
                raise RuntimeUnavailable(f"{_PACKAGES[self.oracle_kind]}: {greeting['error']}")
            self._oracle = str(greeting["oracle"])
        return self._worker

    @contextlib.contextmanager
    def _request(self, do: str, blobs: Sequence[bytes], **fields: Any) -> Iterator[_Exchange]:
        """Send one request; turns whatever goes wrong with it into one error."""
        who = "TFLM" if self.oracle_kind == "tflm" else "LiteRT"
        with self._lock:
            worker = self._ready()
            clean = False  # else answers may be left in the pipe, or there is nobody to give them
            try:
                yield _Exchange(worker, worker.ask({"do": do, **fields}, blobs))
                clean = True
            except _Refusal as refusal:
                clean = True
                # TFLM says why in its log; LiteRT in the error, and its log holds other things.
                reason = _first_line(worker.log()) if self.oracle_kind == "tflm" else ""
                reason = (reason or str(refusal))[:_MESSAGE]
                raise ModelError(f"{who} refuses this model: {reason}") from None
            except Gone:
                if self._closed:
                    raise RuntimeUnavailable("the session is closed") from None
                code = worker.wait()
                how = f"signal {-code}" if code < 0 else f"exit status {code}"
                raise ModelError(f"{who} crashed on this model ({how})") from None
            except Late:
                late = f"{who} gave no answer on this model within {self.timeout:g} s"
                raise ModelError(late) from None
            except ProtocolError:
                raise ModelError(f"{who} was corrupted by this model") from None
            finally:
                if not clean:
                    self._stop()


class _Refusal(Exception):
    """The worker answered with an error."""


@dataclass(frozen=True)
class _Exchange:
    """A request that was sent."""

    worker: WorkerProcess
    answers: Iterator[tuple[dict[str, Any], list[bytes]]]

    def answer(self) -> tuple[dict[str, Any], list[bytes]]:
        """The next answer."""
        header, blobs = next(self.answers)
        if "error" in header:
            raise _Refusal(str(header["error"]))
        return header, blobs


def _first_line(log: str) -> str:
    """The first line of TFLM's log that says something."""
    for line in log.splitlines():
        if line.strip() and not line.startswith("[RecordingMicroAllocator]"):
            return line.strip()
    return ""

"""A session: models run in a worker process, so that none can take us with it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import re
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from arenafit.errors import ModelError, RuntimeUnavailable
from arenafit.runtime import protocol
from arenafit.runtime.interface import Interface, Measured

if TYPE_CHECKING:
    from arenafit.runtime.protocol import Array
    from arenafit.runtime.verify import Verification

__all__ = ["Oracle", "Session", "available", "unavailable_reason"]

Oracle = Literal["tflm", "litert"]

_PACKAGES = {"tflm": "tflite_micro", "litert": "ai_edge_litert"}
_START = 60.0  # seconds for the worker's imports, on however busy a machine
_PIECE = 1 << 20  # bytes read from the worker at once
_LOG_READ = 1 << 16  # bytes of the log that are looked at
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
        registerers: C functions that register custom operators with TFLM's Python wrapper.

    Raises:
        RuntimeUnavailable: the oracle cannot run on this machine.
    """

    def __init__(
        self,
        oracle: Oracle = "tflm",
        *,
        timeout: float = 60.0,
        registerers: Sequence[str] = (),
    ) -> None:
        reason = unavailable_reason(oracle)
        if reason is not None:
            raise RuntimeUnavailable(reason)
        self.oracle_kind = oracle
        self.timeout = timeout
        self._registerers = tuple(registerers)
        self._lock = threading.RLock()
        self._closed = False
        self._oracle: str | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close())
        self._worker: subprocess.Popen[bytes] | None = None
        self._start()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker. Idempotent."""
        with self._lock:
            self._closed = True
            self._stop()
            self._log.close()

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
        with self._request("describe", [model]) as answers:
            try:
                return Interface.from_json(next(answers)[0]["interface"])
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
            with self._request("measure", [model]) as answers:
                next(answers)
                log = self._log_text()
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
            with self._request("startup", [model], used=total) as answers:
                return Measured(head, tail, total, int(next(answers)[0]["startup"]))

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

        Every tensor has a place of its own then: the model's memory plan is not in force.
        """
        return list(self._invoke(model, steps, list(tensors)))

    def verify(self, reference: bytes, model: bytes, **settings: Any) -> Verification:
        """Short for `arenafit.runtime.verify`, in this session."""
        from arenafit.runtime.verify import verify

        return verify(self, reference, model, **settings)

    def _invoke(
        self, model: bytes, steps: Sequence[Sequence[Array]], preserved: list[int] | None
    ) -> Iterator[list[Array]]:
        packed = [protocol.pack_arrays(step) for step in steps]
        blobs = [model, *(blob for _, data in packed for blob in data)]
        described = [description for description, _ in packed]
        with self._request("run", blobs, steps=described, preserved=preserved) as answers:
            for _ in steps:
                header, data = next(answers)
                yield protocol.unpack_arrays(header["arrays"], data)

    # The worker, and talking to it

    def _start(self) -> None:
        package_root = Path(__file__).resolve().parents[2]
        settings = {
            "oracle": self.oracle_kind,
            "registerers": self._registerers,
            "timeout": self.timeout,
        }
        command = [sys.executable, "-m", "arenafit.runtime.worker", json.dumps(settings)]
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._oracle = None
        try:
            self._worker = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                cwd=package_root,  # -m looks for modules here first: ours, whoever the caller is
                env={**os.environ, **threads},
            )
        except OSError as error:
            raise RuntimeUnavailable(f"the worker process does not start: {error}") from error
        for pipe in (self._worker.stdin, self._worker.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                pipe.close()

    def _ready(self) -> None:
        """Wait until the worker has said hello."""
        if self._closed:
            raise RuntimeUnavailable("the session is closed")
        if self._worker is None:
            self._start()
        if self._oracle is not None:
            return
        try:
            header, _ = protocol.read_frame(_Reader(self._pipes()[1], _START))
        except (_Gone, _Late, protocol.ProtocolError) as error:
            reason = _first_line(self._log_text(last=True)) or "no message"
            self._stop()
            raise RuntimeUnavailable(f"the worker process does not start: {reason}") from error
        if "error" in header:
            self._stop()
            raise RuntimeUnavailable(f"{_PACKAGES[self.oracle_kind]}: {header['error']}")
        self._oracle = str(header["oracle"])

    @contextlib.contextmanager
    def _request(
        self, do: str, blobs: Sequence[bytes], **fields: Any
    ) -> Iterator[Iterator[tuple[dict[str, Any], list[bytes]]]]:
        """Send one request; yields an iterator over its answers, and turns failures into errors."""
        with self._lock:
            self._ready()
            os.ftruncate(self._log.fileno(), 0)
            self._log.seek(0)  # the worker shares this position
            stdin, stdout = self._pipes()
            clean = False
            try:
                _write(stdin, protocol.frame({"do": do, **fields}, blobs), self.timeout)
                yield self._answers(stdout)
                clean = True
            except _Gone:
                assert self._worker is not None
                code = self._worker.wait()
                how = f"signal {-code}" if code < 0 else f"exit status {code}"
                raise ModelError(f"{self._who} crashed on this model ({how})") from None
            except _Late:
                raise ModelError(
                    f"{self._who} gave no answer on this model within {self.timeout:g} s"
                ) from None
            except protocol.ProtocolError:
                raise ModelError(f"{self._who} was corrupted by this model") from None
            except _Refusal as refusal:
                clean = True
                # TFLM says why in its log; LiteRT in the error, and its log holds other things.
                reason = _first_line(self._log_text()) if self.oracle_kind == "tflm" else ""
                reason = (reason or str(refusal))[:_MESSAGE]
                raise ModelError(f"{self._who} refuses this model: {reason}") from None
            finally:
                if not clean:  # answers may be left in the pipe, or nobody to give them
                    self._stop()

    def _answers(self, stdout: int) -> Iterator[tuple[dict[str, Any], list[bytes]]]:
        while True:
            header, blobs = protocol.read_frame(_Reader(stdout, self.timeout))
            if "error" in header:
                raise _Refusal(str(header["error"]))
            yield header, blobs

    @property
    def _who(self) -> str:
        return "TFLM" if self.oracle_kind == "tflm" else "LiteRT"

    def _pipes(self) -> tuple[int, int]:
        worker = self._worker
        assert worker is not None and worker.stdin is not None and worker.stdout is not None
        return worker.stdin.fileno(), worker.stdout.fileno()

    def _log_text(self, *, last: bool = False) -> str:
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - _LOG_READ) if last else 0
        return os.pread(self._log.fileno(), _LOG_READ, start).decode(errors="replace")


class _Gone(Exception):
    """The worker has closed its end: it is dead."""


class _Late(Exception):
    """The worker did not answer in time."""


class _Refusal(Exception):
    """The worker answered with an error."""


class _Reader:
    """``read(n)`` over a non-blocking descriptor, all calls within one deadline."""

    def __init__(self, descriptor: int, timeout: float) -> None:
        self._descriptor = descriptor
        self._deadline = time.monotonic() + timeout

    def __call__(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            try:
                piece = os.read(self._descriptor, min(count - len(data), _PIECE))
            except BlockingIOError:
                _wait(self._descriptor, selectors.EVENT_READ, self._deadline)
                continue
            if not piece:
                raise _Gone
            data += piece
        return bytes(data)


def _write(descriptor: int, pieces: Sequence[bytes], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    for piece in pieces:
        view = memoryview(piece)
        while view:
            try:
                view = view[os.write(descriptor, view) :]
            except BlockingIOError:
                _wait(descriptor, selectors.EVENT_WRITE, deadline)
            except BrokenPipeError:
                raise _Gone from None


def _wait(descriptor: int, event: int, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise _Late


def _first_line(log: str) -> str:
    """The first line of TFLM's log that says something."""
    for line in log.splitlines():
        if line.strip() and not line.startswith("[RecordingMicroAllocator]"):
            return line.strip()
    return ""

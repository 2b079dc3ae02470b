"""One worker process: starting it, exchanging frames with it within a time, ending it."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from arenafit.runtime import protocol

__all__ = ["Gone", "Late", "WorkerProcess"]

_START = 60.0  # seconds for the worker's imports, on however busy a machine
_PIECE = 1 << 20  # bytes read from the worker at once
_LOG_READ = 1 << 16  # bytes of the log that are looked at

Answer = tuple[dict[str, Any], list[bytes]]


class Gone(Exception):
    """The worker has closed its end: it is dead."""


class Late(Exception):
    """The worker did not answer in time."""


class WorkerProcess:
    """A running ``arenafit.runtime.worker``; it starts in the background.

    Its standard error is a log of ours, so that what TFLM printed outlives a crash.

    Args:
        settings: the worker's, see there.
        timeout: seconds that one answer may take.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, settings: dict[str, Any], timeout: float) -> None:
        self._timeout = timeout
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close())
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "arenafit.runtime.worker", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            # Where -m looks for modules first: our own ones, wherever the caller stands.
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **threads},
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)

    def greeting(self) -> dict[str, Any]:
        """The first frame, which comes when the worker has imported what it needs.

        Raises:
            Gone, Late, ProtocolError: it does not come.
        """
        return protocol.read_frame(_Reader(self._stdout.fileno(), _START))[0]

    def ask(self, header: dict[str, Any], blobs: Sequence[bytes]) -> Iterator[Answer]:
        """Empty the log, send a request, and yield its answers without end.

        Raises:
            Gone, Late, ProtocolError: an answer does not come.
        """
        os.ftruncate(self._log.fileno(), 0)
        self._log.seek(0)  # the worker shares this position
        _write(self._stdin.fileno(), protocol.frame(header, blobs), self._timeout)
        while True:
            yield protocol.read_frame(_Reader(self._stdout.fileno(), self._timeout))

    def log(self) -> str:
        """What the worker has printed since the last request, up to 64 KiB of it."""
        return os.pread(self._log.fileno(), _LOG_READ, 0).decode(errors="replace")

    def kill(self) -> None:
        """End the process, from any thread; a request under way ends with `Gone`."""
        self._process.kill()

    def wait(self) -> int:
        """The exit status of a process that is ending; negative for a signal."""
        return self._process.wait()

    def close(self) -> None:
        """End the process and give back all that it held."""
        self.kill()
        self.wait()
        for file in (self._stdin, self._stdout, self._log):
            file.close()


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
                raise Gone
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
                raise Gone from None


def _wait(descriptor: int, event: int, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise Late

"""The process in which models run: ``python -m arenafit.runtime.worker SETTINGS``.

Reads requests from its standard input and answers on its standard output
(`protocol`) until the input ends. File descriptor 2 is the log, which belongs
to the session. SETTINGS is JSON: ``{"oracle", "planner", "registerers", "timeout"}``.

Requests (``do``), each followed by the model's bytes:
    describe                     -> {"interface"}
    measure                      -> {} (figures in the log)
    startup, used                -> {"startup"}
    run, steps, preserved        -> {"arrays"} once a step
An answer with ``error`` ends the request.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from arenafit.errors import RuntimeUnavailable
from arenafit.runtime import protocol

_LOG_LIMIT = 64 << 20  # bytes; a kernel that complains without end is stopped


def main(settings: dict[str, Any]) -> None:
    """Serve requests until the session closes its end."""
    requests, answers = _private_pipes()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LOG_LIMIT, _LOG_LIMIT))
    try:
        backend = _backend(settings)
    except RuntimeUnavailable as error:
        _send(answers, {"unavailable": str(error)})
        return
    except Exception as error:  # whatever an import may raise
        _send(answers, {"error": f"{type(error).__name__}: {error}"})
        return
    _send(answers, {"oracle": backend.oracle})

    def read(count: int) -> bytes:
        data = requests.read(count)
        if len(data) != count:
            raise EOFError
        return data

    while True:
        try:
            header, blobs = protocol.read_frame(read)
        except EOFError:
            return
        try:
            for answer, arrays in _serve(backend, header, blobs):
                # Should the session be gone, nobody else would stop a kernel that hangs.
                signal.alarm(int(settings["timeout"]) + 5)
                _send(answers, answer, arrays)
        except Exception as error:  # a refusal, or what a corrupt file provokes
            _send(answers, {"error": _one_line(error)})
        finally:
            signal.alarm(0)


def _serve(
    backend: Any, header: dict[str, Any], blobs: list[bytes]
) -> Iterator[tuple[dict[str, Any], list[bytes]]]:
    """The answers to one request."""
    model, *inputs = blobs
    do = header["do"]
    if do == "describe":
        yield {"interface": asdict(backend.describe(model))}, []
    elif do == "measure":
        backend.measure(model)
        yield {}, []
    elif do == "startup":
        yield {"startup": backend.startup(model, header["used"])}, []
    else:
        rest = iter(inputs)
        steps = [
            protocol.unpack_arrays(step, [next(rest) for _ in step]) for step in header["steps"]
        ]
        for outputs in backend.run(model, steps, header["preserved"]):
            described, data = protocol.pack_arrays(outputs)
            yield {"arrays": described}, data


def _backend(settings: dict[str, Any]) -> Any:
    if settings["oracle"] == "litert":
        from arenafit.runtime.litert import LiteRt

        return LiteRt()
    if settings["planner"] != "tflm":
        from arenafit.runtime.planned import PlannedTflm

        return PlannedTflm(settings["registerers"], settings["planner"])
    from arenafit.runtime.tflm import Tflm

    return Tflm(settings["registerers"])


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes on descriptors of their own: whatever libraries print goes to the log."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _send(answers: BinaryIO, header: dict[str, Any], blobs: list[bytes] | None = None) -> None:
    for piece in protocol.frame(header, blobs or []):
        answers.write(piece)
    answers.flush()


def _one_line(error: BaseException) -> str:
    if isinstance(error, (struct.error, TypeError)):  # flatbuffers' own ways of saying so
        return "the file is truncated or corrupt"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

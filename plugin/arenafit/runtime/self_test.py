"""Does the plugin fit this wheel? ``python -m arenafit.runtime.self_test LIBRARY``.

Runs a model whose operator and planner use every struct and function that the plugin knows of
(kernels/host/src/self_test.cc), within the wheel's interpreter and in one of the plugin's own.
Exits with 1 and a message where something is not as expected; where the wheel differs much,
the process may die: `build` takes that for a no, too.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from arenafit.errors import ArenafitError
from arenafit.graph import DType, Model, OpCode, Operator, Quantization, Subgraph, Tensor, save
from arenafit.runtime.plugin import PLANNERS, Plugin, open_library

__all__ = ["check", "model"]

_ARENA = 1 << 16
_SIZE = 30  # bytes of a tensor
_ADDENDS = (3, 7)
_OFFSETS = (160, 32, 96)  # of the three tensors, where they are planned


def model(planned: bool) -> bytes:
    """Two operators of the self-test in a row; with an offline plan, or without one."""
    code = OpCode("CUSTOM", "ARENAFIT_SELF_TEST")
    quantization = Quantization((0.5,), (-3,))
    tensors = [
        Tensor(f"t{i}", (1, 2, 3, 5), DType.INT8, quantization=quantization) for i in range(3)
    ]
    if planned:
        for tensor, offset in zip(tensors, _OFFSETS, strict=True):
            tensor.offline_offset = offset
    operators = [
        Operator(code, [tensors[i]], [tensors[i + 1]], custom_options=bytes([addend]))
        for i, addend in enumerate(_ADDENDS)
    ]
    graph = Subgraph("main", tensors, tensors[:1], tensors[-1:], operators)
    return save(Model([graph], has_offline_plan=planned))


def check(plugin: Plugin) -> str | None:
    """What is wrong with `plugin` in this wheel; None where all is well."""
    given = bytes(range(_SIZE))
    wanted = bytes((value + sum(_ADDENDS)) % 256 for value in given)
    if _wheels_own(given) != wanted:
        return "the wheel's interpreter does not run the operator right"
    for planned in (False, True):
        data = model(planned)
        run = plugin.start(data, len(data), 0, 0, _ARENA, 0, PLANNERS["self-test"])
        if not run:
            return "the plugin's interpreter does not start"
        buffers = [plugin.buffer(run, i) for i in range(plugin.buffers(run))]
        sizes, lives = [b.size for b in buffers], [(b.first, b.last) for b in buffers]
        if sizes != [32] * 5 or lives != [(0, 1), (1, 2), (2, 2), (1, 1), (2, 2)]:
            return f"a planner is asked for buffers of {sizes} bytes with lifetimes {lives}"
        if planned and [b.offset for b in buffers[:3]] != list(_OFFSETS):
            return "a planner is not told the offline plan"
        if plugin.head(run) > plugin.used(run) or plugin.used(run) > _ARENA:
            return "the sizes of the arena cannot be read"
        output = ctypes.create_string_buffer(_SIZE)
        for _ in range(2):
            if not (
                plugin.set_input(run, 0, given, _SIZE)
                and plugin.invoke(run)
                and plugin.get_output(run, 0, output, _SIZE)
            ):
                return "the plugin's interpreter does not run"
            if output.raw != wanted:
                return "the plugin's interpreter does not run the operator right"
        plugin.end(run)
    return None


def _wheels_own(given: bytes) -> bytes:
    import numpy as np
    from tflite_micro.python.tflite_micro import runtime

    names = ["arenafit_register_ops", "arenafit_register_self_test"]
    interpreter = runtime.Interpreter.from_bytes(model(False), custom_op_registerers=names)
    interpreter.set_input(np.frombuffer(given, np.int8).reshape(1, 2, 3, 5), 0)
    interpreter.invoke()
    return bytes(interpreter.get_output(0).tobytes())


def main(library: str) -> int:
    """The exit status; the reason is on the standard error."""
    try:
        wrong = check(open_library(Path(library)))
    except (ArenafitError, OSError, RuntimeError) as error:
        wrong = str(error)
    if wrong:
        print(wrong, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

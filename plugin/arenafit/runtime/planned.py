"""The backend of the worker that runs models with arenafit's planner and operators.

The wheel's own interpreter always plans with TFLM's greedy planner. This one puts an
interpreter together from the same library, as firmware does that takes
``arenafit::MemoryPlanner``: see kernels/host/src/plugin.cc.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arenafit.runtime.interface import Interface
from arenafit.runtime.plugin import PLANNERS, REGISTERERS, PlannedBuffer, Plugin, load
from arenafit.runtime.tflm import Refused, Tflm

if TYPE_CHECKING:
    from arenafit.runtime.protocol import Array

__all__ = ["PLAN_METADATA", "PlannedRun", "PlannedTflm"]

PLAN_METADATA = b"arenafit_plan"
"""Name of the metadata that holds a plan for arenafit's planner (kernels/core, plan.h)."""


class PlannedTflm(Tflm):
    """TFLM with arenafit's planner, which obeys a plan in the model or makes one itself.

    Where every tensor is to be kept (`run` with `preserved`) no planner is at work.

    Args:
        registerers: none, or arenafit's: operators of others cannot be had here.
        planner: ``arenafit``: arenafit::MemoryPlanner; ``offline``: OfflineMemoryPlanner, which
            takes models with a plan alone.

    Raises:
        RuntimeUnavailable: the plugin cannot be made or loaded here.
    """

    def __init__(self, registerers: Sequence[str] = (), planner: str = "arenafit") -> None:
        foreign = sorted(set(registerers) - set(REGISTERERS))
        if foreign:
            raise ValueError(f"{', '.join(foreign)}: not with arenafit's planner")
        super().__init__(REGISTERERS)
        self._plugin = load()
        self._planner = PLANNERS[planner]
        self.oracle += f" with arenafit's {'offline ' if planner == 'offline' else ''}planner"

    def start(self, model: bytes, arena: int) -> PlannedRun:
        """An interpreter after AllocateTensors(), in an arena of `arena` bytes.

        Raises:
            Refused: TFLM or the planner does not take the model; the log says why.
        """
        variables = self._resource_variables(model)
        run = self._plugin.start(
            model, len(model), *self._plan(model), arena, variables, self._planner
        )
        if not run:
            raise Refused("it does not start with arenafit's planner")
        return PlannedRun(self._plugin, run, self.describe(model))

    def _create(self, model: bytes, variables: int, arena: int, mode: Any) -> Any:
        if mode == self._preserving:
            return super()._create(model, variables, arena, mode)
        return self.start(model, arena)

    def _plan(self, model: bytes) -> tuple[int, int]:
        """Where in the file the plan for the planner is, and its size in bytes; 0: none.

        Found as arenafit::PlanInModel does.
        """
        import numpy as np

        start = np.frombuffer(model, np.uint8).ctypes.data
        root = self._schema.Model.GetRootAs(model, 0)
        place = (0, 0)
        for index in range(root.MetadataLength()):
            entry = root.Metadata(index)
            if entry.Name() == PLAN_METADATA and entry.Buffer() < root.BuffersLength():
                buffer = root.Buffers(entry.Buffer())
                if buffer.DataLength():
                    data = buffer.DataAsNumpy()
                    place = (data.ctypes.data - start, len(data))
        return place


class PlannedRun:
    """One interpreter; its methods are those of the wheel's `InterpreterWrapper`.

    Args:
        plugin: what made it.
        run: what `Plugin.start` gave.
        interface: of its model.
    """

    def __init__(self, plugin: Plugin, run: int, interface: Interface) -> None:
        self._plugin, self._run, self._interface = plugin, run, interface

    def __del__(self) -> None:
        self._plugin.end(self._run)

    @property
    def head(self) -> int:
        """Bytes that the planner needs."""
        return int(self._plugin.head(self._run))

    @property
    def buffers(self) -> list[PlannedBuffer]:
        """All buffers that were planned: tensors in TFLM's order, then scratch."""
        count = self._plugin.buffers(self._run)
        return [self._plugin.buffer(self._run, index) for index in range(count)]

    # The wheel's names

    def PrintAllocations(self) -> None:  # noqa: N802
        """Print to the log what TFLM's recording allocator would."""
        total = self._plugin.used(self._run)
        for kind, size in ("total", total), ("head", self.head), ("tail", total - self.head):
            os.write(2, f"Arena allocation {kind} {size} bytes\n".encode())

    def SetInputTensor(self, array: Array, index: int) -> None:  # noqa: N802
        """Copy `array` into graph input `index`."""
        port, data = self._interface.inputs[index], array.tobytes()
        if (array.dtype.name, array.shape) != (port.dtype, port.shape):
            raise Refused(f"an array of {array.dtype}{list(array.shape)} for input {port}")
        if not self._plugin.set_input(self._run, index, data, len(data)):
            raise Refused(f"input {port} has another size in TFLM")

    def Invoke(self) -> None:  # noqa: N802
        """Run the model once."""
        if not self._plugin.invoke(self._run):
            raise Refused("Invoke() failed")

    def Reset(self) -> None:  # noqa: N802
        """Let kernels and variables start afresh."""
        if not self._plugin.reset(self._run):
            raise Refused("Reset() failed")

    def GetOutputTensor(self, index: int) -> Array:  # noqa: N802
        """A copy of graph output `index`."""
        import numpy as np

        port = self._interface.outputs[index]
        size = port.elements * np.dtype(port.dtype).itemsize
        data = ctypes.create_string_buffer(size)
        if not self._plugin.get_output(self._run, index, data, size):
            raise Refused(f"output {port} has another size in TFLM")
        return np.frombuffer(data.raw, port.dtype).reshape(port.shape)

"""The backend of the worker that drives the `tflite_micro` wheel.

Runs in the worker process only: a model that breaks TFLM takes this process
with it. TFLM's own messages go to file descriptor 2, which the session reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from arenafit.runtime.interface import Interface, Port
from arenafit.runtime.plugin import REGISTERERS, load

if TYPE_CHECKING:
    from arenafit.runtime.protocol import Array

__all__ = ["Refused", "Tflm"]

_ARENA = 256 << 20  # bytes; never touched pages cost nothing
_LARGE_ARENA = 4 << 30  # second try, for models that need more than that
_STEP = 16  # bytes between the arena sizes tried by `startup`

# TensorType of the schema -> numpy; the types that TFLM can hand over to Python
_DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16",
    8: "complex64", 9: "int8", 10: "float64", 11: "complex128", 12: "uint64", 15: "uint32",
    16: "uint16",
}  # fmt: skip
_STATEFUL = {
    "ASSIGN_VARIABLE", "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "CALL_ONCE",
    "LSTM", "RNN", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "VAR_HANDLE", "CUSTOM",
}  # fmt: skip


class Refused(Exception):
    """TFLM does not take the model; its reason is in the log."""


class Tflm:
    """TFLM, as the wheel has it.

    Args:
        registerers: names of the C functions that register custom operators; where arenafit's
            own are among them, the plugin is loaded.

    Raises:
        RuntimeUnavailable: the plugin cannot be made or loaded here.
    """

    name = "tflite-micro"

    def __init__(self, registerers: Sequence[str] = ()) -> None:
        from importlib.metadata import version

        # The public Interpreter decodes the whole file in Python on each construction
        # (20-50 ms against 0.4 ms): too slow for a bisection over arena sizes.
        from tflite_micro.python.tflite_micro import _runtime, runtime

        self._native = _runtime
        self._schema = runtime.schema_fb
        self._recording = _runtime.PythonInterpreterConfig.kAllocationRecording
        self._preserving = _runtime.PythonInterpreterConfig.kPreserveAllTensors
        self._registerers = list(registerers)
        if set(REGISTERERS) & set(registerers):
            load()
        self.oracle = f"{self.name} {version('tflite-micro')}"
        self._builtins = {
            number: name
            for name, number in vars(self._schema.BuiltinOperator).items()
            if isinstance(number, int)
        }

    def describe(self, model: bytes) -> Interface:
        """The model's interface, read from the file with the wheel's own schema."""
        root = self._schema.Model.GetRootAs(model, 0)
        main = root.Subgraphs(0)
        stateful = False
        for index in range(root.SubgraphsLength()):
            graph = root.Subgraphs(index)
            stateful |= any(graph.Tensors(i).IsVariable() for i in range(graph.TensorsLength()))
            stateful |= any(name in _STATEFUL for name, _ in self._operators(root, graph))
        return Interface(
            tuple(self._port(main.Tensors(main.Inputs(i))) for i in range(main.InputsLength())),
            tuple(self._port(main.Tensors(main.Outputs(i))) for i in range(main.OutputsLength())),
            stateful,
        )

    def measure(self, model: bytes) -> None:
        """Have TFLM print what it allocated for the model into the log."""
        self._interpreter(model, self._resource_variables(model)).PrintAllocations()

    def startup(self, model: bytes, used: int) -> int:
        """The smallest arena with which AllocateTensors() succeeds.

        TFLM keeps tables between head and tail while it plans, so this may be more than
        what it uses at the end. Takes O(log(startup - used)) interpreters of ~0.4 ms each,
        every one in a process of its own (~2 ms): in an arena that is too small some kernels
        (UNIDIRECTIONAL_SEQUENCE_LSTM) write through a null pointer while they prepare.

        Args:
            model: the file.
            used: bytes of the arena in use at the end: a lower bound.

        Returns:
            Bytes, a multiple of 16.
        """
        variables = self._resource_variables(model)

        def fits(units: int) -> bool:
            child = os.fork()
            if child:
                return os.waitpid(child, 0)[1] == 0
            try:
                self._create(model, variables, units * _STEP, self._recording)
                os._exit(0)
            finally:
                os._exit(1)

        low = -(-used // _STEP)  # the smallest that may fit
        if fits(low):
            return low * _STEP
        reach = 16
        while not fits(low + reach):
            reach *= 2
            if (low + reach) * _STEP > _LARGE_ARENA:
                raise Refused("no arena is large enough")
        high = low + reach  # fits; low does not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle, high)
        return high * _STEP

    def run(
        self, model: bytes, steps: Sequence[Sequence[Array]], preserved: Sequence[int] | None
    ) -> Iterator[list[Array]]:
        """Invoke a fresh interpreter once a step; yield what each invocation leaves.

        Args:
            model: the file.
            steps: for each invocation, one array a graph input.
            preserved: None: yield the graph outputs, the model's own memory plan in force.
                Tensor indices of subgraph 0: give every tensor a place of its own (so the
                plan is not in force), and yield those tensors.
        """
        import numpy as np

        interface = self.describe(model)
        interpreter = self._interpreter(
            model,
            self._resource_variables(model),
            self._recording if preserved is None else self._preserving,
        )
        for step in steps:
            if len(step) != len(interface.inputs):
                raise Refused(f"{len(step)} arrays for {len(interface.inputs)} graph inputs")
            for index, array in enumerate(step):
                if array.size:  # TFLM's Python wrapper rejects empty tensors
                    interpreter.SetInputTensor(array, index)
            interpreter.Invoke()
            if preserved is None:
                yield [
                    interpreter.GetOutputTensor(index)
                    if port.elements
                    else np.zeros(port.shape, port.dtype)
                    for index, port in enumerate(interface.outputs)
                ]
            else:
                yield [interpreter.GetTensor(index, 0)["tensor_data"] for index in preserved]

    def _interpreter(self, model: bytes, variables: int, mode: Any = None) -> Any:
        mode = self._recording if mode is None else mode
        try:
            return self._create(model, variables, _ARENA, mode)
        except Refused:
            return self._create(model, variables, _LARGE_ARENA, mode)

    def _create(self, model: bytes, variables: int, arena: int, mode: Any) -> Any:
        try:
            return self._native.InterpreterWrapper(
                model, self._registerers, arena, variables, mode, 0
            )
        except RuntimeError as error:
            raise Refused(str(error)) from error

    def _operators(self, root: Any, graph: Any) -> Iterator[tuple[str, Any]]:
        for index in range(graph.OperatorsLength()):
            operator = graph.Operators(index)
            code = root.OperatorCodes(operator.OpcodeIndex())
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            yield self._builtins.get(number, str(number)), operator

    def _resource_variables(self, model: bytes) -> int:
        """Number of resource variables, which TFLM wants to know before it reads the model."""
        root = self._schema.Model.GetRootAs(model, 0)
        names = set()
        for index in range(root.SubgraphsLength()):
            for name, operator in self._operators(root, root.Subgraphs(index)):
                options = operator.BuiltinOptions()
                if name == "VAR_HANDLE" and options is not None:
                    handle = self._schema.VarHandleOptions()
                    handle.Init(options.Bytes, options.Pos)
                    names.add(handle.SharedName())
        return len(names)

    def _port(self, tensor: Any) -> Port:
        quantization = tensor.Quantization()
        scales: tuple[float, ...] = ()
        zero_points: tuple[int, ...] = ()
        if quantization is not None:
            scales = tuple(quantization.Scale(i) for i in range(quantization.ScaleLength()))
            zero_points = tuple(
                quantization.ZeroPoint(i) for i in range(quantization.ZeroPointLength())
            )
        if tensor.Type() not in _DTYPES:
            raise Refused(f"a graph input or output has type number {tensor.Type()}")
        return Port(
            (tensor.Name() or b"").decode(errors="replace"),
            tuple(tensor.Shape(i) for i in range(tensor.ShapeLength())),
            _DTYPES[tensor.Type()],
            scales,
            zero_points,
        )

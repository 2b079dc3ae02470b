"""The backend of the worker that drives LiteRT's reference kernels (``arenafit[litert]``).

A second oracle, for machines without the TFLM wheel. It places tensors
itself: a model's memory plan is not in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from arenafit.runtime.interface import Interface, Port

if TYPE_CHECKING:
    from arenafit.runtime.protocol import Array

__all__ = ["LiteRt"]

_STATEFUL = {
    "ASSIGN_VARIABLE", "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "CALL_ONCE",
    "LSTM", "RNN", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "VAR_HANDLE",
}  # fmt: skip


class LiteRt:
    """LiteRT with the operator resolver BUILTIN_REF: the default one is not bit-exact."""

    def __init__(self) -> None:
        from importlib.metadata import version

        from ai_edge_litert import interpreter

        self._litert = interpreter
        self.oracle = f"ai-edge-litert {version('ai-edge-litert')} BUILTIN_REF"

    def describe(self, model: bytes) -> Interface:
        """The model's interface, as LiteRT sees it."""
        interpreter = self._interpreter(model)
        operators = interpreter._get_ops_details()
        return Interface(
            tuple(map(_port, interpreter.get_input_details())),
            tuple(map(_port, interpreter.get_output_details())),
            any(operator["op_name"] in _STATEFUL for operator in operators),
        )

    def run(
        self, model: bytes, steps: Sequence[Sequence[Array]], preserved: Sequence[int] | None
    ) -> Iterator[list[Array]]:
        """As `arenafit.runtime.tflm.Tflm.run`, without a memory plan in either case."""
        interpreter = self._interpreter(model, preserve=preserved is not None)
        inputs = [entry["index"] for entry in interpreter.get_input_details()]
        outputs = [entry["index"] for entry in interpreter.get_output_details()]
        for step in steps:
            for index, array in zip(inputs, step, strict=True):
                interpreter.set_tensor(index, array)
            interpreter.invoke()
            wanted = outputs if preserved is None else preserved
            yield [interpreter.get_tensor(index) for index in wanted]

    def _interpreter(self, model: bytes, preserve: bool = False) -> Any:
        interpreter = self._litert.Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=self._litert.OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=preserve,
        )
        interpreter.allocate_tensors()
        return interpreter


def _port(entry: dict[str, Any]) -> Port:
    quantization = entry["quantization_parameters"]
    return Port(
        str(entry["name"]),
        tuple(int(extent) for extent in entry["shape"]),
        str(entry["dtype"].__name__),
        tuple(float(scale) for scale in quantization["scales"]),
        tuple(int(zero) for zero in quantization["zero_points"]),
    )

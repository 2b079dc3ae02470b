"""arenafit inside a TensorFlow Lite conversion: optimised bytes where the plain ones would be.

    model = arenafit.convert(converter)               # instead of converter.convert()

    with arenafit.hook(kernels="reference"):          # or around code that one cannot change
        train_and_export()                            # ... and calls converter.convert()

TensorFlow is imported by `hook` when it is entered, and never by `convert`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from arenafit.errors import UsageError

if TYPE_CHECKING:
    from arenafit.report.figures import Report

__all__ = ["Converter", "convert", "hook"]

OnReport = Callable[["Report"], None]


class Converter(Protocol):
    """Anything with the ``convert()`` of a ``tf.lite.TFLiteConverter``."""

    def convert(self) -> bytes:
        """The ``.tflite`` file's bytes."""


def convert(converter: Converter, *, on_report: OnReport | None = None, **options: Any) -> bytes:
    """Converts, then optimises: to be used instead of ``converter.convert()``.

    Args:
        converter: a ``tf.lite.TFLiteConverter``, set up as usual.
        on_report: is called with the `Report` of `arenafit.optimize`.
        options: those of `arenafit.optimize`; inside a `hook` these count, not the hook's.

    Returns:
        The optimised ``.tflite``.

    Raises:
        UsageError: an unknown option or value, before the conversion begins.
        ModelError, CheckFailed: as `arenafit.optimize`.
    """
    optimise = _optimiser(on_report, options)
    with _converting():
        model = bytes(converter.convert())
    return optimise(model)


@contextmanager
def hook(*, on_report: OnReport | None = None, **options: Any) -> Iterator[None]:
    """While it is open, every ``convert()`` of TensorFlow Lite returns optimised bytes.

    All converter classes are covered, subclasses of one's own included. Hooks may be
    nested: the innermost counts, and a model is optimised once. What ``convert()`` returns
    is left alone where it is not a model (`bytes`): a subclass may return something else.

    The classes are patched for the whole process: other threads that convert meanwhile get
    optimised bytes as well. Opening and closing hooks from several threads is safe, but the
    innermost hook is then the one opened last, by whichever thread.

    Args:
        on_report: is called with the `Report` of each model, in the converting thread.
        options: those of `arenafit.optimize`.

    Raises:
        UsageError: TensorFlow is not installed, or an unknown option or value.
        ModelError, CheckFailed: out of ``convert()``, as `arenafit.optimize`.
    """
    optimise = _optimiser(on_report, options)
    _enter(optimise, _converter_classes())
    try:
        yield
    finally:
        _leave(optimise)


# --- optimising -------------------------------------------------------------------------

Optimise = Callable[[bytes], bytes]


def _optimiser(on_report: OnReport | None, options: dict[str, Any]) -> Optimise:
    """Checks `options` at once; a conversion may take minutes."""
    from arenafit.api import optimize, parse_options

    parse_options(**options)

    def optimise(model: bytes) -> bytes:
        out, report = optimize(model, **options)
        if on_report is not None:
            on_report(report)
        return out

    return optimise


# --- patching ---------------------------------------------------------------------------

_lock = threading.Lock()
_open: list[Optimise] = []  # of the hooks that are open, the innermost last
_originals: dict[type, Callable[..., Any]] = {}  # patched class -> its own convert()
_thread = threading.local()  # .depth: how many convert() calls the thread is in


def _converter_classes() -> list[type]:
    """Every class of TensorFlow Lite's converters that defines ``convert()`` itself."""
    try:
        import tensorflow as tf
    except ImportError as error:
        raise UsageError(
            f"hook needs TensorFlow: pip install 'arenafit[convert]' ({error})"
        ) from None
    public = [tf.lite.TFLiteConverter, tf.compat.v1.lite.TFLiteConverter]
    # The converters that from_keras_model() and its like return are no subclasses of the
    # public class; what they have in common is the base of all, the last before `object`.
    found: dict[type, None] = {}
    waiting = [cls.__mro__[-2] for cls in public]
    while waiting:
        cls = waiting.pop()
        if cls not in found:
            found[cls] = None
            waiting.extend(cls.__subclasses__())
    return [cls for cls in found if "convert" in vars(cls)]


def _enter(optimise: Optimise, classes: list[type]) -> None:
    with _lock:
        _open.append(optimise)
        for cls in classes:
            if cls not in _originals:
                original = vars(cls)["convert"]
                _originals[cls] = original
                cls.convert = _patched(original)  # type: ignore[attr-defined]


def _leave(optimise: Optimise) -> None:
    with _lock:
        _open.remove(optimise)
        if not _open:
            for cls, original in _originals.items():
                cls.convert = original  # type: ignore[attr-defined]
            _originals.clear()


def _patched(original: Callable[..., Any]) -> Callable[..., Any]:
    """`original`, whose result is optimised unless another ``convert()`` has called it."""

    @functools.wraps(original)
    def patched(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _converting() as outermost:
            result = original(self, *args, **kwargs)
        optimise = _open[-1] if outermost and _open else None
        if optimise is None or not isinstance(result, (bytes, bytearray)):
            return result
        return optimise(bytes(result))

    return patched


@contextmanager
def _converting() -> Iterator[bool]:
    """Marks the thread as converting; True where it was not: the call is the outermost."""
    depth = getattr(_thread, "depth", 0)
    _thread.depth = depth + 1
    try:
        yield depth == 0
    finally:
        _thread.depth = depth

"""arenafit inside a TensorFlow Lite conversion.

The hook's own logic is tested on stand-ins for TensorFlow's classes, which relate to each
other as the real ones do; the tests marked `convert` need TensorFlow and convert for real.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import arenafit
from arenafit.errors import CheckFailed, ModelError, UsageError
from arenafit.graph import load, save
from arenafit.runtime import Session, available
from support.builder import GraphBuilder

# --- stand-ins --------------------------------------------------------------------------


class FakeLite:
    """Converter classes: two versions over one base; some call the convert() of theirs."""

    def __init__(self, model: bytes) -> None:
        class Base:
            calls = 0

        class BaseV2(Base):
            def convert(self) -> bytes:
                Base.calls += 1
                return model

        class Keras(BaseV2):  # what from_keras_model() returns: no subclass of the public one
            def convert(self) -> bytes:
                return super().convert()

        class Public(BaseV2):
            def convert(self) -> bytes:
                return super().convert()

        class V1(Base):
            def convert(self) -> bytes:
                Base.calls += 1
                return model

        self.base, self.keras, self.public, self.v1 = Base, Keras, Public, V1
        self.originals = {cls: vars(cls)["convert"] for cls in (BaseV2, Keras, Public, V1)}

    def module(self) -> ModuleType:
        """What ``import tensorflow`` gives."""
        tf = ModuleType("tensorflow")
        tf.lite = SimpleNamespace(TFLiteConverter=self.public)  # type: ignore[attr-defined]
        v1 = SimpleNamespace(lite=SimpleNamespace(TFLiteConverter=self.v1))
        tf.compat = SimpleNamespace(v1=v1)  # type: ignore[attr-defined]
        return tf

    def restored(self) -> bool:
        return all(vars(cls)["convert"] is own for cls, own in self.originals.items())


@pytest.fixture(scope="module")
def plain() -> bytes:
    """A model whose pad before a convolution makes a peak that arenafit removes."""
    g = GraphBuilder(seed=3)
    x = g.conv(g.input((1, 16, 16, 4)), 8)
    x = g.pad(x, [(0, 0), (0, 1), (0, 1), (0, 0)])
    x = g.conv(x, 8, kernel=3, stride=2, padding="VALID")
    g.output(g.softmax(g.fully_connected(g.mean(x), 4)))
    return save(g.model())


@pytest.fixture
def fake(plain: bytes, monkeypatch: pytest.MonkeyPatch) -> FakeLite:
    made = FakeLite(plain)
    monkeypatch.setitem(sys.modules, "tensorflow", made.module())
    return made


def is_optimised(model: bytes) -> bool:
    """The pad is gone."""
    return "PAD" not in {op.name for op in load(model).main.operators}


def keeps_pad(model: bytes) -> bool:
    return not is_optimised(model)


def test_convert_returns_an_optimised_model(fake: FakeLite) -> None:
    assert keeps_pad(fake.keras().convert())
    assert is_optimised(arenafit.convert(fake.keras(), verify=False))
    assert fake.restored()


def test_convert_needs_no_tensorflow(plain: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    converter = SimpleNamespace(convert=lambda: bytearray(plain))
    assert is_optimised(arenafit.convert(converter, verify=False))


def test_convert_hands_the_report_to_on_report(fake: FakeLite) -> None:
    reports: list[Any] = []
    out = arenafit.convert(fake.keras(), on_report=reports.append, verify=False)
    (report,) = reports
    assert report.flash.after == len(out)
    assert report.after.head < report.before.head


@pytest.mark.parametrize("options", [{"kernel": "any"}, {"kernels": "all"}, {"inputs": 0}])
def test_wrong_options_are_refused_before_the_conversion(
    fake: FakeLite, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        arenafit.convert(fake.keras(), **options)
    with pytest.raises(UsageError), arenafit.hook(**options):
        pytest.fail("the hook was entered")
    assert fake.base.calls == 0
    assert fake.restored()


@pytest.mark.parametrize("kind", ["keras", "public", "v1"])
def test_inside_a_hook_every_converter_optimises_once(fake: FakeLite, kind: str) -> None:
    reports: list[Any] = []
    with arenafit.hook(on_report=reports.append, verify=False):
        out = getattr(fake, kind)().convert()
    assert is_optimised(out)
    assert len(reports) == 1
    assert keeps_pad(getattr(fake, kind)().convert())
    assert fake.restored()


def test_a_hook_covers_subclasses_made_by_users(fake: FakeLite) -> None:
    class Own(fake.keras):  # type: ignore[name-defined,misc]
        def convert(self) -> bytes:
            return super().convert()

    reports: list[Any] = []
    with arenafit.hook(on_report=reports.append, verify=False):

        class Late(Own):
            """Defined while the hook is open; inherits convert()."""

        assert is_optimised(Own().convert())
        assert is_optimised(Late().convert())
    assert len(reports) == 2
    assert keeps_pad(Late().convert())


def test_a_hook_leaves_alone_what_is_not_a_model(fake: FakeLite) -> None:
    class Text(fake.keras):  # type: ignore[name-defined,misc]
        def convert(self) -> str:
            return f"{len(super().convert())} bytes"

    reports: list[Any] = []
    with arenafit.hook(on_report=reports.append, verify=False):
        assert Text().convert().endswith(" bytes")
    assert not reports


def test_a_hook_is_closed_by_an_exception(fake: FakeLite) -> None:
    with pytest.raises(ZeroDivisionError), arenafit.hook(verify=False):
        raise ZeroDivisionError
    assert fake.restored()
    assert keeps_pad(fake.keras().convert())


def test_a_converter_that_fails_leaves_the_hook_working(fake: FakeLite) -> None:
    class Failing(fake.keras):  # type: ignore[name-defined,misc]
        def convert(self) -> bytes:
            super().convert()
            raise ZeroDivisionError

    with arenafit.hook(verify=False):
        with pytest.raises(ZeroDivisionError):
            Failing().convert()
        assert is_optimised(fake.keras().convert())
    assert fake.restored()


def test_errors_of_the_optimiser_come_out_of_convert(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeLite(b"not a model")
    monkeypatch.setitem(sys.modules, "tensorflow", fake.module())
    with arenafit.hook(verify=False), pytest.raises(ModelError):
        fake.keras().convert()
    with pytest.raises(ModelError):
        arenafit.convert(fake.keras(), verify=False)


def test_a_ram_limit_that_does_not_hold_stops_the_conversion(fake: FakeLite) -> None:
    with arenafit.hook(ram_limit=16, verify=False), pytest.raises(CheckFailed):
        fake.keras().convert()


def test_of_nested_hooks_the_innermost_counts_and_optimises_once(fake: FakeLite) -> None:
    outer: list[Any] = []
    inner: list[Any] = []
    with arenafit.hook(on_report=outer.append, verify=False):
        with arenafit.hook(on_report=inner.append, verify=False, disable="fold-pad"):
            assert keeps_pad(fake.keras().convert())
        assert (len(outer), len(inner)) == (0, 1)
        assert is_optimised(fake.keras().convert())
        assert (len(outer), len(inner)) == (1, 1)
    assert fake.restored()


def test_convert_inside_a_hook_uses_its_own_options(fake: FakeLite) -> None:
    reports: list[Any] = []
    with arenafit.hook(on_report=reports.append, verify=False):
        assert keeps_pad(arenafit.convert(fake.keras(), disable="fold-pad", verify=False))
    assert not reports


def test_hooks_may_be_closed_in_another_order_than_opened(fake: FakeLite) -> None:
    first, second = arenafit.hook(verify=False), arenafit.hook(verify=False)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert is_optimised(fake.keras().convert())
    second.__exit__(None, None, None)
    assert fake.restored()


def test_a_conversion_in_another_thread_is_optimised_as_well(fake: FakeLite) -> None:
    results: list[bytes] = []

    class Outer(fake.keras):  # type: ignore[name-defined,misc]
        def convert(self) -> bytes:
            other = threading.Thread(target=lambda: results.append(fake.public().convert()))
            other.start()
            other.join()
            return super().convert()

    with arenafit.hook(verify=False):
        assert is_optimised(Outer().convert())
    assert is_optimised(results[0])


def test_without_tensorflow_the_hook_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(UsageError, match=r"pip install 'arenafit\[convert\]'"), arenafit.hook():
        pytest.fail("the hook was entered")


def test_importing_arenafit_imports_no_tensorflow_and_leaves_hook_a_function() -> None:
    code = (
        "import sys, arenafit, arenafit.hook; arenafit.optimize; "
        "assert callable(arenafit.hook) and callable(arenafit.convert); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- the real thing ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def tf() -> Iterator[Any]:
    os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")
    yield pytest.importorskip("tensorflow", reason="needs pip install 'arenafit[convert]'")


@pytest.fixture(scope="module")
def make_converter(tf: Any) -> Callable[[], Any]:
    """Makes converters of one small Keras network, whose Flatten leaves a shape chain."""
    tf.keras.utils.set_random_seed(7)
    layers = tf.keras.layers
    x = start = layers.Input((24, 24, 3))
    for channels in (8, 16):
        x = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        branch = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(layers.Concatenate()([x, branch]))
    y = layers.Softmax()(layers.Dense(5)(layers.Flatten()(x)))
    network = tf.keras.Model(start, y)

    def samples() -> Iterator[list[np.ndarray]]:
        rng = np.random.default_rng(7)  # anew: conversions must agree on the quantisation
        for _ in range(8):
            yield [rng.uniform(-1, 1, (1, 24, 24, 3)).astype(np.float32)]

    def make() -> Any:
        converter = tf.lite.TFLiteConverter.from_keras_model(network)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter

    return make


@pytest.fixture(scope="module")
def converted(make_converter: Callable[[], Any]) -> bytes:
    return bytes(make_converter().convert())


def assert_same_bytes_in_a_smaller_head(plain: bytes, optimised: bytes) -> None:
    if not available():
        pytest.skip("the tflite-micro wheel is not here")
    with Session() as session:
        assert session.verify(plain, optimised).bit_exact
        before, after = session.measure(plain), session.measure(optimised)
    assert after.head < before.head
    assert after.total <= before.total


@pytest.mark.convert
def test_a_keras_conversion_through_convert_is_bit_exact_and_smaller(
    make_converter: Callable[[], Any], converted: bytes
) -> None:
    assert "SHAPE" in {op.name for op in load(converted).main.operators}
    optimised = arenafit.convert(make_converter())
    assert "SHAPE" not in {op.name for op in load(optimised).main.operators}
    assert_same_bytes_in_a_smaller_head(converted, optimised)


@pytest.mark.convert
def test_a_keras_conversion_inside_the_hook_is_bit_exact_and_smaller(
    make_converter: Callable[[], Any], converted: bytes
) -> None:
    with arenafit.hook():
        optimised = make_converter().convert()
    assert optimised != converted
    assert_same_bytes_in_a_smaller_head(converted, optimised)
    assert make_converter().convert() == converted


@pytest.mark.convert
def test_the_hook_covers_concrete_functions_saved_models_and_version_1(
    tf: Any, tmp_path: Any
) -> None:
    class Doubler(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((1, 8), tf.float32)])  # type: ignore[misc]
        def __call__(self, x: Any) -> Any:
            return tf.nn.relu(x) + x

    module = Doubler()
    tf.saved_model.save(module, str(tmp_path))
    reports: list[Any] = []
    v1 = tf.compat.v1.lite.TFLiteConverter
    with arenafit.hook(on_report=reports.append, verify=False):
        concrete = module.__call__.get_concrete_function()
        tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert()
        tf.lite.TFLiteConverter.from_saved_model(str(tmp_path)).convert()
        v1.from_saved_model(str(tmp_path)).convert()
    assert len(reports) == 3

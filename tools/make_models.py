"""Makes the models under ``models/``: six small int8 networks of the kinds people run on TFLM.

Run in an environment with ``pip install arenafit[convert]``::

    python tools/make_models.py                      # all six, into models/
    python tools/make_models.py --only lenet5 --out /tmp
    python tools/make_models.py --swiftnet cell.tsv swiftnet_cell.tflite
    python tools/make_models.py --nasnet nasnet_mobile.tflite

Weights are random, from a fixed seed: no data set is needed and no accuracy is claimed.
They are not left as drawn, though: layer by layer, in the manner of "All you need is a
good init" (Mishkin and Matas, 2016), every channel is scaled to zero mean and unit
variance over structured inputs. So no layer saturates or dies, the outputs differ from
input to input, and a wrong byte in an intermediate tensor shows at the end.

One TensorFlow version makes the same bytes each time on one kind of processor (the
calibration runs in floating point); the digests printed are those of ``models/README.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 20260
SAMPLES = 24
MODELS = Path(__file__).resolve().parent.parent / "models"

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """One model: how it is built, the shape of one input, and what it is there to show."""

    build: Callable[[Any], Any]
    shape: tuple[int, ...]
    shows: str


def structured_inputs(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> Array:
    """`count` inputs of `shape`, values in [-1, 1]: ramps, blobs, waves, noise, at many contrasts.

    Noise alone would exercise little: a network with global pooling answers it always alike.
    """
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:2]), indexing="ij")
    out = np.empty((count, *shape), np.float32)
    for index in range(count):
        a, b, c, d = rng.uniform(-1, 1, 4)
        field = (
            a * axes[0] + b * axes[1],
            np.exp(-((axes[0] - a) ** 2 + (axes[1] - b) ** 2) / (0.05 + c * c)) * 2 - 1,
            np.sin(8 * a * axes[0] + 8 * b * axes[1] + 3 * c),
            rng.uniform(-1, 1, shape[:2]),
        )[index % 4]
        colour = rng.uniform(0.2, 1, shape[2:]) * rng.choice([-1, 1], shape[2:])
        value = field.reshape(shape[:2] + (1,) * (len(shape) - 2)) * colour
        noise = rng.normal(0, 0.03, shape)
        out[index] = np.clip(value * rng.choice([0.3, 1.0]) + 0.3 * d + noise, -1, 1)
    return out


# --- the networks -----------------------------------------------------------------------


class Net:
    """The few layers that the networks below are made of, on Keras' functional interface.

    Activations are layers of their own, so that a layer's output is what `standardise`
    must look at; the converter fuses them again.
    """

    def __init__(self, tf: Any) -> None:
        self.keras = tf.keras
        self.layers = tf.keras.layers

    def conv(self, x: Any, channels: int, kernel: Any = 1, strides: Any = 1, **more: Any) -> Any:
        """Convolution and ReLU; SAME unless told; `relu=False` leaves the sum as it is."""
        relu = more.pop("relu", True)
        more.setdefault("padding", "same")
        x = self.layers.Conv2D(channels, kernel, strides, **more)(x)
        return self.layers.ReLU()(x) if relu else x

    def depthwise(self, x: Any, kernel: Any = 3, strides: int = 1, **more: Any) -> Any:
        """Depthwise convolution and ReLU; SAME unless told."""
        more.setdefault("padding", "same")
        return self.layers.ReLU()(self.layers.DepthwiseConv2D(kernel, strides, **more)(x))

    def pad(self, x: Any) -> Any:
        """Zeros below and right, for a VALID 3x3 of stride 2; see `trim_padding` for the 2."""
        return self.layers.ZeroPadding2D(((0, 2), (0, 2)))(x)

    def head(self, x: Any, classes: int) -> Any:
        """Fully connected layer and softmax."""
        return self.layers.Softmax()(self.layers.Dense(classes)(x))

    def model(self, x: Any, y: Any) -> Any:
        """The network from input `x` to output `y`."""
        return self.keras.Model(x, y)


def mobilenet_v1(tf: Any) -> Any:
    """MobileNetV1, width 0.25, padded before each stride 2 as keras.applications does it."""
    net = Net(tf)
    x = start = net.layers.Input((96, 96, 3))
    x = net.conv(net.pad(x), 8, 3, 2, padding="valid")
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)]
    plan += [(128, 1)] * 5 + [(256, 2), (256, 1)]
    for channels, strides in plan:
        x = net.depthwise(net.pad(x), 3, 2, padding="valid") if strides == 2 else net.depthwise(x)
        x = net.conv(x, channels)
    x = net.layers.GlobalAveragePooling2D()(x)
    return net.model(start, net.head(x, 2))


def ds_cnn(tf: Any) -> Any:
    """DS-CNN (Zhang et al., "Hello Edge"): keyword spotting on 49 frames of 10 MFCCs."""
    net = Net(tf)
    x = start = net.layers.Input((49, 10, 1))
    x = net.conv(x, 64, (10, 4), 2)
    for _ in range(4):
        x = net.conv(net.depthwise(x), 64)
    x = net.layers.AveragePooling2D((25, 5))(x)
    return net.model(start, net.head(net.layers.Flatten()(x), 12))


def resnet8(tf: Any) -> Any:
    """ResNet-8 as in MLPerf Tiny: three residual stacks on a CIFAR-sized image."""
    net = Net(tf)
    x = start = net.layers.Input((32, 32, 3))
    x = net.conv(x, 16, 3)
    for channels, strides in ((16, 1), (32, 2), (64, 2)):
        y = net.conv(net.conv(x, channels, 3, strides), channels, 3, relu=False)
        if strides == 2:
            x = net.conv(x, channels, 1, 2, relu=False)
        x = net.layers.ReLU()(net.layers.Add()([x, y]))
    x = net.layers.AveragePooling2D(8)(x)
    return net.model(start, net.head(net.layers.Flatten()(x), 10))


def branching_cell(tf: Any) -> Any:
    """Two cells of six bottlenecks, expanded and added in pairs that are far apart.

    A converter writes each branch to its end, so that expanded maps wait for their
    partners while other branches run; the best order makes all the narrow maps first.
    """
    net = Net(tf)

    def cell(x: Any, wide: int, narrow: int) -> Any:
        expanded = []
        for kernel in (3, 5, 3, 5, 3, 5):
            y = net.conv(net.depthwise(net.conv(x, wide), kernel, 2), narrow)
            expanded.append(net.conv(y, 2 * wide))
        sums = [net.layers.Add()([expanded[k], expanded[k + 3]]) for k in range(3)]
        parts = [net.conv(total, narrow) for total in sums]
        parts.append(net.conv(net.layers.MaxPooling2D(2)(x), narrow))
        return net.conv(net.layers.Concatenate()(parts), 2 * narrow)

    x = start = net.layers.Input((64, 64, 3))
    x = net.conv(x, 16, 3, 2)
    x = cell(cell(x, 32, 8), 48, 16)
    x = net.layers.GlobalAveragePooling2D()(x)
    return net.model(start, net.head(x, 4))


def lenet5(tf: Any) -> Any:
    """LeNet-5 with ReLU and max-pooling, as the tutorials have it."""
    net = Net(tf)
    x = start = net.layers.Input((28, 28, 1))
    x = net.layers.MaxPooling2D(2)(net.conv(x, 6, 5))
    x = net.layers.MaxPooling2D(2)(net.conv(x, 16, 5, padding="valid"))
    x = net.layers.Flatten()(x)
    for units in (120, 84):
        x = net.layers.ReLU()(net.layers.Dense(units)(x))
    return net.model(start, net.head(x, 10))


def wake_word(tf: Any) -> Any:
    """A streaming detector: each call takes 3 new frames and remembers older ones in variables."""
    net = Net(tf)
    ring = _ring_layer(tf)
    start = net.layers.Input((3, 40), batch_size=1)
    x = net.layers.Reshape((3, 1, 40))(start)
    x = net.conv(ring(2)(x), 32, (5, 1), (3, 1), padding="valid")
    for span, channels in ((4, 48), (8, 48), (12, 48)):
        x = net.depthwise(ring(span)(x), (span + 1, 1), padding="valid")
        x = net.conv(x, channels)
    x = net.layers.Reshape((15 * 48,))(ring(14)(x))
    x = net.layers.Dense(1)(x)
    return net.model(start, net.layers.Activation("sigmoid")(x))


def _ring_layer(tf: Any) -> Any:
    """The layer class that puts the last `span` frames in front of the new ones."""

    class Ring(tf.keras.layers.Layer):  # type: ignore[misc]
        """[1, n, 1, c] -> [1, span + n, 1, c]; keeps the last `span` rows for the next call."""

        def __init__(self, span: int) -> None:
            super().__init__()
            self.span = span

        def build(self, shape: Any) -> None:
            """Makes the state: the frames before the first call are zero."""
            self.state = self.add_weight(
                shape=(1, self.span, 1, shape[-1]), initializer="zeros", trainable=False
            )

        def call(self, x: Any) -> Any:
            """Joins, remembers, returns."""
            x = tf.concat([self.state, x], axis=1)
            self.state.assign(x[:, -self.span :])
            return x

        def reset(self) -> None:
            """Forgets all frames."""
            self.state.assign(tf.zeros_like(self.state))

    return Ring


RECIPES = {
    "mobilenet_v1_025_96": Recipe(mobilenet_v1, (96, 96, 3), "explicit padding before stride 2"),
    "ds_cnn_kws": Recipe(ds_cnn, (49, 10, 1), "equal steps, a constant shape chain at the end"),
    "resnet8_cifar": Recipe(resnet8, (32, 32, 3), "residual additions"),
    "branching_cell_64": Recipe(branching_cell, (64, 64, 3), "an operator order that matters"),
    "lenet5_28": Recipe(lenet5, (28, 28, 1), "max-pools, a constant shape chain in the middle"),
    "wake_word_stream": Recipe(wake_word, (3, 40), "state in resource variables"),
}


# --- weights and conversion -------------------------------------------------------------


def standardise(tf: Any, model: Any, inputs: Array) -> None:
    """Scales each layer with a kernel so that its channels have mean 0 and variance 1."""
    batch = model.input_shape[0] or len(inputs)
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        probe = tf.keras.Model(model.inputs, layer.output)
        parts = [
            np.asarray(probe(inputs[i : i + batch], training=False))
            for i in range(0, len(inputs), batch)
        ]
        values = np.concatenate(parts)
        values = values.reshape(-1, values.shape[-1])
        scale = 1 / np.maximum(values.std(0), 1e-3)
        kernel, bias = layer.get_weights()
        depthwise = isinstance(layer, tf.keras.layers.DepthwiseConv2D)
        kernel = kernel * (scale[:, None] if depthwise else scale)
        layer.set_weights([kernel, (bias - values.mean(0)) * scale])
        _forget(model)


def _forget(model: Any) -> None:
    for layer in model.layers:
        if hasattr(layer, "reset"):
            layer.reset()


def convert_int8(tf: Any, model: Any, inputs: Array) -> bytes:
    """`model` as an int8 .tflite, activation ranges taken from `inputs`, one at a time."""

    def representative() -> Iterator[list[Array]]:
        for index in range(len(inputs)):
            yield [inputs[index : index + 1]]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    converter._experimental_variable_quantization = True  # int8 state, as wake words have it
    with contextlib.redirect_stdout(io.StringIO()):  # Keras lists every variable it exports
        return bytes(converter.convert())


def trim_padding(model: bytes) -> bytes:
    """Makes each PAD of ((0, 2), (0, 2)) one of ((0, 1), (0, 1)).

    Many models in use have a PAD of one zero below and right before a strided VALID
    convolution, which together equal SAME. A converter of today folds that; two zeros it
    leaves alone. A 3x3 window of stride 2 on an even size reaches one of them only, so
    the other can go afterwards without a change to any result.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    found = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    for graph in found.subgraphs:
        for operator in graph.operators:
            if found.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.PAD:
                padded = graph.tensors[operator.outputs[0]]
                padded.shape = [
                    n - 1 if axis in (1, 2) else n for axis, n in enumerate(padded.shape)
                ]
                amounts = np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32)
                buffer = found.buffers[graph.tensors[operator.inputs[1]].buffer]
                buffer.data = np.frombuffer(amounts.tobytes(), np.uint8)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(found))


def make(tf: Any, name: str) -> bytes:
    """The model `name` of `RECIPES`; does not depend on what was made before it."""
    recipe = RECIPES[name]
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(SEED)
    inputs = structured_inputs(recipe.shape, SAMPLES, np.random.default_rng(SEED))
    model = recipe.build(tf)
    standardise(tf, model, inputs)
    return trim_padding(convert_int8(tf, model, inputs))


def nasnet_mobile(tf: Any) -> bytes:
    """keras.applications' NASNet-mobile with random weights: hundreds of operators, many joins."""
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(SEED)
    inputs = structured_inputs((224, 224, 3), 4, np.random.default_rng(SEED))
    model = tf.keras.applications.NASNetMobile(weights=None, input_shape=(224, 224, 3))
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = 0.0  # one pass sets the statistics, so that no activation dies
    model(inputs, training=True)
    return convert_int8(tf, model, inputs)


def model_from_table(table: str) -> bytes:
    """The operators of a table such as the zoo's swiftnet_cell_graph.tsv, in exactly its order.

    Made without a converter, which would choose an order of its own and drop a SPLIT into one.
    """
    sys.path.insert(0, str(MODELS.parent / "tests"))
    from arenafit.graph import save
    from support import swiftnet  # type: ignore[import-not-found]

    return save(swiftnet.model_from_table(table, SEED))


# --- command line -----------------------------------------------------------------------


def _tensorflow() -> Any:
    """TensorFlow on one thread of the CPU with plain kernels: sums in one order every time."""
    os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0")
    try:
        import tensorflow as tf
    except ImportError:
        raise SystemExit("make_models: needs TensorFlow: pip install 'arenafit[convert]'") from None
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    return tf


def _write(path: Path, model: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model)
    print(f"{hashlib.sha256(model).hexdigest()}  {len(model):>8,}  {path.name}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Makes what the command line asks for; prints sha256, bytes and name of each."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, default=MODELS, metavar="DIR")
    parser.add_argument("--only", choices=RECIPES, action="append", help="may be repeated")
    parser.add_argument("--swiftnet", nargs=2, type=Path, metavar=("TSV", "OUT"))
    parser.add_argument("--nasnet", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)

    if options.swiftnet:
        table, out = options.swiftnet
        _write(out, model_from_table(table.read_text()))
    if options.nasnet:
        _write(options.nasnet, nasnet_mobile(_tensorflow()))
    if options.only or not (options.swiftnet or options.nasnet):
        tf = _tensorflow()
        for name in options.only or RECIPES:
            _write(options.out / f"{name}.tflite", make(tf, name))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The small network that tells paper, chromosomes, borders and print apart: form and teaching."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from screening.karyogram.locate.segments import BODY, BORDER, KINDS, PRINT

TILE = 160
_SMALL = 260  # px: chromosomes with less ink than this could be letters
_OF_SMALL = 3.5  # their weight: a marker must not be lost
_OFTEN = (0.4, 0.25, 0.15, 0.2)
_WIDTHS = (16, 24, 48)
_WEIGHT = {0: 0.35, BODY: 1.0, BORDER: 3.0, PRINT: 1.5}


def build() -> keras.Model:
    """Return an encoder and decoder: page float (b, h, w, 1), ink 0 … 1, sides multiples of 8, to
    logits (b, h, w, 4). Works on half the resolution inside, so that a page takes 30 ms."""
    layers = keras.layers
    c1, c2, c3 = _WIDTHS

    def conv(x, channels: int, size: int, stride: int = 1, dilation: int = 1):
        # Symmetric padding, as ONNX states it; "same" pads strided layers on one side only.
        x = layers.ZeroPadding2D(dilation * (size // 2))(x)
        x = layers.Conv2D(channels, size, strides=stride, dilation_rate=dilation, use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.97)(x)
        return layers.ReLU()(x)

    page = keras.Input((None, None, 1))
    half = conv(conv(page, c1, 5, 2), c1, 3)
    quarter = conv(conv(half, c2, 3, 2), c2, 3)
    x = conv(quarter, c3, 3, 2)
    for dilation in (1, 2, 4):
        x = conv(x, c3, 3, 1, dilation)
    x = layers.Concatenate()([layers.UpSampling2D()(x), quarter])
    x = conv(conv(x, c2, 1), c2, 3)
    x = layers.Concatenate()([layers.UpSampling2D()(x), half])
    x = conv(conv(conv(x, c1, 1), c1, 3), c1, 3)
    x = layers.ZeroPadding2D(1)(x)
    return keras.Model(page, layers.Conv2D(4 * len(KINDS), 3)(x))


def onnx_model(model: keras.Model) -> bytes:
    """Return the network as ONNX: (1, 1, h, w) to (1, 16, h / 2, w / 2); batch normalisation is
    folded into the convolutions. Needs the package `onnx`."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, names = [], [], {}
    pads: dict[str, int] = {}
    order = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]

    def source(layer) -> list[str]:
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        return [names[t.name] for t in tensors]

    names[model.input.name] = "page"
    follow = {layer.input.name: layer for layer in order if not isinstance(layer.input, list)}
    for layer in order:
        out = layer.output.name
        kind = type(layer).__name__
        if kind == "ZeroPadding2D":
            names[out] = source(layer)[0]
            pads[out] = layer.padding[0][0]
        elif kind == "Conv2D":
            kernel = layer.get_weights()[0]
            bias = layer.get_weights()[1] if layer.use_bias else np.zeros(kernel.shape[-1])
            norm = follow.get(out)
            if isinstance(norm, keras.layers.BatchNormalization):
                gamma, beta, mean, variance = norm.get_weights()
                factor = gamma / np.sqrt(variance + norm.epsilon)
                kernel, bias = kernel * factor, beta + (bias - mean) * factor
            base = layer.name
            weights += [
                numpy_helper.from_array(kernel.transpose(3, 2, 0, 1).astype("f4"), base + "/w"),
                numpy_helper.from_array(bias.astype("f4"), base + "/b"),
            ]
            pad = pads.get(layer.input.name, 0)
            nodes.append(
                helper.make_node(
                    "Conv", [*source(layer), base + "/w", base + "/b"], [out],
                    kernel_shape=list(layer.kernel_size), strides=list(layer.strides),
                    dilations=list(layer.dilation_rate), pads=[pad] * 4,
                )
            )  # fmt: skip
            names[out] = out
        elif kind == "BatchNormalization":
            names[out] = source(layer)[0]
        elif kind == "ReLU":
            nodes.append(helper.make_node("Relu", source(layer), [out]))
            names[out] = out
        elif kind == "UpSampling2D":
            scales = numpy_helper.from_array(np.array([1, 1, 2, 2], "f4"), layer.name + "/s")
            weights.append(scales)
            nodes.append(
                helper.make_node(
                    "Resize", [*source(layer), "", layer.name + "/s"], [out], mode="nearest",
                    coordinate_transformation_mode="asymmetric", nearest_mode="floor",
                )
            )  # fmt: skip
            names[out] = out
        elif kind == "Concatenate":
            nodes.append(helper.make_node("Concat", source(layer), [out], axis=1))
            names[out] = out
        else:
            raise TypeError(f"no ONNX form is known for the layer {kind}")
    result = names[model.output.name]
    place = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "page segments",
        [place("page", TensorProto.FLOAT, [1, 1, "height", "width"])],
        [place(result, TensorProto.FLOAT, [1, 4 * len(KINDS), "rows", "columns"])],
        weights,
    )
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def tiles(paths: Sequence[Path], batch: int, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield (page float32 (b, t, t, 1), kind int32 (b, t, t), weight float32) without end."""
    rng = np.random.default_rng(seed)
    pages: dict[Path, tuple[np.ndarray, ...]] = {}
    while True:
        made = []
        while len(made) < batch:
            path = paths[int(rng.integers(len(paths)))]
            if path not in pages:
                if not path.exists():  # still being written
                    continue
                stored = np.load(path)
                small = _small(stored["ids"])
                # Two maps in one: both are warped alike.
                truth = stored["kind"] + np.uint8(len(KINDS)) * small
                pages[path] = stored["page"], truth, *_places(stored["kind"], small, rng)
            made.append(_tile(*pages[path], rng=rng))
        page, truth = (np.stack(each) for each in zip(*made, strict=True))
        small, kind = np.divmod(truth, len(KINDS))
        weight = np.choose(kind, [_WEIGHT[k] for k in range(len(KINDS))]).astype(np.float32)
        weight *= np.where(small & (kind == BODY), _OF_SMALL, 1).astype(np.float32)
        yield (page[..., None].astype(np.float32) / 255, kind.astype(np.int32), weight)


def _small(ids: np.ndarray) -> np.ndarray:
    """Return uint8 (h, w), 1 on chromosomes so small that letters are as large."""
    area = np.bincount(ids.ravel(), minlength=256)
    area[0] = 1 << 30
    return (area < _SMALL)[ids].astype(np.uint8)


def _places(kind: np.ndarray, small: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return four sets of places (n, 2), x and y, to cut tiles around: on borders, chromosomes,
    print and small chromosomes."""
    found = []
    for wanted in (kind == BORDER, kind == BODY, kind == PRINT, small > 0):
        rows, columns = np.nonzero(wanted)
        if not len(rows):
            rows, columns = np.nonzero(kind == BODY)
        some = rng.integers(len(rows), size=200)
        found.append(np.stack([columns[some], rows[some]], 1))
    return found


def _tile(
    page: np.ndarray, kind: np.ndarray, *places: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a changed cutting (ink 0–255, kind) around something on the page."""
    wanted = places[int(rng.choice(4, p=_OFTEN))]
    at = wanted[int(rng.integers(len(wanted)))]
    scale = float(np.exp(rng.uniform(-0.18, 0.18))) if rng.random() < 0.5 else 1.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    turn = -1.0 if rng.random() < 0.15 else 1.0
    # Pages that lie on their side, and metaphase spreads, are to be told as what they are.
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.25 else 0.0
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turned @ np.diag([scale * flip, scale * turn])
    middle = at + rng.uniform(-0.35, 0.35, 2) * TILE
    matrix = np.column_stack([linear, (TILE - 1) / 2 - linear @ middle])
    size = (TILE, TILE)
    grey = cv2.warpAffine(page, matrix, size, flags=cv2.INTER_LINEAR, borderValue=255)
    truth = cv2.warpAffine(kind, matrix, size, flags=cv2.INTER_NEAREST, borderValue=0)
    ink = (255 - grey).astype(np.float32)
    if rng.random() < 0.5:
        ink = 255 * (ink / 255) ** rng.uniform(0.7, 1.4) * rng.uniform(0.6, 1.15)
    if rng.random() < 0.3:
        ink = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.3, 0.9))
    if rng.random() < 0.3:
        ink += rng.normal(0, rng.uniform(1, 8), ink.shape) * (ink > 0)
    return np.clip(ink, 0, 255), truth


def teach(
    paths: Sequence[Path],
    out: Path,
    steps: int,
    batch: int = 8,
    seed: int = 0,
    start: Path | None = None,
    peak: float = 4e-3,
) -> keras.Model:
    """Return the network after `steps` batches; its weights are kept in `out` on the way."""
    keras.utils.set_random_seed(seed)
    model = build()
    if start:
        model.load_weights(start)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, steps, alpha=0.01, warmup_target=peak, warmup_steps=steps // 25
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=1.0)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(page, kind, weight):
        with tf.GradientTape() as tape:
            logits = tf.nn.depth_to_space(tf.cast(model(page, training=True), tf.float32), 2)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(kind, logits)
            mean = tf.reduce_sum(loss * weight) / tf.reduce_sum(weight)
        gradients = tape.gradient(mean, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return mean

    begun, losses = time.monotonic(), []
    for number, data in enumerate(tiles(paths, batch, seed)):
        losses.append(float(step(*(tf.constant(each) for each in data))))
        if number % 100 == 99:
            print(f"{number + 1}/{steps} loss {np.mean(losses[-100:]):.4f} "
                  f"{time.monotonic() - begun:.0f} s", flush=True)  # fmt: skip
        if number % 250 == 249 or number + 1 == steps:
            model.save_weights(out)
        if number + 1 >= steps:
            return model
    raise AssertionError("tiles never end")

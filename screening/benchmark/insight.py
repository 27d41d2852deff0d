"""What a trained network makes of pictures: t-SNE, class-activation maps, outputs of its layers.

Computed with the row and kept beside it, drawn by `benchmark.insight_figures`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.manifold import TSNE

from screening.predict.attention import brightest_at

if TYPE_CHECKING:
    import keras

MOST_OF_A_CLASS = 20
"""Points of one class in a t-SNE."""
SHOWN = 8
"""Pictures, each of another class, over which the class-activation map is laid."""
STAGES = ("conv1", "pool1", "pool2", "last")
CHANNELS = 3
"""Channels of a layer's output side by side, and one below the other."""
_FEWEST = 10


def look(
    model: keras.Model, begun: keras.Model, pictures: np.ndarray, labels: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Return arrays by name; `model` as trained, `begun` as it was before, `pictures` (n, s, s).

    `point_labels` (m,), `before` and `after` (m, 2): t-SNE of what the classes are read from.
    `shown` (k, s, s), `shown_labels`, `shown_said` (k,) and `heat` (k, h, w): Grad-CAM of the class
    that is said. `layer_names` and one mosaic of channels for each of STAGES that there is.
    """
    some = _of_each(labels, MOST_OF_A_CLASS)
    found = {"point_labels": labels[some]}
    if len(some) >= _FEWEST:
        for name, network in (("before", begun), ("after", model)):
            found[name] = _map_of(_features(network, pictures[some]), seed)
    first = _of_each(labels, 1)
    first = first[np.linspace(0, len(first) - 1, min(SHOWN, len(first))).round().astype(int)]
    found |= {"shown": pictures[first], "shown_labels": labels[first]}
    return found | _activation(model, pictures[first]) | _layers(model, pictures[first[:1]])


def _of_each(labels: np.ndarray, most: int) -> np.ndarray:
    """Indices of the first `most` of each class, class by class."""
    return np.concatenate([np.flatnonzero(labels == n)[:most] for n in np.unique(labels)])


def _features(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """What the class scores are read from, of unit length (n, d)."""
    import keras

    from screening.models.network import SCORES

    reader = keras.Model(model.input, model.get_layer(SCORES).input)
    x = reader.predict(_as_input(pictures), batch_size=128, verbose=0).astype(np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def _map_of(features: np.ndarray, seed: int) -> np.ndarray:
    perplexity = min(30.0, (len(features) - 1) / 3)
    tsne = TSNE(2, perplexity=perplexity, init="random", random_state=seed)
    return np.asarray(tsne.fit_transform(features), np.float32)


def _activation(model: keras.Model, pictures: np.ndarray) -> dict[str, np.ndarray]:
    import keras
    import tensorflow as tf

    last = model.get_layer("features").input
    if len(last.shape) != 4 or last.shape[1] == 1:
        return {}  # no map, or one that has no places
    both = keras.Model(model.input, [last, model.output])
    with tf.GradientTape() as tape:
        maps, scores = both(_as_input(pictures), training=False)
        best = tf.reduce_sum(tf.reduce_max(scores, axis=-1))
    weights = tf.reduce_mean(tape.gradient(best, maps), axis=(1, 2))
    heat = brightest_at(np.asarray(maps, np.float32), np.asarray(weights, np.float32))
    return {"heat": heat, "shown_said": np.asarray(scores).argmax(-1)}


def _layers(model: keras.Model, picture: np.ndarray) -> dict[str, np.ndarray]:
    import keras

    layers = _stages(model)
    outputs = [model.get_layer(name).output for name in layers.values()]
    values = keras.Model(model.input, outputs).predict(_as_input(picture), verbose=0)
    values = values if isinstance(values, list) else [values]
    mosaics = {f"layer_{stage}": _mosaic(v[0]) for stage, v in zip(layers, values, strict=True)}
    return {"layer_names": np.array([f"{k}: {v}" for k, v in layers.items()])} | mosaics


def _stages(model: keras.Model) -> dict[str, str]:
    """Which layer stands for each of STAGES: the first convolution, the first two poolings, and
    what the last map comes from. Where a network has no two poolings but strides, the first layer
    with half the side; where it has neither, as transformers, none."""
    import keras

    maps = [layer for layer in model.layers if len(getattr(layer.output, "shape", ())) == 4]
    convolutions = (keras.layers.Conv2D, keras.layers.SeparableConv2D, keras.layers.DepthwiseConv2D)
    poolings = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
    found: dict[str, str] = {}
    first = next((layer for layer in maps if isinstance(layer, convolutions)), None)
    if first is not None:
        found["conv1"] = first.name
        pools = [layer for layer in maps if isinstance(layer, poolings)][:2]
        if len(pools) < 2:
            pools = []
            side = first.output.shape[1]
            for layer in maps[maps.index(first) :]:
                if layer.output.shape[1] <= side // 2 and len(pools) < 2:
                    pools.append(layer)
                    side = layer.output.shape[1]
        found |= {name: layer.name for name, layer in zip(STAGES[1:3], pools, strict=False)}
    source = model.get_layer("features").input
    last = [layer.name for layer in maps if layer.output is source]
    return found | dict(zip(STAGES[3:], last, strict=False))


def _mosaic(output: np.ndarray) -> np.ndarray:
    """The first channels of (h, w, c), each from its least (0) to its most (255), side by side."""
    height, width, channels = output.shape
    tiles = np.full((CHANNELS * (height + 1) - 1, CHANNELS * (width + 1) - 1), 255, np.uint8)
    for n in range(min(channels, CHANNELS**2)):
        one = output[..., n].astype(np.float32)
        one = (one - one.min()) / max(float(np.ptp(one)), 1e-12)
        top, left = (height + 1) * (n // CHANNELS), (width + 1) * (n % CHANNELS)
        tiles[top : top + height, left : left + width] = np.rint(255 * one)
    return tiles


def _as_input(pictures: np.ndarray) -> np.ndarray:
    return pictures[..., None].astype(np.float32)

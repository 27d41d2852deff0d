"""The 24-class chromosome classifier: a compact residual network and the relative length.

Convolutions see the straightened crop; the length joins behind them, so that Monte Carlo dropout
repeats the head alone. Residual blocks after He et al. 2016, averaged to one vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from screening.classes import CHROMOSOMES
from screening.karyogram.crops import CANVAS
from screening.models.length_features import LENGTH_FEATURES

OUTPUTS = len(CHROMOSOMES) + 1
"""24 classes in the order of CHROMOSOMES, then "not one chromosome"."""


def build_classifier(
    size: tuple[int, int] = CANVAS,
    widths: Sequence[int] = (32, 64, 128, 192),
    blocks: Sequence[int] = (1, 1, 1, 1),
    dropout: float = 0.3,
    hidden: int = 256,
) -> keras.Model:
    """Return the model: [image (b, h, w, 1) 0–255 ink bright, length (b, 12)] → (b, 25) logits.

    `image` as karyogram.crops.standardised makes it, `length` as `length_features`. `widths` and
    `blocks`: channels and residual blocks of each stage, every stage at half the size of the last.
    """
    image = keras.Input((*size, 1), name="image")
    length = keras.Input((LENGTH_FEATURES,), name="length")
    x = keras.layers.Rescaling(1 / 127.5, offset=0.0, name="ink")(image)
    x = compact_body(x, widths, blocks)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    size_of = keras.layers.Dense(32, activation="relu", name="size")(length)
    x = keras.layers.Concatenate(name="joined")([x, size_of])
    x = keras.layers.Dropout(dropout, name="drop_features")(x)
    x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    x = keras.layers.Dropout(dropout, name="drop_hidden")(x)
    logits = keras.layers.Dense(OUTPUTS, dtype="float32", name="chromosome")(x)
    return keras.Model([image, length], logits, name="classifier")


def compact_body(
    x: keras.KerasTensor,
    widths: Sequence[int] = (32, 64, 128, 192),
    blocks: Sequence[int] = (1, 1, 1, 1),
) -> keras.KerasTensor:
    """Return the last map (b, h / 16, w / 16, widths[-1]) of pictures whose paper is 0."""
    x = keras.layers.Conv2D(widths[0], 5, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = _norm_relu(x, "stem")
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        for block in range(count):
            stride = 2 if stage and not block else 1
            x = _residual(x, width, stride, f"s{stage}b{block}")
    return x


BODIES = {"compact": compact_body}


def _norm_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _residual(x: keras.KerasTensor, width: int, stride: int, name: str) -> keras.KerasTensor:
    """Two 3×3 convolutions and a shortcut; the shortcut averages where the block shrinks."""
    short = x
    if stride > 1:
        short = keras.layers.AveragePooling2D(stride, padding="same", name=f"{name}_shrink")(short)
    if x.shape[-1] != width:
        short = keras.layers.Conv2D(width, 1, use_bias=False, name=f"{name}_match")(short)
        short = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_match_norm")(short)
    y = keras.layers.Conv2D(
        width, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_a"
    )(x)
    y = _norm_relu(y, f"{name}_a")
    y = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_b")(y)
    y = keras.layers.BatchNormalization(momentum=0.95, name=f"{name}_b_norm")(y)
    return keras.layers.ReLU(name=f"{name}_out")(keras.layers.Add(name=f"{name}_add")([short, y]))

"""A base of four small convolutions in the backbone table's shape, so that tests take seconds."""

from __future__ import annotations

import keras
import numpy as np

from screening.models.backbones import Backbone, Stage
from screening.train.cache import Pictures

SIZE = 32


def tiny_constructor(include_top=False, weights=None, input_tensor=None, input_shape=None):
    x = keras.Input(input_shape) if input_tensor is None else input_tensor
    inputs = keras.utils.get_source_inputs(x)[0]
    for number, features in enumerate((4, 6, 8), 1):
        x = keras.layers.Conv2D(features, 3, padding="same", name=f"block{number}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"block{number}_norm")(x)
        x = keras.layers.Activation("relu", name=f"block{number}_relu")(x)
        x = keras.layers.MaxPooling2D(name=f"block{number}_pool")(x)
    return keras.Model(inputs, x, name="tiny")


TINY = Backbone(
    name="tiny",
    constructor=tiny_constructor,
    preprocess="ink",
    min_size=16,
    features=8,
    stages=(
        Stage("block3", "block2_pool"),
        Stage("block2", "block1_pool"),
        Stage("whole", None),
    ),
)


def tiny_pictures(count: int, seed: int = 0) -> Pictures:
    """Noise on white; an abnormal picture has a dark square in its upper half."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3 == 0
    plain = rng.integers(170, 256, (count, SIZE, SIZE)).astype(np.uint8)
    for row in np.flatnonzero(labels):
        x, y = rng.integers(2, 20), rng.integers(2, 8)
        plain[row, y : y + 8, x : x + 8] = 30

    def vary(row: int, variant: int) -> np.ndarray:
        noise = np.random.default_rng([seed, row, variant]).integers(-20, 20, (SIZE, SIZE))
        return np.clip(plain[row] + noise, 0, 255).astype(np.uint8)

    return Pictures([f"p{seed}-{i}" for i in range(count)], labels.astype(int), plain, vary)

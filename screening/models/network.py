"""A 24-class network: any row of the table behind a picture of one chromosome."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from screening.classes import CHROMOSOMES
from screening.errors import ScreeningError
from screening.models.backbones import Backbone, get_backbone
from screening.models.screener import preprocessed
from screening.models.weights import load_base_weights

SCORES, EMBEDDING = "chromosome", "embedding"
"""Names of the layers that give the class scores and, where asked for, what they are read from."""


def build_network(
    row: Backbone | str,
    size: int,
    classes: int = len(CHROMOSOMES),
    dropout: float = 0.2,
    embedding: int = 0,
    weights: str | Path | None = None,
) -> keras.Model:
    """Return the model: pictures (b, size, size, 1), grey 0–255, dark on white → logits (b, n).

    The grey picture goes into all three channels. Behind the base comes its published top (the
    mean of the last map for most) and dropout; `embedding`: a dense layer of so many units before
    the classes, for contrastive training. Random weights see ink on paper 0, published ones what
    they were trained with. ScreeningError: unknown, or `size` under the smallest of the network.
    """
    row = get_backbone(row) if isinstance(row, str) else row
    if size < row.min_size:
        raise ScreeningError(
            f"{row.name} needs pictures of at least {row.min_size} pixels, received {size}"
        )
    images = keras.Input((size, size, 1), name="image")
    three = keras.layers.Concatenate(name="grey_thrice")([images] * 3)
    mode = "ink" if weights is None else row.preprocess
    base = row.constructor(include_top=False, weights=None, input_tensor=preprocessed(three, mode))
    if weights is not None:
        load_base_weights(base, row, size, weights)
    else:
        _forget_sooner(base)
    if row.top:
        x = keras.layers.Flatten(name="features")(base.output)
        for number, units in enumerate(row.top):
            x = keras.layers.Dense(units, "relu", name=f"top{number}")(x)
            x = keras.layers.Dropout(0.5, name=f"top{number}_dropout")(x)
    else:
        x = keras.layers.GlobalAveragePooling2D(name="features")(base.output)
        x = keras.layers.Dropout(dropout, name="feature_dropout")(x)
    if embedding:
        x = keras.layers.Dense(embedding, name=EMBEDDING)(x)
    # float32 whatever the policy: a loss in half precision would stop falling early.
    scores = keras.layers.Dense(classes, dtype="float32", name=SCORES)(x)
    return keras.Model(images, scores, name=row.name)


def _forget_sooner(base: keras.Model) -> None:
    """Let moving statistics follow random weights: at the momentum of ImageNet's long trainings
    (0.999 in MobileNetV2) a short one would be measured with those of its beginning."""
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, 0.95)


def parameters(model: keras.Model, everything: bool = False) -> int:
    """Return how many parameters train, or with `everything` how many there are."""
    counted = model.weights if everything else model.trainable_weights
    return sum(int(np.prod(weight.shape)) for weight in counted)


def operations(model: keras.Model) -> int:
    """Return the floating-point operations of one picture, a multiplication and an addition each
    counted, as TensorFlow's profiler sees the graph."""
    shape = (1, *model.input_shape[1:])
    graph = (
        tf.function(lambda x: model(x, training=False))
        .get_concrete_function(tf.TensorSpec(shape))
        .graph
    )
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return int(tf.compat.v1.profiler.profile(graph, options=options).total_float_ops)

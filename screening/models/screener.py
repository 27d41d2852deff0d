"""The whole-karyogram screener of the thesis: p(abnormal) from one ordered karyogram."""

from __future__ import annotations

from pathlib import Path

import keras

from screening.errors import ScreeningError
from screening.models.backbones import PREPROCESSING, get_backbone
from screening.models.screener_outputs import PICTURE, SLOT_STATES, SLOTS
from screening.models.weights import (
    load_base_weights,
    preprocessing_for,
    refuse_other_scale,
)

HIDDEN_UNITS = 256
HEAD_START = "feature_dropout"
"""The first layer behind the base; what enters it is the base's last map."""


def build_screener(
    backbone: str = "vgg16",
    size: int = 150,
    dropout: float = 0.5,
    weights: str | Path | None = None,
    preprocess: str | None = None,
    name: str = "screener",
    hidden: int = HIDDEN_UNITS,
    dropout_layer: type[keras.layers.Dropout] = keras.layers.Dropout,
) -> keras.Model:
    """Return a model: images float32 (b, size, size, 3), RGB 0-255 -> p(abnormal) (b, 1).

    Base -> Dropout -> GlobalAveragePooling2D -> Dense 256 -> BatchNormalization -> Dropout ->
    Dense 1 (Chu, KTH 2020): 14,847,297 parameters on VGG16 and 22,328,609 on InceptionV3 at 150.
    `hidden` changes the 256.
    The preprocessing that the base's published weights expect, or the one named by `preprocess` (a
    key of PREPROCESSING), is part of the graph (weightless layers), so it is saved with the model
    and cannot be forgotten. The base's layers lie directly in the graph:
    `model.get_layer("block5_conv1")` works.

    `weights` is None (random), "imagenet" (downloaded by Keras), "shipped" (the base of the bundle
    that comes with the package), or the path of a file that screening.models.weights reads.
    `dropout_layer`: what draws the masks, another than Keras' only in training.
    ScreeningError: unknown base, `size` below the base's minimum, a dropout outside
    [0, 1), weights that are missing or do not fit, or, without `preprocess`, were taught on
    pictures scaled otherwise.
    """
    row = get_backbone(backbone)
    if size < row.min_size:
        raise ScreeningError(
            f"{backbone} needs pictures of at least {row.min_size} pixels a side, received {size}"
        )
    if not 0 <= dropout < 1:
        raise ScreeningError(f"dropout must be at least 0 and below 1, received {dropout}")
    mode = preprocessing_for(row, weights, preprocess)
    if preprocess is None:
        refuse_other_scale(weights, mode)
    images = keras.Input((size, size, 3), name="image")
    base = row.constructor(
        include_top=False,
        weights=None,
        input_tensor=preprocessed(images, mode),
    )
    if weights is not None:
        load_base_weights(base, row, size, weights)
    x = dropout_layer(dropout, name=HEAD_START)(base.output)
    x = keras.layers.GlobalAveragePooling2D(name="feature_mean")(x)
    x = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    x = keras.layers.BatchNormalization(name="hidden_norm")(x)
    x = dropout_layer(dropout, name="hidden_dropout")(x)
    # float32 whatever the policy: a sigmoid in half precision saturates at 0.996.
    x = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name=PICTURE)(x)
    return keras.Model(images, x, name=name)


def preprocessed(images: keras.KerasTensor, mode: str) -> keras.KerasTensor:
    """Return `images` (RGB 0-255) as the published weights of a base with this mode expect them.

    Equal to keras.applications' preprocess_input, in built-in operations only, which load in
    Keras' safe mode. float32 under every policy: the offsets do not fit half precision.
    """
    reverse, scale, offset = PREPROCESSING[mode]
    if reverse:
        images = keras.ops.flip(images, axis=-1)
    return keras.layers.Rescaling(
        scale=list(scale), offset=list(offset), dtype="float32", name=f"preprocess_{mode}"
    )(images)


def base_of(screener: keras.Model) -> keras.Model:
    """Return the part before the head as a model of its own; it shares the layers."""
    return keras.Model(screener.input, screener.get_layer(HEAD_START).input, name="base")


def with_slots(screener: keras.Model) -> keras.Model:
    """Return the screener with a second output SLOTS: logits (b, m, m, 3) of the last map's cells,
    the state of the slot that lies under each. No dropout reaches it."""
    features = screener.get_layer(HEAD_START).input
    slots = keras.layers.Conv2D(SLOT_STATES, 1, dtype="float32", name=SLOTS)(features)
    outputs = {PICTURE: picture_part(screener).output, SLOTS: slots}
    return keras.Model(screener.input, outputs, name=screener.name)


def picture_part(screener: keras.Model) -> keras.Model:
    """Return a screener with its one answer for the whole picture; it shares the layers."""
    if all(layer.name != SLOTS for layer in screener.layers):
        return screener
    return keras.Model(screener.input, screener.output[PICTURE], name=screener.name)

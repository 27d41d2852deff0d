"""Networks that no kept library has, as constructors of the same form as keras.applications'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras

Body = Callable[[keras.KerasTensor], keras.KerasTensor]
"""From pictures (b, h, w, c), preprocessed, to the last map (b, h', w', features)."""


def base_of_body(
    body: Body,
    name: str,
    include_top: bool = False,
    weights: str | Path | None = None,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: tuple[int, int, int] | None = None,
) -> keras.Model:
    """Return `body` as a model of its own, as keras.applications' constructors do without a top.

    `weights`: None, or a file that this network wrote; ValueError for "imagenet" and for a top.
    """
    if include_top or str(weights) == "imagenet":
        raise ValueError(f"{name} has no top and no published weights for Keras")
    x = keras.Input(input_shape) if input_tensor is None else input_tensor
    model = keras.Model(keras.utils.get_source_inputs(x)[0], body(x), name=name)
    if weights is not None:
        model.load_weights(weights)
    return model


def conv_norm(
    x: keras.KerasTensor,
    width: int,
    size: int,
    name: str,
    strides: int = 1,
    groups: int = 1,
    relu: bool = True,
) -> keras.KerasTensor:
    """Return convolution without bias, batch norm and, unless told otherwise, ReLU."""
    x = keras.layers.Conv2D(
        width, size, strides, "same", groups=groups, use_bias=False,
        kernel_initializer="he_normal", name=name,
    )(x)  # fmt: skip
    x = keras.layers.BatchNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x

"""A network that takes part of its normalisation from the pictures at hand.

Another laboratory's stain and focus move every feature of a network; the chromosomes of one cell,
seen together, tell by how much. Batch normalisation with a share of the cell's own statistics takes
the move back (Schneider et al. 2020, "Improving robustness against common corruptions by covariate
shift adaptation").
"""

from __future__ import annotations

import keras
import numpy as np


class CellNormalization(keras.layers.Layer):
    """Batch normalisation with `share` (0–1) of the statistics taken from the batch itself."""

    def __init__(self, trained: keras.layers.BatchNormalization, share: float) -> None:
        super().__init__(name=trained.name, trainable=False)
        self.share, self.epsilon = share, trained.epsilon
        self.scale, self.offset, self.mean, self.variance = (
            np.asarray(value)
            for value in (
                trained.gamma, trained.beta, trained.moving_mean, trained.moving_variance,
            )
        )  # fmt: skip

    def call(
        self,
        inputs: keras.KerasTensor,
        training: bool | None = None,
        mask: keras.KerasTensor | None = None,
    ) -> keras.KerasTensor:
        """Return `inputs` (b, h, w, c) normalised over b, h and w; the others are not used."""
        mean, variance = keras.ops.moments(inputs, axes=(0, 1, 2))
        mean = (1 - self.share) * self.mean + self.share * mean
        variance = (1 - self.share) * self.variance + self.share * variance
        factor = self.scale * keras.ops.rsqrt(variance + self.epsilon)
        return inputs * factor + (self.offset - mean * factor)


def adapted(model: keras.Model, share: float) -> keras.Model:
    """Return a functional model of the same weights whose batch normalisations adapt by `share`."""

    def convert(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.BatchNormalization):
            return CellNormalization(layer, share)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=convert)
    for layer in copy.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return copy

"""Supervised contrastive training (Chang et al.): two batches, each one picture of every class.

The similarities of their embeddings, within and between the batches, should be highest on the
diagonal, where the classes meet: multi-class focal loss along rows and along columns. Beside it the
focal loss of both batches' class scores, with the same weight.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from screening.models.network import EMBEDDING

EMBEDDED = 1024
"""Units of the embedding."""
_GAMMA = 2.0
"""Focus on what is hard, as in Lin et al. 2020, which the paper cites for its loss."""
_FIRST_TEMPERATURE = 1 / 0.07
"""Where the learned factor begins; the paper does not say, this is CLIP's."""


def contrastive_trainer(model: keras.Model) -> tuple[keras.Model, list, list[float]]:
    """Return a model that trains `model`'s weights, its losses and their weights: pictures
    (2 c, s, s, 1), two batches in the order of the classes → (embeddings, class scores)."""
    unit = keras.layers.UnitNormalization(dtype="float32")(model.get_layer(EMBEDDING).output)
    scaled = Temperature(dtype="float32", name="scaled")(unit)
    trainer = keras.Model(model.input, (scaled, model.output), name=f"{model.name}_contrastive")
    focal = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=_GAMMA, from_logits=True)
    # The scores' loss is the mean over both batches; the paper adds up the two.
    return trainer, [contrastive_loss, focal], [1.0, 2.0]


def contrastive_loss(_: keras.KerasTensor, embeddings: keras.KerasTensor) -> keras.KerasTensor:
    """Return the sum over S11, S12, S21 and S22 of the focal losses along rows and columns.

    `embeddings` (2 n, d): of unit length times the root of the temperature, twice the n classes.
    """
    halves = ops.split(embeddings, 2)
    total = 0.0
    for one in halves:
        for other in halves:
            similar = ops.matmul(one, ops.transpose(other))
            total += _focal_of_diagonal(similar) + _focal_of_diagonal(ops.transpose(similar))
    return total


def _focal_of_diagonal(similar: keras.KerasTensor) -> keras.KerasTensor:
    log_p = ops.diagonal(ops.log_softmax(similar, axis=-1))
    return -ops.mean((1 - ops.exp(log_p)) ** _GAMMA * log_p)


class Temperature(keras.layers.Layer):
    """Multiplies by the root of a learned, positive factor: products of two carry the factor."""

    def build(self, input_shape: tuple) -> None:
        """Make the one weight, the factor's logarithm."""
        start = keras.initializers.Constant(float(np.log(_FIRST_TEMPERATURE)))
        self.logarithm = self.add_weight(shape=(), initializer=start, name="logarithm")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the scaled inputs."""
        return inputs * ops.exp(0.5 * self.logarithm)

"""Metric-learning heads on the embedding of any network: Siamese, triplet and centre loss.

Siamese (Swati et al. 2017): pictures of one class should lie near each other, those of two classes
apart, by their Euclidean distance. Triplet (Gajjar et al. 2022, online): nearer to one of the own
class than to any other. Of both the class scores are read from the embedding and do not shape it,
as the classifier that they train on it afterwards. Centre loss (Wang et al. 2020): cross-entropy,
and each picture near the learned centre of its class; without their redistribution of labels.
Not printed there and taken from the losses' own papers: margins, weight, unit length, all pairs
and all violated triplets of two batches of one picture of every class. The width is ours.
"""

from __future__ import annotations

import keras
from keras import ops

from screening.models.network import EMBEDDING, SCORES
from screening.train.recipe_kinds import CENTRE, SIAMESE

UNITS = 128
"""Width of the embedding, FaceNet's (Schroff et al. 2015)."""
_APART = 1.0
"""Distance beyond which two classes are far enough apart (Hadsell et al. 2006)."""
_MARGIN = 0.2
"""By how much nearer the own class should be, in squared distance (Schroff et al. 2015)."""
_CENTRE_WEIGHT = 0.003
"""Of the centre loss beside the cross-entropy (Wen et al. 2016)."""


def metric_trainer(model: keras.Model, kind: str) -> tuple[keras.Model, list, list[float]]:
    """Return a model that trains `model`'s weights, its losses and their weights: pictures →
    (what the metric is about, class scores)."""
    embedded = model.get_layer(EMBEDDING).output
    entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    name = f"{model.name}_{kind}"
    if kind == CENTRE:
        near = SquaredDistances(model.output_shape[-1], dtype="float32", name="to_centres")
        outputs = (near(embedded), model.output)
        return keras.Model(model.input, outputs, name=name), [centre_loss, entropy], [
            _CENTRE_WEIGHT, 1.0
        ]  # fmt: skip
    unit = keras.layers.UnitNormalization(dtype="float32", name="unit")(embedded)
    scores = model.get_layer(SCORES)(ops.stop_gradient(embedded))
    loss = siamese_loss if kind == SIAMESE else triplet_loss
    return keras.Model(model.input, (unit, scores), name=name), [loss, entropy], [1.0, 1.0]


def siamese_loss(labels: keras.KerasTensor, points: keras.KerasTensor) -> keras.KerasTensor:
    """Return half the mean squared distance of one class' pairs, and half that by which pairs of
    two classes are nearer than 1; one-hot `labels` (b, c), `points` (b, d)."""
    squared, same, other = _pairs(labels, points)
    lacking = ops.maximum(_APART - ops.sqrt(ops.maximum(squared, 1e-12)), 0.0)
    near = ops.sum(same * squared) / ops.maximum(ops.sum(same), 1.0)
    far = ops.sum(other * lacking**2) / ops.maximum(ops.sum(other), 1.0)
    return 0.5 * (near + far)


def triplet_loss(labels: keras.KerasTensor, points: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean by which a picture of the own class is not nearer enough than one of another,
    over the triplets (anchor, own, other) of the batch where it is not."""
    squared, same, other = _pairs(labels, points)
    lacking = ops.maximum(squared[:, :, None] - squared[:, None, :] + _MARGIN, 0.0)
    lacking = lacking * same[:, :, None] * other[:, None, :]
    violated = ops.sum(ops.cast(lacking > 0, lacking.dtype))
    return ops.sum(lacking) / ops.maximum(violated, 1.0)


def centre_loss(labels: keras.KerasTensor, squared: keras.KerasTensor) -> keras.KerasTensor:
    """Return half the mean squared distance to the own class' centre; `squared` (b, c)."""
    return 0.5 * ops.mean(ops.sum(labels * squared, axis=-1))


def _pairs(labels: keras.KerasTensor, points: keras.KerasTensor) -> tuple:
    """Squared distances (b, b), and 1 where two different pictures are of one class, of two."""
    lengths = ops.sum(points**2, axis=-1)
    squared = lengths[:, None] - 2 * ops.matmul(points, ops.transpose(points)) + lengths[None]
    own = ops.cast(ops.matmul(labels, ops.transpose(labels)), points.dtype)
    return ops.maximum(squared, 0.0), own - ops.eye(ops.shape(own)[0], dtype=own.dtype), 1 - own


class SquaredDistances(keras.layers.Layer):
    """Tells how far, squared, a point is from each of the learned centres of the classes."""

    def __init__(self, classes: int, **options: object) -> None:
        super().__init__(**options)
        self.classes = classes

    def build(self, input_shape: tuple) -> None:
        """Make the centres (classes, d), all in the origin at first."""
        shape = (self.classes, input_shape[-1])
        self.centres = self.add_weight(shape=shape, initializer="zeros", name="centres")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return (b, classes)."""
        return ops.sum((inputs[:, None, :] - self.centres[None]) ** 2, axis=-1)

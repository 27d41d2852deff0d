"""Published ways of training a 24-class network, each a switch for any network of the table.

`one-cycle` (ChromosomeNet, Lin et al. 2022): cross-entropy with smoothed labels on a one-cycle
schedule. `contrastive` (Chang et al.): `train.contrastive`. Both stop when the validation loss has
not fallen for `patience` epochs and take the best epoch's weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from screening.classes import CHROMOSOMES
from screening.errors import ScreeningError
from screening.models.network import build_network
from screening.train.contrastive import EMBEDDED, contrastive_trainer, pairs_of_batches
from screening.train.durations import Tick, silent

ONE_CYCLE, CONTRASTIVE = KINDS = ("one-cycle", "contrastive")
_RISE, _START, _END = 0.3, 1 / 25, 4e-6
"""Share of the steps in which the rate rises, and its first and last value against the highest."""
_PAPER = 255.0


@dataclass(frozen=True)
class Recipe:
    """`epochs` at most; `batch` and `smoothing` for one-cycle, `steps` an epoch for contrastive;
    `augment`: mirrored, turned and shifted a little, other contrast; `dtype`: Keras' policy."""

    kind: str
    epochs: int
    learning_rate: float
    batch: int = 32
    smoothing: float = 0.1
    steps: int = 2000
    patience: int = 5
    augment: bool = True
    dtype: str = "float32"


@dataclass(frozen=True)
class Labelled:
    """Pictures uint8 (n, s, s), dark on white, and their classes 0…23 (n,)."""

    pictures: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def fit_recipe(
    network: str,
    train: Labelled,
    validation: Labelled,
    recipe: Recipe,
    seed: int = 0,
    weights: str | None = None,
    tick: Tick = silent,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Return the trained network in float32, pictures (b, s, s, 1) → logits (b, 24), and a row for
    each epoch (loss, validation loss and accuracy). ScreeningError when the loss is no number."""
    keras.utils.set_random_seed(seed)
    size = train.pictures.shape[1]
    embedding = EMBEDDED if recipe.kind == CONTRASTIVE else 0
    with _dtype(recipe.dtype):
        model = build_network(network, size, embedding=embedding, weights=weights)
        if recipe.kind == CONTRASTIVE:
            trainer, data, steps = *_contrastive(model, train, recipe, seed), recipe.steps
        else:
            steps = math.ceil(len(train) / recipe.batch)
            trainer, data = _one_cycle(model, train, recipe, steps, seed)
    told = trainer.fit(
        data, epochs=recipe.epochs, steps_per_epoch=steps, shuffle=False, verbose=0,
        callbacks=[
            _Watching(model, validation, recipe.epochs, tick),
            keras.callbacks.EarlyStopping(
                "val_loss", mode="min", patience=recipe.patience, restore_best_weights=True
            ),
        ],
    )  # fmt: skip
    names = ("loss", "val_loss", "val_accuracy")
    columns = zip(*(told.history[name] for name in names), strict=True)
    full = build_network(network, size, embedding=embedding)
    full.set_weights(model.get_weights())
    return full, [dict(zip(names, map(float, row), strict=True)) for row in columns]


def predict(model: keras.Model, pictures: np.ndarray, batch: int = 128) -> np.ndarray:
    """Return the probabilities float32 (n, 24) of pictures uint8 (n, s, s)."""
    logits = model.predict(pictures[..., None].astype(np.float32), batch_size=batch, verbose=0)
    return np.asarray(tf.nn.softmax(logits), np.float32)


def _one_cycle(
    model: keras.Model, train: Labelled, recipe: Recipe, steps: int, seed: int
) -> tuple[keras.Model, tf.data.Dataset]:
    total = recipe.epochs * steps
    warm = max(1, round(_RISE * total))
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate * _START, max(1, total - warm), alpha=_END,
        warmup_target=recipe.learning_rate, warmup_steps=warm,
    )  # fmt: skip
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.smoothing),
        jit_compile=False,
    )
    order = tf.data.Dataset.range(len(train)).shuffle(len(train), seed).batch(recipe.batch)
    load = _loader(train, recipe.augment, seed)
    return model, order.repeat().map(load).prefetch(4)


def _contrastive(
    model: keras.Model, train: Labelled, recipe: Recipe, seed: int
) -> tuple[keras.Model, tf.data.Dataset]:
    trainer = contrastive_trainer(model, recipe.learning_rate)
    indices = pairs_of_batches(train.labels, recipe.epochs * recipe.steps, seed)
    load = _loader(train, recipe.augment, seed)

    def both(index: tf.Tensor) -> tuple:
        pictures, label = load(index)
        return pictures, (label, label)

    return trainer, tf.data.Dataset.from_tensor_slices(indices).repeat().map(both).prefetch(4)


def _loader(data: Labelled, augment: bool, seed: int) -> Any:
    """What turns indices (b,) into pictures float32 (b, s, s, 1) and one-hot labels (b, 24)."""
    pictures = tf.constant(data.pictures)
    labels = tf.constant(data.labels.astype(np.int32))
    # Mapped one batch after another: the layers' random states then run in one order.
    fill = {"fill_mode": "constant", "fill_value": _PAPER}
    layers = [
        keras.layers.RandomFlip("horizontal", seed=seed),
        keras.layers.RandomRotation(10 / 360, seed=seed + 1, **fill),
        keras.layers.RandomTranslation(0.04, 0.04, seed=seed + 2, **fill),
        keras.layers.RandomContrast(0.3, seed=seed + 3),
    ]

    def load(index: tf.Tensor) -> tuple:
        x = tf.cast(tf.gather(pictures, index), tf.float32)[..., None]
        for layer in layers if augment else ():
            x = layer(x, training=True)
        return x, tf.one_hot(tf.gather(labels, index), len(CHROMOSOMES))

    return load


@contextmanager
def _dtype(policy: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class _Watching(keras.callbacks.Callback):
    """Tells how far a training is and adds the validation to each epoch's row: of the class scores
    alone, whatever else is trained."""

    def __init__(self, scores: keras.Model, held: Labelled, epochs: int, tick: Tick) -> None:
        super().__init__()
        self.scores, self.held, self.epochs, self.tick = scores, held, epochs, tick
        self._epoch = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the batch as a part of its epoch."""
        self.tick(self._epoch + (batch + 1) / self.params["steps"], self.epochs, "epochs")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add val_loss (cross-entropy) and val_accuracy."""
        self._epoch = epoch + 1
        if not np.isfinite(logs["loss"]):
            raise ScreeningError(
                f"epoch {epoch + 1}: the loss is no number any more, the learning rate is too high"
            )
        p = predict(self.scores, self.held.pictures)
        own = p[np.arange(len(self.held)), self.held.labels]
        logs["val_loss"] = float(-np.log(np.maximum(own, 1e-7)).mean())
        logs["val_accuracy"] = float(np.mean(p.argmax(1) == self.held.labels))

"""Published ways of training a classifier of single chromosomes, for any network of the table.

`one-cycle` (ChromosomeNet, Lin et al. 2022): cross-entropy with smoothed labels on a one-cycle
schedule. `contrastive` (Chang et al.): `train.contrastive`. `siamese`, `triplet`, `centre`:
`train.metric_heads`. `check-and-adjust` (ANet-c6): `train.check_and_adjust`. All but the last stop
when the validation loss has not fallen for `patience` epochs and take the best epoch's weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from screening.errors import ScreeningError
from screening.models.network import build_network
from screening.train.check_and_adjust import (
    BatchAccuracy,
    CheckAndAdjust,
    EarlyBreak,
    Level,
)
from screening.train.contrastive import EMBEDDED, contrastive_trainer
from screening.train.durations import Tick, silent
from screening.train.labelled import Labelled, balanced, paired_batches, shuffled_batches
from screening.train.metric_heads import UNITS, metric_trainer
from screening.train.recipe_kinds import (
    CHECK_AND_ADJUST,
    CONTRASTIVE,
    METRIC_KINDS,
    ONE_CYCLE,
    PAIRED,
)

_RISE, _START, _END = 0.3, 1 / 25, 4e-6
"""Share of the steps in which the rate rises, and its first and last value against the highest."""


@dataclass(frozen=True)
class Recipe:
    """`epochs` at most; `batch` and `smoothing` (one-cycle), or `steps` an epoch of paired kinds;
    `augment`: light, cda or none; `balance`: smote or none; `early_break`: expected accuracy on
    validation and in training; `levels`, checked every `check_every` steps; `dtype`: Keras' policy.
    """

    kind: str
    epochs: int
    learning_rate: float
    batch: int = 32
    smoothing: float = 0.1
    steps: int = 2000
    patience: int = 5
    augment: str = "light"
    balance: str = "none"
    early_break: tuple[float, float] | None = None
    levels: tuple[Level, ...] = (Level(0.0, 1.0, 0.0),)
    check_every: int = 200
    dtype: str = "float32"


def fit_recipe(
    network: str,
    train: Labelled,
    validation: Labelled,
    recipe: Recipe,
    seed: int = 0,
    weights: str | None = None,
    tick: Tick = silent,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Return the trained network in float32, pictures (b, s, s, 1) → logits (b, classes), and a
    row for each epoch (loss, validation loss and accuracy). ScreeningError: the loss is no number.
    """
    with _dtype(recipe.dtype):
        model = untrained(network, train, recipe, seed, weights)
        if recipe.balance == "smote":
            train = balanced(train, seed)
        paired = recipe.kind in PAIRED
        steps = recipe.steps if paired else math.ceil(len(train) / recipe.batch)
        trainer = _trainer(model, recipe, steps)
    if paired:
        data = paired_batches(train, recipe.epochs * recipe.steps, recipe.augment, seed)
    else:
        data = shuffled_batches(train, recipe.batch, recipe.augment, seed)
    if trainer is not model:  # two outputs, one label for both
        data = data.map(lambda pictures, labels: (pictures, (labels, labels)))
    told = trainer.fit(
        data, epochs=recipe.epochs, steps_per_epoch=steps, shuffle=False, verbose=0,
        callbacks=_callbacks(model, validation, recipe, tick),
    )  # fmt: skip
    names = ("loss", "val_loss", "val_accuracy")
    columns = zip(*(told.history[name] for name in names), strict=True)
    full = untrained(network, train, recipe, seed)
    full.set_weights(model.get_weights())
    return full, [dict(zip(names, map(float, row), strict=True)) for row in columns]


def untrained(
    network: str, data: Labelled, recipe: Recipe, seed: int, weights: str | None = None
) -> keras.Model:
    """Return the network of a recipe as its training begins."""
    keras.utils.set_random_seed(seed)
    units = {CONTRASTIVE: EMBEDDED} | dict.fromkeys(METRIC_KINDS, UNITS)
    return build_network(
        network, data.pictures.shape[1], data.classes, embedding=units.get(recipe.kind, 0),
        weights=weights,
    )  # fmt: skip


def predict(model: keras.Model, pictures: np.ndarray, batch: int = 128) -> np.ndarray:
    """Return the probabilities float32 (n, classes) of pictures uint8 (n, s, s)."""
    logits = model.predict(pictures[..., None].astype(np.float32), batch_size=batch, verbose=0)
    return np.asarray(tf.nn.softmax(logits), np.float32)


def _trainer(model: keras.Model, recipe: Recipe, steps: int) -> keras.Model:
    """The compiled model that trains `model`'s weights: itself, or one with another output."""
    rate: Any = recipe.learning_rate
    weights: list[float] | None = None
    losses: Any
    trainer = model
    if recipe.kind == CONTRASTIVE:
        trainer, losses, weights = contrastive_trainer(model)
    elif recipe.kind in METRIC_KINDS:
        trainer, losses, weights = metric_trainer(model, recipe.kind)
    else:
        smoothing = recipe.smoothing if recipe.kind == ONE_CYCLE else 0.0
        losses = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    if recipe.kind == ONE_CYCLE:
        total = recipe.epochs * steps
        warm = max(1, round(_RISE * total))
        rate = keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate * _START, max(1, total - warm), alpha=_END,
            warmup_target=recipe.learning_rate, warmup_steps=warm,
        )  # fmt: skip
    scores = [BatchAccuracy()]
    metrics: list = scores if trainer is model else [[], scores]
    trainer.compile(
        keras.optimizers.Adam(rate), losses, loss_weights=weights, metrics=metrics,
        jit_compile=False,
    )  # fmt: skip
    return trainer


def _callbacks(
    model: keras.Model, validation: Labelled, recipe: Recipe, tick: Tick
) -> Sequence[keras.callbacks.Callback]:
    made: list[keras.callbacks.Callback] = [_Watching(model, validation, recipe.epochs, tick)]
    if recipe.early_break is not None:
        made.append(EarlyBreak(*recipe.early_break))
    if recipe.kind == CHECK_AND_ADJUST:
        made.append(
            CheckAndAdjust(
                lambda: _validated(model, validation)[1],
                recipe.levels, recipe.learning_rate, recipe.check_every,
            )
        )  # fmt: skip
    else:
        made.append(
            keras.callbacks.EarlyStopping(
                "val_loss", mode="min", patience=recipe.patience, restore_best_weights=True
            )
        )
    return made


@contextmanager
def _dtype(policy: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _validated(scores: keras.Model, held: Labelled) -> tuple[float, float]:
    """Cross-entropy and accuracy."""
    p = predict(scores, held.pictures)
    own = p[np.arange(len(held)), held.labels]
    loss = -np.log(np.maximum(own, 1e-7)).mean()
    return float(loss), float(np.mean(p.argmax(1) == held.labels))


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
        logs["val_loss"], logs["val_accuracy"] = _validated(self.scores, self.held)

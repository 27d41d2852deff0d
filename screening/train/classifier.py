"""Training of the 24-class chromosome classifier: one schedule, a fresh set of crops each epoch.

Cross-entropy with smoothed labels and AdamW on a one-cycle cosine schedule. The optimizer, the
epoch and the history are kept after every epoch, so that a killed run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from screening.atomic import replaced_file
from screening.classes import NOT_A_CHROMOSOME_INDEX
from screening.models.classifier import OUTPUTS, build_classifier
from screening.models.length_features import length_features
from screening.train.classifier_crops import Crops
from screening.train.durations import Tick, silent
from screening.train.epochs import STATE, fit_epochs, write_history

_WARM = 0.06
_SCALE_NOISE, _LENGTH_NOISE = 0.03, 0.02
_MEASURED = 4
"""Accuracy is measured every so many epochs."""


@dataclass(frozen=True)
class ClassifierSettings:
    """`steps` batches an epoch; `learning_rate`: the highest, reached after the warm-up;
    `unknown`: share of the crops whose length is hidden."""

    epochs: int
    steps: int
    batch: int = 192
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    smoothing: float = 0.04
    unknown: float = 0.12
    seed: int = 0


def fit_classifier(
    out: Path,
    draw: Callable[[int], Crops],
    held_out: Mapping[str, Crops],
    settings: ClassifierSettings,
    tick: Tick = silent,
    begin: Callable[[], keras.Model] | None = None,
) -> keras.Model:
    """Return the trained classifier in float32; `out` holds checkpoint, history and result.

    `draw(epoch)`: the crops of an epoch, of which `steps` batches are taken. `held_out`: crops by
    name, whose accuracy is noted every few epochs and chooses nothing. `begin`: gives the
    classifier whose weights are the first ones; random ones without.
    """
    out.mkdir(parents=True, exist_ok=True)
    done = out / "classifier.keras"
    if done.exists():
        return keras.models.load_model(done)
    model, epochs = _new(settings), settings.epochs
    if begin is not None and not (out / STATE).exists():
        model.set_weights(begin().get_weights())

    def batches(epoch: int) -> tf.data.Dataset:
        rng = np.random.default_rng((settings.seed, epoch))
        return _batches(draw(epoch), settings, rng)

    def accuracies(epoch: int) -> dict[str, float]:
        if (epoch + 1) % _MEASURED and epoch + 1 < epochs:
            return {}
        return {name: round(accuracy(model, crops), 4) for name, crops in held_out.items()}

    history = fit_epochs(
        model, epochs, out, batches, accuracies, seed=settings.seed, tick=tick
    )  # fmt: skip
    write_history(out, history)
    full = in_full_precision(model)
    with replaced_file(done) as hidden:
        full.save(hidden)
    return full


def accuracy(model: keras.Model, crops: Crops) -> float:
    """Return the share of the true chromosomes in `crops` that get their class."""
    true = crops.labels != NOT_A_CHROMOSOME_INDEX
    logits = predict_logits(model, crops.images[true], crops.relative[true])
    return float(np.mean(logits[:, :NOT_A_CHROMOSOME_INDEX].argmax(1) == crops.labels[true]))


def predict_logits(model: keras.Model, images: np.ndarray, relative: np.ndarray) -> np.ndarray:
    """Return float32 (n, 25) for standardised crops uint8 (n, h, w) and relative lengths (n,)."""
    inputs = [images[..., None].astype(np.float32), length_features(relative)]
    return np.asarray(model.predict(inputs, batch_size=512, verbose=0), np.float32)


def in_full_precision(model: keras.Model) -> keras.Model:
    """Return the same classifier with everything computed in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        full = build_classifier()
    finally:
        keras.config.set_dtype_policy(before)
    full.set_weights(model.get_weights())
    return full


def _new(settings: ClassifierSettings) -> keras.Model:
    total_steps = settings.epochs * settings.steps
    keras.utils.set_random_seed(settings.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")  # a quarter faster, and range enough
    try:
        model = build_classifier()
    finally:
        keras.config.set_dtype_policy(before)
    peak, warm = settings.learning_rate, max(1, round(_WARM * total_steps))
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 20, max(1, total_steps - warm), alpha=0.0, warmup_target=peak, warmup_steps=warm
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=2.0),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.smoothing),
        metrics=["accuracy"],
    )
    return model


def _batches(
    crops: Crops, settings: ClassifierSettings, rng: np.random.Generator
) -> tf.data.Dataset:
    """The epoch's batches: shuffled, lengths with the errors that other pages will have."""
    order = np.concatenate([rng.permutation(len(crops)) for _ in range(2)])[
        : settings.steps * settings.batch
    ]
    count = int(crops.cells.max()) + 1
    scale = np.exp(rng.normal(0, _SCALE_NOISE, count))[crops.cells]
    relative = crops.relative * scale * np.exp(rng.normal(0, _LENGTH_NOISE, len(crops)))
    relative[rng.random(len(crops)) < settings.unknown] = np.nan
    lengths = length_features(relative)
    seeds = rng.integers(2**31, size=(len(order), 2), dtype=np.int64)

    def load(index: tf.Tensor, seed: tf.Tensor) -> tuple:
        images = _vary(tf.gather(pictures, index), seed[0])
        label = tf.one_hot(tf.gather(labels, index), OUTPUTS)
        return {"image": images, "length": tf.gather(joined, index)}, label

    pictures, labels = tf.constant(crops.images), tf.constant(crops.labels.astype(np.int32))
    joined = tf.constant(lengths)
    data = tf.data.Dataset.from_tensor_slices((order, seeds)).batch(settings.batch)
    return data.map(load, num_parallel_calls=2).prefetch(4)


def _vary(pictures: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirror left to right, shift by a few pixels, another tone curve, a covered patch."""
    count, height, width = tf.shape(pictures)[0], pictures.shape[1], pictures.shape[2]
    u = tf.random.stateless_uniform((8, count, 1), seed)
    down, right = tf.cast(u[0] * 7, tf.int32) - 3, tf.cast(u[1] * 5, tf.int32) - 2
    rows = (tf.range(height)[None] + down) % height
    columns = (tf.range(width)[None] + right) % width
    columns = tf.where(u[2] < 0.5, columns, width - 1 - columns)
    x = tf.gather(tf.gather(pictures, rows, batch_dims=1), columns, axis=2, batch_dims=1)
    x = tf.cast(x, tf.float32) / 255
    x = tf.pow(x, tf.exp(0.5 * (u[3] - 0.5))[..., None]) * (0.85 + 0.25 * u[4])[..., None]
    patch = tf.abs(tf.range(height, dtype=tf.float32)[None] - height * u[5]) < 6 * u[6]
    side = tf.range(width, dtype=tf.float32)[None] < width * u[7]
    hidden = tf.logical_and(patch[:, :, None], side[:, None, :])
    hidden = tf.logical_and(hidden, u[6][..., None] > 0.5)
    return 255 * tf.clip_by_value(tf.where(hidden, 0.0, x), 0.0, 1.0)[..., None]

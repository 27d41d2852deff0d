"""Training of the 24-class chromosome classifier: one schedule, a fresh set of crops each epoch.

Cross-entropy with smoothed labels and AdamW on a one-cycle cosine schedule. The optimizer, the
epoch and the history are kept after every epoch, so that a killed run goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from screening.models.classifier import OUTPUTS, build_classifier, length_features
from screening.train.classifier_crops import NOT_ONE, Crops

BATCH = 192
RATE = 2e-3
"""Highest learning rate, reached after the warm-up."""
WEIGHT_DECAY = 0.02
SMOOTHING = 0.04
_WARM = 0.06
_LENGTH_UNKNOWN = 0.12
_SCALE_NOISE, _LENGTH_NOISE = 0.03, 0.02


def fit_classifier(
    out: Path,
    draw: Callable[[int], Crops],
    held_out: Mapping[str, Crops],
    epochs: int,
    steps: int,
    seed: int = 0,
) -> keras.Model:
    """Return the trained classifier in float32; `out` holds checkpoint, history and result.

    `draw(epoch)`: the crops of an epoch, of which `steps` batches are taken. `held_out`: crops by
    name, whose accuracy is noted every few epochs and chooses nothing.
    """
    out.mkdir(parents=True, exist_ok=True)
    done = out / "classifier.keras"
    if done.exists():
        return keras.models.load_model(done)
    model, begun = _start(out, epochs * steps, seed)
    history = _history(out)
    for epoch in range(begun, epochs):
        rng = np.random.default_rng((seed, epoch))
        record = model.fit(
            _batches(draw(epoch), steps, rng),
            epochs=epoch + 1, initial_epoch=epoch, shuffle=False, verbose=0,
        ).history  # fmt: skip
        line = {"epoch": epoch + 1, **{k: round(v[0], 4) for k, v in record.items()}}
        if (epoch + 1) % 4 == 0 or epoch + 1 == epochs:
            line |= {name: round(accuracy(model, crops), 4) for name, crops in held_out.items()}
        history.append(line)
        print(line, flush=True)
        model.save(out / "part.keras")
        (out / "part.keras").replace(out / "checkpoint.keras")
        (out / "history.json").write_text(json.dumps(history, indent=1))
    full = in_full_precision(model)
    full.save(done)
    return full


def accuracy(model: keras.Model, crops: Crops) -> float:
    """Return the share of the true chromosomes in `crops` that get their class."""
    true = crops.labels != NOT_ONE
    logits = predict_logits(model, crops.images[true], crops.relative[true])
    return float(np.mean(logits[:, :NOT_ONE].argmax(1) == crops.labels[true]))


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


def _start(out: Path, total_steps: int, seed: int) -> tuple[keras.Model, int]:
    if (out / "checkpoint.keras").exists():
        return keras.models.load_model(out / "checkpoint.keras"), len(_history(out))
    keras.utils.set_random_seed(seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")  # a quarter faster, and range enough
    try:
        model = build_classifier()
    finally:
        keras.config.set_dtype_policy(before)
    warm = max(1, round(_WARM * total_steps))
    rate = keras.optimizers.schedules.CosineDecay(
        RATE / 20, max(1, total_steps - warm), alpha=0.0, warmup_target=RATE, warmup_steps=warm
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY, clipnorm=2.0),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=SMOOTHING),
        metrics=["accuracy"],
    )
    return model, 0


def _history(out: Path) -> list[dict]:
    path = out / "history.json"
    return json.loads(path.read_text()) if path.exists() else []


def _batches(crops: Crops, steps: int, rng: np.random.Generator) -> tf.data.Dataset:
    """The epoch's batches: shuffled, lengths with the errors that other pages will have."""
    order = np.concatenate([rng.permutation(len(crops)) for _ in range(2)])[: steps * BATCH]
    count = int(crops.cells.max()) + 1
    scale = np.exp(rng.normal(0, _SCALE_NOISE, count))[crops.cells]
    relative = crops.relative * scale * np.exp(rng.normal(0, _LENGTH_NOISE, len(crops)))
    relative[rng.random(len(crops)) < _LENGTH_UNKNOWN] = np.nan
    lengths = length_features(relative)
    seeds = rng.integers(2**31, size=(len(order), 2), dtype=np.int64)

    def load(index: tf.Tensor, seed: tf.Tensor) -> tuple:
        images = _vary(tf.gather(pictures, index), seed[0])
        label = tf.one_hot(tf.gather(labels, index), OUTPUTS)
        return {"image": images, "length": tf.gather(joined, index)}, label

    pictures, labels = tf.constant(crops.images), tf.constant(crops.labels.astype(np.int32))
    joined = tf.constant(lengths)
    data = tf.data.Dataset.from_tensor_slices((order, seeds)).batch(BATCH)
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

"""Training of the reader of structure: all its outputs at once, fresh splices and looks each epoch.

AdamW on a cosine schedule; checkpoints are those of `train.epochs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from screening.karyogram.strip import COLUMNS, QUALITY, ROWS
from screening.metrics import auroc
from screening.models.structure import (
    DENSE,
    PAIR,
    ROW,
    SINGLE,
    STEPS,
    WIDTH,
    build_structure_reader,
    take_over,
)
from screening.train.durations import Tick, silent
from screening.train.epochs import STATE, fit_epochs, write_history
from screening.train.structure_pages import KINDS, SHAM, Strips
from screening.train.structure_set import SHARES, StructureSet

_WEIGHTS = {DENSE: 0.3, ROW: 1.0, SINGLE: 1.0, PAIR: 1.5}
_ROW_COUNTS = 4.0
"""Weight of a changed row: there are few."""
_WARM = 200


@dataclass(frozen=True)
class StructureSettings:
    """`steps` batches an epoch, `pairs` a batch; `learning_rate`: the highest; `shares`: of the
    kinds of changes that are made of strips; `precision`: Keras' policy while it learns; `width` of
    the reader; `hard_negatives`: share of a batch of untouched pairs that look changed to it."""

    epochs: int
    steps: int
    pairs: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    precision: str = "float32"
    width: int = WIDTH
    hard_negatives: float = 0.0


def fit_structure(
    out: Path,
    draw: Callable[[int], Strips],
    held_out: Strips,
    settings: StructureSettings,
    stop_after: int | None = None,
    tick: Tick = silent,
    begin: Callable[[], keras.Model] | None = None,
) -> keras.Model:
    """Return the reader trained so far; `out` holds its checkpoint, weights and history.

    `draw(epoch)`: the strips of an epoch. `held_out`: strips whose AUROC is noted, by pair and by
    single strip; it chooses nothing. `stop_after`: end after so many epochs of the schedule.
    `begin`: gives the reader whose weights are the first, where there is no checkpoint.
    """
    out.mkdir(parents=True, exist_ok=True)
    model = new_reader(settings)
    if begin is not None and not (out / STATE).exists():
        take_over(model, begin())

    def batches(epoch: int) -> tf.data.Dataset:
        made = StructureSet(
            draw(epoch), settings.pairs, settings.steps, settings.seed, settings.shares
        )
        if settings.hard_negatives and made.plain.size:
            said = predict(model, made.strips, made.pairs[made.plain], (PAIR,))[PAIR]
            made.mine(said, settings.hard_negatives)
        return _dataset(lambda: made.batches(epoch), settings.steps, made.batch)

    def measured(epoch: int) -> dict[str, float]:
        model.save_weights(out / "reader.weights.h5")
        return {name: round(value, 4) for name, value in _aurocs(model, held_out).items()}

    history = fit_epochs(
        model, settings.epochs, out, batches, measured, stop_after, settings.seed, tick
    )
    write_history(out, history)
    reader = build_structure_reader(width=settings.width)  # in float32, whatever it learned in
    reader.set_weights(model.get_weights())
    return reader


def new_reader(settings: StructureSettings) -> keras.Model:
    """Return a fresh compiled reader."""
    keras.utils.set_random_seed(settings.seed)
    model = build_structure_reader(width=settings.width, precision=settings.precision)
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 20, max(1, settings.epochs * settings.steps - _WARM), alpha=0.02,
        warmup_target=settings.learning_rate, warmup_steps=_WARM,
    )  # fmt: skip
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=2.0),
        {DENSE: places_loss, ROW: rows_loss, SINGLE: logit_loss, PAIR: logit_loss},
        loss_weights=_WEIGHTS,
    )
    return model


def predict(
    model: keras.Model,
    strips: Strips,
    pairs: np.ndarray,
    names: Sequence[str] = (ROW, SINGLE, PAIR),
) -> dict[str, np.ndarray]:
    """Return the outputs `names` (m, …) for pairs (m, 2) of places in strips; `dense` as float16,
    since there is much of it."""
    run = tf.function(lambda x: model(x, training=False))
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for first in range(0, len(pairs), 256):
        own = pairs[first : first + 256]
        inputs = {
            "strips": strips.strips[own].astype(np.float32),
            "quality": strips.quality[own].astype(np.float32),
            "classes": strips.classes[own[:, 0]].astype(np.int32),
        }
        made = run(inputs)
        for name, parts in found.items():
            value = made[name].numpy()
            parts.append(value.astype(np.float16) if name == DENSE else value)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def places_loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the mean cross-entropy (b,) over the rows that have a label, -1 for those without."""
    known = ops.cast(labels >= 0, "float32")
    each = keras.losses.sparse_categorical_crossentropy(
        ops.maximum(labels, 0), logits, from_logits=True
    )
    return ops.sum(each * known, (1, 2)) / ops.maximum(ops.sum(known, (1, 2)), 1.0)


def rows_loss(changed: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the mean over rows (b,) of the binary cross-entropy, changed rows counting more."""
    each = ops.softplus(logits) - logits * changed
    return ops.mean(each * (1 + (_ROW_COUNTS - 1) * changed), (1, 2))


def logit_loss(changed: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the binary cross-entropy (b,), the mean over a second axis where there is one."""
    each = ops.reshape(ops.softplus(logits) - logits * changed, (ops.shape(logits)[0], -1))
    return ops.mean(each, -1)


def _dataset(
    batches: Callable[[], Iterator[tuple[dict, dict]]], steps: int, pairs: int
) -> tf.data.Dataset:
    # A step with an open number of pairs takes half as long again.
    def of(*shape: int, dtype: tf.DType = tf.float32) -> tf.TensorSpec:
        return tf.TensorSpec((pairs, *shape), dtype)

    inputs = {
        "strips": of(2, ROWS, COLUMNS), "quality": of(2, QUALITY), "classes": of(dtype=tf.int32),
    }  # fmt: skip
    targets = {
        DENSE: of(2, STEPS, dtype=tf.int32), ROW: of(2, STEPS), SINGLE: of(2), PAIR: of(),
    }  # fmt: skip
    made = tf.data.Dataset.from_generator(batches, output_signature=(inputs, targets))
    return made.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(4)


def _aurocs(model: keras.Model, strips: Strips) -> dict[str, float]:
    pairs = strips.pairs()
    found = predict(model, strips, pairs)
    real = strips.kinds[pairs] > KINDS.index(SHAM)
    measured = {
        "auroc_pair": auroc(real.any(1), found[PAIR]),
        "auroc_single": auroc(real.ravel(), found[SINGLE].ravel()),
    }
    for number, kind in enumerate(KINDS):
        own = (strips.kinds[pairs] == number).any(1)
        if own.any() and number > KINDS.index(SHAM):
            among = own | ~real.any(1)
            measured[kind] = auroc(own[among], found[PAIR][among])
    return measured

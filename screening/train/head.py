"""The thesis' first stage: the base frozen, its features computed once, only the head trained.

Every image runs through the frozen base once per variant (the plain picture, and copies with the
thesis' order-preserving augmentation); the epochs then cost only the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from screening.data.augment import augment
from screening.models.screener import base_of, head_of


@dataclass(frozen=True)
class HeadConfig:
    """Settings of the head stage; `patience` in epochs without a better validation AUC."""

    batch: int = 32
    epochs: int = 60
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    patience: int = 8
    seed: int = 0


def base_features(
    screener: keras.Model,
    images: np.ndarray,
    path: Path,
    ids: Sequence[str],
    variants: int = 1,
    batch: int = 16,
    seed: int = 0,
) -> np.ndarray:
    """Return float16 (n × variants, m, m, c), what enters the head; cached at `path`.

    `images` is uint8 (n, s, s). Variant 0 is the plain picture, the others are augmented, seeded by
    (seed, id, variant). A finished cache is read back; an interrupted one is made anew.
    """
    if path.exists():
        return np.load(path, mmap_mode="r")
    base = base_of(screener)
    shape = (len(images) * variants, *base.output_shape[1:])
    part = path.with_suffix(".part.npy")
    cache = np.lib.format.open_memmap(part, "w+", np.float16, shape)
    for variant in range(variants):
        change = augment(seed) if variant else None
        for start in range(0, len(images), batch):
            stop = min(start + batch, len(images))
            grey = np.asarray(images[start:stop])
            if change is not None:
                grey = np.stack([change(g, ids[start + i], variant) for i, g in enumerate(grey)])
            rgb = np.repeat(grey[..., None].astype(np.float32), 3, axis=-1)
            offset = variant * len(images)
            cache[offset + start : offset + stop] = np.asarray(base.predict_on_batch(rgb))
    cache.flush()
    part.rename(path)
    return np.load(path, mmap_mode="r")


def train_head(
    screener: keras.Model,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    config: HeadConfig,
) -> dict[str, list[float]]:
    """Train the screener's head in place on cached features; return the history by epoch.

    `train` and `validation` are (features, labels 0/1). The weights of the epoch with the best
    validation AUC are kept.
    """
    keras.utils.set_random_seed(config.seed)
    head = head_of(screener)
    head.compile(
        optimizer=keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay),
        loss="binary_crossentropy",
        metrics=[
            keras.metrics.AUC(name="auc"),
            keras.metrics.Recall(name="recall"),
            keras.metrics.Precision(name="precision"),
        ],
    )
    best = keras.callbacks.EarlyStopping(
        monitor="val_auc", mode="max", patience=config.patience, restore_best_weights=True
    )
    history = head.fit(
        np.asarray(train[0], np.float32),
        train[1].astype(np.float32),
        validation_data=(np.asarray(validation[0], np.float32), validation[1].astype(np.float32)),
        batch_size=config.batch,
        epochs=config.epochs,
        callbacks=[best],
        verbose=2,
    )
    return history.history

"""Pretrain a convolutional base on single chromosomes, so that transfer has something to carry.

ImageNet weights need a download and have never seen a G band. The base (VGG16 or any other of the
backbone table) is trained on the 24 chromosome classes at small inputs, then carried over to whole
karyograms (Chu, KTH 2020, transfers from ImageNet; the 24-class task is that of Lin et al. 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from screening.synthesis.metaphase import Metaphase
from screening.train.chromosome_crops import Augmentation, CropBatches, stored_crops
from screening.train.durations import Tick, silent
from screening.train.epochs import fit_epochs, write_history


@dataclass(frozen=True)
class PretrainConfig:
    """Settings; `shape` (h, w) and `length` of chromosome 1 when scored, both in pixels."""

    shape: tuple[int, int] = (80, 48)
    length: float = 56.0
    batch: int = 64
    epochs: int = 5
    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    dropout: float = 0.3
    seed: int = 0
    precision: str = "mixed_bfloat16"
    augmentation: Augmentation = Augmentation()


def crop_shape(min_size: int) -> tuple[int, int]:
    """Return the least (h, w) in pixels of crops for a base that takes no side below `min_size`."""
    height, width = PretrainConfig.shape
    return max(height, min_size), max(width, min_size)


def ink_input(
    shape: tuple[int | None, int | None, int],
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return (input 0–255 dark on white, the same as ink 2…0 with paper exactly 0).

    Paper at 0 equals the zero padding of the convolutions, and the scale near 1 lets a base start
    from random weights.
    """
    image = keras.Input(shape, name="image")
    return image, keras.layers.Rescaling(-1 / 127.5, offset=2.0, name="ink")(image)


def chromosome_model(base: keras.Model, dropout: float) -> keras.Model:
    """Return image (b, h, w, 3) 0–255 → 24 logits: ink → base → GAP → Dropout → Dense."""
    image, ink = ink_input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(base(ink))
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(image, keras.layers.Dense(24, dtype="float32", name="chromosome")(x))


def pretrain(
    new_base: Callable[[], keras.Model],
    train: Sequence[Metaphase],
    validation: Mapping[str, Sequence[Metaphase]],
    folder: Path,
    config: PretrainConfig,
    stop_after: int | None = None,
    tick: Tick = silent,
) -> keras.Model:
    """Return the base after `config.epochs`; resumes after the last finished epoch in `folder`.

    `stop_after`: end after so many epochs, with the learning rate of the longer schedule.

    `validation` maps a group name to cells whose accuracy is measured after every epoch; the rows
    of all epochs go to `folder/history.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inks, labels = stored_crops(train)
    held_out = {name: stored_crops(cells) for name, cells in validation.items() if cells}
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    try:
        model = chromosome_model(new_base(), config.dropout)
    finally:
        keras.config.set_dtype_policy("float32")
    _compile(model, config, steps=len(labels) // config.batch)

    def batches(epoch: int) -> CropBatches:
        return CropBatches(
            inks, labels, config.shape, config.batch, config.augmentation,
            seed=config.seed, epoch=epoch,
        )  # fmt: skip

    def accuracies(epoch: int) -> dict[str, float]:
        row = {}
        for name, (crops, truth) in held_out.items():
            scored = CropBatches(crops, truth, config.shape, 256, length=config.length)
            guess = model.predict(scored, verbose=0).argmax(axis=1)
            row[f"accuracy_{name}"] = round(float(np.mean(guess == truth)), 4)
        return row

    history = fit_epochs(
        model, config.epochs, folder, batches, accuracies, stop_after, config.seed, tick
    )
    write_history(folder, history)
    return base_of(model)


def base_of(model: keras.Model) -> keras.Model:
    """Return the convolutional base nested in a `chromosome_model`."""
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def _compile(model: keras.Model, config: PretrainConfig, steps: int) -> None:
    """AdamW with half an epoch of warm-up and cosine decay to zero."""
    warm = max(1, steps // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, steps * config.epochs - warm),
        warmup_target=config.learning_rate,
        warmup_steps=warm,
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

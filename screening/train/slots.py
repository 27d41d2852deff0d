"""Teach a base to see a gain or a loss where it stands, before the whole picture is judged.

One label for a picture of 46 chromosomes says little: a missing chromosome 21 is a thousandth of
the area. Composed karyograms know every slot, so each cell of the base's last map learns whether
the slot under it holds the usual number, too many or too few (dense supervision), while the
thesis' head learns the picture's label from the same features. Only the screener is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from screening.models.screener import HEAD_START
from screening.train.durations import Tick, silent
from screening.train.epochs import fit_epochs, write_history
from screening.train.karyogram_set import PAPER, KaryogramSet

STATES = 3
"""A slot is usual (0), has a gain (1) or a loss (2)."""


@dataclass(frozen=True)
class SlotConfig:
    """Settings; `changed_weight` weighs slots with a gain or loss, `paper_weight` blank paper.

    `scrambled_weight` weighs scrambled cells in the picture's loss: with many changes each, they
    show the head early which way "abnormal" lies; the head stage leaves them out.
    """

    batch: int = 8
    epochs: int = 1
    learning_rate: float = 1.5e-4
    weight_decay: float = 1e-4
    changed_weight: float = 3.0
    paper_weight: float = 0.1
    slot_loss: float = 1.0
    picture_loss: float = 1.0
    scrambled_weight: float = 0.5
    seed: int = 0


class SlotBatches(keras.utils.PyDataset):
    """One epoch: (images float32 (b, s, s, 3), targets of both outputs, sample weights of both).

    Order and changes of brightness depend on (seed, epoch, index) only.
    """

    def __init__(self, data: KaryogramSet, size: int, config: SlotConfig, epoch: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self.images, self.states = data.images(size), data.states(size)
        self.labels = data.labels.astype(np.float32)
        self.picture_weight = np.where(data.honest, 1.0, config.scrambled_weight)
        self.config, self.epoch = config, epoch
        self.order = np.random.default_rng((config.seed, epoch)).permutation(len(self.labels))

    def __len__(self) -> int:
        """Return the number of whole batches."""
        return len(self.order) // self.config.batch

    def __getitem__(self, index: int) -> tuple[np.ndarray, dict, dict]:
        """Return batch number `index`."""
        batch = self.config.batch
        chosen = np.sort(self.order[index * batch : (index + 1) * batch])
        rng = np.random.default_rng((self.config.seed, self.epoch, index))
        ink = 255.0 - self.images[chosen].astype(np.float32)
        ink *= rng.uniform(0.75, 1.25, (len(chosen), 1, 1)).astype(np.float32)
        ink += rng.standard_normal(ink.shape, np.float32) * rng.uniform(0, 5)
        images = np.repeat((255.0 - np.clip(ink, 0, 255))[..., None], 3, axis=-1)
        states = self.states[chosen]
        weights = np.where(states == PAPER, self.config.paper_weight, 1.0)
        weights = np.where(states > 0, self.config.changed_weight, weights)
        targets = {"p_abnormal": self.labels[chosen], "slots": np.maximum(states, 0)}
        return images, targets, {"p_abnormal": self.picture_weight[chosen], "slots": weights}


def slot_model(screener: keras.Model) -> keras.Model:
    """Return the screener with a second output "slots": logits (b, m, m, 3) on the last map."""
    features = screener.get_layer(HEAD_START).input
    slots = keras.layers.Conv2D(STATES, 1, dtype="float32", name="slots")(features)
    outputs = {"p_abnormal": screener.output, "slots": slots}
    return keras.Model(screener.input, outputs, name="slot_screener")


def train_on_slots(
    new_screener: Callable[[], keras.Model],
    data: KaryogramSet,
    size: int,
    folder: Path,
    config: SlotConfig,
    tick: Tick = silent,
) -> keras.Model:
    """Return the slot model after `config.epochs`; resumes after the last epoch in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    model = slot_model(new_screener())
    steps = max(1, len(data) // config.batch) * config.epochs
    warm = max(1, min(60, steps // 10))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm), warmup_target=config.learning_rate, warmup_steps=warm
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, clipnorm=1.0),
        loss={
            "p_abnormal": keras.losses.BinaryCrossentropy(),
            "slots": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        },
        loss_weights={"p_abnormal": config.picture_loss, "slots": config.slot_loss},
    )
    history = fit_epochs(
        model, config.epochs, folder, lambda epoch: SlotBatches(data, size, config, epoch),
        seed=config.seed, tick=tick,
    )  # fmt: skip
    write_history(folder, history)
    return model

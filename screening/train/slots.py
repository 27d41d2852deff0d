"""Teach a base to see a gain or a loss where it stands, before the whole picture is judged.

One label for a picture of 46 chromosomes says little: a missing chromosome 21 is a thousandth of
the area. Composed karyograms know every slot, so each cell of the base's last map learns whether
the slot under it holds the usual number, too many or too few (dense supervision), while the
thesis' head learns the picture's label from the same features. Only the screener is kept.

What stays as it is, up to the block named by `SlotConfig.unfreeze`, runs once per picture and
variant (`train.cache`), not in every epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from screening.errors import ScreeningError
from screening.models.backbones import Backbone
from screening.models.screener import with_slots
from screening.models.screener_outputs import PICTURE, SLOTS
from screening.models.unfreezing import unfreeze
from screening.train.cache import Cached, Pictures, Source
from screening.train.durations import Tick, silent
from screening.train.epochs import fit_epochs, write_history
from screening.train.karyogram_set import PAPER, KaryogramSet

_FEWEST = 2  # cells from side to side of the last map
FROZEN = "frozen"
"""Folder of what the frozen part made of the pictures; only an unfinished training needs it."""


@dataclass(frozen=True)
class SlotConfig:
    """Settings; `changed_weight` weighs slots with a gain or loss, `paper_weight` blank paper.

    `scrambled_weight` weighs scrambled cells in the picture's loss: with many changes each, they
    show the head early which way "abnormal" lies; the head stage leaves them out. `unfreeze`: the
    depth to which the base learns (see `models.unfreezing`); what lies before it runs once for each
    of `variants` shades of a picture, which the epochs take in turn.
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
    unfreeze: str = "whole"
    variants: int = 1
    seed: int = 0


class SlotBatches(keras.utils.PyDataset):
    """One epoch: (what `source` gives of the pictures, float32 (b, …), targets of both outputs,
    sample weights of both).

    The order depends on (seed, epoch) only; all pictures are shown in the shade `variant`. `states`
    int8 (n, m, m): the truth of each cell of the base's last map.
    """

    def __init__(
        self, data: KaryogramSet, states: np.ndarray, config: SlotConfig, epoch: int,
        source: Source, variant: int,
    ) -> None:  # fmt: skip
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self.source, self.variant, self.states = source, variant, states
        self.labels = data.labels.astype(np.float32)
        self.picture_weight = np.where(data.honest, 1.0, config.scrambled_weight)
        self.config = config
        self.order = np.random.default_rng((config.seed, epoch)).permutation(len(self.labels))

    def __len__(self) -> int:
        """Return the number of whole batches."""
        return len(self.order) // self.config.batch

    def __getitem__(self, index: int) -> tuple[np.ndarray, dict, dict]:
        """Return batch number `index`."""
        batch = self.config.batch
        chosen = np.sort(self.order[index * batch : (index + 1) * batch])
        shown = self.source.take(chosen, np.full(len(chosen), self.variant))
        states = self.states[chosen]
        weights = np.where(states == PAPER, self.config.paper_weight, 1.0)
        weights = np.where(states > 0, self.config.changed_weight, weights)
        targets = {PICTURE: self.labels[chosen], SLOTS: np.maximum(states, 0)}
        return shown, targets, {PICTURE: self.picture_weight[chosen], SLOTS: weights}


def states_under(states: np.ndarray, side: int) -> np.ndarray:
    """Return int8 (n, side, side): the states (n, m, m) under the middles of a coarser or finer
    map's cells; bases do not all have one for each 32 pixels."""
    at = ((np.arange(side) + 0.5) * states.shape[1] / side).astype(np.int64)
    return states[:, at[:, None], at]


def shaded(data: KaryogramSet, size: int, seed: int) -> Pictures:
    """Return the karyograms of a set with their variants: other ink and noise, the same for the
    same (seed, variant, row)."""
    images = data.images(size)

    def vary(row: int, variant: int) -> np.ndarray:
        rng = np.random.default_rng((seed, variant, row))
        ink = 255.0 - images[row].astype(np.float32)
        ink *= rng.uniform(0.75, 1.25)
        ink += rng.standard_normal(ink.shape, np.float32) * rng.uniform(0, 5)
        return np.rint(255.0 - np.clip(ink, 0, 255)).astype(np.uint8)

    return Pictures([row["id"] for row in data.rows], data.labels, images, vary)


def train_on_slots(
    new_screener: Callable[[], keras.Model],
    row: Backbone,
    data: KaryogramSet,
    size: int,
    folder: Path,
    config: SlotConfig,
    tick: Tick = silent,
) -> keras.Model:
    """Return the screener, `with_slots`, after `config.epochs`; resumes after the last epoch in
    `folder`.

    `row`: the screener's base in the table of bases.
    ScreeningError for a depth of `config.unfreeze` that the base does not have, and for a base
    whose last map has no places.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    screener, pictures = with_slots(new_screener()), shaded(data, size, config.seed)
    side = screener.output[SLOTS].shape[1]
    if side < _FEWEST:
        raise ScreeningError(
            f"slots: {row.name} ends in a map of {side} x {side} cells for {size} px, which tells "
            f"no places: choose another base or a larger size ({_FEWEST} x {_FEWEST} at least)"
        )
    states = states_under(data.states(size), side)
    cut = unfreeze(screener, row, config.unfreeze, batch_norm=True)
    source: Source = pictures
    variants = config.epochs
    if cut.frozen is not None:
        source, variants = Cached(cut.frozen, pictures, folder / FROZEN), config.variants
    model = cut.rest
    steps = max(1, len(data) // config.batch) * config.epochs
    warm = max(1, min(60, steps // 10))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm), warmup_target=config.learning_rate, warmup_steps=warm
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, clipnorm=1.0),
        loss={
            PICTURE: keras.losses.BinaryCrossentropy(),
            SLOTS: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        },
        loss_weights={PICTURE: config.picture_loss, SLOTS: config.slot_loss},
    )
    history = fit_epochs(
        model, config.epochs, folder,
        lambda epoch: SlotBatches(data, states, config, epoch, source, 1 + epoch % variants),
        seed=config.seed, tick=tick,
    )  # fmt: skip
    write_history(folder, history)
    return screener

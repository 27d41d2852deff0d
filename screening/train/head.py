"""The thesis' first stage on composed karyograms: the base frozen, only the head trained.

It is the training of `screening train` (`train.staged`) with one stage: the base runs once per
picture, the epochs cost only the head, and the epoch with the best validation AUC is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from screening.config import DataConfig, ModelConfig, StageConfig, TrainConfig
from screening.models.backbones import Backbone
from screening.train.cache import Pictures
from screening.train.durations import Tick, silent
from screening.train.karyogram_set import KaryogramSet
from screening.train.staged import StagedFit, StageResult
from screening.train.strategy import devices


@dataclass(frozen=True)
class HeadSettings:
    """Settings of the head stage; `patience` in epochs without a better validation AUC."""

    batch: int = 32
    epochs: int = 60
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    patience: int = 8
    seed: int = 0


def pictures_of(data: KaryogramSet, size: int, honest: bool = False) -> Pictures:
    """Return the karyograms of a set as a training reads them; `honest`: none that is scrambled."""
    rows = np.flatnonzero(data.honest) if honest else np.arange(len(data))
    ids = [data.rows[i]["id"] for i in rows]
    return Pictures(ids, data.labels[rows], np.asarray(data.images(size)[rows]))


def train_head(
    screener: keras.Model,
    row: Backbone,
    train: Pictures,
    validation: Pictures,
    settings: HeadSettings,
    folder: Path,
    frozen: keras.Model | None = None,
    tick: Tick = silent,
) -> StageResult:
    """Train the screener's head in place; goes on with what an interrupted training left.

    `row`: the screener's base in the table of bases; `frozen`: the same base in another precision,
    which computes what the head reads. The rows of all epochs go to `folder`/history.json.
    """
    stage = StageConfig(
        name="head", unfreeze="head", learning_rate=settings.learning_rate,
        epochs=settings.epochs, patience=settings.patience,
    )  # fmt: skip
    config = TrainConfig(
        data=DataConfig(manifest=Path("sets")),
        model=ModelConfig(backbone=row.name, size=int(screener.input_shape[1])),
        stages=(stage,),
        batch_size=settings.batch,
        weight_decay=settings.weight_decay,
        seed=settings.seed,
    )
    run = StagedFit(
        config, row, train, validation, folder, devices("one"),
        on_epoch=lambda epoch: tick(epoch["epoch"], settings.epochs, "epochs"), frozen=frozen,
    )  # fmt: skip
    tick(0, settings.epochs, "epochs")
    begun = (folder / "stages" / "start.npz").exists()
    return run.fit(screener, resume=begun)[0]

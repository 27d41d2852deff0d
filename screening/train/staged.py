"""Progressive unfreezing: stage after stage, each from the best epoch of the one before.

A run's folder holds `history.csv` and `history.json` (one row per epoch), `stages/` (the network
at the start and after every stage), `state.npz` (where a killed run goes on) and `frozen/` (what
the frozen part made of every picture). A resumed run ends with the same weights as an unbroken one:
order, augmentation and dropout depend on (seed, stage, epoch) only, all else is in the state.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from screening.atomic import replace_files
from screening.config import StageConfig, TrainConfig
from screening.errors import ScreeningError
from screening.models.backbones import Backbone
from screening.models.unfreezing import unfreeze
from screening.train.batches import epoch_batches, plain_batches
from screening.train.cache import Cached, Pictures, Recomputed, Source
from screening.train.checkpoint import load_state, packed, save_state, unpacked
from screening.train.choice import better, in_words, measured, rank
from screening.train.loop import Trainer, set_weights, weights_of
from screening.train.losses import example_weights, loss_for
from screening.train.strategy import Devices

SAVE_SECONDS = 20.0
"""Between two checkpoints inside a stage: epochs on cached features are shorter than a write."""


@dataclass(frozen=True)
class StageResult:
    """What a stage reached. `best_epoch` 0: no epoch beat what the stage began with."""

    name: str
    unfreeze: str
    trained: tuple[str, ...]
    epochs: int
    best_epoch: int
    best: dict[str, float]
    reason: str


@dataclass(eq=False)
class StagedFit:
    """One staged training: settings, data, where it runs and where it is kept.

    `on_epoch(row)` hears of every epoch, `on_stage(result, screener)` of every finished stage with
    the network as that stage leaves it. `cache_folder` may be shared by runs on the same pictures.
    `frozen`: computes what is cached in place of the screener's own frozen part, the same in a
    cheaper precision; for runs whose stages all freeze the same.
    """

    config: TrainConfig
    row: Backbone
    train: Pictures
    validation: Pictures
    folder: Path
    devices: Devices
    on_epoch: Callable[[dict[str, Any]], None] = lambda row: None
    on_stage: Callable[[StageResult, keras.Model], None] = lambda result, screener: None
    cache_folder: Path | None = None
    save_seconds: float = SAVE_SECONDS
    frozen: keras.Model | None = None
    _history: list[dict[str, Any]] = field(default_factory=list, init=False, repr=False)

    def fit(self, screener: keras.Model, resume: bool = False) -> list[StageResult]:
        """Train `screener`, made in the scope of the devices, in place; return the stages' results.

        It ends with the best weights of the last stage. ScreeningError: a batch that cannot be
        shared out, a label that is missing, a run with other settings in the folder, no `resume`
        for a folder that holds one.
        """
        self.devices.check_batch(self.config.batch_size)
        for name, pictures in (("train", self.train), ("validation", self.validation)):
            if len(np.unique(pictures.labels)) < 2:
                raise ScreeningError(
                    f"the {name} part needs normal and abnormal pictures, received "
                    f"{int(np.sum(pictures.labels))} abnormal of {len(pictures)}: give more cases "
                    "or another split seed"
                )
        self._begin(screener, resume)
        results: list[StageResult] = []
        for number, stage in enumerate(self.config.stages):
            done = load_state(self._stage_path(number))
            if done is None:
                results.append(self._stage(number, stage, screener, bool(number)))
                self._keep_stage(number, screener, results[-1])
            else:
                set_weights(screener, unpacked("w", done[0]))
                results.append(StageResult(**done[1]["result"]))
                self._history = done[1]["history"]
            self.on_stage(results[-1], screener)
        return results

    @property
    def history(self) -> list[dict[str, Any]]:
        """Return all epochs so far, as in history.json."""
        return self._history

    def _begin(self, screener: keras.Model, resume: bool) -> None:
        self._history = []
        start = load_state(self.folder / "stages" / "start.npz")
        if start is None or not (resume or self.devices.chief):
            # Other hosts may see what the chief has just written; TensorFlow gave them its weights.
            self._save(self.folder / "stages" / "start.npz", packed("w", weights_of(screener)),
                       {"config": self.config.hash, "data": self._data_hash()})  # fmt: skip
            return
        if not resume:
            raise ScreeningError(
                f"{self.folder} already holds a training: go on with --resume, or choose another "
                "folder"
            )
        if start[1]["config"] != self.config.hash:
            raise ScreeningError(
                f"{self.folder} holds a training with other settings: resume it with the settings "
                "it was started with, or choose another folder"
            )
        # Other pictures share the cases out anew: whoever was trained on could then be measured.
        if start[1].get("data", self._data_hash()) != self._data_hash():
            raise ScreeningError(
                f"{self.folder} holds a training on other pictures or labels: resume it with those "
                "it was started with, or choose another folder"
            )
        set_weights(screener, unpacked("w", start[0]))

    def _data_hash(self) -> str:
        digest = hashlib.sha256()
        for pictures in (self.train, self.validation):
            labels = "".join(str(int(label)) for label in pictures.labels)
            digest.update(f"{pictures.hash} {labels} ".encode())
        return digest.hexdigest()

    def _stage(
        self, number: int, stage: StageConfig, screener: keras.Model, begun: bool
    ) -> StageResult:
        config, labels = self.config, np.asarray(self.train.labels)
        with self.devices.strategy.scope():
            parts = unfreeze(screener, self.row, stage.unfreeze, stage.batch_norm)
            trainer = Trainer(
                parts.rest, self.devices, loss_for(config.imbalance, labels), stage.learning_rate,
                config.weight_decay, seed=config.seed * 31 + number,
            )  # fmt: skip
        train, validation = self.sources(parts.frozen)
        weights = example_weights(config.imbalance, labels)
        scored = plain_batches(len(self.validation), config.batch_size)
        truth = np.asarray(self.validation.labels)
        best: dict[str, Any] = {"rank": None, "epoch": 0, "row": {}}
        best_weights = weights_of(parts.rest)
        first = 0
        saved = load_state(self.folder / "state.npz")
        if saved is not None and saved[1]["stage"] == number:
            arrays, meta = saved
            trainer.restore(unpacked("w", arrays), unpacked("o", arrays))
            best, best_weights = meta["best"], unpacked("b", arrays)
            self._history, first = meta["history"], meta["epoch"]
        elif begun:  # what the stage before left is a candidate too
            now = measured(truth, trainer.predict(validation, scored), config.choice.recall)
            begun_with = {f"val_{key}": value for key, value in now.items()}
            best = {"rank": rank(begun_with, config.choice), "epoch": 0, "row": begun_with}
        last_save, epoch = time.monotonic(), first
        reason, diverged = f"epoch {stage.epochs} of {stage.epochs} done", ""
        for epoch in range(first + 1, stage.epochs + 1):
            if epoch - 1 - best["epoch"] >= stage.patience:  # a run resumed at its end
                epoch -= 1
                break
            began = time.monotonic()
            batches = epoch_batches(
                labels, config.batch_size, config.seed * 31 + number, epoch - 1,
                config.augmentation.mode, config.augmentation.variants,
                oversample=config.imbalance == "oversample",
            )  # fmt: skip
            result = trainer.train_epoch(train, labels, weights, batches, epoch - 1)
            p = trainer.predict(validation, scored)
            if not (np.isfinite(result.loss) and np.isfinite(p).all()):
                diverged = (
                    f"stopped in epoch {epoch}: the loss is no number any more, the learning rate "
                    f"{stage.learning_rate:g} is too high"
                )
                if best["rank"] is None:
                    raise ScreeningError(f"stage {stage.name} {diverged}")
                break
            seen = measured(result.labels, result.p, config.choice.recall)
            now = measured(truth, p, config.choice.recall)
            row: dict[str, Any] = {"stage": stage.name, "epoch": epoch, **seen}
            row["loss"] = result.loss
            row |= {f"val_{key}": value for key, value in now.items()}
            row["seconds"] = round(time.monotonic() - began, 3)
            self._history.append(row)
            if better(rank(row, config.choice), best["rank"]):
                best = {"rank": rank(row, config.choice), "epoch": epoch, "row": row}
                best_weights = weights_of(parts.rest)
            if time.monotonic() - last_save >= self.save_seconds:
                self._checkpoint(number, epoch, trainer, best, best_weights)
                last_save = time.monotonic()
            self.on_epoch(row)
            if epoch - best["epoch"] >= stage.patience:
                break
        if diverged:
            reason = diverged
        elif epoch - best["epoch"] >= stage.patience and epoch < stage.epochs:
            reason = f"stopped after epoch {epoch}: {stage.patience} epochs without a better " + (
                in_words(config.choice)
            )
        kept = f"epoch {best['epoch']}" if best["epoch"] else "what the stage began with"
        set_weights(parts.rest, best_weights)
        values = {k: v for k, v in best["row"].items() if k.startswith("val_")}
        return StageResult(
            stage.name, stage.unfreeze, parts.trained, epoch, best["epoch"], values,
            f"{reason}; {kept} is kept",
        )  # fmt: skip

    def sources(self, frozen: keras.Model | None) -> tuple[Source, Source]:
        """Return what a stage reads to train and to validate; `frozen` None: the pictures."""
        if frozen is None:
            return self.train, self.validation
        frozen = self.frozen or frozen
        folder: Path | None = None  # hosts may share the folder: each keeps its own in memory
        if self.devices.workers == 1:
            folder = self.cache_folder or self.folder / "frozen"
        validation = Cached(frozen, self.validation, folder)
        ever_new = self.config.augmentation.mode == "online" and not (
            self.config.augmentation.variants
        )
        if ever_new:
            return Recomputed(frozen, self.train), validation
        return Cached(frozen, self.train, folder), validation

    def _checkpoint(
        self, stage: int, epoch: int, trainer: Trainer, best: dict, best_weights: list[np.ndarray]
    ) -> None:
        weights, optimizer = trainer.state()
        arrays = packed("w", weights) | packed("o", optimizer) | packed("b", best_weights)
        meta = {"stage": stage, "epoch": epoch, "best": best, "history": self._history}
        self._save(self.folder / "state.npz", arrays, meta)
        self._write_history()

    def _keep_stage(self, number: int, screener: keras.Model, result: StageResult) -> None:
        meta = {"result": vars(result), "history": self._history}
        self._save(self._stage_path(number), packed("w", weights_of(screener)), meta)
        self._write_history()

    def _stage_path(self, number: int) -> Path:
        return self.folder / "stages" / f"{number}_{self.config.stages[number].name}.npz"

    def _save(self, path: Path, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        if self.devices.chief:
            save_state(path, arrays, meta)

    def _write_history(self) -> None:
        if not self.devices.chief or not self._history:
            return
        # JSON knows no nan: a precision of nothing is null.
        rows = [{k: None if v != v else v for k, v in row.items()} for row in self._history]
        text = json.dumps(rows, indent=1, allow_nan=False)
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, list(self._history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._history)
        replace_files(self.folder, {"history.json": text, "history.csv": table.getvalue()})

"""A whole training from its settings: pictures, network, stages, measurement, bundle, figures."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import keras
import numpy as np

from screening.bundle import Bundle, default_bundle, load_bundle, write_bundle
from screening.bundle_schema import BundleInfo, FilePart, PartInfo
from screening.config import TrainConfig, write_config
from screening.data.manifest import ManifestPicture, verify
from screening.data.split import TRAIN, VALIDATION
from screening.karyogram.locate import ARBITER, SEGMENTER, Locator
from screening.models.backbones import get_backbone
from screening.models.dropout import SharedDropout
from screening.models.screener import build_screener
from screening.models.weights import preprocessing_for
from screening.native_log import native_log_filtered
from screening.train import figures
from screening.train.batches import plain_batches
from screening.train.cache import Pictures
from screening.train.choice import THRESHOLD, measured
from screening.train.pictures import load_pictures, read_parts
from screening.train.progress import TrainProgress
from screening.train.staged import StagedFit, StageResult
from screening.train.strategy import Devices

SMOKE_CASES = 12
"""Pictures of each label and part that a smoke run uses."""


class TrainingRun:
    """One training in the folder `out`; `smoke` uses a few pictures only.

    Making one reads every picture once and raises ManifestError with all that is wrong. `notes`
    may be filled with what the bundle shall keep under `data`. Chromosomes are found as by the
    shipped bundle, whose segmenter and arbiter the new bundle takes over.
    """

    def __init__(
        self, config: TrainConfig, out: Path, devices: Devices, quiet: bool, smoke: bool = False
    ) -> None:
        self.config, self.out, self.devices, self.quiet = config, out, devices, quiet
        self.smoke = smoke
        self.notes: dict[str, Any] = {}
        self.finder = load_bundle(default_bundle())
        self.split, self.parts = read_parts(config.data)
        if smoke:
            self.parts = {part: _few(items) for part, items in self.parts.items()}
        verify([item for items in self.parts.values() for item in items])

    def run(self, resume: bool) -> Bundle | None:
        """Train, measure and write everything; return the bundle (None on hosts but the chief)."""
        config, out = self.config, self.out
        out.mkdir(parents=True, exist_ok=True)
        progress = TrainProgress(
            config, out / "tensorboard" if self.devices.chief else None, self.quiet
        )
        screener = self.new_screener()  # weights that do not fit are told before anything is read
        count = sum(len(items) for items in self.parts.values())
        progress.say(
            f"{count} pictures to read; the first epoch of a stage also does what is frozen"
        )
        train = self.pictures(TRAIN, varied=True)
        validation = self.pictures(VALIDATION)
        job = StagedFit(
            config, get_backbone(config.model.backbone), train, validation, out, self.devices,
            on_epoch=progress.epoch,
            on_stage=lambda result, _: progress.say(f"{result.name}: {result.reason}"),
        )  # fmt: skip
        stages = job.fit(screener, resume)
        if not self.devices.chief:
            return None
        (out / "split.json").write_text(self.split.to_json(), "utf-8")
        write_config(config, out / "config.yaml", ["The settings of this training."])
        plain = _plain_copy(config, screener)
        read = {TRAIN: train, VALIDATION: validation}
        scores = {
            part: _scored(plain, read.get(part) or self.pictures(part))
            for part in self.parts
            if self.parts[part]
        }
        metrics = self._metrics(scores, stages)
        (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
        self._draw(job.history, scores, stages)
        with native_log_filtered():
            bundle = self._bundle(plain, metrics)
        # Only an unfinished training needs these, and they may be gigabytes.
        shutil.rmtree(out / "frozen", ignore_errors=True)
        (out / "state.npz").unlink(missing_ok=True)
        return bundle

    def pictures(self, part: str, varied: bool = False) -> Pictures:
        """Return the pictures of a part, with variants for training where the settings ask."""
        augmentation = self.config.augmentation if varied else None
        return load_pictures(
            self.parts[part], self.config.model.size, augmentation, self.config.seed,
            self.config.data.manifest, Locator.of(self.finder), self.config.model.view,
        )  # fmt: skip

    def new_screener(self) -> keras.Model:
        """Return the untrained screener of the settings, in the scope of the devices."""
        return new_screener(self.config, self.devices)

    def _metrics(
        self, scores: dict[str, tuple[np.ndarray, np.ndarray]], stages: list[StageResult]
    ) -> dict[str, Any]:
        target = self.config.choice.recall
        return {
            "config": self.config.hash,
            "split": self.split.hash,
            "threshold": THRESHOLD,
            "parts": {
                part: {"pictures": len(y), "abnormal": int(y.sum())}
                | {key: _number(value) for key, value in measured(y, p, target).items()}
                for part, (y, p) in scores.items()
            },
            "stages": [
                vars(stage) | {"best": {k: _number(v) for k, v in stage.best.items()}}
                for stage in stages
            ],
        }

    def _draw(
        self,
        history: list[dict[str, Any]],
        scores: dict[str, tuple[np.ndarray, np.ndarray]],
        stages: list[StageResult],
    ) -> None:
        out = self.out
        files = [out / "curves.png", out / "confusion.png", out / "roc.png"]
        figures.curves(history, files[0])
        counts = {part: confusion_of(y, p) for part, (y, p) in scores.items()}
        figures.confusion(counts, files[1])
        figures.roc(scores, files[2])
        target = self.config.choice.recall
        header = ("part", "pictures", "accuracy", "precision", "recall", "AUC")
        rows = []
        for part, (y, p) in scores.items():
            m = measured(y, p, target)
            values = (m["accuracy"], m["precision"], m["recall"], m["auc"])
            rows.append((part, len(y), *(f"{value:.3f}" for value in values)))
        lines = [
            f"Stage {stage.name} ({stage.unfreeze}): {stage.reason}; its validation AUC is "
            f"{stage.best['val_auc']:.3f}."
            for stage in stages
        ]
        if self.smoke:
            lines.insert(0, "Smoke run, a few pictures: it shows that the settings work, no more.")
        title = f"Training of {self.config.model.backbone} at {self.config.model.size} pixels"
        figures.page(out / "run.html", title, lines, header, rows, files)

    def _bundle(self, screener: keras.Model, metrics: dict[str, Any]) -> Bundle:
        model = self.config.model
        part = PartInfo(
            backbone=model.backbone,
            preprocessing=_preprocessing(self.config),
            size=model.size,
            dropout=model.dropout,
            view=model.view,
            config="screener.json",
            weights="screener.weights.h5",
        )
        info = BundleInfo(
            name=f"{model.backbone}-{model.size}",
            created=date.today().isoformat(),
            parts={"screener": part} | {name: FilePart(file=name) for name in (SEGMENTER, ARBITER)},
            data={"split": self.split.hash, "config": self.config.hash, "seed": self.config.seed}
            | self.notes,
            metrics=metrics["parts"],
        )
        found_by = {name: self.finder.read_part(name) for name in (SEGMENTER, ARBITER)}
        return write_bundle(
            self.out / "bundle", info, {"screener": screener}, _card(info), found_by
        )


def new_screener(config: TrainConfig, devices: Devices) -> keras.Model:
    """Return the untrained screener of `config`, made under its precision in the devices' scope."""
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    try:
        with devices.strategy.scope():
            return _build(config, layer=SharedDropout)
    finally:
        keras.config.set_dtype_policy("float32")


def _scored(screener: keras.Model, pictures: Pictures) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels and p(abnormal) of the pictures as they are, no variants."""
    p = [
        np.asarray(screener(pictures.take(batch.rows, batch.variants), training=False))[:, 0][
            batch.real > 0
        ]
        for batch in plain_batches(len(pictures), 16)
    ]
    return np.asarray(pictures.labels), np.concatenate(p)


def confusion_of(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return int (2, 2): [[TN, FP], [FN, TP]] at the usual threshold."""
    counts = np.zeros((2, 2), int)
    np.add.at(counts, (np.asarray(labels).astype(int), (p >= THRESHOLD).astype(int)), 1)
    return counts


def _build(
    config: TrainConfig,
    weights: bool = True,
    layer: type[keras.layers.Dropout] = keras.layers.Dropout,
) -> keras.Model:
    model = config.model
    return build_screener(
        model.backbone, model.size, model.dropout, model.weights if weights else None,
        model.preprocess if weights else _preprocessing(config), hidden=model.hidden,
        dropout_layer=layer,
    )  # fmt: skip


def _preprocessing(config: TrainConfig) -> str:
    model = config.model
    return preprocessing_for(get_backbone(model.backbone), model.weights, model.preprocess)


def _plain_copy(config: TrainConfig, trained: keras.Model) -> keras.Model:
    """Return the screener on one device, in float32, with nothing left of training."""
    copy = _build(config, weights=False)
    copy.set_weights([np.array(weight) for weight in trained.weights])
    return copy


def _few(items: list[ManifestPicture]) -> list[ManifestPicture]:
    chosen: list[ManifestPicture] = []
    for label in sorted({item.label for item in items}):
        chosen += [item for item in items if item.label == label][:SMOKE_CASES]
    return chosen


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def _card(info: BundleInfo) -> str:
    trial = f"**{info.trial_warning}**\n\n" if info.trial_warning else ""
    rows = "\n".join(
        f"| {part} | {m['pictures']} | {m['abnormal']} | {m['recall']} | {m['auc']} |"
        for part, m in info.metrics.items()
    )
    return (
        f"# {info.name}\n\nTrained by `screening train` on {info.created}. Research use only.\n\n"
        f"{trial}No recall is certified: run `screening tune` before you rely on it.\n\n"
        f"| part | pictures | abnormal | recall | AUC |\n| --- | --- | --- | --- | --- |\n{rows}\n"
    )

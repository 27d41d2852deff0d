"""The InceptionV3 base of `reproduce_thesis.py`: taught on single chromosomes, cached on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import keras

from screening.data.chromosomes import CellRecord, load_cell
from screening.models.backbones import get_backbone
from screening.train.chromosome_crops import Augmentation
from screening.train.epochs import STATE
from screening.train.pretrain import PretrainConfig, pretrain

SMALLEST = 6
"""Chromosomes that a cell must have for its scale to be known well enough."""
CONFIG = PretrainConfig(
    shape=(80, 80),
    length=40.0,
    epochs=3,
    learning_rate=1e-3,
    augmentation=Augmentation(length=(16.0, 56.0), noise=6.0),
)
"""80 px because InceptionV3 takes no less than 75; chromosome 1 as small as on a karyogram."""


def taught_base(
    name: str,
    teachers: Sequence[CellRecord],
    held_out: Sequence[CellRecord],
    folder: Path,
    stop_after: int,
) -> Path:
    """Return the weight file of a base taught the 24 classes; made once, and resumable by epoch.

    `held_out` are cells of people who taught nothing: their accuracy is in `folder/history.json`.
    """
    path = folder / "base.weights.h5"
    if not path.exists():
        row = get_backbone(name)

        def new() -> keras.Model:
            return row.constructor(include_top=False, weights=None, input_shape=(None, None, 3))

        cells = [load_cell(record) for record in _usable(teachers)]
        held = {"held_out": [load_cell(record) for record in _usable(held_out)]}
        base = pretrain(new, cells, held, folder, CONFIG, stop_after)
        part = folder / "part.weights.h5"
        base.save_weights(part)
        part.replace(path)
        (folder / STATE).unlink()
    return path


def in_words(folder: Path) -> str:
    """Return from what the base in `folder` starts, for the report."""
    log = folder / "history.json"
    if not (folder / "base.weights.h5").exists() or not log.exists():
        return "random weights"
    last = json.loads(log.read_text())[-1]
    return (
        f"a base taught the 24 classes for {last['epoch']} of {CONFIG.epochs} epochs on single "
        "crops of the people who taught VGG16's "
        f"({last['accuracy_held_out']:.0%} right on held-out people)"
    )


def _usable(records: Sequence[CellRecord]) -> list[CellRecord]:
    return [record for record in records if len(record.chromosomes) >= SMALLEST]

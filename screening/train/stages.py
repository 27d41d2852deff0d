"""The stages from single chromosomes to a screener; each is skipped when its result is there.

Pretrained base → slots → head. Files, in the run's folder: `base/base.weights.h5`,
`slots_SIZE/`, `features_SIZE/`, `screener_SIZE.keras` and `head_SIZE.json` (the head's history).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from screening.models.backbones import get_backbone
from screening.models.screener import build_screener
from screening.synthesis.cell import Cell
from screening.train.head import HeadConfig, base_features, train_head
from screening.train.karyogram_set import KaryogramSet
from screening.train.pretrain import PretrainConfig, pretrain
from screening.train.slots import SlotConfig, train_on_slots

BACKBONE = "vgg16"
PREPROCESSING = "ink"
DROPOUT = 0.3
VARIANTS = 1
"""Copies of each training karyogram for the head: one plain, further ones augmented. The slot stage
has already varied brightness and noise; each copy costs a run through the whole base."""


def pretrain_base(
    out: Path, train: Sequence[Cell], validation: Mapping[str, Sequence[Cell]], epochs: int
) -> Path:
    """Return the weight file of the base pretrained on single chromosomes."""
    path = out / "base" / "base.weights.h5"
    if not path.exists():

        def new() -> keras.Model:
            row = get_backbone(BACKBONE)
            return row.constructor(include_top=False, weights=None, input_shape=(None, None, 3))

        base = pretrain(new, train, dict(validation), out / "base", PretrainConfig(epochs=epochs))
        part = path.with_name("part.weights.h5")
        base.save_weights(part)
        part.replace(path)
    return path


def train_screener(out: Path, size: int, slot_epochs: int) -> keras.Model:
    """Return the trained screener of `size` pixels, in float32, from the sets in `out`/sets."""
    path = out / f"screener_{size}.keras"
    if path.exists():
        return keras.models.load_model(path)
    train, validation = (KaryogramSet(out / "sets" / part) for part in ("train", "validation"))
    trained = _slot_screener(out, train, size, slot_epochs)
    screener = _in_float32(trained, size)
    honest = np.flatnonzero(train.honest)
    # In bfloat16: half the time at 1 % error. What is reported is measured in float32.
    features = _features(out, trained, size)
    history = train_head(
        screener,
        (features("train", train, honest, VARIANTS), np.tile(train.labels[honest], VARIANTS)),
        (features("validation", validation, np.arange(len(validation)), 1), validation.labels),
        HeadConfig(),
    )
    (out / f"head_{size}.json").write_text(json.dumps(history))
    part = out / f"screener_{size}.part.keras"
    screener.save(part)
    part.replace(path)
    return screener


def _slot_screener(out: Path, train: KaryogramSet, size: int, epochs: int) -> keras.Model:
    def new() -> keras.Model:
        return build_screener(
            BACKBONE,
            size,
            DROPOUT,
            weights=out / "base" / "base.weights.h5",
            preprocess=PREPROCESSING,
        )

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = train_on_slots(new, train, size, out / f"slots_{size}", SlotConfig(epochs=epochs))
    finally:
        keras.config.set_dtype_policy("float32")
    return keras.Model(model.input, model.get_layer("p_abnormal").output)


def _in_float32(trained: keras.Model, size: int) -> keras.Model:
    screener = build_screener(BACKBONE, size, DROPOUT, preprocess=PREPROCESSING)
    screener.set_weights(trained.get_weights())
    return screener


def _features(out: Path, screener: keras.Model, size: int) -> Callable[..., np.ndarray]:
    """Return a function that gives (and caches) the base's features of a set's rows."""
    folder = out / f"features_{size}"
    folder.mkdir(exist_ok=True)

    def of(name: str, data: KaryogramSet, rows: np.ndarray, variants: int) -> np.ndarray:
        ids = [data.rows[i]["id"] for i in rows]
        images = data.images(size)[rows]
        return base_features(screener, images, folder / f"{name}.npy", ids, variants)

    return of

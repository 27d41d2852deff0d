"""The small network that tells paper, chromosomes, borders and print apart: form and teaching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from screening.karyogram.locate.segments import BODY, BORDER, KINDS, PRINT
from screening.train.durations import Tick, silent
from screening.train.epochs import fit_epochs, write_history

TILE = 160
EPOCH = 250
"""Batches between two checkpoints."""
_SMALL = 260  # px: chromosomes with less ink than this could be letters
_OF_SMALL = 3.5  # their weight: a marker must not be lost
_OFTEN = (0.4, 0.25, 0.15, 0.2)
_WIDTHS = (16, 24, 48)
_WEIGHT = {0: 0.35, BODY: 1.0, BORDER: 3.0, PRINT: 1.5}


def build() -> keras.Model:
    """Return an encoder and decoder: page float (b, h, w, 1), ink 0 … 1, sides multiples of 8, to
    logits (b, h, w, 4). Works on half the resolution inside, so that a page takes 30 ms."""
    layers = keras.layers
    c1, c2, c3 = _WIDTHS

    def conv(
        x: keras.KerasTensor, channels: int, size: int, stride: int = 1, dilation: int = 1
    ) -> keras.KerasTensor:
        # Symmetric padding, as ONNX states it; "same" pads strided layers on one side only.
        x = layers.ZeroPadding2D(dilation * (size // 2))(x)
        x = layers.Conv2D(channels, size, strides=stride, dilation_rate=dilation, use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.97)(x)
        return layers.ReLU()(x)

    page = keras.Input((None, None, 1))
    half = conv(conv(page, c1, 5, 2), c1, 3)
    quarter = conv(conv(half, c2, 3, 2), c2, 3)
    x = conv(quarter, c3, 3, 2)
    for dilation in (1, 2, 4):
        x = conv(x, c3, 3, 1, dilation)
    x = layers.Concatenate()([layers.UpSampling2D()(x), quarter])
    x = conv(conv(x, c2, 1), c2, 3)
    x = layers.Concatenate()([layers.UpSampling2D()(x), half])
    x = conv(conv(conv(x, c1, 1), c1, 3), c1, 3)
    x = layers.ZeroPadding2D(1)(x)
    return keras.Model(page, layers.Conv2D(4 * len(KINDS), 3)(x))


class TileBatches(keras.utils.PyDataset):
    """One epoch of (ink float32 (b, t, t, 1) 0–1, kind int32 (b, t, t), weight float32 (b, t, t)).

    Every tile depends on (seed, epoch, index) only. The weights of a batch have a mean of 1.
    """

    def __init__(self, pages: Pages, batch: int, steps: int, seed: int, epoch: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self.pages, self.batch, self.steps = pages, batch, steps
        self.seed, self.epoch = seed, epoch

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return batch number `index`."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        chosen = rng.integers(len(self.pages.paths), size=self.batch)
        made = [_tile(*self.pages.take(int(number)), rng=rng) for number in chosen]
        page, truth = (np.stack(each) for each in zip(*made, strict=True))
        small, kind = np.divmod(truth, len(KINDS))
        weight = np.choose(kind, [_WEIGHT[k] for k in range(len(KINDS))]).astype(np.float32)
        weight *= np.where(small & (kind == BODY), _OF_SMALL, 1).astype(np.float32)
        ink = page[..., None].astype(np.float32) / 255
        return ink, kind.astype(np.int32), weight / weight.mean()


class Pages:
    """Pages of `segment_pages`, read once each, with places to cut tiles around."""

    def __init__(self, paths: Sequence[Path], seed: int) -> None:
        self.paths, self.seed = list(paths), seed
        self._read: dict[int, tuple[np.ndarray, ...]] = {}

    def take(self, number: int) -> tuple[np.ndarray, ...]:
        """Return (page, truth: kind and smallness in one map, four sets of places)."""
        if number not in self._read:
            with np.load(self.paths[number]) as stored:
                page, kind, ids = stored["page"], stored["kind"], stored["ids"]
            small = _small(ids)
            # Two maps in one: both are warped alike.
            truth = kind + np.uint8(len(KINDS)) * small
            rng = np.random.default_rng((self.seed, number))
            self._read[number] = page, truth, *_places(kind, small, rng)
        return self._read[number]


def _small(ids: np.ndarray) -> np.ndarray:
    """Return uint8 (h, w), 1 on chromosomes so small that letters are as large."""
    area = np.bincount(ids.ravel(), minlength=256)
    area[0] = 1 << 30
    return (area < _SMALL)[ids].astype(np.uint8)


def _places(kind: np.ndarray, small: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return four sets of places (n, 2), x and y, to cut tiles around: on borders, chromosomes,
    print and small chromosomes."""
    found = []
    for wanted in (kind == BORDER, kind == BODY, kind == PRINT, small > 0):
        rows, columns = np.nonzero(wanted)
        if not len(rows):
            rows, columns = np.nonzero(kind == BODY)
        some = rng.integers(len(rows), size=200)
        found.append(np.stack([columns[some], rows[some]], 1))
    return found


def _tile(
    page: np.ndarray, kind: np.ndarray, *places: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a changed cutting (ink 0–255, kind) around something on the page."""
    wanted = places[int(rng.choice(4, p=_OFTEN))]
    at = wanted[int(rng.integers(len(wanted)))]
    scale = float(np.exp(rng.uniform(-0.18, 0.18))) if rng.random() < 0.5 else 1.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    turn = -1.0 if rng.random() < 0.15 else 1.0
    # Pages that lie on their side, and metaphase spreads, are to be told as what they are.
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.25 else 0.0
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turned @ np.diag([scale * flip, scale * turn])
    middle = at + rng.uniform(-0.35, 0.35, 2) * TILE
    matrix = np.column_stack([linear, (TILE - 1) / 2 - linear @ middle])
    size = (TILE, TILE)
    grey = cv2.warpAffine(page, matrix, size, flags=cv2.INTER_LINEAR, borderValue=255)
    truth = cv2.warpAffine(kind, matrix, size, flags=cv2.INTER_NEAREST, borderValue=0)
    ink = (255 - grey).astype(np.float32)
    if rng.random() < 0.5:
        ink = 255 * (ink / 255) ** rng.uniform(0.7, 1.4) * rng.uniform(0.6, 1.15)
    if rng.random() < 0.3:
        ink = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.3, 0.9))
    if rng.random() < 0.3:
        ink += rng.normal(0, rng.uniform(1, 8), ink.shape) * (ink > 0)
    return np.clip(ink, 0, 255), truth


@dataclass(frozen=True)
class SegmenterSettings:
    """`steps` batches in all; `learning_rate`: the highest, reached after a warm-up."""

    steps: int = 6000
    batch: int = 8
    learning_rate: float = 4e-3
    seed: int = 0


def teach(
    paths: Sequence[Path], folder: Path, settings: SegmenterSettings, tick: Tick = silent
) -> keras.Model:
    """Return the network after `settings.steps` batches of tiles of the pages at `paths`.

    Goes on after the last checkpoint in `folder`, one every EPOCH batches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    model, steps = build(), settings.steps
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, steps, alpha=0.01, warmup_target=settings.learning_rate,
        warmup_steps=max(1, steps // 25),
    )  # fmt: skip
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=1.0)
    model.compile(optimizer, loss=_loss)
    epochs, pages = -(-steps // EPOCH), Pages(paths, settings.seed)

    def batches(epoch: int) -> TileBatches:
        left = min(EPOCH, steps - epoch * EPOCH)
        return TileBatches(pages, settings.batch, left, settings.seed, epoch)

    history = fit_epochs(model, epochs, folder, batches, seed=settings.seed, tick=tick)
    write_history(folder, history)
    return model


def _loss(kind: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of every pixel; each of the network's pixels holds a square of two by two."""
    whole = tf.nn.depth_to_space(tf.cast(logits, tf.float32), 2)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(kind, tf.int32), whole)

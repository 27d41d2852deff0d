"""Baselines that are trained: a Siamese network as published, and detectors of the seams.

Both learn from the shards of strips that the stage `structure-pages` of `screening build` makes of
training people, and are measured on people whom the bundle never saw. Neither is in the product.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from screening.karyogram.strip import COLUMNS, ROWS
from screening.metrics import auroc
from screening.train.structure_pages import KINDS, SHAM, UNTOUCHED, Strips
from screening.train.structure_set import StructureSet, _looks, _Optics, _sham_plan

_BATCH = 64
_MARGIN = 1.0
_RATE = 1e-3


@dataclass(frozen=True)
class Budget:
    """Training of a baseline: so many `steps` of 64 pairs or strips, Adam at 0.001."""

    steps: int
    seed: int = 0


def shards_of(folder: Path, most: int) -> Strips:
    """Return the strips of the first `most` training shards in a folder."""
    paths = sorted(folder.glob("train-*.npz"))[:most]
    if not paths:
        raise FileNotFoundError(f"expected train-*.npz, made by `screening build`, in {folder}")
    return Strips.load(paths)


def encoder() -> keras.Model:
    """Return the network of both: a strip (b, ROWS, COLUMNS) ink 0–255 → (b, 64) of unit length."""
    layers = keras.layers
    strip = keras.Input((ROWS, COLUMNS))
    x = ops.expand_dims(strip, -1) / 128.0
    for width, pool in ((16, (1, 2)), (24, (2, 2)), (32, (2, 2)), (48, (2, 2))):
        x = layers.Conv2D(width, (5, 3), padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.97)(x))
        x = layers.MaxPooling2D(pool)(x)
    pooled = layers.Concatenate()([layers.GlobalMaxPooling2D()(x), layers.Flatten()(x)])
    x = layers.Dense(64)(layers.Dropout(0.2)(pooled))
    return keras.Model(strip, layers.UnitNormalization()(x))


def siamese(strips: Strips, budget: Budget) -> tuple[keras.Model, float]:
    """Return a Siamese encoder taught by the contrastive loss (Hadsell, Chopra & LeCun 2006), and
    the seconds that took: homologs of which neither is changed are alike, others at least a margin
    apart. As published for chromosomes: no lengths, no rows, no class, no alignment."""
    keras.utils.set_random_seed(budget.seed)
    base = encoder()
    pair = keras.Input((2, ROWS, COLUMNS))
    away = _distance(base(pair[:, 0]), base(pair[:, 1]))
    model = keras.Model(pair, away)
    model.compile(keras.optimizers.Adam(_RATE), _contrastive)
    pairs = strips.pairs()
    changed = (strips.kinds[pairs] > KINDS.index(SHAM)).any(1)

    def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        at = pairs[_balanced(changed, rng)]
        ink = _flipped(strips.strips[at].astype(np.float32), rng)
        return ink, (strips.kinds[at] > KINDS.index(SHAM)).any(1).astype(np.float32)

    return model, _fit(model, batch, budget)


def siamese_score(model: keras.Model, strips: Strips, pairs: np.ndarray) -> np.ndarray:
    """Return how far apart the homologs of each pair are, (m,)."""
    parts = [
        model.predict_on_batch(strips.strips[pairs[first : first + 256]].astype(np.float32))
        for first in range(0, len(pairs), 256)
    ]
    return np.concatenate(parts).reshape(-1)


@dataclass(frozen=True)
class Seams:
    """How well strips cut and joined without a change are told from untouched ones on unseen
    people: AUROC of a detector taught to, of the same within pairs of which one was cut, and of the
    quality numbers alone, which tell that straight ones are cut; `cut` strips."""

    auroc: float
    within: float
    quality: float
    cut: int
    seconds: float


def seams(taught: Strips, asked: Sequence[Strips], budget: Budget) -> list[Seams]:
    """Return how well a detector taught by some strips does on each set of strips `asked`."""
    keras.utils.set_random_seed(budget.seed)
    base = encoder()
    strip = keras.Input((ROWS, COLUMNS))
    model = keras.Model(strip, keras.layers.Dense(1)(base(strip)))
    model.compile(keras.optimizers.Adam(_RATE), keras.losses.BinaryCrossentropy(from_logits=True))
    kept = np.flatnonzero(taught.kinds <= KINDS.index(SHAM))
    cut = taught.kinds[kept] == KINDS.index(SHAM)

    def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        chosen = _balanced(cut, rng)
        ink = _flipped(taught.strips[kept[chosen]].astype(np.float32), rng)
        return ink, cut[chosen].astype(np.float32)

    seconds = _fit(model, batch, budget)
    judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    judge.fit(taught.quality[kept], cut)
    return [_seams(model, judge, unseen, seconds) for unseen in asked]


def rejoined(strips: Strips, seed: int) -> Strips:
    """Return the untouched pairs, one of each cut and joined as the training does with strips,
    without a change; both then changed in looks, as it does with all."""
    made = StructureSet(strips, _BATCH, 1, seed)
    rng = np.random.default_rng(seed)
    ink, kinds = strips.strips.copy(), np.full(len(strips), KINDS.index(UNTOUCHED), np.uint8)
    pairs = made.pairs[made.plain]
    for pair in pairs:
        at, other = map(int, rng.permutation(pair))
        optics = _Optics.drawn(rng)
        cut = made._joined(_sham_plan(at, other, rng), at, rng)
        ink[at] = _looks(cut, optics, rng).ink.round()
        ink[other] = _looks(made._taken(other), optics, rng).ink.round()
        kinds[at] = KINDS.index(SHAM)
    kept = np.sort(pairs.ravel())
    return Strips(
        ink[kept], strips.labels[kept], strips.changed[kept], strips.classes[kept],
        strips.pages[kept], kinds[kept], strips.sizes[kept], strips.quality[kept],
    )  # fmt: skip


def _seams(model: keras.Model, judge: Pipeline, unseen: Strips, seconds: float) -> Seams:
    asked = np.flatnonzero(unseen.kinds <= KINDS.index(SHAM))
    score = np.zeros(len(unseen))
    for first in range(0, len(asked), 512):
        at = asked[first : first + 512]
        made = model.predict_on_batch(unseen.strips[at].astype(np.float32))
        score[at] = np.ravel(made)
    truth = unseen.kinds[asked] == KINDS.index(SHAM)
    straight = judge.decision_function(unseen.quality[asked])
    pairs = unseen.pairs()
    kinds = unseen.kinds[pairs]
    one = (np.sort(kinds, 1) == [KINDS.index(UNTOUCHED), KINDS.index(SHAM)]).all(1)
    side = kinds[one].argmax(1)
    own = score[pairs[one]]
    which = np.arange(len(own))
    within = np.mean(own[which, side] > own[which, 1 - side]) if len(own) else float("nan")
    return Seams(
        auroc(truth, score[asked]), float(within), auroc(truth, straight), int(truth.sum()), seconds
    )


def _distance(a: keras.KerasTensor, b: keras.KerasTensor) -> keras.KerasTensor:
    return ops.sqrt(ops.sum(ops.square(a - b), -1) + 1e-6)


def _contrastive(changed: keras.KerasTensor, away: keras.KerasTensor) -> keras.KerasTensor:
    changed = ops.reshape(ops.cast(changed, away.dtype), (-1,))
    near = ops.square(away) * (1 - changed)
    return ops.mean(near + ops.square(ops.maximum(_MARGIN - away, 0.0)) * changed)


def _balanced(positive: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Places of half a batch of each."""
    return np.concatenate(
        [rng.choice(np.flatnonzero(positive == one), _BATCH // 2) for one in (True, False)]
    )


def _flipped(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    turned = rng.random(len(ink)) < 0.5
    ink[turned] = ink[turned][..., ::-1]
    return ink * np.exp(rng.normal(0, 0.1, (len(ink), *[1] * (ink.ndim - 1)))).astype(np.float32)


def _fit(
    model: keras.Model,
    batch: Callable[[np.random.Generator], Sequence[np.ndarray]],
    budget: Budget,
) -> float:
    """Train and return the seconds."""
    rng, clock = np.random.default_rng(budget.seed), time.perf_counter()
    for _ in range(budget.steps):
        model.train_on_batch(*batch(rng))
    return time.perf_counter() - clock

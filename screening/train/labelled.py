"""Labelled pictures of single chromosomes as batches: augmented, balanced, from memory or a file.

`light` augmentation mirrors, turns and shifts a little and changes the contrast. `cda` is CIR-Net's
(Lin et al. 2022): turned by any angle and shifted; their code takes every fifteenth degree, all 24
in each epoch, here a picture is turned once an epoch. How far it is shifted they do not print.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.neighbors import NearestNeighbors

from screening.classes import CHROMOSOMES
from screening.train.records import read_records

_PAPER = 255.0
_CDA_SHIFT = 0.1
_SHUFFLED = 10_000
"""Pictures of a file that are held at a time to be drawn from in random order."""
NEIGHBOURS = 5
"""Of SMOTE, as in Chawla et al. 2002."""


@dataclass(frozen=True)
class Labelled:
    """Pictures uint8 (n, s, s), dark on white, and their classes from 0 (n,); `file`: TFRecords of
    the same, to be read in batches instead of them."""

    pictures: np.ndarray
    labels: np.ndarray
    classes: int = len(CHROMOSOMES)
    file: Path | None = None

    def __len__(self) -> int:
        return len(self.labels)


def balanced(data: Labelled, seed: int) -> Labelled:
    """Return as many pictures of each class as of the most frequent one, by SMOTE.

    Each new one lies at random between a picture and one of the five most like it in its class
    (Chawla et al. 2002; SRAS-Net uses it for X and Y). A class of one picture is repeated.
    """
    rng = np.random.default_rng(seed)
    counts = np.bincount(data.labels, minlength=data.classes)
    pictures, labels = [data.pictures], [data.labels]
    for name in np.flatnonzero((counts > 0) & (counts < counts.max())):
        own = data.pictures[data.labels == name]
        flat = own.reshape(len(own), -1).astype(np.float32)
        first = rng.integers(len(own), size=counts.max() - len(own))
        other = first
        if len(own) > 1:
            near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(own) - 1)).fit(flat)
            like = near.kneighbors(return_distance=False)  # without the picture itself
            other = like[first, rng.integers(like.shape[1], size=len(first))]
        share = rng.random((len(first), 1), np.float32)
        new = flat[first] + share * (flat[other] - flat[first])
        pictures.append(np.rint(new).astype(np.uint8).reshape(-1, *own.shape[1:]))
        labels.append(np.full(len(first), name, data.labels.dtype))
    return replace(data, pictures=np.concatenate(pictures), labels=np.concatenate(labels))


def shuffled_batches(data: Labelled, batch: int, augment: str, seed: int) -> tf.data.Dataset:
    """Return endless batches, float32 (b, s, s, 1) and one-hot (b, classes), every picture once an
    epoch; of a file in an order that is random among 10,000 at a time."""
    change = _augmentation(augment, seed)
    if data.file is None:
        order = tf.data.Dataset.range(len(data)).shuffle(len(data), seed).batch(batch)
        pick = _picker(data)
        return order.repeat().map(lambda index: change(*pick(index))).prefetch(4)
    size = data.pictures.shape[1]
    read = read_records(data.file).map(
        lambda one: (
            tf.ensure_shape(one["image"], (size, size)),
            tf.one_hot(one["label"], data.classes),
        )
    )
    stream = read.shuffle(min(len(data), _SHUFFLED), seed).batch(batch)
    return stream.repeat().map(change).prefetch(4)


def paired_batches(data: Labelled, steps: int, augment: str, seed: int) -> tf.data.Dataset:
    """Return endless pairs of batches in one, (2 c, s, s, 1): each one picture of every class."""
    change, pick = _augmentation(augment, seed), _picker(data)
    indices = pairs_of_batches(data.labels, steps, seed, data.classes)
    stream = tf.data.Dataset.from_tensor_slices(indices).repeat()
    return stream.map(lambda index: change(*pick(index))).prefetch(4)


def pairs_of_batches(
    labels: np.ndarray, steps: int, seed: int, classes: int = len(CHROMOSOMES)
) -> np.ndarray:
    """Return int64 (steps, 2 classes): twice one picture of every class, two different ones where
    there are more than one. ValueError when a class has none."""
    rng = np.random.default_rng(seed)
    columns = []
    for name in range(classes):
        own = np.flatnonzero(labels == name)
        if not len(own):
            raise ValueError(f"no picture of class number {name}")
        first = rng.integers(len(own), size=steps)
        step = rng.integers(1, len(own), size=steps) if len(own) > 1 else 0
        columns.append((own[first], own[(first + step) % len(own)]))
    return np.stack([column[k] for k in (0, 1) for column in columns], axis=1)


def _picker(data: Labelled) -> Callable[[tf.Tensor], tuple]:
    pictures = tf.constant(data.pictures)
    labels = tf.constant(data.labels.astype(np.int32))

    def pick(index: tf.Tensor) -> tuple:
        return tf.gather(pictures, index), tf.one_hot(tf.gather(labels, index), data.classes)

    return pick


def _augmentation(kind: str, seed: int) -> Callable[[tf.Tensor, tf.Tensor], tuple]:
    """What turns pictures uint8 (b, s, s) into float32 (b, s, s, 1), changed."""
    fill: dict[str, Any] = {"fill_mode": "constant", "fill_value": _PAPER}
    # Mapped one batch after another: the layers' random states then run in one order.
    layers: Sequence[keras.layers.Layer] = ()
    if kind == "light":
        layers = (
            keras.layers.RandomFlip("horizontal", seed=seed),
            keras.layers.RandomRotation(10 / 360, seed=seed + 1, **fill),
            keras.layers.RandomTranslation(0.04, 0.04, seed=seed + 2, **fill),
            keras.layers.RandomContrast(0.3, seed=seed + 3),
        )
    elif kind == "cda":
        layers = (
            keras.layers.RandomRotation(0.5, seed=seed + 1, **fill),
            keras.layers.RandomTranslation(_CDA_SHIFT, _CDA_SHIFT, seed=seed + 2, **fill),
        )

    def change(pictures: tf.Tensor, labels: tf.Tensor) -> tuple:
        x = tf.cast(pictures, tf.float32)[..., None]
        for layer in layers:
            x = layer(x, training=True)
        return x, labels

    return change

"""MNIST and CIFAR-10 through keras.datasets, on which ANet-c6 was compared as well.

They are taken where a network allows; else the dataset is empty and its note says why.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from pathlib import Path

import cv2
import numpy as np

from screening.benchmark.config import DatasetConfig
from screening.data.chromosomes import ChromosomeRecord, Stored
from screening.native_log import native_log_filtered

CLASSES = {
    "mnist": tuple("0123456789"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
                "truck"),
}  # fmt: skip


def load(config: DatasetConfig, size: int) -> tuple[tuple[ChromosomeRecord, ...], dict]:
    """Return the records and the other parts of a `dataset.Dataset` by name: pictures grey and
    dark on white, the published training part before the test part; of each class as many from
    the beginning as `most` allows."""
    with native_log_filtered():
        import keras

    name = config.keras or ""
    classes = CLASSES[name]
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # Keras draws a bar of its download
            halves = getattr(keras.datasets, name).load_data()
    except Exception as error:
        # Without a network, a proxy's page instead of the file, a full disk: all end the set alone.
        note = f"skipped: {name} cannot be had through keras.datasets ({error})"
        return (), _parts(np.empty((0, size, size), np.uint8), np.empty(0, int), (), classes, note)
    pictures = np.concatenate([half[0] for half in halves])
    labels = np.concatenate([half[1] for half in halves]).reshape(-1).astype(int)
    if config.most is not None:
        each = config.most // len(classes)
        kept = np.sort(np.concatenate([np.flatnonzero(labels == n)[:each] for n in set(labels)]))
        pictures, labels = pictures[kept], labels[kept]
    drawn = np.empty((len(labels), size, size), np.uint8)
    for i, picture in enumerate(pictures):
        # Digits are white on black; photographs stay as they are.
        grey = 255 - picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        drawn[i] = cv2.resize(grey, (size, size), interpolation=cv2.INTER_LINEAR)
    height, width = pictures.shape[1:3]
    stored = (Stored(height, width, pictures.shape[3] if pictures.ndim == 4 else 1, 8),)
    records = []
    for i, label in enumerate(labels):
        origin = f"{name}/{i}"
        records.append(
            ChromosomeRecord(Path(origin), name, origin, origin, classes[label], "G", "yes", origin)
        )
    return tuple(records), _parts(drawn, labels, stored * len(labels), classes, "read as grey")


def _parts(
    pictures: np.ndarray,
    labels: np.ndarray,
    stored: tuple[Stored, ...],
    classes: tuple[str, ...],
    note: str,
) -> dict:
    digest = hashlib.sha256(pictures.tobytes() + labels.tobytes()).hexdigest()
    return {"pictures": pictures, "labels": labels, "stored": stored, "hash": digest,
            "notes": (note,), "classes": classes}  # fmt: skip

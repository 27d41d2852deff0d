"""What the trained part of a network reads: pictures, or what the frozen part makes of them.

The frozen part gives the same values in every epoch, so it runs once per picture and variant; the
epochs then cost only the rest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from screening.atomic import replaced_file

FROZEN_BATCH = 16
"""Pictures that run through the frozen part at once; on a CPU larger batches gain nothing."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Labelled pictures as the network sees them.

    `plain`: uint8 (n, s, s) grey; `labels`: int (n,), 1 abnormal; `vary(row, variant)` gives the
    same picture changed, uint8 (s, s), always alike for the same numbers; None: no variants.
    """

    ids: Sequence[str]
    labels: np.ndarray
    plain: np.ndarray
    vary: Callable[[int, int], np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray, variants: np.ndarray) -> np.ndarray:
        """Return float32 (b, s, s, 3), 0–255: the `variants` (0: plain) of `rows`."""
        grey = np.asarray(self.plain[rows])
        for place, (row, variant) in enumerate(zip(rows, variants, strict=True)):
            if variant:
                if self.vary is None:
                    raise ValueError("expected plain pictures only: these have no variants")
                grey[place] = self.vary(int(row), int(variant))
        return np.repeat(grey[..., None].astype(np.float32), 3, axis=-1)

    @property
    def hash(self) -> str:
        """Return the sha256 (hex) of ids and plain pictures."""
        digest = hashlib.sha256("\0".join(self.ids).encode())
        for image in self.plain:
            digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()


class Source(Protocol):
    """Anything that gives the trained part its input."""

    def take(self, rows: np.ndarray, variants: np.ndarray) -> np.ndarray:
        """Return float32 (b, …) for the rows and variants."""
        ...


class Recomputed:
    """Runs the frozen part anew whenever a picture is taken."""

    def __init__(self, frozen: keras.Model, pictures: Pictures) -> None:
        self.pictures = pictures
        self.shape = tuple(frozen.output_shape[1:])
        side = pictures.plain.shape[1]
        signature = [tf.TensorSpec((FROZEN_BATCH, side, side, 3), tf.float32)]

        @tf.function(input_signature=signature)
        def run(images: tf.Tensor) -> tf.Tensor:
            return tf.cast(frozen(images, training=False), tf.float32)

        self._run = run

    def take(self, rows: np.ndarray, variants: np.ndarray) -> np.ndarray:
        """Return float32 (b, …), the frozen part's output."""
        out = np.empty((len(rows), *self.shape), np.float32)
        for start in range(0, len(rows), FROZEN_BATCH):
            # One shape for every call: another batch size would be traced and summed differently.
            at = np.minimum(np.arange(start, start + FROZEN_BATCH), len(rows) - 1)
            made = self._run(self.pictures.take(rows[at], variants[at])).numpy()
            out[start : start + FROZEN_BATCH] = made[: len(rows) - start]
        return out


class Cached(Recomputed):
    """Runs the frozen part once per picture and variant and keeps the result.

    With a `folder` the results are files, found again by a resumed run or by another trial of a
    search with the same pictures and frozen weights; without one they stay in memory.
    """

    def __init__(self, frozen: keras.Model, pictures: Pictures, folder: Path | None = None) -> None:
        super().__init__(frozen, pictures)
        self._made: dict[int, np.ndarray] = {}
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._key = f"{pictures.hash[:16]}-{_hash_of(frozen)[:16]}"

    def take(self, rows: np.ndarray, variants: np.ndarray) -> np.ndarray:
        """Return float32 (b, …), the frozen part's output; the first call of a variant makes it."""
        out = np.empty((len(rows), *self.shape), np.float32)
        for variant in np.unique(variants):
            here = variants == variant
            out[here] = self._all(int(variant))[rows[here]]
        return out

    def _all(self, variant: int) -> np.ndarray:
        if variant not in self._made:
            self._made[variant] = self._read_or_make(variant)
        return self._made[variant]

    def _read_or_make(self, variant: int) -> np.ndarray:
        rows = np.arange(len(self.pictures))
        if self._folder is None:
            return super().take(rows, np.full(len(rows), variant))
        path = self._folder / f"{self._key}-{variant}.npy"
        if not path.exists():
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), *self.shape)}
            # Workers of one search share the folder: each writes a file of its own. Written, not
            # mapped: a full disk is then an error and not the end of the process.
            with replaced_file(path, str(os.getpid())) as part, part.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for start in range(0, len(rows), FROZEN_BATCH):
                    some = rows[start : start + FROZEN_BATCH]
                    made = super().take(some, np.full(len(some), variant))
                    file.write(made.astype("<f4").tobytes())
        return np.load(path, mmap_mode="r")


def _hash_of(model: keras.Model) -> str:
    digest = hashlib.sha256()
    for layer in model.layers:
        digest.update(f"{type(layer).__name__} {layer.compute_dtype}".encode())
        for weight in layer.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()

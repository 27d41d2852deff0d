"""Single chromosomes as training tensors: one common scale per cell, augmented on the fly.

A crop alone does not tell how long its chromosome is. Each cell's scale is therefore estimated from
the lengths of all its chromosomes against the standard relative lengths, and every crop is brought
to the same pixels per unit of length before it is augmented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import keras
import numpy as np

from screening.classes import RELATIVE_LENGTH, class_index
from screening.synthesis.metaphase import Metaphase, length_unit

STORED_LENGTH = 72.0
"""Pixels that chromosome 1 of an average cell measures in the stored crops."""


@dataclass(frozen=True)
class Augmentation:
    """How far a crop may be changed; every range is sampled uniformly.

    `length` is the range of lengths in pixels that chromosome 1 may take in the network's input
    (log-uniform), `rotation` in degrees, `shift` in pixels, `stretch`, `contrast` and
    `brightness` relative, `blur` the largest Gaussian sigma in pixels, `noise` the largest
    standard deviation in grey levels.
    """

    length: tuple[float, float] = (36.0, 76.0)
    rotation: float = 10.0
    shift: float = 3.0
    stretch: float = 0.08
    contrast: float = 0.25
    brightness: float = 0.10
    blur: float = 0.9
    noise: float = 8.0
    mirror: bool = True


def stored_crops(cells: Sequence[Metaphase]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return every chromosome's ink (255 − grey, uint8 (h, w)) at one scale, and labels 0…23."""
    inks: list[np.ndarray] = []
    labels: list[int] = []
    for cell in cells:
        factor = STORED_LENGTH / (length_unit(cell.chromosomes) * RELATIVE_LENGTH["1"])
        dark = np.percentile([np.percentile(c.image, 5) for c in cell.chromosomes], 20)
        gain = 215.0 / max(255.0 - float(dark), 40.0)
        for chromosome in cell.chromosomes:
            ink = 255 - chromosome.image
            size = [max(3, round(side * factor)) for side in ink.shape[::-1]]
            how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
            ink = cv2.resize(ink, size, interpolation=how)
            inks.append(np.clip(ink * gain, 0, 255).astype(np.uint8))
            labels.append(class_index(chromosome.name))
    return inks, np.asarray(labels, dtype=np.int32)


def render(
    ink: np.ndarray,
    shape: tuple[int, int],
    length: float,
    augmentation: Augmentation | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Return one crop as dark-on-white grey float32 of `shape` (h, w), 0–255, centred.

    `length` is the pixels that chromosome 1 measures; with `augmentation` it is sampled instead.
    """
    height, width = shape
    angle = shift_x = shift_y = 0.0
    stretch = flip = 1.0
    if augmentation is not None:
        assert rng is not None, "what changes a crop is drawn"
        low, high = np.log(augmentation.length)
        length = float(np.exp(rng.uniform(low, high)))
        angle = rng.uniform(-augmentation.rotation, augmentation.rotation)
        shift_x, shift_y = rng.uniform(-augmentation.shift, augmentation.shift, 2)
        stretch = 1 + rng.uniform(-augmentation.stretch, augmentation.stretch)
        flip = -1.0 if augmentation.mirror and rng.random() < 0.5 else 1.0
    scale = length / STORED_LENGTH
    turn = np.deg2rad(angle)
    linear = scale * np.array(
        [
            [np.cos(turn) * stretch * flip, -np.sin(turn)],
            [np.sin(turn) * stretch * flip, np.cos(turn)],
        ]
    )
    centre = np.array([(ink.shape[1] - 1) / 2, (ink.shape[0] - 1) / 2])
    target = np.array([(width - 1) / 2 + shift_x, (height - 1) / 2 + shift_y])
    matrix = np.column_stack([linear, target - linear @ centre])
    if scale < 0.75:  # a linear warp alone would skip pixels of fine bands
        ink = cv2.GaussianBlur(ink, (0, 0), 0.35 / scale)
    out = cv2.warpAffine(ink, matrix, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32)
    if augmentation is not None:
        assert rng is not None, "what changes a crop is drawn"
        sigma = rng.uniform(0, augmentation.blur)
        if sigma > 0.3:
            out = cv2.GaussianBlur(out, (0, 0), sigma)
        gain = 1 + rng.uniform(-augmentation.contrast, augmentation.contrast)
        offset = 255 * rng.uniform(-augmentation.brightness, augmentation.brightness)
        out = np.where(out > 4, out * gain + offset, out)
        out += rng.standard_normal(out.shape, dtype=np.float32) * rng.uniform(0, augmentation.noise)
    return 255.0 - np.clip(out, 0, 255)


class CropBatches(keras.utils.PyDataset):
    """One epoch of batches (float32 (b, h, w, 3) grey replicated, 0–255; int32 (b,)).

    The order and every random change depend on (seed, epoch, index) only, so that a resumed run
    sees what an unbroken one would have seen. Without an augmentation the given order is kept.
    """

    def __init__(
        self,
        inks: Sequence[np.ndarray],
        labels: np.ndarray,
        shape: tuple[int, int],
        batch: int,
        augmentation: Augmentation | None = None,
        length: float = 56.0,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self.inks, self.labels, self.shape, self.batch = inks, labels, shape, batch
        self.augmentation, self.length, self.seed, self.epoch = augmentation, length, seed, epoch
        self.order = np.arange(len(labels))
        if augmentation is not None:
            np.random.default_rng((seed, epoch)).shuffle(self.order)

    def __len__(self) -> int:
        """Return the number of batches; a training epoch drops its last, incomplete one."""
        if self.augmentation is not None:
            return len(self.labels) // self.batch
        return -(-len(self.labels) // self.batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch number `index`."""
        chosen = self.order[index * self.batch : (index + 1) * self.batch]
        rng = np.random.default_rng((self.seed, self.epoch, index))
        grey = np.stack(
            [render(self.inks[i], self.shape, self.length, self.augmentation, rng) for i in chosen]
        )
        return np.repeat(grey[..., None], 3, axis=-1), self.labels[chosen]

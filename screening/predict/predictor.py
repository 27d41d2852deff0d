"""A bundle's screener, ready to score pictures: uint8 in, p(abnormal) of each pass out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from screening.bundle import Bundle
from screening.errors import ScreeningError
from screening.predict.mc_dropout import McDropout

PART = "screener"


class Predictor:
    """Scores karyograms with the screener of `bundle`.

    Args:
        passes: Monte Carlo dropout passes per picture.
        seed: same seed, bundle and picture: same votes.
        batch_size: pictures per run of the network. Shorter batches are filled up with blank
            paper, so that the network always runs at one shape: one compilation, and results
            that do not hang on how pictures were grouped.
    """

    def __init__(
        self, bundle: Bundle, passes: int = 100, seed: int = 0, batch_size: int = 8
    ) -> None:
        if batch_size < 1:
            raise ScreeningError(f"batch_size must be at least 1, received {batch_size}")
        model = bundle.load_model(PART)
        self.size: int = model.input_shape[1]
        self.passes = passes
        self.batch_size = batch_size
        self._mc = McDropout(model, passes=passes, seed=seed)

    def passes_of(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> np.ndarray:
        """Return p(abnormal) of every pass, float32 (pictures, passes), in order.

        `images`: uint8 (size, size), grey, 0-255, as images.normalise makes them.
        `keys`: one per picture, what its masks hang on (the hash of its file). ScreeningError:
        another shape or type, or another number of keys.
        """
        for image in images:
            if image.shape != (self.size, self.size) or image.dtype != np.uint8:
                raise ScreeningError(
                    f"expected uint8 pictures of {self.size} x {self.size}, received "
                    f"{image.dtype} {image.shape}: letterbox them first"
                )
        if len(keys) != len(images):
            raise ScreeningError(f"expected {len(images)} keys, received {len(keys)}")
        batches = [
            self._batch(images[i : i + self.batch_size], list(keys[i : i + self.batch_size]))
            for i in range(0, len(images), self.batch_size)
        ]
        return np.concatenate(batches) if batches else np.zeros((0, self.passes), np.float32)

    def _batch(self, images: Sequence[np.ndarray], keys: list[int]) -> np.ndarray:
        batch = np.full((self.batch_size, self.size, self.size, 3), 255, np.float32)
        for row, image in enumerate(images):
            batch[row] = image[..., None]
        keys += [0] * (self.batch_size - len(images))
        return self._mc.predict(batch, keys)[: len(images)]

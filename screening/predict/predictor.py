"""A bundle's screener, ready to score pictures: uint8 in, p(abnormal) of each pass out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from screening.bundle import Bundle
from screening.errors import ScreeningError
from screening.predict.networks import Engine

PART = "screener"


@dataclass(frozen=True, eq=False)
class Looked:
    """Where a screener looked in a picture: `attention` uint8 (m, m), what speaks for abnormal, see
    `predict.attention`; `changed` float32 (m, m): log-odds that the slot under each cell of the
    last map has a gain or a loss. None: its head is another, or it was taught no slots."""

    attention: np.ndarray | None
    changed: np.ndarray | None


class Predictor:
    """Scores karyograms with the screener of `bundle`, which `engine` runs.

    Args:
        passes: Monte Carlo dropout passes per picture.
        seed: same seed, bundle and picture: same votes.
        batch_size: pictures per run of the network where the engine takes several, which shorter
            batches are filled up to with blank paper: the network always runs at one shape, so that
            results do not hang on how pictures were grouped.
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        passes: int = 100,
        seed: int = 0,
        batch_size: int = 8,
    ) -> None:
        if batch_size < 1:
            raise ScreeningError(f"batch_size must be at least 1, received {batch_size}")
        self.size = bundle.network(PART).size
        self.passes = passes
        self.at_once = engine.at_once(batch_size)
        self._network = engine.screener(passes, seed)
        self.looked: list[Looked] = []

    def passes_of(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> np.ndarray:
        """Return p(abnormal) of every pass, float32 (pictures, passes), in order.

        `images`: uint8 (size, size), grey, 0-255, as images.normalise makes them.
        `keys`: one per picture, what its masks hang on (the hash of its file). ScreeningError:
        another shape or type, or another number of keys. `looked` then tells of each where it
        looked.
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
            self._batch(images[i : i + self.at_once], list(keys[i : i + self.at_once]))
            for i in range(0, len(images), self.at_once)
        ]
        self.looked = [looked for _, seen in batches for looked in seen]
        if not batches:
            return np.zeros((0, self.passes), np.float32)
        return np.concatenate([p for p, _ in batches])

    def _batch(
        self, images: Sequence[np.ndarray], keys: list[int]
    ) -> tuple[np.ndarray, list[Looked]]:
        batch = np.full((self.at_once, self.size, self.size, 3), 255, np.float32)
        for row, image in enumerate(images):
            batch[row] = image[..., None]
        keys += [0] * (self.at_once - len(images))
        said, attention = self._network.predict(batch, keys), self._network.attention
        count, nothing = len(images), [None] * len(images)
        maps = nothing if attention is None else attention.maps(said.features[:count])
        changed = nothing if said.slots is None else changed_log_odds(said.slots[:count])
        return said.p[:count], [Looked(*each) for each in zip(maps, changed, strict=True)]


def changed_log_odds(slots: np.ndarray) -> np.ndarray:
    """Return the log-odds (n, m, m) of a gain or a loss by the logits (n, m, m, 3) of usual, gain
    and loss."""
    found: np.ndarray = np.logaddexp(slots[..., 1], slots[..., 2]) - slots[..., 0]
    return found

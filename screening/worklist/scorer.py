"""The bundle's model as the pipeline wants it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from screening.bundle import Bundle
from screening.errors import ScreeningError
from screening.predict.engine import AUTO, engine_of

if TYPE_CHECKING:
    from screening.predict.predictor import Looked, Predictor

PART = "screener"


class BundleScorer:
    """Scores pictures with a bundle's screener: `passes` dropout passes each, seeded by `seed`.

    `device`: auto, cpu, gpu or gpu:N as asked for, and `engine`: auto, tensorflow or onnxruntime;
    once the model is loaded, the ones in use. A picture's numbers do not hang on how many others
    came with it, see `Predictor` for `batch_size`. Raises ScreeningError for a device that this
    machine does not have, or an engine that cannot run the bundle.
    """

    def __init__(
        self,
        bundle: Bundle,
        passes: int,
        seed: int = 0,
        device: str = AUTO,
        batch_size: int = 8,
        engine: str = AUTO,
    ) -> None:
        if PART not in bundle.info.parts:
            raise ScreeningError(f"the bundle {bundle.folder} holds no {PART}, which screen needs")
        self.bundle, self.passes, self.seed, self.device = bundle, passes, seed, device
        self.batch_size, self.engine = batch_size, engine
        self.size, self.view = bundle.network(PART).size, bundle.network(PART).view
        self._model: Predictor | None = None

    @property
    def looked(self) -> list[Looked]:
        """Return where it looked in each of the pictures last scored."""
        return self._model.looked if self._model is not None else []

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> np.ndarray:
        """Return p(abnormal) of each pass, float32 (n, passes), of `images`, uint8 (size, size)."""
        return self._loaded.passes_of(images, keys)

    def load(self) -> None:
        """Make the model ready, where it is not yet."""
        _ = self._loaded

    @property
    def _loaded(self) -> Predictor:
        if self._model is None:
            from screening.predict.predictor import Predictor

            chosen = engine_of(self.bundle, self.engine, self.device)
            self.device, self.engine = chosen.engine.device, str(chosen)
            self._model = Predictor(
                self.bundle, chosen.engine, self.passes, self.seed, self.batch_size
            )
        return self._model

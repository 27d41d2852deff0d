"""The bundle's model as the pipeline wants it: loaded when the first picture needs it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from screening.bundle import Bundle
from screening.errors import ScreeningError
from screening.native_log import native_log_filtered

if TYPE_CHECKING:
    from screening.predict.predictor import Predictor

PART = "screener"


class BundleScorer:
    """Scores pictures with a bundle's screener: `passes` dropout passes each, seeded by `seed`.

    `device`: auto, cpu, gpu or gpu:N as asked for; once the model is loaded, the one in use. A run
    whose results are all known never loads the model, nor TensorFlow. A picture's numbers do not
    hang on how many others came with it, see `Predictor` for `batch_size`. Raises ScreeningError
    for a device that this machine does not have.
    """

    def __init__(
        self,
        bundle: Bundle,
        passes: int,
        seed: int = 0,
        device: str = "auto",
        batch_size: int = 8,
    ) -> None:
        if PART not in bundle.info.parts:
            raise ScreeningError(f"the bundle {bundle.folder} holds no {PART}, which screen needs")
        self.bundle, self.passes, self.seed, self.device = bundle, passes, seed, device
        self.batch_size = batch_size
        self.size, self.view = bundle.network(PART).size, bundle.network(PART).view
        self._model: Predictor | None = None

    @property
    def looked(self) -> np.ndarray | None:
        """Return where it looked in the pictures last scored, uint8 (n, m, m); None: unknown."""
        return self._model.looked if self._model is not None else None

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> np.ndarray:
        """Return p(abnormal) of each pass, float32 (n, passes), of `images`, uint8 (size, size)."""
        if self._model is None:
            with native_log_filtered():
                self.device = select_device(self.device)
                from screening.predict.predictor import Predictor

                self._model = Predictor(self.bundle, self.passes, self.seed, self.batch_size)
        return self._model.passes_of(images, keys)


def select_device(asked: str) -> str:
    """Return the device in use, in words; TensorFlow sees only that one from here on.

    Raises ScreeningError when `asked` (auto, cpu, gpu, gpu:N) is not there.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if asked == "cpu" or (asked == "auto" and not gpus):
        _show_only(tf, [])
        return "cpu"
    number = int(asked.partition(":")[2] or 0)
    if number >= len(gpus):
        raise ScreeningError(
            f"--device {asked} expects a GPU that TensorFlow can use, found {len(gpus)}: "
            "use --device cpu, or see `screening doctor`"
        )
    _show_only(tf, [gpus[number]])
    # Grow instead of taking all memory: others may use the same device.
    tf.config.experimental.set_memory_growth(gpus[number], True)
    name = tf.config.experimental.get_device_details(gpus[number]).get("device_name", "GPU")
    return f"gpu:{number} ({name})"


def _show_only(tf: object, gpus: list[object]) -> None:
    try:
        tf.config.set_visible_devices(gpus, "GPU")  # type: ignore[attr-defined]
    except RuntimeError as error:  # too late: something in this process has run on a device
        raise ScreeningError(
            f"the device cannot be changed after TensorFlow has started ({error})"
        ) from error

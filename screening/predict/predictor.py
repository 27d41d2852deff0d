"""A bundle's screener, ready to score pictures: uint8 in, statistics of the passes out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np

from screening.bundle import Bundle
from screening.errors import ScreeningError
from screening.predict.mc_dropout import McDropout
from screening.predict.statistics import McStatistics, summarise

__all__ = ["McStatistics", "Predictor", "in_precision"]

PART = "screener"


class Predictor:
    """Scores karyograms with the screener of `bundle`.

    Args:
        bundle: a loaded bundle; its threshold decides what a pass votes.
        passes: Monte Carlo dropout passes per picture.
        seed: same seed, bundle and picture: same votes.
        batch_size: pictures per run of the network. Shorter batches are filled up with blank
            paper, so that the network always runs at one shape: one compilation, and results
            that do not hang on how pictures were grouped.
        precision: "float32", or "bfloat16" for twice the speed on processors that have it, at
            about two decimal digits.
    """

    def __init__(
        self,
        bundle: Bundle,
        passes: int = 100,
        seed: int = 0,
        batch_size: int = 8,
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        if batch_size < 1:
            raise ScreeningError(f"batch_size must be at least 1, received {batch_size}")
        model = in_precision(bundle.load_model(PART), precision)
        self.size: int = model.input_shape[1]
        self.passes = passes
        self.batch_size = batch_size
        self.threshold = bundle.info.threshold
        self._mc = McDropout(model, passes=passes, seed=seed)

    def predict(
        self, images: Sequence[np.ndarray], keys: Sequence[int | str | bytes] | None = None
    ) -> list[McStatistics]:
        """Return one McStatistics per picture, in order; arguments and errors as in `passes_of`."""
        if not len(images):
            return []
        return summarise(self.passes_of(images, keys), self.threshold)

    def passes_of(
        self, images: Sequence[np.ndarray], keys: Sequence[int | str | bytes] | None = None
    ) -> np.ndarray:
        """Return p(abnormal) of every pass, float32 (pictures, passes), in order.

        `images`: uint8 (size, size), grey, 0-255, as images.normalise makes them.
        `keys`: one per picture, what its masks hang on (the hash of its file); by default the
        hash of its pixels. ScreeningError: another shape or type, or another number of keys.
        """
        for image in images:
            if image.shape != (self.size, self.size) or image.dtype != np.uint8:
                raise ScreeningError(
                    f"expected uint8 pictures of {self.size} x {self.size}, received "
                    f"{image.dtype} {image.shape}: letterbox them first"
                )
        if keys is None:
            keys = [hashlib.sha256(np.ascontiguousarray(i).data).digest() for i in images]
        if len(keys) != len(images):
            raise ScreeningError(f"expected {len(images)} keys, received {len(keys)}")
        batches = [
            self._batch(images[i : i + self.batch_size], list(keys[i : i + self.batch_size]))
            for i in range(0, len(images), self.batch_size)
        ]
        return np.concatenate(batches) if batches else np.zeros((0, self.passes), np.float32)

    def _batch(self, images: Sequence[np.ndarray], keys: list[int | str | bytes]) -> np.ndarray:
        batch = np.full((self.batch_size, self.size, self.size, 3), 255, np.float32)
        for row, image in enumerate(images):
            batch[row] = image[..., None]
        keys += [0] * (self.batch_size - len(images))
        return self._mc.predict(batch, keys).p[: len(images)]


def in_precision(model: keras.Model, precision: str) -> keras.Model:
    """Return `model` itself for "float32", or a copy computing in bfloat16 with float32 weights.

    Preprocessing and output layers stay in float32: offsets and a sigmoid's ends do not fit eight
    bits of mantissa.
    """
    if precision == "float32":
        return model
    if precision != "bfloat16":
        raise ScreeningError(f"precision must be float32 or bfloat16, received {precision!r}")
    exact = {tensor._keras_history.operation.name for tensor in model.outputs}

    def convert(layer: Any) -> Any:
        if not isinstance(layer, keras.Layer):  # a bare operation follows its input's type
            return layer
        config = layer.get_config()
        keep = layer.name in exact or isinstance(
            layer, keras.layers.Rescaling | keras.layers.InputLayer
        )
        if not keep:
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=convert)
    copy.set_weights(model.get_weights())
    return copy

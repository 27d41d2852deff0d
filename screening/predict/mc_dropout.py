"""Monte Carlo dropout at about the price of one forward pass.

What no dropout reaches runs once per image; only the rest is repeated, many passes at a time
(Gal & Ghahramani 2016 for the method). BatchNormalization and every other layer stay in
inference mode: nothing but the dropout masks differs between passes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from screening.errors import ScreeningError
from screening.predict import masks
from screening.predict.coins import stream_keys
from screening.predict.prefix import Cut, Step, cut

# Largest tensor, in elements, that one chunk of passes of one image may need (64 MiB float32).
CHUNK_ELEMENTS = 16 * 1024 * 1024


class McDropout:
    """Predicts with `passes` Monte Carlo dropout passes per image.

    Args:
        model: a built functional or Sequential Keras model with one output, compiled or not.
            Its dropout layers (Dropout, SpatialDropout, AlphaDropout, GaussianDropout of rate
            above 0) are switched on; without any, all passes are the same.
        passes: number of passes, at least 1.
        seed: same seed, same image, same masks: whatever the batch, order or number of passes.
        jit: compile the mask arithmetic with XLA. Same masks either way; False is slower.

    ScreeningError: a model that cannot be cut (screening.predict.prefix.cut) or several outputs.
    """

    def __init__(
        self, model: keras.Model, passes: int = 100, seed: int = 0, jit: bool = True
    ) -> None:
        if passes < 1:
            raise ScreeningError(f"passes must be at least 1, received {passes}")
        self.model = model
        self.passes = passes
        self.seed = seed
        self.jit = jit
        self.cut = cut(model)
        if len(self.cut.outputs) != 1:
            raise ScreeningError(
                f"model {model.name!r} has {len(self.cut.outputs)} outputs, expected one"
            )
        self._fused = _fused_means(self.cut)
        images = [
            tf.TensorSpec(self.cut.shapes[slot], keras_input.dtype)
            for slot, keras_input in zip(self.cut.inputs, model.inputs, strict=True)
        ]
        streams = tf.TensorSpec((None, len(self.cut.sites)), tf.uint64)
        # One trace for every batch size: the last, smaller batch costs no retracing.
        self._run = tf.function(self._predict, input_signature=[images, streams], autograph=False)

    def predict(self, images: Any, keys: Sequence[int | str | bytes] | None = None) -> np.ndarray:
        """Return p of a batch, float32 (b, passes), or (b, passes, classes) for many outputs.

        `images`: (b, h, w, c) as the model takes them, or a sequence of such for several inputs.
        `keys`: one per image, the identity its masks hang on (a content hash of the file); by
        default the hash of the image's own values. ScreeningError: wrong number of keys.
        """
        return self.predict_with_features(images, keys)[0]

    def predict_with_features(
        self, images: Any, keys: Sequence[int | str | bytes] | None = None
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Return what `predict` does, and what the head reads of each image, the same in every
        pass: arrays (b, ...)."""
        several = isinstance(images, list | tuple)
        arrays = [tf.convert_to_tensor(a) for a in (images if several else [images])]
        count = len(arrays[0])
        if keys is None:
            keys = content_keys(arrays)
        if len(keys) != count:
            raise ScreeningError(f"expected one key per image, {count}; received {len(keys)}")
        if count == 0:
            return np.zeros((0, self.passes), np.float32), ()
        streams = stream_keys(self.seed, keys, self.cut.sites)
        arrays = [tf.cast(a, t.dtype) for a, t in zip(arrays, self.model.inputs, strict=True)]
        said, crossing = self._run(arrays, tf.constant(streams))
        p, features = said.numpy(), tuple(each.numpy() for each in crossing)
        return (p[..., 0] if p.ndim == 3 and p.shape[-1] == 1 else p), features

    def _predict(
        self, images: list[tf.Tensor], streams: tf.Tensor
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        crossing = self.cut.run_prefix(images)
        if not self.cut.head:
            p = tf.cast(crossing[0], tf.float32)
            return tf.repeat(p[:, None], self.passes, axis=1), crossing
        p = tf.map_fn(
            lambda image: self._passes(image[:-1], image[-1]),
            (*crossing, streams),
            fn_output_signature=tf.float32,
        )
        return p, crossing

    def _passes(self, crossing: tuple[tf.Tensor, ...], streams: tf.Tensor) -> tf.Tensor:
        """All passes of one image, in equal chunks that keep the largest tensor small."""
        largest = max(
            math.prod(side or 1 for side in self.cut.shapes[slot][1:])
            for step in self.cut.head
            if step not in self._fused
            for slot in step.outputs
        )
        chunks = math.ceil(self.passes / max(1, CHUNK_ELEMENTS // largest))
        size = math.ceil(self.passes / chunks)
        if chunks == 1:
            return self._head(crossing, streams, tf.constant(0), size)
        p = tf.map_fn(
            lambda chunk: self._head(crossing, streams, chunk * size, size),
            tf.range(chunks),
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )
        return tf.reshape(p, (chunks * size, *p.shape[2:]))[: self.passes]

    def _head(
        self, crossing: tuple[tf.Tensor, ...], streams: tf.Tensor, start: tf.Tensor, count: int
    ) -> tf.Tensor:
        """(count, ...) float32: passes start ... start + count - 1 of one image."""
        once = dict(zip(self.cut.crossing, crossing, strict=True))
        values = _Repeated(once, count)
        sites = self.cut.sites
        skip: set[int] = set()
        for step in self.cut.head:
            if step.outputs[0] in skip:
                continue
            if not step.site:
                step.run(values)
                continue
            source = next(iter(step.inputs.values()))
            key = streams[sites.index(step.site)]
            mean = self._fused.get(step)
            if mean is not None:
                values[mean.outputs[0]] = self._mean(step, mean, once[source], key, start, count)
                skip.add(mean.outputs[0])
            else:
                x = once[source] if source in once else values[source]
                noisy = self._drop(step.operation, x, source in once, key, start, count)
                values[step.outputs[0]] = noisy
        return tf.cast(values[self.cut.outputs[0]], tf.float32)

    def _drop(
        self, layer: Any, x: tf.Tensor, same: bool, key: tf.Tensor, start: tf.Tensor, count: int
    ) -> tf.Tensor:
        """Dropout of x: one image's tensor when `same`, else already one row per pass."""
        shape = tuple(x.shape if same else x.shape[1:])
        x = x[None] if same else x

        def noisy(x: tf.Tensor, key: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
            return masks.apply(layer, x, masks.sample(layer, shape, key, start, count))

        # XLA has its own normal distribution: GaussianDropout would differ from the plain way.
        gaussian = isinstance(layer, keras.layers.GaussianDropout)
        return self._compiled(noisy, wanted=not gaussian)(x, key, start)

    def _mean(
        self, drop: Step, mean: Step, x: tf.Tensor, key: tf.Tensor, start: tf.Tensor, count: int
    ) -> tf.Tensor:
        """Dropout and the GlobalAveragePooling2D behind it in one: exact, as both are linear."""
        layer = drop.operation
        layout = masks.TensorLayout(tuple(x.shape), 1 - layer.rate)
        means = self._compiled(
            lambda x, key, start: layout.masked_mean(x, key, start, count), wanted=True
        )(x, key, start)
        pooled = means * masks.scale(layer)
        if mean.operation.keepdims:
            pooled = pooled[:, None, None]
        return tf.cast(pooled, mean.operation.compute_dtype)

    def _compiled(self, function: Callable[..., tf.Tensor], wanted: bool) -> Callable:
        return (
            tf.function(function, jit_compile=True, autograph=False)
            if wanted and self.jit
            else function
        )


class _Repeated(dict):
    """Slot values of the head; what comes from the prefix is repeated per pass when asked for."""

    def __init__(self, once: dict[int, tf.Tensor], count: int) -> None:
        super().__init__()
        self.once = once
        self.count = count

    def __missing__(self, slot: int) -> tf.Tensor:
        self[slot] = tf.repeat(self.once[slot][None], self.count, axis=0)
        return self[slot]


def content_keys(arrays: Sequence[tf.Tensor]) -> list[str]:
    """Return one sha256 per image of its values (all inputs of the model together)."""
    columns = [np.ascontiguousarray(a) for a in arrays]
    return [
        hashlib.sha256(b"".join(c[row].tobytes() for c in columns)).hexdigest()
        for row in range(len(columns[0]))
    ]


def _fused_means(parts: Cut) -> dict[Step, Step]:
    """Dropout step -> the GlobalAveragePooling2D step that alone reads it, where they can fuse.

    They can when the dropout reads the prefix (the same features in every pass) with a full mask.
    """
    pairs: dict[Step, Step] = {}
    for step in parts.head:
        plain = type(step.operation) is keras.layers.Dropout and step.operation.noise_shape is None
        if not (step.site and plain) or step.outputs[0] in parts.outputs:
            continue
        readers = [s for s in parts.head if step.outputs[0] in s.inputs.values()]
        source = next(iter(step.inputs.values()))
        if (
            len(readers) == 1
            and isinstance(readers[0].operation, keras.layers.GlobalAveragePooling2D)
            and readers[0].operation.data_format == "channels_last"
            and source in parts.crossing
        ):
            pairs[step] = readers[0]
    return pairs

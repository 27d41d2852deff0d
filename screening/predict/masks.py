"""The noise of `coins` drawn by TensorFlow, and what each kind of dropout layer does with it."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from screening.errors import ScreeningError
from screening.predict.coins import Layout

_PHILOX = 1
_ALPHA_PRIME = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


class TensorLayout(Layout):
    """A layout whose coins TensorFlow draws: the same as those of `coins`."""

    def coins(self, key: tf.Tensor, start: tf.Tensor, count: int) -> tf.Tensor:
        """Return uint32 (count, width): the coins of passes start ... start + count - 1."""
        (m, k), per_word, words, steps = self.odds, self.per_word, self.words, self.steps
        counter = tf.stack([tf.cast(start, tf.uint64) * tf.constant(steps, tf.uint64), 0])
        drawn = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[count, 4 * steps], key=key[None], counter=counter, alg=_PHILOX, dtype=tf.uint32
        )
        drawn = tf.reshape(drawn[:, : words * self.width], (count, words, self.width))
        coins = drawn[:, 0]
        for plane in range(1, k):
            shift = tf.constant(plane % per_word * self.bits, tf.uint32)
            word = tf.bitwise.right_shift(drawn[:, plane // per_word], shift)
            # Reading m from its last digit: each coin tossed halves the odds (AND) or halves
            # the odds against (OR).
            combine = tf.bitwise.bitwise_or if m >> plane & 1 else tf.bitwise.bitwise_and
            coins = combine(coins, word)
        return coins

    def mask(self, key: tf.Tensor, start: tf.Tensor, count: int) -> tf.Tensor:
        """Return bool (count, *shape): True where a unit is kept."""
        coins = self.coins(key, start, count)
        shifts = tf.constant(np.arange(self.bits), tf.uint32)[:, None]
        kept = tf.bitwise.bitwise_and(tf.bitwise.right_shift(coins[:, None], shifts), 1) > 0
        kept = tf.reshape(kept, (count, self.bits * self.groups, self.channels))
        return tf.reshape(kept[:, : self.positions], (count, *self.shape))

    def masked_mean(
        self, features: tf.Tensor, key: tf.Tensor, start: tf.Tensor, count: int
    ) -> tf.Tensor:
        """Return the mean over positions of mask * features, float32 (count, channels).

        Equal to averaging `features` (*shape) under each mask; the sum runs over bits of words
        that stay in registers, so no array of count * positions * channels is ever written.
        """
        coins = self.coins(key, start, count)
        flat = tf.reshape(tf.cast(features, tf.float32), (self.positions, self.channels))
        spare = self.bits * self.groups - self.positions
        flat = tf.reshape(tf.pad(flat, [[0, spare], [0, 0]]), (self.bits, self.width))
        total = tf.zeros((count, self.width))
        for bit in range(self.bits):
            kept = tf.bitwise.bitwise_and(coins, tf.constant(1 << bit, tf.uint32)) > 0
            total += tf.where(kept, flat[bit], 0.0)
        total = tf.reduce_sum(tf.reshape(total, (count, self.groups, self.channels)), axis=1)
        return total / self.positions


def noise_shape(layer: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of one image's noise for an input of `shape` (without the batch axis)."""
    spatial = {
        keras.layers.SpatialDropout1D: 1,
        keras.layers.SpatialDropout2D: 2,
        keras.layers.SpatialDropout3D: 3,
    }
    for kind, axes in spatial.items():
        if isinstance(layer, kind):
            if getattr(layer, "data_format", "channels_last") == "channels_first":
                return (shape[0],) + (1,) * axes
            return (1,) * axes + (shape[-1],)
    given = getattr(layer, "noise_shape", None)
    if given is None:
        return shape
    if given[0] is not None:
        raise ScreeningError(
            f"layer {layer.name} shares one mask between the images of a batch (noise_shape "
            f"{given}), so results would depend on batch-mates: use None as its first entry"
        )
    return tuple(
        own if own is not None else side for own, side in zip(given[1:], shape, strict=True)
    )


def sample(
    layer: Any, shape: tuple[int, ...], key: tf.Tensor, start: tf.Tensor, count: int
) -> tf.Tensor:
    """Return (count, *noise_shape): kept units as bool, or GaussianDropout's factors as float32."""
    own = noise_shape(layer, shape)
    if isinstance(layer, keras.layers.GaussianDropout):
        size = math.prod(own)
        steps = -(-size // 4)
        counter = tf.stack([tf.cast(start, tf.uint64) * tf.constant(steps, tf.uint64), 0])
        normal = tf.raw_ops.StatelessRandomNormalV2(
            shape=[count, 4 * steps], key=key[None], counter=counter, alg=_PHILOX
        )
        spread = math.sqrt(layer.rate / (1 - layer.rate))
        return 1 + spread * tf.reshape(normal[:, :size], (count, *own))
    return TensorLayout(own, 1 - layer.rate).mask(key, start, count)


def apply(layer: Any, x: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Return `x` after dropout with this noise: what `layer` does in training, masks given."""
    if isinstance(layer, keras.layers.GaussianDropout):
        return x * tf.cast(noise, x.dtype)
    if isinstance(layer, keras.layers.AlphaDropout):
        rate = layer.rate
        a = ((1 - rate) * (1 + rate * _ALPHA_PRIME**2)) ** -0.5
        b = -a * _ALPHA_PRIME * rate
        return a * tf.where(noise, x, tf.cast(_ALPHA_PRIME, x.dtype)) + tf.cast(b, x.dtype)
    return tf.where(noise, x * tf.cast(scale(layer), x.dtype), tf.zeros((), x.dtype))


def scale(layer: Any) -> float:
    """Return what kept units are multiplied with; 0 for a rate of 1, which keeps nothing."""
    return 1 / (1 - layer.rate) if layer.rate < 1 else 0.0

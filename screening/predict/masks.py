"""Dropout noise that depends on (seed, image key, dropout call, pass) and on nothing else.

Masks are made 32 at a time: bit j of a random word is the coin of position j of a channel. A keep
probability m / 2^k is made of k random words combined by AND and OR (k = 1 for rate 0.5, at most
16: rates are rounded to 1/65536). The words come from TensorFlow's Philox generator; pass t starts
at a fixed place of its stream, so neither batch size, order, nor the number of passes matter.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from screening.errors import ScreeningError

RATE_BITS = 16
_PHILOX = 1
_ALPHA_PRIME = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


def stream_keys(seed: int, keys: Sequence[int | str | bytes], sites: Sequence[str]) -> np.ndarray:
    """Return uint64 (images, sites): the Philox key of every image and dropout call."""
    table = np.empty((len(keys), len(sites)), np.uint64)
    for row, key in enumerate(keys):
        for column, site in enumerate(sites):
            text = repr((int(seed), key if isinstance(key, str | bytes) else int(key), site))
            digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
            table[row, column] = int.from_bytes(digest, "little")
    return table


@dataclass(frozen=True)
class Layout:
    """Where the coins of a mask of shape (..., channels) lie in the words of one pass.

    Position s = bit * groups + group of channel c is that bit of word group * channels + c.
    `planes` words are combined into the coin; several planes share a word where bits are free.
    """

    shape: tuple[int, ...]
    keep: float

    @property
    def channels(self) -> int:
        """Return the number of units at one position."""
        return self.shape[-1] if self.shape else 1

    @property
    def positions(self) -> int:
        """Return the number of positions, the product of all axes but the last."""
        return math.prod(self.shape[:-1])

    @property
    def groups(self) -> int:
        """Return how many words of 32 bits hold one channel's positions."""
        return -(-self.positions // 32)

    @property
    def bits(self) -> int:
        """Return how many bits of each word are used, 1 to 32."""
        return -(-self.positions // self.groups)

    @property
    def width(self) -> int:
        """Return the number of words that hold all units."""
        return self.groups * self.channels

    @property
    def odds(self) -> tuple[int, int]:
        """Return (m, k) with m odd and m / 2^k the keep probability, never 0 or 1."""
        m = min(max(round(self.keep * 2**RATE_BITS), 1), 2**RATE_BITS - 1)
        k = RATE_BITS
        while m % 2 == 0:
            m, k = m // 2, k - 1
        return m, k

    def coins(self, key: tf.Tensor, start: tf.Tensor, count: int) -> tf.Tensor:
        """Return uint32 (count, width): the coins of passes start ... start + count - 1."""
        m, k = self.odds
        per_word = 32 // self.bits
        words = -(-k // per_word)
        # Philox makes four words at a step: whole steps per pass let any pass be found again.
        steps = -(-words * self.width // 4)
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
    return Layout(own, 1 - layer.rate).mask(key, start, count)


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

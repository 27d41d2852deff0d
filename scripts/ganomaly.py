"""A small CS-GANomaly: finds what is unlike normal chromosomes; a baseline, not in the product.

GANomaly (Akcay et al. 2018) encodes a picture, decodes and encodes it again; of what it was not
taught the two codes differ. CS-GANomaly (Li et al. 2020) gives the discriminator a second head,
for 24 classes and "abnormal", which shares its layers and makes the detection supervised.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from scipy.special import logsumexp

from screening.classes import CHROMOSOMES

SIZE = (64, 32)
"""Height and width of a picture: a chromosome straightened, in one tone, ink 0–255."""
ABNORMAL = len(CHROMOSOMES)
"""Index of the 25th class."""
_WIDTHS = (16, 24, 48, 64)
_CODE, _BATCH = 64, 64
_ADVERSARIAL, _CONTENT, _ENCODING = 1.0, 50.0, 1.0  # of the losses, as published


def _down(x: keras.KerasTensor) -> keras.KerasTensor:
    for width in _WIDTHS:
        x = layers.Conv2D(width, 4, 2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(layers.GroupNormalization(8)(x))
    return x


def encoder() -> keras.Model:
    """Return the network from a picture (b, 64, 32, 1) 0–1 to its code (b, 64)."""
    picture = keras.Input((*SIZE, 1))
    return keras.Model(picture, layers.Dense(_CODE)(layers.Flatten()(_down(picture))))


def decoder() -> keras.Model:
    """Return the network from a code and a class, one of 24 (b, 24), to a picture."""
    code, name = keras.Input((_CODE,)), keras.Input((ABNORMAL,))
    low = tuple(side // 2 ** len(_WIDTHS) for side in SIZE)
    x = layers.Dense(low[0] * low[1] * _WIDTHS[-1])(layers.Concatenate()([code, name]))
    x = layers.Reshape((*low, _WIDTHS[-1]))(x)
    for width in _WIDTHS[-2::-1]:
        x = layers.Conv2DTranspose(width, 4, 2, padding="same")(x)
        x = layers.ReLU()(layers.GroupNormalization(8)(x))
    x = layers.Conv2DTranspose(1, 4, 2, padding="same", activation="sigmoid")(x)
    return keras.Model([code, name], x)


def discriminator() -> keras.Model:
    """Return the network that tells real from made (b, 1) and 25 classes (b, 25), as logits, and
    the features (b, 512) by which it does."""
    picture = keras.Input((*SIZE, 1))
    features = layers.Flatten()(_down(picture))
    apart = layers.Dropout(0.3)(features)
    heads = layers.Dense(1)(features), layers.Dense(ABNORMAL + 1)(apart)
    return keras.Model(picture, [*heads, features])


@dataclass(frozen=True)
class Ganomaly:
    """The four networks: picture to code, code to picture, picture to code again, and critic."""

    first: keras.Model
    back: keras.Model
    second: keras.Model
    critic: keras.Model

    @classmethod
    def new(cls, seed: int) -> Ganomaly:
        """Return one that is not taught."""
        keras.utils.set_random_seed(seed)
        return cls(encoder(), decoder(), encoder(), discriminator())

    @property
    def parameters(self) -> int:
        """Return how many parameters there are in all."""
        return sum(m.count_params() for m in (self.first, self.back, self.second, self.critic))

    def fit(self, images: np.ndarray, labels: np.ndarray, steps: int, seed: int) -> float:
        """Teach pictures uint8 (n, 64, 32) of `labels` (n,) 0–24 and return the seconds of a
        processor. ABNORMAL ones teach the critic's classes alone, neither encoded nor real."""
        rng, clock = np.random.default_rng(seed), time.process_time()
        rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
        made, told = (keras.optimizers.Adam(rate, beta_1=0.5) for _ in range(2))
        generator = [w for m in (self.first, self.back, self.second) for w in m.trainable_variables]
        critic = self.critic.trainable_variables
        made.build(generator)
        told.build(critic)
        classify = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        binary = keras.losses.BinaryCrossentropy(from_logits=True)

        @tf.function
        def step(real: tf.Tensor, label: tf.Tensor) -> None:
            normal = tf.cast(label < ABNORMAL, tf.float32)[:, None]
            with tf.GradientTape() as g, tf.GradientTape() as d:
                code = self.first(real, training=True)
                again = self.back([code, tf.one_hot(label, ABNORMAL)], training=True)
                says, names, features = self.critic(real, training=True)
                fake, _, like = self.critic(again, training=True)
                matched = tf.reduce_mean(normal * (like - tf.stop_gradient(features)) ** 2)
                content = tf.reduce_mean(normal[..., None, None] * tf.abs(real - again))
                coded = tf.reduce_mean(normal * (code - self.second(again, training=True)) ** 2)
                loss = _ADVERSARIAL * matched + _CONTENT * content + _ENCODING * coded
                judged = binary(tf.ones_like(says), says, normal[:, 0])
                judged += binary(tf.zeros_like(fake), fake, normal[:, 0])
                judged += classify(label, names)
            made.apply_gradients(zip(g.gradient(loss, generator), generator, strict=True))
            told.apply_gradients(zip(d.gradient(judged, critic), critic, strict=True))

        for _ in range(steps):
            at = rng.integers(len(images), size=_BATCH)
            shown = images[at].astype(np.float32) / 255
            turned = rng.random(_BATCH) < 0.5
            shown[turned] = shown[turned][..., ::-1]
            step(shown[..., None], labels[at].astype(np.int32))
        return time.process_time() - clock

    def scores(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return of pictures (n, 64, 32), classes unknown: "latent" and "reconstruction" distance
        and the log-odds of "abnormal" (n,), the higher the less normal, and the index of the
        "likeliest" of the 24 classes (n,)."""
        parts = []
        for first in range(0, len(images), 256):
            real = images[first : first + 256, ..., None].astype(np.float32) / 255
            logits = keras.ops.convert_to_numpy(self.critic(real, training=False)[1])
            code = self.first(real, training=False)
            likeliest = logits[:, :ABNORMAL].argmax(1)
            named = keras.ops.one_hot(likeliest, ABNORMAL)
            again = self.back([code, named], training=False)
            apart = code - self.second(again, training=False)
            parts.append((
                keras.ops.convert_to_numpy(keras.ops.mean(apart**2, 1)),
                np.abs(real - keras.ops.convert_to_numpy(again)).mean((1, 2, 3)),
                logits[:, ABNORMAL] - logsumexp(logits[:, :ABNORMAL], 1),
                likeliest,
            ))  # fmt: skip
        joined = (np.concatenate(each) for each in zip(*parts, strict=True))
        names = ("latent", "reconstruction", "abnormal", "likeliest")
        return dict(zip(names, joined, strict=True))

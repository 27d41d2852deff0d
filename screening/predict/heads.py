"""A screener in two steps: the base once, then the passes of its head or of an ensemble of heads.

An ensemble's members are heads trained apart on the same features (deep ensembles,
Lakshminarayanan et al. 2017; snapshots of one training, Huang et al. 2017; see `train.ensemble`).
Each takes its share of the dropout passes, so that votes, spread and mutual information are taken
over members and passes together, with the number of columns that was asked for. A description of
the picture's texture comes out beside them: it tells whether a picture is like those that trained
the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from screening.models.screener import head_of, traced_base_of
from screening.predict.mc_dropout import McDropout, McResult, content_keys

_FLOOR = 1e-3
"""Added before the logarithm: what is below it is silence."""
MEMBERS = "members"
"""Name of the bundle's part that holds an ensemble: the base's last map in, (b, members) out."""


class SplitScreener:
    """Predicts like `McDropout`, with the heads of `members` (None: the screener's own).

    Args:
        screener: as `models.screener.build_screener` makes it.
        members: a model from the base's last map to one p(abnormal) for each member.
        passes: columns of p; the members take turns in them.
        seed: as in `McDropout`.
    """

    def __init__(
        self,
        screener: keras.Model,
        members: keras.Model | None = None,
        passes: int = 100,
        seed: int = 0,
    ) -> None:
        self.passes = passes
        self.members = 1 if members is None else int(members.output_shape[-1])
        each = math.ceil(passes / self.members)
        self._heads = McDropout(head_of(screener) if members is None else members, each, seed)
        self._run = described(screener)

    def predict(
        self, images: Any, keys: Sequence[int | str | bytes] | None = None
    ) -> tuple[McResult, np.ndarray]:
        """The McResult of a batch, and its texture, float32 (b, d), see `described`."""
        images = tf.convert_to_tensor(images, tf.float32)
        if keys is None:
            keys = content_keys([images])
        maps, texture = self._run(images)
        p = self._heads.predict(maps, keys).p
        # Pass by pass, all members: the first columns hold each member equally often.
        p = p.reshape(len(p), -1)[:, : self.passes]
        return McResult(p), texture.numpy()


def described(screener: keras.Model) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Return a function from images (b, h, w, 3) to the base's last map and the texture.

    The texture, float32 (b, d): logarithms of mean and spread of each channel after the base's
    first poolings.
    """
    base = traced_base_of(screener)

    @tf.function(autograph=False)
    def run(images: tf.Tensor) -> tf.Tensor:
        maps, *pools = base(images, training=False)
        values = []
        for pool in pools:
            mean, variance = tf.nn.moments(tf.cast(pool, tf.float32), axes=(1, 2))
            values += [tf.math.log(mean + _FLOOR), tf.math.log(tf.sqrt(variance) + _FLOOR)]
        return tf.cast(maps, tf.float32), tf.concat(values, axis=1)

    return run

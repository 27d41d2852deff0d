"""A screener in two steps: the base once, then the passes of its head or of an ensemble of heads.

An ensemble's members are heads trained apart on the same features (deep ensembles,
Lakshminarayanan et al. 2017; snapshots of one training, Huang et al. 2017; see `train.ensemble`).
Each takes its share of the dropout passes, so that votes, spread and mutual information are taken
over members and passes together, with the number of columns that was asked for. The base's features
come out beside them: they tell whether a picture is like those that trained it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from screening.models.screener import base_of, head_of
from screening.predict.mc_dropout import McDropout, McResult, content_keys

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
        self._base = base_of(screener)
        each = math.ceil(passes / self.members)
        self._heads = McDropout(head_of(screener) if members is None else members, each, seed)
        self._run = tf.function(lambda images: self._base(images, training=False), autograph=False)

    def predict(
        self, images: Any, keys: Sequence[int | str | bytes] | None = None
    ) -> tuple[McResult, np.ndarray]:
        """The McResult of a batch, and its features: float32 (b, channels), means of the map."""
        images = tf.convert_to_tensor(images, tf.float32)
        if keys is None:
            keys = content_keys([images])
        maps = tf.cast(self._run(images), tf.float32)
        p = self._heads.predict(maps, keys).p
        # Pass by pass, all members: the first columns hold each member equally often.
        p = p.reshape(len(p), -1)[:, : self.passes]
        return McResult(p), tf.reduce_mean(maps, axis=(1, 2)).numpy()

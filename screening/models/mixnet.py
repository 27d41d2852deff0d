"""MixNet (Lin et al. 2020): ResNeXt under a head of its own, which is trained first.

The review of Luo & Zhao (2023) counts nine layers of head and names none; these are the nine of
fastai's head, the last two of them in `network.build_network`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import keras
from keras import layers, ops

from screening.models.residual import WIDTHS, bottleneck, residual_network


def mixnet(
    x: keras.KerasTensor,
    depths: Sequence[int] = (3, 4, 23, 3),
    widths: Sequence[int] = WIDTHS,
    groups: int = 32,
    width: int = 8,
    units: int = 512,
) -> keras.KerasTensor:
    """Return (b, 1, 1, units): mean and maximum of the last map through a dense layer."""
    block = partial(bottleneck, groups=groups, width=width)
    x = residual_network(x, block, depths, widths=widths)
    x = layers.Concatenate(name="mean_and_maximum")(
        [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    )
    x = layers.Dropout(0.25, name="head_dropout")(layers.BatchNormalization(name="head_norm0")(x))
    x = layers.Dense(units, "relu", name="head")(x)
    x = layers.BatchNormalization(name="head_norm1")(x)
    return ops.reshape(x, (-1, 1, 1, units))


BODIES = {"mixnet": mixnet}

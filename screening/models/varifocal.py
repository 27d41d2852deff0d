"""A global and a local network in the manner of Varifocal-Net (Qin et al. 2019).

One residual network sees the whole picture and says where to look; what it chose, enlarged, goes
through another one; both together classify. The zoom is linear interpolation, through which the
loss teaches where to look.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from screening.models.residual import WIDTHS, basic, residual_network

SMALLEST = 0.5
"""Side of the smallest part against the picture's."""


def varifocal(
    x: keras.KerasTensor,
    depths: Sequence[int] = (2, 2, 2, 2),
    widths: Sequence[int] = WIDTHS,
) -> keras.KerasTensor:
    """Return (b, h / 32, w / 32, 2 · widths[-1]): the last maps of both, side by side."""
    whole = residual_network(x, basic, depths, 1, widths=widths, prefix="whole_")
    seen = layers.GlobalAveragePooling2D(name="whole_mean")(whole)
    # float32 whatever the policy: pixels are counted with it.
    three = layers.Dense(3, "sigmoid", dtype="float32", name="where")(seen)
    side = SMALLEST + (1 - SMALLEST) * three[:, 2:]
    corner = three[:, :2] * (1 - side)
    part = zoomed(ops.cast(x, "float32"), corner, side)
    local = residual_network(part, basic, depths, 1, widths=widths, prefix="local_")
    return layers.Concatenate(name="joined")([whole, local])


def zoomed(
    x: keras.KerasTensor, corner: keras.KerasTensor, side: keras.KerasTensor
) -> keras.KerasTensor:
    """Return the part of each picture (b, h, w, c) in the size of the whole.

    `corner` (b, 2): its upper left, down and right, `side` (b, 1): both as shares of the picture,
    of which no part may lie outside.
    """
    _, rows, columns, channels = x.shape
    x = ops.reshape(x, (-1, rows, columns * channels))
    x = ops.matmul(_taken(corner[:, :1], side, rows), x)
    x = ops.swapaxes(ops.reshape(x, (-1, rows, columns, channels)), 1, 2)
    x = ops.reshape(x, (-1, columns, rows * channels))
    x = ops.matmul(_taken(corner[:, 1:], side, columns), x)
    return ops.swapaxes(ops.reshape(x, (-1, columns, rows, channels)), 1, 2)


def _taken(corner: keras.KerasTensor, side: keras.KerasTensor, length: int) -> keras.KerasTensor:
    """(b, n, n): how much of each old pixel of a direction is in each new one."""
    steps = np.linspace(0, 1, length, dtype="float32")[None]
    places = (corner + side * steps) * (length - 1)
    apart = places[:, :, None] - np.arange(length, dtype="float32")[None, None]
    return ops.relu(1 - ops.abs(apart))


BODIES = {"varifocal": varifocal}

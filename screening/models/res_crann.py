"""Res-CRANN (Sharma, Swati and Vig 2018): a chromosome read from its top to its bottom.

ResNet-50's last map, row by row, goes through a recurrent layer with attention, as a text would.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops

from screening.models.residual import WIDTHS, bottleneck, residual_network


def res_crann(
    x: keras.KerasTensor,
    depths: Sequence[int] = (3, 4, 6, 3),
    widths: Sequence[int] = WIDTHS,
    units: int = 128,
) -> keras.KerasTensor:
    """Return (b, 1, 1, units): the rows of the last map, weighed by where to look."""
    x = residual_network(x, bottleneck, depths, widths=widths)
    _, rows, columns, channels = x.shape
    x = ops.reshape(x, (-1, rows, columns * channels))
    x = layers.LSTM(units, return_sequences=True, unroll=True, name="rows")(x)
    weights = ops.softmax(layers.Dense(1, "tanh", name="where")(x), axis=1)
    return ops.reshape(ops.sum(weights * x, axis=1), (-1, 1, 1, units))


BODIES = {"res_crann": res_crann}

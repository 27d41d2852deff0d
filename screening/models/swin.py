"""Swin transformers (Liu et al. 2021): attention in windows of 7×7, every second time shifted.

Maps that are no multiple of the window are padded, as in torchvision: the parameters are the same
at every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import keras
import numpy as np
from keras import layers, ops

from screening.models.windows import (
    FAR,
    attention,
    dense_layers,
    in_windows,
    out_of_windows,
    padded,
)


def swin(
    x: keras.KerasTensor,
    width: int,
    heads: Sequence[int],
    depths: Sequence[int] = (2, 2, 18, 2),
    window: int = 7,
) -> keras.KerasTensor:
    """Return the last map (b, h / 32, w / 32, 8 · width) of four stages of `depths` blocks."""
    x = layers.Conv2D(width, 4, 4, "same", name="patches")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="patches_norm")(x)
    for stage, (depth, many) in enumerate(zip(depths, heads, strict=True), 1):
        if stage > 1:
            x = _merged(x, f"s{stage}_merge")
        # Of the stage's own map, not of the picture: progressive unfreezing cuts between stages.
        zero = ops.cast(ops.zeros_like(x[:1, 0, 0, :1]), "int32")
        for number in range(depth):
            shift = window // 2 if number % 2 else 0
            x = _block(x, zero, many, window, shift, f"s{stage}b{number}")
    return layers.LayerNormalization(epsilon=1e-5, name="norm")(x)


def _merged(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Half the size and twice the channels: each 2×2 tokens become one."""
    x = padded(x, 2)
    four = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    joined = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(ops.concatenate(four, -1))
    return layers.Dense(2 * x.shape[-1], use_bias=False, name=name)(joined)


def _block(
    x: keras.KerasTensor, zero: keras.KerasTensor, heads: int, window: int, shift: int, name: str
) -> keras.KerasTensor:
    rows, columns = x.shape[1:3]
    y = padded(layers.LayerNormalization(epsilon=1e-5, name=f"{name}_attend_norm")(x), window)
    high, wide = y.shape[1:3]
    # A direction with one window has nothing to shift into.
    by = (shift if high > window else 0, shift if wide > window else 0)
    places = layers.Embedding((2 * window - 1) ** 2, heads, name=f"{name}_places")
    added = places(zero + relative_places(window).reshape(1, -1))
    added = ops.reshape(ops.transpose(added, (0, 2, 1)), (-1, 1, heads, window**2, window**2))
    if any(by):
        y = ops.roll(y, (-by[0], -by[1]), (1, 2))
        regions = zero[:, :, None] + regions_of(high, wide, window, by)[None]
        apart = ops.not_equal(regions[:, :, None, :, None], regions[:, :, None, None])
        added = added + FAR * ops.cast(apart, added.dtype)
    y = out_of_windows(attention(in_windows(y, window), heads, f"{name}_attend", added),
                       window, high, wide)  # fmt: skip
    if any(by):
        y = ops.roll(y, by, (1, 2))
    return dense_layers(x + y[:, :rows, :columns], name)


def relative_places(window: int) -> np.ndarray:
    """Return (window², window²) int32: which of the (2 · window − 1)² relative places two tokens
    of a window have."""
    at = np.stack(np.divmod(np.arange(window**2), window), -1)
    down, right = np.moveaxis(at[:, None] - at[None] + window - 1, -1, 0)
    return (down * (2 * window - 1) + right).astype("int32")


def regions_of(high: int, wide: int, window: int, shift: tuple[int, int]) -> np.ndarray:
    """Return (windows, window²) int32: the part of the map that each token came from before the
    shift; only tokens of one part were neighbours."""

    def along(length: int, by: int) -> np.ndarray:
        place = np.arange(length)
        # All of a direction that is not shifted is one part.
        return (place >= length - window) * 1 + (place >= length - by) if by else place * 0

    parts = along(high, shift[0])[:, None] * 3 + along(wide, shift[1])
    parts = parts.reshape(high // window, window, wide // window, window).swapaxes(1, 2)
    return parts.reshape(-1, window**2).astype("int32")


BODIES = {
    "swin_s": partial(swin, width=96, heads=(3, 6, 12, 24)),
    "swin_l": partial(swin, width=192, heads=(6, 12, 24, 48)),
}

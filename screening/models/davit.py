"""DaViT (Ding et al. 2022): attention among the tokens of a window and among the channels, in turn.

After the published description and its sizes in timm. The last norm stands before the mean of the
map, not behind it: a map can be the base of everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import keras
from keras import layers, ops

from screening.models.windows import (
    attention,
    dense_layers,
    in_windows,
    joined,
    out_of_windows,
    padded,
    queries_keys_values,
)

Attend = Callable[..., keras.KerasTensor]
"""(map, heads, name) → a map of the same size."""


def davit(
    x: keras.KerasTensor,
    width: int,
    heads: Sequence[int],
    depths: Sequence[int] = (1, 1, 9, 1),
    window: int = 7,
) -> keras.KerasTensor:
    """Return the last map (b, h / 32, w / 32, 8 · width) of four stages of `depths` pairs."""
    x = layers.Conv2D(width, 7, 4, "same", name="patches")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="patches_norm")(x)
    for stage, (depth, many) in enumerate(zip(depths, heads, strict=True), 1):
        if stage > 1:
            x = layers.LayerNormalization(epsilon=1e-5, name=f"s{stage}_merge_norm")(x)
            x = layers.Conv2D(2 * x.shape[-1], 2, 2, "same", name=f"s{stage}_merge")(x)
        for number in range(depth):
            x = _block(x, partial(_in_windows, window=window), many, f"s{stage}b{number}_spatial")
            x = _block(x, _among_channels, many, f"s{stage}b{number}")
    return layers.LayerNormalization(epsilon=1e-5, name="norm")(x)


def _block(x: keras.KerasTensor, attend: Attend, heads: int, name: str) -> keras.KerasTensor:
    x = _placed(x, f"{name}_place0")
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_attend_norm")(x)
    x = _placed(x + attend(y, heads, name=f"{name}_attend"), f"{name}_place1")
    return dense_layers(x, name)


def _placed(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """A 3×3 convolution of each channel tells where a token is."""
    return x + layers.DepthwiseConv2D(3, padding="same", name=name)(x)


def _in_windows(x: keras.KerasTensor, heads: int, window: int, name: str) -> keras.KerasTensor:
    rows, columns = x.shape[1:3]
    x = padded(x, window)
    high, wide = x.shape[1:3]
    tokens = attention(in_windows(x, window), heads, name)
    return out_of_windows(tokens, window, high, wide)[:, :rows, :columns]


def _among_channels(x: keras.KerasTensor, heads: int, name: str) -> keras.KerasTensor:
    """Attention whose tokens are the channels of a head, over the whole map."""
    rows, columns, width = x.shape[1:]
    tokens = ops.reshape(x, (-1, 1, rows * columns, width))
    queries, keys, values = queries_keys_values(tokens, heads, name)
    scores = ops.matmul(ops.swapaxes(keys * keys.shape[-1] ** -0.5, -1, -2), values)
    seen = ops.matmul(queries, ops.swapaxes(ops.softmax(scores), -1, -2))
    return ops.reshape(joined(seen, name), (-1, rows, columns, width))


BODIES = {
    "davit_s": partial(davit, width=96, heads=(3, 6, 12, 24)),
    "davit_l": partial(davit, width=192, heads=(6, 12, 24, 48)),
}

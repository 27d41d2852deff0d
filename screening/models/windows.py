"""What transformers with windows share: a map parted into windows, attention, dense layers."""

from __future__ import annotations

import keras
from keras import layers, ops

FAR = -100.0
"""Added to the scores of tokens that must not see each other, as Swin does."""


def padded(x: keras.KerasTensor, side: int) -> keras.KerasTensor:
    """Return the map with zeros below and at the right, to whole multiples of `side`."""
    more = [-length % side for length in x.shape[1:3]]
    return ops.pad(x, [[0, 0], [0, more[0]], [0, more[1]], [0, 0]]) if any(more) else x


def in_windows(x: keras.KerasTensor, side: int) -> keras.KerasTensor:
    """Return a map (b, h, w, c), h and w multiples of `side`, as tokens (b, windows, side², c)."""
    high, wide, width = x.shape[1] // side, x.shape[2] // side, x.shape[3]
    x = ops.reshape(x, (-1, high, side, wide, side, width))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, high * wide, side**2, width))


def out_of_windows(x: keras.KerasTensor, side: int, rows: int, columns: int) -> keras.KerasTensor:
    """Return the map (b, rows, columns, c) of the tokens that `in_windows` made."""
    high, wide, width = rows // side, columns // side, x.shape[-1]
    x = ops.reshape(x, (-1, high, wide, side, side, width))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, rows, columns, width))


def queries_keys_values(
    x: keras.KerasTensor, heads: int, name: str
) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
    """Return three times (b, windows, heads, n, c / heads), of tokens (b, windows, n, c)."""
    _, windows, n, width = x.shape
    made = layers.Dense(3 * width, name=f"{name}_qkv")(x)
    parts = (
        ops.transpose(ops.reshape(part, (-1, windows, n, heads, width // heads)), (0, 1, 3, 2, 4))
        for part in ops.split(made, 3, axis=-1)
    )
    queries, keys, values = parts
    return queries, keys, values


def joined(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Return the heads (b, windows, heads, n, c / heads) side by side, through a dense layer."""
    _, windows, heads, n, each = x.shape
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), (-1, windows, n, heads * each))
    return layers.Dense(heads * each, name=f"{name}_out")(x)


def attention(
    x: keras.KerasTensor, heads: int, name: str, added: keras.KerasTensor | None = None
) -> keras.KerasTensor:
    """Return tokens (b, windows, n, c) that saw those of their own window.

    `added`: to the scores (b, windows, heads, n, n) before the softmax, or what broadcasts to that.
    """
    queries, keys, values = queries_keys_values(x, heads, name)
    scores = ops.matmul(queries * queries.shape[-1] ** -0.5, ops.swapaxes(keys, -1, -2))
    if added is not None:
        scores = scores + ops.cast(added, scores.dtype)
    return joined(ops.matmul(ops.softmax(scores), values), name)


def dense_layers(x: keras.KerasTensor, name: str, ratio: int = 4) -> keras.KerasTensor:
    """Return x plus two dense layers of its norm, the first one `ratio` times as wide."""
    width = x.shape[-1]
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    y = layers.Dense(ratio * width, "gelu", name=f"{name}_wide")(y)
    return layers.Add(name=f"{name}_out")([x, layers.Dense(width, name=f"{name}_narrow")(y)])

"""Vision transformers (Dosovitskiy et al. 2021) whose last map is that of the patch tokens."""

from __future__ import annotations

from functools import partial

import keras
from keras import layers, ops


def vision_transformer(
    x: keras.KerasTensor,
    patch: int,
    width: int,
    depth: int,
    heads: int,
    ratio: int = 4,
    bias: bool = True,
) -> keras.KerasTensor:
    """Return (b, h / patch, w / patch, width): what the tokens of the patches became.

    The class token takes part, as published, and is not part of the map: their mean classifies
    as well (Beyer et al. 2022), and a map can be the base of everything else. `ratio`: width of
    the dense layers against the tokens'; `bias`: of the
    attention, that of its output among them.
    """
    x = layers.Conv2D(width, patch, patch, name="patches")(x)
    rows, columns = x.shape[1:3]
    x = ops.reshape(x, (-1, rows * columns, width))
    zero = ops.cast(ops.zeros_like(x[:, :1, 0]), "int32")
    own = layers.Embedding(1, width, name="class_token")(zero)
    x = ops.concatenate([own, x], axis=1)
    places = zero + ops.arange(rows * columns + 1, dtype="int32")[None]
    x = x + layers.Embedding(rows * columns + 1, width, name="position")(places)
    for n in range(depth):
        y = layers.LayerNormalization(epsilon=1e-6, name=f"b{n}_attend_norm")(x)
        attend = layers.MultiHeadAttention(
            heads, width // heads, use_bias=bias, name=f"b{n}_attend"
        )
        x = x + attend(y, y)
        y = layers.LayerNormalization(epsilon=1e-6, name=f"b{n}_norm")(x)
        y = layers.Dense(ratio * width, "gelu", name=f"b{n}_wide")(y)
        y = layers.Dense(width, name=f"b{n}_narrow")(y)
        x = layers.Add(name=f"b{n}_out")([x, y])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    return ops.reshape(x[:, 1:], (-1, rows, columns, width))


BODIES = {
    "vit_lite8": partial(
        vision_transformer, patch=8, width=256, depth=7, heads=4, ratio=2, bias=False
    ),
    "vit_ti16": partial(vision_transformer, patch=16, width=192, depth=12, heads=3),
    "vit_s8": partial(vision_transformer, patch=8, width=384, depth=12, heads=6),
    "vit_b16": partial(vision_transformer, patch=16, width=768, depth=12, heads=12),
    "vit_l16": partial(vision_transformer, patch=16, width=1024, depth=24, heads=16),
    "vit_l14": partial(vision_transformer, patch=14, width=1024, depth=24, heads=16),
}

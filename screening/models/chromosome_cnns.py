"""The small networks that were made for chromosomes: Sharma 2017, Zhang 2018, Hu 2019, Chromenet.

Built from what the review of Luo & Zhao (2023, section 5.2 and figure 5) and the abstract of Hu et
al. say of them: how many blocks, which kernels, where dropout and batch norm stand. Widths are in
none of these texts; `assumed` in the table of networks names what was put in their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import keras
from keras import layers

from screening.models.plain import conv_norm

Convolution = tuple[int, int, int]
"""Width, kernel and stride."""


def blocks_of_convolutions(
    x: keras.KerasTensor,
    blocks: Sequence[Sequence[Convolution]],
    dropout: float = 0.0,
    norm: bool = False,
) -> keras.KerasTensor:
    """Return the last map: convolutions with ReLU, dropout and maximum pooling in each block.

    `dropout`: before each pooling, none where it is 0; `norm`: batch norm behind each convolution.
    """
    for block, convolutions in enumerate(blocks, 1):
        for number, (width, kernel, strides) in enumerate(convolutions):
            name = f"b{block}_conv{number}"
            if norm:
                x = conv_norm(x, width, kernel, name, strides)
            else:
                x = layers.Conv2D(
                    width, kernel, strides, "same", activation="relu",
                    kernel_initializer="he_normal", name=name,
                )(x)  # fmt: skip
        if dropout:
            x = layers.Dropout(dropout, name=f"b{block}_dropout")(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"b{block}_pool")(x)
    return x


BODIES = {
    "sharma2017": partial(
        blocks_of_convolutions, blocks=[[(n, 3, 1)] for n in (32, 64, 128, 256)], dropout=0.25
    ),
    "zhang2018": partial(blocks_of_convolutions, blocks=[[(64, 5, 2)], [(128, 3, 1)]]),
    "hu2019": partial(
        blocks_of_convolutions,
        blocks=[[(n, 3, 1), (n, 5, 1)] for n in (32, 64, 128)],
        dropout=0.25,
    ),
    "chromenet2022": partial(
        blocks_of_convolutions, blocks=[[(n, 3, 1)] for n in (32, 64, 128, 256)], norm=True
    ),
}

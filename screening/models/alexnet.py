"""AlexNet (Krizhevsky et al. 2012) and ANet-c6 (CCEAI 2020), with local response normalisation.

Convolutions 2, 4 and 5 are in two groups, as in the original. ANet-c6 puts a sixth convolution and
a pooling layer behind the fifth; its paper gives no width, the fifth convolution's is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import keras
from keras import layers, ops

_NEIGHBOURS, _ALPHA, _BETA, _BIAS = 5, 1e-4, 0.75, 2.0
"""Of the original: over five channels, k = 2, α = 1e-4, β = 0.75."""


def local_response_norm(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return x / (k + α Σ x²)^β, the sum over the channel and its two neighbours on each side."""
    reach, width = _NEIGHBOURS // 2, x.shape[-1]
    squares = ops.pad(ops.square(x), [[0, 0]] * 3 + [[reach, reach]])
    total = squares[..., :width]
    for shift in range(1, _NEIGHBOURS):
        total = total + squares[..., shift : shift + width]
    return x / ops.power(_BIAS + _ALPHA * total, _BETA)


def alexnet(
    x: keras.KerasTensor,
    widths: Sequence[int] = (96, 256, 384, 384, 256),
    sixth: bool = False,
) -> keras.KerasTensor:
    """Return the last map: (b, 6, 6, 256) of 227 pixels, (b, 3, 3, 256) with `sixth` (ANet-c6)."""

    def conv(
        x: keras.KerasTensor, n: int, size: int, strides: int = 1, groups: int = 1
    ) -> keras.KerasTensor:
        padding = "valid" if strides > 1 else "same"
        return layers.Conv2D(
            widths[min(n, len(widths)) - 1], size, strides, padding, groups=groups,
            activation="relu", kernel_initializer="he_normal", name=f"conv{n}",
        )(x)  # fmt: skip

    for n, size, strides, groups in ((1, 11, 4, 1), (2, 5, 1, 2)):
        x = local_response_norm(conv(x, n, size, strides, groups))
        x = layers.MaxPooling2D(3, 2, name=f"pool{n}")(x)
    for n, groups in ((3, 1), (4, 2), (5, 2)):
        x = conv(x, n, 3, groups=groups)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    if sixth:
        # Padded: what is left of a small picture may be one pixel.
        x = layers.MaxPooling2D(3, 2, "same", name="pool6")(conv(x, 6, 3))
    return x


BODIES = {"alexnet": alexnet, "anet_c6": partial(alexnet, sixth=True)}

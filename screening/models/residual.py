"""The ResNet family without biases in its convolutions, as published: one skeleton, four blocks.

ResNet (He et al. 2016, version 1.5: the 3×3 convolution strides), ResNeXt (Xie et al. 2017),
Res2Net (Gao et al. 2021) and ResNeSt (Zhang et al. 2022). keras.applications has ResNet-50 to 152
with biases, hence with other parameter counts than the papers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import keras
from keras import layers, ops

from screening.models.plain import conv_norm

Block = Callable[[keras.KerasTensor, int, int, bool, str], keras.KerasTensor]
"""(x, planes, strides, whether a stage begins, name) → the residual, before it is added."""
WIDTHS = (64, 128, 256, 512)


def residual_network(
    x: keras.KerasTensor,
    block: Block,
    depths: Sequence[int],
    expansion: int = 4,
    deep: bool = False,
    widths: Sequence[int] = WIDTHS,
    prefix: str = "",
) -> keras.KerasTensor:
    """Return the last map (b, h/32, w/32, `expansion` · widths[-1]).

    `block` makes the residuals, `depths` of them in each stage. `deep`: three 3×3 convolutions as
    stem and shortcuts that average before they convolve, as in ResNeSt. `prefix`: of the layers'
    names, where a model has two of these.
    """
    if deep:
        for number, width in enumerate((widths[0] // 2, widths[0] // 2, widths[0])):
            x = conv_norm(x, width, 3, f"{prefix}stem{number}", strides=1 if number else 2)
    else:
        x = conv_norm(x, widths[0], 7, f"{prefix}stem", strides=2)
    x = layers.MaxPooling2D(3, 2, "same", name=f"{prefix}stem_pool")(x)
    for stage, (planes, depth) in enumerate(zip(widths, depths, strict=True), 1):
        for number in range(depth):
            name, strides = f"{prefix}s{stage}b{number}", 2 if stage > 1 and not number else 1
            out = planes * expansion
            short = x
            if strides > 1 or x.shape[-1] != out:
                if deep and strides > 1:
                    short = layers.AveragePooling2D(strides, padding="same")(short)
                by = 1 if deep else strides
                short = conv_norm(short, out, 1, f"{name}_match", strides=by, relu=False)
            y = block(x, planes, strides, not number, name)
            x = layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([short, y]))
    return x


def basic(
    x: keras.KerasTensor, planes: int, strides: int, first: bool, name: str
) -> keras.KerasTensor:
    """Return the residual of two 3×3 convolutions (ResNet-18 and -34); expansion 1."""
    x = conv_norm(x, planes, 3, f"{name}_a", strides)
    return conv_norm(x, planes, 3, f"{name}_b", relu=False)


def bottleneck(
    x: keras.KerasTensor,
    planes: int,
    strides: int,
    first: bool,
    name: str,
    groups: int = 1,
    width: int = 64,
) -> keras.KerasTensor:
    """Return the residual of 1×1, 3×3 in `groups` of `width` per 64 planes, and 1×1."""
    inner = planes * width // 64 * groups
    x = conv_norm(x, inner, 1, f"{name}_a")
    x = conv_norm(x, inner, 3, f"{name}_b", strides, groups)
    return conv_norm(x, planes * 4, 1, f"{name}_c", relu=False)


def multi_scale(
    x: keras.KerasTensor,
    planes: int,
    strides: int,
    first: bool,
    name: str,
    width: int = 26,
    scale: int = 4,
) -> keras.KerasTensor:
    """Return Res2Net's residual: `scale` parts, each convolved with the one before added to it."""
    inner = planes * width // 64
    x = conv_norm(x, inner * scale, 1, f"{name}_a")
    parts = ops.split(x, scale, axis=-1)
    made: list[keras.KerasTensor] = []
    for number, part in enumerate(parts[:-1]):
        # The first block of a stage adds nothing: its parts change their size.
        taken = part if first or not made else part + made[-1]
        made.append(conv_norm(taken, inner, 3, f"{name}_b{number}", strides))
    last = layers.AveragePooling2D(3, strides, "same")(parts[-1]) if first else parts[-1]
    x = layers.Concatenate(name=f"{name}_joined")([*made, last])
    return conv_norm(x, planes * 4, 1, f"{name}_c", relu=False)


def split_attention(
    x: keras.KerasTensor, planes: int, strides: int, first: bool, name: str, radix: int = 2
) -> keras.KerasTensor:
    """Return ResNeSt's residual: `radix` groups, weighed against each other by channel."""
    x = conv_norm(x, planes, 1, f"{name}_a")
    x = conv_norm(x, planes * radix, 3, f"{name}_b", groups=radix)
    groups = ops.split(x, radix, axis=-1)
    seen = layers.GlobalAveragePooling2D(keepdims=True)(layers.Add()(groups))
    seen = layers.Conv2D(max(planes * radix // 4, 32), 1, name=f"{name}_squeeze")(seen)
    seen = layers.BatchNormalization(epsilon=1e-5, name=f"{name}_squeeze_norm")(seen)
    weights = layers.Conv2D(planes * radix, 1, name=f"{name}_weigh")(layers.ReLU()(seen))
    shares = ops.softmax(ops.reshape(weights, (-1, 1, 1, radix, planes)), axis=3)
    x = layers.Add()([group * shares[..., k, :] for k, group in enumerate(groups)])
    if strides > 1:
        x = layers.AveragePooling2D(3, strides, "same", name=f"{name}_shrink")(x)
    return conv_norm(x, planes * 4, 1, f"{name}_c", relu=False)


BODIES = {
    "resnet18": partial(residual_network, block=basic, depths=(2, 2, 2, 2), expansion=1),
    "resnet34": partial(residual_network, block=basic, depths=(3, 4, 6, 3), expansion=1),
    "resnet50": partial(residual_network, block=bottleneck, depths=(3, 4, 6, 3)),
    "resnet101": partial(residual_network, block=bottleneck, depths=(3, 4, 23, 3)),
    "resnet152": partial(residual_network, block=bottleneck, depths=(3, 8, 36, 3)),
    "resnext101": partial(
        residual_network, block=partial(bottleneck, groups=32, width=8), depths=(3, 4, 23, 3)
    ),
    "res2net50": partial(residual_network, block=multi_scale, depths=(3, 4, 6, 3)),
    "resnest50": partial(residual_network, block=split_attention, depths=(3, 4, 6, 3), deep=True),
}
"""Name → pictures to last map; `depths` and `widths` can be given anew."""

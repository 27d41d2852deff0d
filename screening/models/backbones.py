"""The table of networks: pure data, one row each, for `train` as bases and for `benchmark`.

Reading it loads no TensorFlow: settings are checked against it before anything heavy begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from screening.errors import ScreeningError

# mode -> (reverse RGB to BGR, scale per channel, offset per channel) so that scale * x + offset
# equals keras.applications.<base>.preprocess_input on RGB values 0-255. Channel order of the
# numbers is the one after the reversal.
PREPROCESSING: dict[str, tuple[bool, tuple[float, ...], tuple[float, ...]]] = {
    "caffe": (True, (1.0, 1.0, 1.0), (-103.939, -116.779, -123.68)),
    "tf": (False, (1 / 127.5,) * 3, (-1.0, -1.0, -1.0)),
    "torch": (
        False,
        tuple(1 / (255 * std) for std in (0.229, 0.224, 0.225)),
        (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
    # Not of keras.applications: ink 0 (paper) to 2 (black), for bases trained here from random
    # weights. Paper then equals the zero padding of the convolutions.
    "ink": (False, (-1 / 127.5,) * 3, (2.0,) * 3),
}


HEAD = "head"
RELATIVE = {"last-block": 0, "last-two-blocks": 1}
"""Depths that every base knows, as positions in `Backbone.stages`."""


@dataclass(frozen=True)
class Stage:
    """One step of progressive unfreezing: every layer of the base behind the layer `after`.

    `after` is None for the whole base. Naming the layer *before* a stage works for InceptionV3
    too, whose convolutions carry automatic names that differ from one build to the next.
    """

    name: str
    after: str | None


@dataclass(frozen=True)
class Published:
    """Parameters of a network in `millions`, as printed with all digits, with a last layer of
    `classes` at `size` pixels, and where. `everything`: with the moving statistics of batch norm,
    as Keras counts; else what trains, as everybody else does."""

    millions: str
    classes: int
    source: str
    size: int = 224
    everything: bool = False


@dataclass(frozen=True)
class Backbone:
    """One network without its top: how to build, feed and unfreeze it.

    `preprocess` is a key of PREPROCESSING, `min_size` the smallest input side in pixels,
    `features` the channels of the last map, `stages` the unfreezing steps from the top down.
    `top`: units of the published dense layers between the flattened map and the classes; empty
    where the map is averaged. `published`: what to check its parameters against; None where there
    is no such figure. `imagenet`: whether Keras has weights of it to download. `assumed`: what the
    texts that describe it do not say, and was chosen here.
    """

    name: str
    constructor: Callable[..., Any]
    preprocess: str
    min_size: int
    features: int
    stages: tuple[Stage, ...]
    top: tuple[int, ...] = ()
    published: Published | None = None
    imagenet: bool = True
    assumed: str = ""

    def stage(self, name: str) -> Stage:
        """Return the unfreezing step called `name`; ScreeningError names the known ones."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        known = ", ".join(stage.name for stage in self.stages)
        raise ScreeningError(f"{self.name} has no stage {name!r}; use one of: {known}")


def _application(name: str, **always: Any) -> Callable[..., Any]:
    def construct(**options: Any) -> Any:
        import keras

        return getattr(keras.applications, name)(**options, **always)

    return construct


def _stages(*steps: tuple[str, str]) -> tuple[Stage, ...]:
    return (*(Stage(name, after) for name, after in steps), Stage("whole", None))


CHROMOSOMENET = "ChromosomeNet, Lin et al. 2022, Table 2"
TORCHVISION = "torchvision 0.15, num_params"
TIMM = "timm, results/benchmark-infer-amp-nchw-pt210-cu121-rtx3090.csv"
KERAS = "documentation of keras.applications"


def _own(
    name: str,
    module: str,
    preprocess: str,
    min_size: int,
    features: int,
    stages: tuple[Stage, ...],
    top: tuple[int, ...] = (),
    published: Published | None = None,
    assumed: str = "",
) -> Backbone:
    """The row of a network that screening.models.<module> describes in its BODIES."""

    def construct(**options: Any) -> Any:
        from screening.models.plain import base_of_body

        body = import_module(f"screening.models.{module}").BODIES[name]
        return base_of_body(body, name, **options)

    return Backbone(
        name, construct, preprocess, min_size, features, stages, top, published, False, assumed
    )


def _resnet(
    name: str, depths: tuple[int, int, int, int], features: int, published: Published
) -> Backbone:
    return _own(
        name, "residual", "torch", 32, features, _residual_stages(depths), published=published
    )


def _residual_stages(
    depths: tuple[int, int, int, int], *above: tuple[str, str]
) -> tuple[Stage, ...]:
    steps = ((f"stage{n}", f"s{n - 1}b{depths[n - 2] - 1}_out") for n in (4, 3, 2))
    return _stages(*above, *steps)


def _vit(name: str, patch: int, width: int, depth: int, published: Published) -> Backbone:
    steps = (("last", f"b{depth - 2}_out"), ("quarter", f"b{depth - depth // 4 - 1}_out"))
    stages = _stages(*steps)
    return _own(name, "vit", "tf", 2 * patch, width, stages, published=published)


def _windowed(
    name: str, depths: tuple[int, int, int, int], width: int, published: Published
) -> Backbone:
    module, stages = name.partition("_")[0], _residual_stages(depths)
    return _own(name, module, "torch", 32, 8 * width, stages, published=published)


_ROWS = (
    Backbone(
        "vgg16", _application("VGG16"), "caffe", 32, 512,
        _stages(("block5", "block4_pool"), ("block4", "block3_pool"), ("block3", "block2_pool"),
                ("block2", "block1_pool")),
        (4096, 4096), Published("138.357544", 1000, TORCHVISION),
    ),
    Backbone(
        "inceptionv3", _application("InceptionV3"), "tf", 75, 2048,
        _stages(("mixed10", "mixed9"), ("mixed9", "mixed8"), ("mixed8", "mixed7")),
        published=Published("23.9", 1000, KERAS, 299, everything=True),
    ),
    Backbone(
        "mobilenetv2", _application("MobileNetV2"), "tf", 32, 1280,
        _stages(("block16", "block_15_add"), ("block13", "block_12_add")),
        published=Published("2.255", 24, CHROMOSOMENET),
    ),
    Backbone(
        "densenet121", _application("DenseNet121"), "torch", 32, 1024,
        _stages(("conv5", "pool4_pool"), ("conv4", "pool3_pool")),
        published=Published("6.98", 24, CHROMOSOMENET),
    ),
    Backbone(
        "xception", _application("Xception"), "tf", 71, 2048,
        _stages(("sepconv2", "block14_sepconv1_act"),),
        published=Published("22.855952", 1000, "Chollet 2017, Table 3", 299),
    ),
    Backbone(
        "inceptionresnetv2", _application("InceptionResNetV2"), "tf", 75, 1536,
        _stages(("block8_10", "block8_9_ac"), ("block8", "mixed_7a"), ("block17", "mixed_6a")),
        published=Published("55.9", 1000, KERAS, 299, everything=True),
    ),
    Backbone(
        "efficientnetv2b0", _application("EfficientNetV2B0", include_preprocessing=False),
        "torch", 32, 1280,
        _stages(("top", "block6h_add"), ("block6", "block5e_add"), ("block5", "block4c_add")),
        published=Published("7.2", 1000, KERAS, everything=True),
    ),
    Backbone(
        "convnexttiny", _application("ConvNeXtTiny", include_preprocessing=False), "torch", 32, 768,
        _stages(("stage3", "convnext_tiny_downsampling_block_2"),
                ("stage2", "convnext_tiny_downsampling_block_1")),
        published=Published("28.589128", 1000, TORCHVISION),
    ),
    _resnet("resnet18", (2, 2, 2, 2), 512, Published("11.689512", 1000, TORCHVISION)),
    _resnet("resnet34", (3, 4, 6, 3), 512, Published("21.797672", 1000, TORCHVISION)),
    _resnet("resnet50", (3, 4, 6, 3), 2048, Published("23.56", 24, CHROMOSOMENET)),
    _resnet("resnet101", (3, 4, 23, 3), 2048, Published("42.55", 24, CHROMOSOMENET)),
    _resnet("resnet152", (3, 8, 36, 3), 2048, Published("58.19", 24, CHROMOSOMENET)),
    _resnet("resnext101", (3, 4, 23, 3), 2048, Published("86.79", 24, CHROMOSOMENET)),
    # Its 25.70 is the network with the 1,000 classes of ImageNet; with 24 it has 23.70.
    _resnet("res2net50", (3, 4, 6, 3), 2048, Published("25.70", 1000, CHROMOSOMENET)),
    _resnet("resnest50", (3, 4, 6, 3), 2048, Published("25.48", 24, CHROMOSOMENET)),
    _own(
        "alexnet", "alexnet", "caffe", 67, 256,
        _stages(("conv5", "conv4"), ("conv3", "pool2"), ("conv2", "pool1")), (4096, 4096),
        Published("60.965224", 1000, "Krizhevsky et al. 2012, two groups, as in Caffe", 227),
    ),
    _own(
        "anet_c6", "alexnet", "caffe", 67, 256,
        _stages(("conv6", "pool5"), ("conv5", "conv4"), ("conv3", "pool2")), (4096, 4096),
        assumed="width of the sixth convolution: as the fifth",
    ),
    _vit("vit_lite8", 8, 256, 7, Published("3.74", 10, "ViT-Lite-7/8, Hassani et al. 2021", 32)),
    _vit("vit_ti16", 16, 192, 12, Published("5.717416", 1000, "DeiT-Ti, timm")),
    _vit("vit_s8", 8, 384, 12, Published("21.7", 0, "DINO ViT-S/8 without head, timm")),
    _vit("vit_l16", 16, 1024, 24, Published("304.326632", 1000, TORCHVISION)),
    # The ViT-L of Chang et al. (Table 1) has patches of 14 pixels.
    _vit("vit_l14", 14, 1024, 24, Published("304.2", 1000, TIMM)),
    _windowed("swin_s", (2, 2, 18, 2), 96, Published("49.606258", 1000, TORCHVISION)),
    _windowed("swin_l", (2, 2, 18, 2), 192, Published("196.53", 1000, TIMM)),
    _windowed("davit_s", (1, 1, 9, 1), 96, Published("49.7", 1000, "DaViT, Ding et al. 2022")),
    _windowed("davit_l", (1, 1, 9, 1), 192, Published("196.81", 1000, TIMM)),
    _own(
        "sharma2017", "chromosome_cnns", "ink", 16, 256, _stages(("block4", "b3_pool")), (256, 128),
        assumed="kernels 3×3, widths 32 to 256, dropout 0.25, dense layers of 256 and 128",
    ),
    _own(
        "zhang2018", "chromosome_cnns", "ink", 16, 128, _stages(("block2", "b1_pool")), (256,),
        assumed="widths 64 and 128, stride 2 of the 5×5 kernel, one dense layer of 256",
    ),
    _own(
        "hu2019", "chromosome_cnns", "ink", 16, 128, _stages(("block3", "b2_pool")), (256,),
        assumed="first kernel of a block 3×3, widths 32 to 128, dropout 0.25, a dense layer of 256",
    ),
    _own(
        "chromenet2022", "chromosome_cnns", "ink", 16, 256, _stages(("block4", "b3_pool")), (256,),
        assumed="four blocks of one convolution, widths 32 to 256, a dense layer of 256",
    ),
    _own(
        "res_crann", "res_crann", "torch", 32, 128,
        _residual_stages((3, 4, 6, 3), ("rows", "s4b2_out")),
        assumed="128 recurrent units; a row's weight: a dense layer with tanh, softmax",
    ),
    _own(
        "mixnet", "mixnet", "torch", 32, 512,
        _residual_stages((3, 4, 23, 3), ("header", "s4b2_out")),
        assumed="ResNeXt-101 32×8d; the nine layers of the head: fastai's, with 512 units",
    ),
    # Two networks side by side: no layer parts what is frozen from what is trained.
    _own(
        "varifocal", "varifocal", "torch", 32, 1024, _stages(),
        assumed="in its manner only: two ResNet-18, a part of at least half the side that the loss "
        "of the classes alone teaches to find; no polarity, no dispatch by two of a class",
    ),
    _own(
        "compact", "classifier", "ink", 16, 192,
        _stages(("s3", "s2b0_out"), ("s2", "s1b0_out"), ("s1", "s0b0_out")),
    ),
)  # fmt: skip

BACKBONES: dict[str, Backbone] = {row.name: row for row in _ROWS}


def get_backbone(name: str) -> Backbone:
    """Return the row of BACKBONES called `name`; ScreeningError names the known ones."""
    if name not in BACKBONES:
        raise ScreeningError(f"unknown backbone {name!r}; use one of: {', '.join(BACKBONES)}")
    return BACKBONES[name]


def depths(row: Backbone) -> tuple[str, ...]:
    """Return the names of all depths to which a base can be unfrozen, shallowest first."""
    relative = [name for name, position in RELATIVE.items() if position < len(row.stages)]
    return (HEAD, *relative, *(stage.name for stage in row.stages))


def known_depths() -> dict[str, tuple[str, ...]]:
    """Return base -> depths for the whole table, as `config.read_config` takes it."""
    return {name: depths(row) for name, row in BACKBONES.items()}

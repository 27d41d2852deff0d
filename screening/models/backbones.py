"""The table of convolutional bases a screener can stand on: pure data, one row per base.

Reading it loads no TensorFlow: settings are checked against it before anything heavy begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
class Backbone:
    """One base of keras.applications: how to build, feed and unfreeze it.

    `preprocess` is a key of PREPROCESSING, `min_size` the smallest input side in pixels,
    `features` the channels of the last map, `stages` the unfreezing steps from the top down.
    """

    name: str
    constructor: Callable[..., Any]
    preprocess: str
    min_size: int
    features: int
    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage:
        """Return the unfreezing step called `name`; ScreeningError names the known ones."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        known = ", ".join(stage.name for stage in self.stages)
        raise ScreeningError(f"{self.name} has no stage {name!r}; use one of: {known}")


def _application(name: str) -> Callable[..., Any]:
    def construct(**options: Any) -> Any:
        import keras

        return getattr(keras.applications, name)(**options)

    return construct


_ROWS = (
    Backbone(
        name="vgg16",
        constructor=_application("VGG16"),
        preprocess="caffe",
        min_size=32,
        features=512,
        stages=(
            Stage("block5", "block4_pool"),
            Stage("block4", "block3_pool"),
            Stage("block3", "block2_pool"),
            Stage("block2", "block1_pool"),
            Stage("whole", None),
        ),
    ),
    Backbone(
        name="inceptionv3",
        constructor=_application("InceptionV3"),
        preprocess="tf",
        min_size=75,
        features=2048,
        stages=(
            Stage("mixed10", "mixed9"),
            Stage("mixed9", "mixed8"),
            Stage("mixed8", "mixed7"),
            Stage("whole", None),
        ),
    ),
    Backbone(
        name="mobilenetv2",
        constructor=_application("MobileNetV2"),
        preprocess="tf",
        min_size=32,
        features=1280,
        stages=(
            Stage("block16", "block_15_add"),
            Stage("block13", "block_12_add"),
            Stage("whole", None),
        ),
    ),
    Backbone(
        name="densenet121",
        constructor=_application("DenseNet121"),
        preprocess="torch",
        min_size=32,
        features=1024,
        stages=(
            Stage("conv5", "pool4_pool"),
            Stage("conv4", "pool3_pool"),
            Stage("whole", None),
        ),
    ),
)

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

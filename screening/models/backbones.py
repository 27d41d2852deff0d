"""The table of convolutional bases a screener can stand on: pure data, one row per base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

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


_ROWS = (
    Backbone(
        name="vgg16",
        constructor=keras.applications.VGG16,
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
        constructor=keras.applications.InceptionV3,
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
        constructor=keras.applications.MobileNetV2,
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
        constructor=keras.applications.DenseNet121,
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

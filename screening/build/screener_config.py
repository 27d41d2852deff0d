"""Settings of the stages that teach the network that sees the whole karyogram."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from screening.config import Strict
from screening.setting_types import Count, NotNegative, Positive, View

Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class ScreenerConfig(Strict):
    """The network that sees the whole karyogram: base, view, input side in pixels, dropout."""

    backbone: str = "vgg16"
    view: View = "plain"
    size: int = Field(default=416, ge=32, le=2048)
    dropout: Share = 0.3
    preprocess: Literal["caffe", "tf", "torch", "ink"] = "ink"


class _Taught(Strict):
    """What every training of these stages names."""

    epochs: Count
    batch: Count
    learning_rate: Rate
    weight_decay: Share = 1e-4
    seed: int = Field(default=0, ge=0)


class BaseConfig(_Taught):
    """Pretraining of the base on the 24 classes."""

    epochs: Count = 5
    batch: Count = 64
    learning_rate: Rate = 3e-4
    dropout: Share = 0.3


class SlotsConfig(_Taught):
    """Training of base and head on which slot has a gain or a loss; see `train.slots`."""

    epochs: Count = 3
    batch: Count = 8
    learning_rate: Rate = 1.5e-4
    changed_weight: Positive = 3.0
    paper_weight: NotNegative = 0.1
    slot_loss: NotNegative = 1.0
    picture_loss: NotNegative = 1.0
    scrambled_weight: NotNegative = 0.5
    unfreeze: str = "whole"
    variants: Count = 1


class HeadConfig(_Taught):
    """Training of the head alone; `patience` in epochs without a better validation AUC."""

    epochs: Count = 60
    batch: Count = 32
    learning_rate: Rate = 1e-3
    weight_decay: Share = 1e-3
    patience: Count = 8

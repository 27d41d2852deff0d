"""Settings of the stages that teach the network that sees the whole karyogram."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from screening.config import Strict
from screening.setting_types import View


class ScreenerConfig(Strict):
    """The network that sees the whole karyogram: base, view, input side in pixels, dropout."""

    backbone: str = "vgg16"
    view: View = "plain"
    size: int = Field(default=416, ge=32, le=2048)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    preprocess: Literal["caffe", "tf", "torch", "ink"] = "ink"


class BaseConfig(Strict):
    """Pretraining of the base on the 24 classes."""

    epochs: int = Field(default=5, ge=1)
    batch: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0, le=1)
    weight_decay: float = Field(default=1e-4, ge=0, lt=1)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)


class SlotsConfig(Strict):
    """Training of base and head on which slot has a gain or a loss; see `train.slots`."""

    epochs: int = Field(default=3, ge=1)
    batch: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1.5e-4, gt=0, le=1)
    weight_decay: float = Field(default=1e-4, ge=0, lt=1)
    changed_weight: float = Field(default=3.0, gt=0)
    paper_weight: float = Field(default=0.1, ge=0)
    slot_loss: float = Field(default=1.0, ge=0)
    picture_loss: float = Field(default=1.0, ge=0)
    scrambled_weight: float = Field(default=0.5, ge=0)
    unfreeze: str = "whole"
    variants: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)


class HeadConfig(Strict):
    """Training of the head alone; `patience` in epochs without a better validation AUC."""

    epochs: int = Field(default=60, ge=1)
    batch: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    weight_decay: float = Field(default=1e-3, ge=0, lt=1)
    patience: int = Field(default=8, ge=1)
    seed: int = Field(default=0, ge=0)

"""Settings of a training or a search, read from YAML; every mistake of a file is named at once."""

from __future__ import annotations

import difflib
import hashlib
import json
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from screening.errors import ConfigError
from screening.setting_types import PLAIN, View

PART_NAMES = ("train", "validation", "calibration", "test")

_SHORT = reprlib.Repr()  # a few lines of YAML can hold what would take gigabytes to write out
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, 200, 200


class Strict(BaseModel):
    """Settings that refuse unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Strict):
    """Where the labelled karyograms are and how cases are shared out.

    `manifest`: CSV (path, label, case) or a folder with normal/ and abnormal/. `split`: a split
    that an earlier run wrote (split.json), or a CSV (case, part) of your own; otherwise cases are
    split by `fractions` and `seed`.
    """

    manifest: Path
    split: Path | None = None
    fractions: dict[str, float] = {
        "train": 0.6,
        "validation": 0.1,
        "calibration": 0.15,
        "test": 0.15,
    }
    seed: int = Field(default=0, ge=0)

    @field_validator("fractions")
    @classmethod
    def _whole(cls, value: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(value) - set(PART_NAMES))
        missing = sorted({"train", "validation"} - {k for k, v in value.items() if v > 0})
        if unknown:
            raise ValueError(f"expected the parts {', '.join(PART_NAMES)}, not {unknown}")
        if missing or min(value.values()) < 0 or abs(sum(value.values()) - 1) > 1e-6:
            raise ValueError("expected shares that sum to 1, with some for train and validation")
        return value


class ModelConfig(Strict):
    """The screener: base, input side in pixels, dropout rate, units of the hidden layer.

    `weights`: "imagenet", "shipped" (the base of the bundle that comes with the package), a weight
    file, or null for random ones; `preprocess`: how pictures are scaled, null for what the weights
    expect. `view`: the page as it is (plain, the thesis' way), or its chromosomes found,
    straightened and packed (compact, see `karyogram.compact`).
    """

    backbone: str
    view: View = PLAIN
    size: int = Field(default=150, ge=16, le=2048)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    hidden: int = Field(default=256, ge=1)
    weights: str | None = None
    preprocess: Literal["caffe", "tf", "torch", "ink"] | None = None


class StageConfig(Strict):
    """One step of progressive unfreezing; `patience` in epochs without a better choice.

    `unfreeze`: head, last-block, last-two-blocks, whole, or a stage name of the base.
    `batch_norm`: whether the base's BatchNormalization layers train too.
    """

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    unfreeze: str = "head"
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=8, ge=1)
    batch_norm: bool = False


class AugmentationConfig(Strict):
    """Changes of the training pictures, never of those that are scored.

    `offline`: every picture stands `variants` times in an epoch, the plain one first (the thesis'
    way, here after the split). `online`: once per epoch, in the next of `variants` versions, or in
    a new one each time when `variants` is 0; only then can nothing be kept from epoch to epoch.
    `slots`: chromosomes are also turned, mirrored and swapped inside their slots.
    """

    mode: Literal["none", "offline", "online"] = "none"
    variants: int = Field(default=4, ge=0, le=100)
    slots: bool = False

    @model_validator(mode="after")
    def _does_something(self) -> AugmentationConfig:
        if self.slots and self.mode == "none":
            raise ValueError("slots: true changes nothing with mode none: give offline or online")
        if self.mode == "offline" and self.variants == 0:
            raise ValueError("expected at least one variant with mode offline")
        return self


class ChoiceConfig(Strict):
    """Which epoch is kept. `recall-first`: best specificity where `recall` is reached, then AUC."""

    by: Literal["auc", "loss", "recall-first"] = "auc"
    recall: float = Field(default=0.95, gt=0, le=1)


class SearchConfig(Strict):
    """Bayesian search. Ranges are [low, high]; `dropout`, `width`, `unfreeze` null: not searched.

    `learning_rate` is that of the first stage; the others keep their ratio to it. `unfreeze` is
    the depth of the last stage.
    """

    trials: int = Field(default=20, ge=1)
    initial: int = Field(default=5, ge=1)
    objective: Literal["val_auc", "val_loss"] = "val_auc"
    learning_rate: tuple[float, float] = (1e-5, 1e-1)
    batch_size: tuple[int, ...] = (8, 16, 32, 64)
    dropout: tuple[float, float] | None = None
    width: tuple[int, ...] | None = None
    unfreeze: tuple[str, ...] | None = None

    @field_validator("learning_rate", "dropout")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] < value[1] <= 1:
            raise ValueError("expected [low, high] with 0 <= low < high <= 1")
        return value

    @field_validator("batch_size", "width", "unfreeze")
    @classmethod
    def _some(cls, value: tuple[int | str, ...] | None) -> tuple[int | str, ...] | None:
        if value is not None and not value:
            raise ValueError("expected at least one value to try")
        if any(isinstance(one, int) and one < 1 for one in value or ()):
            raise ValueError("expected whole numbers of at least 1")
        return value

    @field_validator("learning_rate")
    @classmethod
    def _has_a_logarithm(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] <= 0:  # searched evenly in its logarithm
            raise ValueError("expected a lowest learning rate above 0")
        return value


class TrainConfig(Strict):
    """All settings of one training; `hash` identifies them.

    `batch_size` is global: shared out over all devices. `optimizer` is AdamW with `weight_decay`
    (Adam where that is 0).
    """

    data: DataConfig
    model: ModelConfig
    stages: tuple[StageConfig, ...]
    batch_size: int = Field(default=16, ge=1)
    weight_decay: float = Field(default=0.0, ge=0, lt=1)
    augmentation: AugmentationConfig = AugmentationConfig()
    imbalance: Literal["none", "class_weights", "focal", "oversample"] = "none"
    choice: ChoiceConfig = ChoiceConfig()
    devices: Literal["one", "all", "hosts"] = "one"
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    seed: int = Field(default=0, ge=0, lt=2**31)
    search: SearchConfig | None = None

    @field_validator("stages")
    @classmethod
    def _distinct(cls, value: tuple[StageConfig, ...]) -> tuple[StageConfig, ...]:
        names = [stage.name for stage in value]
        if not names:
            raise ValueError("expected at least one stage")
        if len(set(names)) < len(names):
            raise ValueError(f"expected a different name for every stage, received {names}")
        return value

    @property
    def hash(self) -> str:
        """Return the sha256 (hex) of all settings but where they run and what is searched."""
        content = self.model_dump(mode="json", exclude={"devices", "search"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def changed(self, **fields: Any) -> TrainConfig:
        """Return a copy with other values, validated; ConfigError where they do not fit."""
        try:
            return TrainConfig.model_validate(self.model_dump() | fields)
        except ValidationError as error:
            raise ConfigError("\n".join(in_words(error, TrainConfig))) from None

    def smoke(self, size: int) -> TrainConfig:
        """Return the smallest training of the same shape: `size` pixels, one epoch per stage."""
        stages = [stage.model_dump() | {"epochs": 1} for stage in self.stages]
        augmentation = self.augmentation.model_dump() | {
            "variants": min(2, self.augmentation.variants)
        }
        search = self.search and self.search.model_dump() | {"trials": 2, "initial": 1}
        return self.changed(
            model=self.model.model_dump() | {"size": size},
            stages=stages, augmentation=augmentation, search=search, batch_size=8,
        )  # fmt: skip


def read_config(path: Path, bases: Mapping[str, Sequence[str]]) -> TrainConfig:
    """Return the settings in the YAML file `path`.

    `bases` maps the names of the known bases to the depths to which each can be unfrozen.
    ConfigError lists every mistake: unknown keys (with the nearest known one), values of the wrong
    type or out of range, bases and depths that do not exist.
    """
    raw = read_yaml(path)
    problems: list[str] = []
    config = None
    try:
        config = TrainConfig.model_validate(raw)
    except ValidationError as error:
        problems += in_words(error, TrainConfig)
    problems += _unknown_names(raw, bases)
    if problems or config is None:
        raise mistakes(path, problems)
    return config


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the keys and values of a YAML file; ConfigError when it is none."""
    try:
        raw = yaml.safe_load(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    # ValueError: no UTF-8, a date or a number that is none.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(f"{path}: expected YAML in UTF-8, received {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: expected YAML, received what is nested too deep") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values, received {type(raw).__name__}")
    return raw


def mistakes(path: Path, problems: Sequence[str]) -> ConfigError:
    """Return the error that names all problems of a file of settings."""
    noun = "mistake" if len(problems) == 1 else "mistakes"
    listed = "\n".join(f"  {problem}" for problem in problems)
    return ConfigError(f"{path}: {len(problems)} {noun} to mend:\n{listed}")


def write_config(config: TrainConfig, path: Path, header: Sequence[str] = ()) -> None:
    """Write the settings as YAML, behind comment lines `header`; ready for `read_config`."""
    lines = [f"# {line}" for line in header]
    body = yaml.safe_dump(config.model_dump(mode="json", exclude_none=True), sort_keys=False)
    path.write_text("\n".join([*lines, body]), "utf-8")


def in_words(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """Yield every mistake of settings for `model` in words, the nearest known key beside it."""
    for one in error.errors():
        where = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden":
            known = _keys_beside(one["loc"], model)
            near = difflib.get_close_matches(str(one["loc"][-1]), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            yield f"{where}: unknown key; {hint}"
        elif one["type"] == "missing":
            yield f"{where}: is missing"
        else:
            said = one["msg"].removeprefix("Value error, ")
            yield f"{where}: {said}, received {_SHORT.repr(one['input'])}".removeprefix(": ")


def _keys_beside(loc: Sequence[str | int], model: type[BaseModel]) -> list[str]:
    """Return the keys that stand where the last of `loc` does, found by the fields' types."""
    for part in loc[:-1]:
        if not isinstance(part, int):
            model = next(_models_in(model.model_fields[part].annotation))
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _unknown_names(raw: dict[str, Any], bases: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield what is wrong with names that only the table of bases knows."""
    model = raw.get("model")
    backbone = model.get("backbone") if isinstance(model, dict) else None
    if not isinstance(backbone, str):
        return
    if backbone not in bases:
        yield f"model.backbone: expected one of {', '.join(bases)}, received {backbone!r}"
        return
    wanted: list[tuple[str, Any]] = []
    stages = raw.get("stages")
    for number, stage in enumerate(stages if isinstance(stages, list) else ()):
        if isinstance(stage, dict) and "unfreeze" in stage:
            wanted.append((f"stages.{number}.unfreeze", stage["unfreeze"]))
    search = raw.get("search")
    depths = search.get("unfreeze") if isinstance(search, dict) else None
    wanted += [("search.unfreeze", d) for d in (depths if isinstance(depths, list) else ())]
    for where, depth in wanted:
        if isinstance(depth, str) and depth not in bases[backbone]:
            known = ", ".join(bases[backbone])
            yield f"{where}: {backbone} can be unfrozen to {known}; received {depth!r}"

"""Settings of a benchmark, read from YAML, and the rows that they ask for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from screening.config import Strict, in_words, mistakes, read_yaml
from screening.train.recipe_kinds import PAIRED
from screening.worklist.shard import Shard

Protocol = Literal["random", "by-patient", "laboratory-out"]
PROTOCOLS: tuple[Protocol, ...] = ("random", "by-patient", "laboratory-out")
RANDOM, BY_PATIENT, LABORATORY_OUT = PROTOCOLS
"""Random over pictures, as published; patients never on two sides; one laboratory never seen."""
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class LevelConfig(Strict):
    """A level of check-and-adjust: while the best accuracy is above `above`, `rate` × the learning
    rate, and the least `gain` for a checkpoint."""

    above: float = Field(ge=0, lt=1)
    rate: float = Field(gt=0)
    gain: float = Field(ge=0, lt=1)


class EarlyBreakConfig(Strict):
    """Accuracies that end a training once they are passed: on validation, and of five batches."""

    validation: float = Field(gt=0, lt=1)
    training: float = Field(gt=0, lt=1)


Kind = Literal["one-cycle", "contrastive", "check-and-adjust", "siamese", "triplet", "centre"]
_ASSUMED_LEVELS = tuple(
    {"above": above, "rate": rate, "gain": gain}
    for above, rate, gain in ((0, 1, 0.1), (0.5, 0.5, 0.05), (0.8, 0.2, 0.02), (0.95, 0.05, 0.005))
)
PUBLISHED: dict[str, dict[str, Any]] = {
    "one-cycle": {"epochs": 500, "learning_rate": 1e-4, "batch": 32, "smoothing": 0.1,
                  "patience": 5},
    "contrastive": {"epochs": 200, "learning_rate": 1e-5, "steps": 2000},
    "check-and-adjust": {"epochs": 200, "batch": 64, "check_every": 200},
}  # fmt: skip
"""What each paper prints, taken for what is not given; the rest of the defaults is ours."""


class RecipeConfig(Strict):
    """One way of training (`train.recipes`); the values that are not given are those of its paper,
    where it prints them. `patience` in epochs, `steps` of an epoch of paired batches, `records`:
    the training pictures come from TFRecords; `levels` and `check_every` of check-and-adjust."""

    name: str = Field(pattern=_NAME)
    kind: Kind = "one-cycle"
    epochs: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0, le=1)
    batch: int = Field(default=32, ge=2)
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    steps: int = Field(default=2000, ge=1)
    patience: int = Field(default=5, ge=1)
    augment: Literal["light", "cda", "none"] = "light"
    balance: Literal["none", "smote"] = "none"
    records: bool = False
    early_break: EarlyBreakConfig | None = None
    levels: tuple[LevelConfig, ...] = Field(
        default=tuple(LevelConfig(**level) for level in _ASSUMED_LEVELS), min_length=1
    )
    check_every: int = Field(default=200, ge=1)
    dtype: Literal["float32", "mixed_bfloat16"] = "float32"

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("kind", "one-cycle"), str):
            return raw
        return PUBLISHED.get(raw.get("kind", "one-cycle"), {}) | raw

    @field_validator("records")
    @classmethod
    def _read_in_order(cls, value: bool, info: ValidationInfo) -> bool:
        kind, balance = info.data.get("kind"), info.data.get("balance")
        if value and (kind in PAIRED or balance != "none"):
            raise ValueError(
                "expected false for batches of one picture of every class and for smote, which "
                "draw from all pictures at once"
            )
        return value


class DatasetConfig(Strict):
    """One set of chromosomes of the data folder: all of these `sources` (empty: all of the stain);
    `most` chromosomes of each, whole persons, always the same (null: all). `keras`: instead one of
    keras.datasets, whose persons are unknown: under the random protocol alone."""

    name: str = Field(pattern=_NAME)
    sources: tuple[str, ...] = ()
    stain: Literal["G", "Q"] = "G"
    most: int | None = Field(default=None, ge=48)
    keras: Literal["mnist", "cifar10"] | None = None


class BenchmarkConfig(Strict):
    """Everything that decides a row. `size` pixels a side; `shares` of train, validation and test;
    `weights`: imagenet, or null for random ones; `timed` pictures, one after another."""

    networks: tuple[str, ...] = Field(min_length=1)
    recipes: tuple[RecipeConfig, ...] = Field(min_length=1)
    datasets: tuple[DatasetConfig, ...] = Field(min_length=1)
    protocols: tuple[Protocol, ...] = Field(default=PROTOCOLS, min_length=1)
    seeds: tuple[int, ...] = (0,)
    size: int = Field(default=96, ge=16, le=1024)
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    weights: Literal["imagenet"] | None = None
    timed: int = Field(default=1000, ge=1)

    @field_validator("shares")
    @classmethod
    def _whole(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(value) <= 0 or abs(sum(value) - 1) > 1e-6:
            raise ValueError("expected three shares above 0 that sum to 1")
        return value

    @field_validator("recipes", "datasets")
    @classmethod
    def _named_once(cls, value: tuple) -> tuple:
        names = [one.name for one in value]
        if len(set(names)) < len(names):
            raise ValueError("expected every name once")
        return value

    def smoke(self, size: int) -> BenchmarkConfig:
        """Return the smallest benchmark of the same rows: does each of them run?"""
        raw = self.model_dump()
        raw["size"], raw["timed"] = size, 4
        raw["shares"] = (0.5, 0.25, 0.25)  # of a few people some are left for each part
        raw["datasets"] = [d | {"most": 400} for d in raw["datasets"]]
        raw["recipes"] = [r | {"epochs": 1, "steps": 2, "batch": 128} for r in raw["recipes"]]
        return BenchmarkConfig.model_validate(raw)

    def on_everything(self) -> BenchmarkConfig:
        """Return the same with one dataset: all G-banded sources that there are."""
        raw = self.model_dump() | {"datasets": [{"name": "all", "most": None}]}
        return BenchmarkConfig.model_validate(raw)


@dataclass(frozen=True)
class Row:
    """One training and its measurement; `left_out`: the laboratory, "" in other protocols."""

    network: str
    recipe: RecipeConfig
    dataset: DatasetConfig
    protocol: str
    left_out: str
    seed: int

    @property
    def name(self) -> str:
        """Return the row's name, which is also that of its folder."""
        return f"{_as_folder(self.network, self.recipe.name)}_{self.split}"

    @property
    def split(self) -> str:
        """Return the name of who trains and who is measured, the same for all networks."""
        where = f"{self.protocol}-{self.left_out}" if self.left_out else self.protocol
        return _as_folder(self.dataset.name, where, f"seed{self.seed}")

    def key(self, config: BenchmarkConfig, data: str) -> str:
        """Return a hash of all that decides the row; `data`: the hash of its dataset."""
        content = asdict(self) | {
            "recipe": self.recipe.model_dump(), "dataset": self.dataset.model_dump(),
            "data": data, "size": config.size, "shares": config.shares, "weights": config.weights,
            "timed": config.timed,
        }  # fmt: skip
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _as_folder(*parts: str) -> str:
    return "_".join(re.sub(r"[^A-Za-z0-9.-]", "-", part) for part in parts)


def rows_of(config: BenchmarkConfig, sources: Mapping[str, Iterable[str]]) -> list[Row]:
    """Return the table's rows, `sources`: dataset → laboratories; none of a dataset without one.
    Network by network, and the recipes of one split one after another: what a run that ends early
    has done can be compared."""
    return [
        Row(network, recipe, dataset, protocol, left_out, seed)
        for dataset in config.datasets
        if sources[dataset.name]
        for network in config.networks
        for protocol in config.protocols
        if dataset.keras is None or protocol == RANDOM
        for left_out in (sources[dataset.name] if protocol == LABORATORY_OUT else ("",))
        for recipe in config.recipes
        for seed in config.seeds
    ]


def shard_of(rows: list[Row], shard: str | None) -> list[Row]:
    """Return the rows of one machine: "3/8" is every eighth from the third on."""
    if shard is None:
        return rows
    part = Shard.of(shard)
    return rows[part.number - 1 :: part.count]


def read_benchmark(path: Path, networks: Mapping[str, Any]) -> BenchmarkConfig:
    """Return the settings in the YAML file `path`; `networks`: the table, by name.

    ConfigError lists every mistake at once: unknown keys, values out of range, unknown networks and
    pictures too small for one.
    """
    raw = read_yaml(path)
    problems: list[str] = []
    config = None
    try:
        config = BenchmarkConfig.model_validate(raw)
    except ValidationError as error:
        problems += in_words(error, BenchmarkConfig)
    asked = raw.get("networks")
    size = raw.get("size", BenchmarkConfig.model_fields["size"].default)
    for number, name in enumerate(asked if isinstance(asked, list) else ()):
        if name not in networks:
            known = ", ".join(networks)
            problems.append(f"networks.{number}: expected one of {known}, received {name!r}")
        elif isinstance(size, int) and size < networks[name].min_size:
            problems.append(f"networks.{number}: {name} needs size {networks[name].min_size}")
        elif raw.get("weights") and not networks[name].imagenet:
            problems.append(f"networks.{number}: no ImageNet weights of {name} for Keras")
    if problems or config is None:
        raise mistakes(path, problems)
    return config

"""Settings of a benchmark, read from YAML, and the rows that they ask for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from screening.config import Strict, in_words, mistakes, read_yaml
from screening.worklist.shard import Shard

Protocol = Literal["random", "by-patient", "laboratory-out"]
PROTOCOLS: tuple[Protocol, ...] = ("random", "by-patient", "laboratory-out")
RANDOM, BY_PATIENT, LABORATORY_OUT = PROTOCOLS
"""Random over pictures, as published; patients never on two sides; one laboratory never seen."""
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class RecipeConfig(Strict):
    """One way of training. `kind`: one-cycle (ChromosomeNet) or contrastive; the values that are
    not given are those of its paper. `patience` in epochs, `steps` of a contrastive epoch."""

    name: str = Field(pattern=_NAME)
    kind: Literal["one-cycle", "contrastive"] = "one-cycle"
    epochs: int = Field(default=500, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    batch: int = Field(default=32, ge=2)
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    steps: int = Field(default=2000, ge=1)
    patience: int = Field(default=5, ge=1)
    augment: bool = True
    dtype: Literal["float32", "mixed_bfloat16"] = "float32"

    @property
    def rate(self) -> float:
        """Return the learning rate: as given, else as published."""
        return self.learning_rate or (1e-4 if self.kind == "one-cycle" else 1e-5)


class DatasetConfig(Strict):
    """One set of chromosomes of the data folder: all of these `sources` (empty: all of the stain);
    `most` chromosomes of each, whole persons, always the same (null: all)."""

    name: str = Field(pattern=_NAME)
    sources: tuple[str, ...] = ()
    stain: Literal["G", "Q"] = "G"
    most: int | None = Field(default=None, ge=48)


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
        where = f"{self.protocol}-{self.left_out}" if self.left_out else self.protocol
        parts = (self.network, self.recipe.name, self.dataset.name, where, f"seed{self.seed}")
        return "_".join(re.sub(r"[^A-Za-z0-9.-]", "-", part) for part in parts)

    def key(self, config: BenchmarkConfig, data: str) -> str:
        """Return a hash of all that decides the row; `data`: the hash of its dataset."""
        content = asdict(self) | {
            "recipe": self.recipe.model_dump(), "dataset": self.dataset.model_dump(),
            "data": data, "size": config.size, "shares": config.shares, "weights": config.weights,
            "timed": config.timed,
        }  # fmt: skip
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def rows_of(config: BenchmarkConfig, sources: Mapping[str, Iterable[str]]) -> list[Row]:
    """Return the table's rows, `sources`: dataset → laboratories. Network by network, and the
    recipes of one split one after another: what a run that ends early has done can be compared."""
    return [
        Row(network, recipe, dataset, protocol, left_out, seed)
        for dataset in config.datasets
        for network in config.networks
        for protocol in config.protocols
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

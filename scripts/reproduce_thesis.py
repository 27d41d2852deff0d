"""The thesis' table on composed karyograms, once with its leak and once without.

    python scripts/reproduce_thesis.py --data DATA --out runs/thesis

Chu (KTH 2020) augmented 105 normal and 41 abnormal karyograms to 376 and 316 and split afterwards,
so near-copies of one picture stood on both sides. Here the very same pool of pictures is split
twice: over pictures, as there, and over people, as everywhere in this project. Every model is also
scored on people who are in no pool: what a split claims minus what the same model reaches there is
the size of the leak. All of it for the pictures as the thesis had them, and for their compact view
(`karyogram.compact`). Finished parts are kept in --out, so the command can be stopped and repeated;
the report is written anew after every part. Writes reports/thesis.md and its figures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from report_header import add_report_arguments, begin, write
from thesis_base import in_words, taught_base
from thesis_report import ARMS, PICTURES, thesis_report

from screening.assess.recognise import case_hash
from screening.build.given import seen_by
from screening.bundle import default_bundle, load_bundle
from screening.config import TrainConfig
from screening.data.augment import augment
from screening.data.chromosomes import CellRecord, load_cell, read_cells
from screening.data.split import case_key, split_by_case
from screening.karyogram.locate import Locator
from screening.metrics import auroc
from screening.models.backbones import get_backbone
from screening.models.unfreezing import unfreeze
from screening.models.weights import load_base_weights
from screening.setting_types import COMPACT, PLAIN
from screening.train.cache import Cached, Pictures, Source
from screening.train.karyogram_set import COMPOSED, SIMULATED, Entry, KaryogramSet, build_set
from screening.train.pictures import resized
from screening.train.staged import StagedFit, StageResult
from screening.train.strategy import devices
from screening.train.training_run import new_screener

PAGE = 416
"""Pixels at which the thesis augmented; the network then sees --size."""
ORIGINALS = {0: 105, 1: 41}
AUGMENTED = {0: 376, 1: 316}
FRACTIONS = {"train": 0.64, "validation": 0.16, "test": 0.20}


@dataclass(frozen=True)
class Family:
    """One network: base, data, and its stages, each as a `StageConfig` takes it."""

    backbone: str
    augmented: bool
    stages: tuple[dict[str, Any], ...]


def _stage(name: str, rate: float, epochs: int, patience: int, norm: bool = False) -> dict:
    return {
        "name": name, "unfreeze": name, "learning_rate": rate, "epochs": epochs,
        "patience": patience, "batch_norm": norm,
    }  # fmt: skip


_HEAD = _stage("head", 1e-3, 40, 10)
_BLOCKS = (
    _stage("last-block", 1e-4, 8, 4),
    _stage("last-two-blocks", 5e-5, 4, 3),
)
FAMILIES = {
    "original-vgg16": Family("vgg16", False, (_HEAD,)),
    "original-inceptionv3": Family("inceptionv3", False, (_HEAD,)),
    "vgg16": Family("vgg16", True, (_HEAD, *_BLOCKS)),
    # Its statistics come from single chromosomes: frozen on karyograms, the whole learns nothing.
    "inceptionv3": Family("inceptionv3", True, (_HEAD, _stage("whole", 5e-4, 30, 30, norm=True))),
}


@dataclass(frozen=True, eq=False)
class Pool:
    """Pictures uint8 (n, s, s), labels 0/1, the person and the original picture of each."""

    images: np.ndarray
    labels: np.ndarray
    people: np.ndarray
    originals: np.ndarray


@dataclass(frozen=True, eq=False)
class Pools:
    """What a view shows of the originals and of other people, and where its results are kept."""

    originals: Pool
    fresh: Pool
    results: Path


class PoolRun(StagedFit):
    """A run on some rows of a pool, whose frozen features are shared by all runs on that pool."""

    pool: Pictures
    rows: dict[str, np.ndarray]

    def sources(self, frozen: keras.Model | None) -> tuple[Source, Source]:
        """Return views of the pool's features."""
        every = self.pool if frozen is None else Cached(frozen, self.pool, self.cache_folder)
        return Some(every, self.rows["train"]), Some(every, self.rows["validation"])


@dataclass(frozen=True, eq=False)
class Some:
    """Some rows of a source."""

    source: Source
    rows: np.ndarray

    def take(self, rows: np.ndarray, variants: np.ndarray) -> np.ndarray:
        """Return the source's values for these of the rows."""
        return self.source.take(self.rows[rows], variants)


def main() -> int:
    """Make what is missing, then the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_report_arguments(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder of single chromosomes")
    parser.add_argument("--out", type=Path, default=Path("runs/thesis"))
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--views", nargs="+", choices=(PLAIN, COMPACT), default=[PLAIN, COMPACT],
        help="of the pictures (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--stages", type=int, default=3, help="of each family, from the head up")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="splits to run")
    parser.add_argument(
        "--base-epochs", type=int, default=3, help="of the 3 that teach InceptionV3's base: end "
        "earlier on a slow machine"
    )  # fmt: skip
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    commit = begin(options)
    tf.get_logger().setLevel("ERROR")
    if not options.report_only:
        pools = [make_pools(options, view) for view in options.views]
        for seed in range(options.seeds):
            for name in options.families:
                for of_view in pools:
                    for arm in options.arms:
                        train(name, arm, seed, of_view, options)
                report(options, commit)
    report(options, commit)
    return 0


def report(options: argparse.Namespace, commit: str) -> None:
    """Write the report from all results at --size."""
    folders: dict[str, Path] = {view: results_folder(options, view) for view in (PLAIN, COMPACT)}
    body = thesis_report(
        folders, options.size, in_words(base_folder(options, "inceptionv3")), options.reports
    )
    if body:
        bundle = load_bundle(default_bundle())
        title = "The thesis' table, with its leak and without"
        write(options, "thesis.md", title, commit, bundle, options.data, body)


def results_folder(options: argparse.Namespace, view: str) -> Path:
    """Return where the results at --size on pictures of this view are kept."""
    return options.out / f"results_{view}_{options.size}"


def base_folder(options: argparse.Namespace, name: str) -> Path:
    """Return where the base taught here is kept."""
    return options.out / "bases" / name


def make_pools(options: argparse.Namespace, view: str) -> Pools:
    """Return the 146 originals, and a normal and an abnormal picture of every cell of the others:
    the same karyograms in every view.

    Nobody on whose chromosomes a base was taught is in either.
    """
    records, seen = read_records(options.data)
    usable = [record for record in records if record.label == "normal" and not taught(record, seen)]
    people = sorted({case_key(record) for record in usable})
    order = np.random.default_rng(0).permutation(len(people))
    pooled = {people[i] for i in order[: round(len(people) * 2 / 3)]}
    pool_cells = [r for r in usable if case_key(r) in pooled]
    fresh_cells = [r for r in usable if case_key(r) not in pooled]
    kinds = [COMPOSED] * ORIGINALS[0] + [SIMULATED] * ORIGINALS[1]
    kinds = list(np.random.default_rng(1).permutation(kinds))
    turns = np.random.default_rng(2).permutation(len(pool_cells))
    chosen = [pool_cells[turns[i % len(turns)]] for i in range(len(kinds))]
    pool = _entries(chosen, kinds, 10_000)
    twice = [record for record in fresh_cells for _ in range(2)]
    fresh = _entries(twice, [COMPOSED, SIMULATED] * len(fresh_cells), 20_000)
    return Pools(
        _built(options, view, "pool", pool, pool_cells),
        _built(options, view, "fresh", fresh, fresh_cells),
        results_folder(options, view),
    )


def read_records(data: Path) -> tuple[list[CellRecord], set[str]]:
    """Return all G-banded cells, and whom the shipped bundle has seen."""
    records = [r for r in read_cells(data) if r.chromosomes[0].stain == "G"]
    return records, set(seen_by(load_bundle(default_bundle())))


def taught(record: CellRecord, seen: set[str]) -> bool:
    """Return whether a cell is of somebody whom the shipped bundle has seen."""
    return case_hash(*case_key(record)) in seen


def _entries(records: Sequence[CellRecord], kinds: Sequence[str], seed: int) -> list[Entry]:
    return [
        Entry(record.source, record.case, record.cell, str(kind), seed + number)
        for number, (record, kind) in enumerate(zip(records, kinds, strict=True))
    ]


def shipped_locator() -> Locator:
    """Return what finds chromosomes in the shipped bundle; the gate asks it."""
    return Locator.of(load_bundle(default_bundle()))


def _built(
    options: argparse.Namespace,
    view: str,
    name: str,
    entries: list[Entry],
    records: list[CellRecord],
) -> Pool:
    folder = options.out / "sets" / f"{name}_{view}"
    progress = folder / "progress"
    if progress.exists() and int(progress.read_text()) == len(entries):
        made = KaryogramSet(folder)
    else:
        cells = [load_cell(record) for record in records]
        made = build_set(
            folder, entries, cells, (PAGE,), shipped_locator(), options.workers, view=view
        )
    people = np.array([f"{row['source']}/{row['case']}" for row in made.rows])
    return Pool(np.asarray(made.images(PAGE)), made.labels, people, np.arange(len(made.rows)))


def augmented(pool: Pool) -> Pool:
    """Return 376 normal and 316 abnormal pictures: the originals and copies, evenly shared out."""
    change = augment(0)
    images, rows = [], []
    for label, wanted in AUGMENTED.items():
        own = np.flatnonzero(pool.labels == label)
        for number in range(wanted):
            row, variant = own[number % len(own)], number // len(own)
            image = pool.images[row]
            images.append(change(image, f"pool-{row}", variant) if variant else image)
            rows.append(row)
    return Pool(np.stack(images), pool.labels[rows], pool.people[rows], np.array(rows))


def parts(pool: Pool, arm: str, seed: int) -> dict[str, np.ndarray]:
    """Return part -> rows of the pool, 64/16/20: over pictures or over people."""
    if arm == PICTURES:
        order = np.random.default_rng([seed, 5]).permutation(len(pool.labels))
        ends = np.round(np.cumsum([FRACTIONS["train"], FRACTIONS["validation"]]) * len(order))
        cut = np.split(order, ends.astype(int))
        return dict(zip(FRACTIONS, (np.sort(rows) for rows in cut), strict=True))

    @dataclass(frozen=True)
    class One:
        case: str
        label: str

    names = ("normal", "abnormal")
    items = [One(p, names[y]) for p, y in zip(pool.people, pool.labels, strict=True)]
    split = split_by_case(items, FRACTIONS, seed)
    where = np.array([split.of(item) for item in items])
    return {part: np.flatnonzero(where == part) for part in FRACTIONS}


def train(name: str, arm: str, seed: int, pools: Pools, options: argparse.Namespace) -> None:
    """Train one family under one split, unless its result is whole; kept after every stage."""
    path = pools.results / f"{name}_{arm}_{seed}.json"
    family = FAMILIES[name]
    chosen = family.stages[: options.stages]
    if path.exists() and len(json.loads(path.read_text())["stages"]) >= len(chosen):
        return
    pool = augmented(pools.originals) if family.augmented else pools.originals
    rows = parts(pool, arm, seed)
    config = TrainConfig.model_validate(
        {
            "data": {"manifest": "composed"},
            "model": {
                "backbone": family.backbone, "size": options.size, "dropout": 0.5,
                "preprocess": "ink",
            },
            "stages": chosen,
            "batch_size": 16, "imbalance": "class_weights", "seed": seed,
            "precision": options.precision,
        }
    )  # fmt: skip
    where = devices("one")
    screener = new_screener(config, where)
    teach_base(screener, family.backbone, options)
    pictures = _pictures(pool, options.size)
    unseen = _pictures(pools.fresh, options.size)
    stages: list[dict[str, Any]] = []

    def keep(result: StageResult, model: keras.Model) -> None:
        test = rows["test"]
        cut = unfreeze(model, get_backbone(family.backbone), result.unfreeze)
        sources = [pictures, unseen]
        if cut.frozen is not None:
            sources = [Cached(cut.frozen, each, cache) for each in sources]
        stages.append(
            {
                "result": {**vars(result), "trained": len(result.trained)},
                "test": _scores(cut.rest, Some(sources[0], test), pictures.labels[test]),
                "fresh": _scores(cut.rest, sources[1], unseen.labels),
            }
        )
        found = (f"{_auc(stages[-1][of]):.3f}" for of in ("test", "fresh"))
        what = f"{pools.results.name} {path.stem} {result.name}"
        print(f"{what}: AUC on test and other people", *found, flush=True)
        content = {**facts, "stages": stages, "history": run.history, "config": config.hash}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(content))
        part.replace(path)

    cache = options.out / f"frozen_{options.size}"
    people = [set(pool.people[rows[part]]) for part in ("train", "test")]
    pictured = [set(pool.originals[rows[part]].tolist()) for part in ("train", "test")]
    facts = {
        "counts": {part: [len(r), int(pool.labels[r].sum())] for part, r in rows.items()},
        "people_on_both_sides": len(people[0] & people[1]),
        "originals_on_both_sides": len(pictured[0] & pictured[1]),
        "test_originals": len(pictured[1]),
        "fresh_people": len(set(pools.fresh.people)),
    }
    folder = options.out / "runs" / f"{pools.results.name}_{path.stem}_{config.hash[:8]}"
    run = PoolRun(
        config, get_backbone(family.backbone), _subset(pictures, rows["train"]),
        _subset(pictures, rows["validation"]), folder, where, on_stage=keep,
        cache_folder=cache,
    )  # fmt: skip
    run.pool, run.rows = pictures, rows
    run.fit(screener, resume=True)
    for heavy in (folder / "stages").glob("*.npz"):
        heavy.unlink()


def teach_base(screener: keras.Model, backbone: str, options: argparse.Namespace) -> None:
    """Give the screener, in place, a base that has seen chromosomes of other people only."""
    if backbone == "vgg16":
        donor = load_bundle(default_bundle()).load_model("screener")
        for layer in donor.layers:
            if layer.name.startswith("block"):
                screener.get_layer(layer.name).set_weights(layer.get_weights())
        return
    records, seen = read_records(options.data)
    weights = taught_base(
        backbone,
        [r for r in records if taught(r, seen)],
        [r for r in records if not taught(r, seen)],
        base_folder(options, backbone),
        options.base_epochs,
    )
    base = keras.Model(screener.input, screener.get_layer("feature_dropout").input)
    load_base_weights(base, get_backbone(backbone), options.size, weights)


def _pictures(pool: Pool, size: int) -> Pictures:
    ids = [str(number) for number in range(len(pool.labels))]
    return Pictures(ids, np.asarray(pool.labels).astype(int), resized(pool.images, size))


def _subset(pictures: Pictures, rows: np.ndarray) -> Pictures:
    return Pictures([pictures.ids[r] for r in rows], pictures.labels[rows], pictures.plain[rows])


def _scores(model: keras.Model, source: Source, labels: np.ndarray) -> dict[str, list[float]]:
    found = []
    for start in range(0, len(labels), 16):
        at = np.minimum(np.arange(start, start + 16), len(labels) - 1)
        x = tf.cast(source.take(at, np.zeros(16, int)), model.inputs[0].dtype)
        p = np.asarray(model(x, training=False))[:, 0]
        found.append(p[: len(labels) - start])
    p = np.concatenate(found)
    return {"labels": [int(y) for y in labels], "p": [round(float(v), 6) for v in p]}


def _auc(scores: dict[str, list[float]]) -> float:
    return auroc(np.array(scores["labels"]), np.array(scores["p"]))


if __name__ == "__main__":
    sys.exit(main())

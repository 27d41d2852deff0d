"""Rebuild the default bundle from a data folder, in one resumable command.

    make bundle DATA=../shared/data        (or: python scripts/make_bundle.py --data … --out …)

Stages, each skipped when its result is already in --out: split by patient → pretrain the base on
24 classes → compose and simulate karyograms inside each part → teach the slots → head on cached
features → measure per group → bundle. `--leave-out SOURCE` keeps one laboratory out of everything
before the measuring: its figures are then those of an unseen laboratory.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from screening.classes import LOW_PRIORITY, OK, REJECTED
from screening.data.chromosomes import CellRecord, load_cell, read_cells
from screening.data.pool import pool_apart, pool_cells
from screening.data.split import PARTS, TRAIN, Split, check_leaks, split_by_case
from screening.predict.statistics import summarise
from screening.synthesis.cell import Cell
from screening.train.karyogram_set import (
    COMPOSED,
    REAL,
    SCRAMBLED,
    SIMULATED,
    KaryogramSet,
    build_set,
    plan,
)
from screening.triage.policy import Evidence, Policy, decide

SIZES = (150, 224, 416)
POOLED = "tseng"
"""The source of single crops: its complete cells are pooled from several people of one part."""
POOLED_CELLS = {"train": 130, "validation": 24, "calibration": 36, "test": 36}
MOST_MISSED = 0.01
"""Share of abnormal validation karyograms that the chosen threshold may put last."""
MOST_MISSED_ALONE = 0.10
"""The same for the network's votes without the count of chromosomes."""
CARD = Path(__file__).parents[1] / "screening" / "bundles" / "default" / "MODEL_CARD.md"
COUNTS = {
    "train": {COMPOSED: 3, SIMULATED: 3, SCRAMBLED: 3},
    "validation": {COMPOSED: 3, SIMULATED: 3},
    "calibration": {COMPOSED: 2, SIMULATED: 2, REAL: 2},
    "test": {COMPOSED: 2, SIMULATED: 3, REAL: 3},
}


def main() -> None:
    """Run the stages that --out lacks."""
    args = _arguments()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    records = [r for r in read_cells(args.data) if r.chromosomes[0].stain == "G"]
    split = split_of(out / "split.json", records)
    if args.stage in ("sets", "all"):
        make_sets(out, records, split, args.leave_out, args.workers)
    if args.stage in ("base", "all"):
        from screening.train.stages import pretrain_base

        train = _cells(records, split, TRAIN, args.leave_out)
        pretrain_base(out, train, _held_out(records, split), args.epochs)
    if args.stage in ("screener", "all"):
        from screening.train.stages import train_screener

        train_screener(out, args.size, args.slot_epochs)
    if args.stage in ("bundle", "all"):
        make_bundle(out, split, args.size, args.leave_out)


def make_bundle(out: Path, split: Split, size: int, leave_out: str) -> None:
    """Choose the voting threshold on validation karyograms and write the bundle to out/bundle."""
    import keras

    from screening.bundle import write_bundle
    from screening.bundle_schema import BundleInfo, PartInfo
    from screening.predict.mc_dropout import McDropout
    from screening.train.head import head_of
    from screening.train.stages import BACKBONE, DROPOUT, PREPROCESSING

    screener = keras.models.load_model(out / f"screener_{size}.keras")
    validation = KaryogramSet(out / "sets" / "validation")
    features = np.load(out / f"features_{size}" / "validation.npy")
    passes = McDropout(head_of(screener), passes=100).predict(np.asarray(features, np.float32)).p
    threshold, reached = choose_threshold(validation, passes)
    part = PartInfo(
        backbone=BACKBONE,
        preprocessing=PREPROCESSING,
        size=size,
        dropout=DROPOUT,
        config="screener.json",
        weights="screener.weights.h5",
    )
    sources = sorted({source for source, _ in split.assignments} - {leave_out})
    info = BundleInfo(
        name=f"{BACKBONE}-{size}",
        created=date.today().isoformat(),
        parts={"screener": part},
        threshold=threshold,
        data={"sources": sources, "left_out": leave_out, "split": split.hash, "seed": split.seed},
        metrics={"validation": reached},
    )
    card = CARD.read_text("utf-8") if CARD.exists() else f"# {info.name}\n\nNot measured yet.\n"
    bundle = write_bundle(out / "bundle", info, {"screener": screener}, card)
    print(f"{bundle.folder}: threshold {threshold:.2f}, validation {reached}")


def choose_threshold(data: KaryogramSet, passes: np.ndarray) -> tuple[float, dict[str, float]]:
    """Return the voting threshold for recall, and what it reaches on the validation karyograms.

    The highest threshold at which the whole rule (votes, count, quality) puts at most MOST_MISSED
    of the abnormal karyograms last, and the votes alone at most MOST_MISSED_ALONE: the count can
    be fooled in another laboratory, and then the network stands alone. Not a certificate.
    """
    abnormal = data.labels == 1
    best: tuple[float, dict[str, float]] = (0.05, {})
    for threshold in np.round(np.arange(0.05, 0.96, 0.05), 2):
        pairs = list(zip(data.rows, passes, strict=True))
        low = np.array([_is_low(row, p, threshold, Policy()) for row, p in pairs])
        votes_only = Policy(expected_objects=None)
        alone = np.array([_is_low(row, p, threshold, votes_only) for row, p in pairs])
        reached = {
            "missed": float(low[abnormal].mean()),
            "missed_by_votes_alone": float(alone[abnormal].mean()),
            "cleared": float(low[~abnormal].mean()),
        }
        too_many = reached["missed"] > MOST_MISSED
        if too_many or reached["missed_by_votes_alone"] > MOST_MISSED_ALONE:
            break
        best = (float(threshold), {name: round(share, 4) for name, share in reached.items()})
    return best


def _is_low(row: dict, p: np.ndarray, threshold: float, policy: Policy) -> bool:
    said = summarise(p[None], threshold)[0]
    votes = round((said.votes if said.abnormal else 1 - said.votes) * said.passes)
    checked = policy.expected_objects is not None
    evidence = Evidence(
        OK if row["accepted"] or not checked else REJECTED, said.mean, said.std, votes,
        said.passes, row["objects"], warnings=tuple(row["warnings"]) if checked else (),
    )  # fmt: skip
    return decide(evidence, policy).route == LOW_PRIORITY


def make_sets(
    out: Path, records: Sequence[CellRecord], split: Split, leave_out: str, workers: int
) -> None:
    """Compose every part's karyograms at every size; the left-out source is a part of its own."""
    for number, part in enumerate(PARTS):
        folder = out / "sets" / part
        cells = part_cells(_without(records, leave_out), split, part, number)
        _build(folder, cells, COUNTS[part], 10 + number, workers)
    if leave_out:
        unseen = [load_cell(r) for r in records if r.source == leave_out and r.label == "normal"]
        _build(
            out / "sets" / "unseen", {COMPOSED: unseen}, {COMPOSED: 2, SIMULATED: 3}, 20, workers
        )


def part_cells(
    records: Sequence[CellRecord], split: Split, part: str, seed: int, apart: bool = False
) -> dict[str, list[Cell]]:
    """Return the complete normal cells of a part, pooled ones included, and its aneuploid cells.

    `apart`: no person is in two pooled cells, which are fewer then.
    """
    chosen = split.select(records, part)
    normal = [load_cell(r) for r in chosen if r.label == "normal"]
    crops = [r for r in chosen if r.source == POOLED]
    if crops:
        rng = np.random.default_rng(seed)
        normal += pool_apart(crops, rng) if apart else pool_cells(crops, POOLED_CELLS[part], rng)
    return {COMPOSED: normal, REAL: [load_cell(r) for r in chosen if r.label == "abnormal"]}


def _build(
    folder: Path, cells: dict[str, list[Cell]], counts: dict[str, int], seed: int, workers: int
) -> KaryogramSet:
    entries = plan(cells, counts, seed)
    return build_set(
        folder, entries, [c for group in cells.values() for c in group], SIZES, workers
    )


def split_of(path: Path, records: Sequence[CellRecord]) -> Split:
    """Return the split kept at `path`, made and checked there when it is missing."""
    if path.exists():
        return Split.from_json(path.read_text())
    split = split_by_case(records, seed=0)
    check_leaks(split, records)
    path.write_text(split.to_json())
    return split


def _without(records: Sequence[CellRecord], source: str) -> list[CellRecord]:
    return [r for r in records if r.source != source]


def _cells(records: Sequence[CellRecord], split: Split, part: str, leave_out: str) -> list[Cell]:
    return [load_cell(r) for r in split.select(_without(records, leave_out), part)]


def _held_out(records: Sequence[CellRecord], split: Split) -> dict[str, list[Cell]]:
    chosen = split.select(records, "validation")
    sources = sorted({r.source for r in chosen})
    return {s: [load_cell(r) for r in chosen if r.source == s] for s in sources}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with chromosomes.csv")
    parser.add_argument(
        "--out", type=Path, required=True, help="where the stages keep their results"
    )
    parser.add_argument(
        "--leave-out", default="", metavar="SOURCE", help="laboratory never trained on"
    )
    parser.add_argument(
        "--stage", choices=("all", "sets", "base", "screener", "bundle"), default="all"
    )
    parser.add_argument(
        "--size", type=int, default=416, help="side of the screener's input, pixels"
    )
    parser.add_argument("--epochs", type=int, default=5, help="of the 24-class pretraining")
    parser.add_argument("--slot-epochs", type=int, default=3, help="of the slot stage")
    parser.add_argument("--workers", type=int, default=2, help="processes that compose karyograms")
    return parser.parse_args()


if __name__ == "__main__":
    main()

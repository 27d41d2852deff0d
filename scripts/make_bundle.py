"""Rebuild the default bundle from a data folder, in one resumable command.

    make bundle DATA=../shared/data        (or: python scripts/make_bundle.py --data … --out …)

Stages, each skipped when its result is already in --out: split by patient → pretrain the base on
24 classes → compose and simulate karyograms inside each part → teach the slots → head on cached
features → measure per group → bundle. `--leave-out SOURCE` keeps one laboratory out of everything
before the measuring: its figures are then those of an unseen laboratory.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from screening.data.chromosomes import CellRecord, load_cell, read_cells
from screening.data.pool import pool_cells
from screening.data.split import PARTS, TRAIN, Split, check_leaks, split_by_case
from screening.karyogram.cell import Cell
from screening.train.karyogram_set import (
    COMPOSED,
    REAL,
    SCRAMBLED,
    SIMULATED,
    KaryogramSet,
    build_set,
    plan,
)

SIZES = (150, 224, 416)
POOLED = "tseng"
"""The source of single crops: its complete cells are pooled from several people of one part."""
POOLED_CELLS = {"train": 130, "validation": 24, "calibration": 36, "test": 36}
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
    split = _split(out / "split.json", records)
    if args.stage in ("sets", "all"):
        make_sets(out, records, split, args.leave_out, args.workers)
    if args.stage in ("base", "all"):
        from screening.train import bundle_stages as stages

        stages.base(
            out,
            _cells(records, split, TRAIN, args.leave_out),
            _held_out(records, split),
            args.epochs,
        )
    if args.stage in ("screener", "all"):
        from screening.train import bundle_stages as stages

        stages.screener(out, args.size, args.slot_epochs)


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
    records: Sequence[CellRecord], split: Split, part: str, seed: int
) -> dict[str, list[Cell]]:
    """Return the complete normal cells of a part, pooled ones included, and its aneuploid cells."""
    chosen = split.select(records, part)
    normal = [load_cell(r) for r in chosen if r.label == "normal"]
    crops = [r for r in chosen if r.source == POOLED]
    if crops:
        normal += pool_cells(crops, POOLED_CELLS[part], np.random.default_rng(seed))
    return {COMPOSED: normal, REAL: [load_cell(r) for r in chosen if r.label == "abnormal"]}


def _build(
    folder: Path, cells: dict[str, list[Cell]], counts: dict[str, int], seed: int, workers: int
) -> KaryogramSet:
    entries = plan(cells, counts, seed)
    return build_set(
        folder, entries, [c for group in cells.values() for c in group], SIZES, workers
    )


def _split(path: Path, records: Sequence[CellRecord]) -> Split:
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
    parser.add_argument("--stage", choices=("all", "sets", "base", "screener"), default="all")
    parser.add_argument(
        "--size", type=int, default=416, help="side of the screener's input, pixels"
    )
    parser.add_argument("--epochs", type=int, default=5, help="of the 24-class pretraining")
    parser.add_argument("--slot-epochs", type=int, default=1, help="of the slot stage")
    parser.add_argument("--workers", type=int, default=2, help="processes that compose karyograms")
    return parser.parse_args()


if __name__ == "__main__":
    main()

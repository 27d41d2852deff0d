"""Make the pages and train the reader of structure, resumable at any moment.

    python scripts/reproduce_structure.py pages --data ../shared/data --out runs/structure
    python scripts/reproduce_structure.py train --data ../shared/data --out runs/structure

`pages` writes shards of 40 composed pages of training people and one of validation people, at half
a second a page; `train` may run beside it and reads what is there. The split is that of
configs/default_bundle.yaml; a source left out there teaches nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from screening.build.config import BuildConfig, read_build
from screening.build.data import complete_cells, records_of, taught
from screening.bundle import default_bundle, load_bundle
from screening.data.split import TRAIN, VALIDATION, split_by_case
from screening.errors import ScreeningError
from screening.karyogram.locate import Locator
from screening.models.backbones import known_depths
from screening.synthesis.metaphase import Metaphase
from screening.train.structure import StructureSettings, fit_structure
from screening.train.structure_pages import Strips, changed_cell, page_strips

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "default_bundle.yaml"
PAGES = 40
"""Pages of a shard."""
_CLEAN, _POOLED = 0.15, 0.25
_SHARDS_AN_EPOCH = 16


def part_cells(data: Path, part: str) -> list[Metaphase]:
    """Return the complete normal cells of a part, as many pooled ones of the single crops."""
    config = settings()
    records = records_of(data, config.sources)
    own = taught(records, config.sources)
    split = split_by_case(own, config.split.fractions, config.split.seed)
    rng = np.random.default_rng(5)
    return complete_cells(split.select(own, part), config.sources.pooled, 0, rng)


def settings() -> BuildConfig:
    """Return the settings of the default bundle."""
    return read_build(CONFIG, known_depths())


def shard(cells: list[Metaphase], seed: tuple[int, int], locator: Locator | None) -> Strips:
    """Return the strips of PAGES pages of drawn cells; a part of them is of plain pictures."""
    rng = np.random.default_rng(seed)
    pooled = [c for c in cells if c.source not in settings().sources.pooled]
    apart = [c for c in cells if c.source in settings().sources.pooled]
    made: list[Strips] = []
    while len(made) < PAGES:
        among = apart if apart and rng.random() < _POOLED else pooled
        cell = among[int(rng.integers(len(among)))]
        try:
            changed, truths = changed_cell(cell, rng, int(rng.integers(6, 12)))
            clean = rng.random() < _CLEAN
            strips = page_strips(changed, truths, rng, None if clean else locator)
        except ScreeningError:
            continue  # a blank picture, a page on which nothing was found
        made.append(strips)
    return Strips.joined(made)


def make_pages(data: Path, out: Path, shards: int, share: int, shares: int) -> None:
    """Write the shards of this share that are not there yet: number `share` of `shares`."""
    cv2.setNumThreads(1)
    locator = Locator.of(load_bundle(default_bundle()))
    for part, count in ((VALIDATION, 2), (TRAIN, shards)):
        cells = part_cells(data, part)
        for number in range(share, count, shares):
            path = out / "pages" / f"{part}-{number:04d}.npz"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                shard(cells, (77 if part == TRAIN else 78, number), locator).save(path)
                print(path.name, flush=True)


def train(out: Path, wanted: StructureSettings, threads: int, stop_after: int | None) -> None:
    """Train, or go on with training, on the pages that are there."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def draw(epoch: int) -> Strips:
        there = sorted((out / "pages").glob(f"{TRAIN}-*.npz"))
        count = min(_SHARDS_AN_EPOCH, len(there))
        chosen = np.random.default_rng((1, epoch)).choice(len(there), count, replace=False)
        return Strips.load([there[i] for i in chosen])

    held_out = Strips.load(sorted((out / "pages").glob(f"{VALIDATION}-*.npz")))

    def tick(done: float, total: float, what: str) -> None:
        if done == int(done):
            print(f"{done:.0f} of {total:.0f} {what}", flush=True)

    fit_structure(out / "run", draw, held_out, wanted, stop_after, tick)


def main() -> int:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("pages", "train"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=120)
    parser.add_argument("--share", default="0/1", help="make every second shard: 0/2 or 1/2, …")
    parser.add_argument("--epochs", type=int, default=33)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--stop-after", type=int)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if given.step == "pages":
        share, shares = map(int, given.share.split("/"))
        make_pages(given.data, given.out, given.shards, share, shares)
    else:
        train(given.out, StructureSettings(given.epochs, given.steps), given.threads,
              given.stop_after)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

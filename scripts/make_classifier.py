"""Train the 24-class chromosome classifier from a data folder and put it into a bundle.

    make classifier DATA=../shared/data
    (or: python scripts/make_classifier.py --data … --out runs/classifier --bundle … --into …)

Stages, each skipped when its result is already in --out: split by patient (the bundle's own, when
runs/bundle/split.json is given) → training crops, varied and from composed karyograms → training →
temperature on the validation patients → a copy of --bundle with the part "classifier".
`--leave-out SOURCE` keeps one laboratory out of everything: its figures in
`scripts/measure_classifier.py` are then those of an unseen laboratory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).parent))

import cv2
import numpy as np
from make_bundle import POOLED, split_of

from screening.data.chromosomes import CellRecord, load_cell, read_cells
from screening.data.pool import pool_cells
from screening.data.split import Split
from screening.reading_settings import ReadingSettings
from screening.synthesis.cell import Cell
from screening.train.classifier_crops import Crops, plain_crops, varied_crops
from screening.train.classifier_pages import page_crops

PLAIN, SINGLES, PAGES = "plain", "singles", "pages"
STEPS = 260
HELD_OUT = 20
"""Number of the set of pages of validation patients, on which epoch and temperature are chosen.
Calibration patients have no part in a model: they certify it."""


def main() -> None:
    """Run the stages that --out lacks."""
    args = _arguments()
    out: Path = args.out
    (out / "crops").mkdir(parents=True, exist_ok=True)
    records = [r for r in read_cells(args.data) if r.chromosomes[0].stain == "G"]
    split = split_of(args.split or out / "split.json", records)
    kept = [r for r in records if r.source != args.leave_out]
    jobs = [(PLAIN, "train", 0)] + [(SINGLES, "train", n) for n in range(args.sets)]
    jobs += [(PAGES, "train", n) for n in range(args.sets)]
    jobs += [(PAGES, "validation", HELD_OUT)]
    cut = partial(make_crops, out / "crops", kept, split)
    with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
        for name in pool.map(cut, jobs):
            print(name, flush=True)
    model = train(out, kept, split, args)
    fitted = temperature(model, out / "crops" / f"{PAGES}_validation_{HELD_OUT}.npz")
    print("temperature", json.dumps(fitted))
    if args.bundle:
        put_into(args.bundle, args.into or args.bundle, model, fitted["temperature"], args)


def train(out: Path, kept: Sequence[CellRecord], split: Split, args: argparse.Namespace):
    """Return the trained classifier, trained on, or as --out has it."""
    from screening.train.classifier import fit_classifier

    validation = [load_cell(r) for r in split.select(kept, "validation")]
    held_out = {
        source: plain_crops([c for c in validation if c.source == source])
        for source in sorted({c.source for c in validation})
    }
    held_out["pages"] = read_crops(out / "crops" / f"{PAGES}_validation_{HELD_OUT}.npz")

    def draw(epoch: int) -> Crops:
        n = epoch % args.sets
        names = (f"{PLAIN}_train_0", f"{SINGLES}_train_{n}", f"{PAGES}_train_{n}")
        return Crops.joined([read_crops(out / "crops" / f"{name}.npz") for name in names])

    return fit_classifier(out, draw, held_out, args.epochs, args.steps)


def temperature(model, path: Path) -> dict[str, float]:
    """Return the temperature for whole cells, each adapted to as `screening screen` does."""
    from screening.models.classifier import length_features
    from screening.predict.adapt import adapted
    from screening.train.calibration import temperature_of

    crops, adapting = read_crops(path), adapted(model, ReadingSettings().chromosomes.adapted)
    logits, labels = [], []
    for cell in np.unique(crops.cells):
        own = crops.cells == cell
        images = crops.images[own][..., None].astype(np.float32)
        logits.append(np.asarray(adapting([images, length_features(crops.relative[own])])))
        labels.append(crops.labels[own])
    return temperature_of(np.concatenate(logits), np.concatenate(labels))


def make_crops(
    folder: Path, records: Sequence[CellRecord], split: Split, job: tuple[str, str, int]
) -> str:
    """Make one set of crops unless it is there; return its name."""
    cv2.setNumThreads(1)
    kind, part, number = job
    name = f"{kind}_{part}_{number}"
    path = folder / f"{name}.npz"
    if path.exists():
        return name
    rng = np.random.default_rng((("train", "validation").index(part), number))
    chosen = split.select(records, part)
    if kind == PLAIN:
        crops = plain_crops([load_cell(r) for r in chosen])
    elif kind == SINGLES:
        crops = varied_crops([load_cell(r) for r in chosen], rng)
    else:
        crops = page_crops(complete_cells(chosen, rng), rng)
    half = path.with_suffix(".part.npz")
    np.savez(half, images=crops.images, labels=crops.labels, relative=crops.relative,
             cells=crops.cells)  # fmt: skip
    half.replace(path)
    return name


def complete_cells(records: Sequence[CellRecord], rng: np.random.Generator) -> list[Cell]:
    """Return the complete normal cells, and as many pooled from the source of single crops."""
    normal = [load_cell(r) for r in records if r.source != POOLED and r.label == "normal"]
    crops = [r for r in records if r.source == POOLED]
    return normal + (pool_cells(crops, max(len(normal), 40), rng) if crops else [])


def read_crops(path: Path) -> Crops:
    """Return a set of crops from disk."""
    stored = np.load(path)
    return Crops(stored["images"], stored["labels"], stored["relative"], stored["cells"])


def put_into(source: Path, target: Path, model, temperature: float, args) -> None:
    """Write a copy of the bundle at `source` with the classifier to `target`."""
    from screening.bundle import MODEL_CARD, load_bundle, write_bundle
    from screening.bundle_schema import PartInfo
    from screening.karyogram.crops import CANVAS

    bundle = load_bundle(source)
    part = PartInfo(
        backbone="residual", preprocessing="standard-crop", size=CANVAS[0], width=CANVAS[1],
        temperature=temperature, dropout=model.get_layer("drop_hidden").rate,
        config="classifier.json", weights="classifier.weights.h5",
    )  # fmt: skip
    parts = {name: info for name, info in bundle.info.parts.items() if name != "classifier"}
    models = {name: bundle.load_model(name) for name in parts}
    info = bundle.info.model_copy(update={"parts": parts | {"classifier": part}})
    card = (source / MODEL_CARD).read_text("utf-8")
    written = write_bundle(target, info, models | {"classifier": model}, card)
    print(f"{written.folder}: {', '.join(written.info.parts)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with chromosomes.csv and cells.csv")
    add("--out", type=Path, required=True, help="where the stages keep their results")
    add("--split", type=Path, help="the split of the bundle's screener; made anew without it")
    add("--leave-out", default="", metavar="SOURCE", help="laboratory never trained on")
    add("--bundle", type=Path, help="bundle that the classifier is added to")
    add("--into", type=Path, help="where the new bundle goes (default: in the old one's place)")
    add("--epochs", type=int, default=30)
    add("--steps", type=int, default=STEPS, help="batches of an epoch")
    add("--sets", type=int, default=8, help="sets of crops that the epochs take turns with")
    add("--workers", type=int, default=2, help="processes that make crops")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Fit what training pages look like to the network, and measure how it tells pages unlike them.

    python scripts/measure_likeness.py --data ../shared/data --run runs/bundle \\
        --bundle screening/bundles/default [--into runs/likeness]

The reference is fitted on the texture (see `predict.heads`) of training pages in RUN; half of the
validation patients give the p-values, the other half are the pages that belong. Against them stand
Q-banded cells, drawn cells, turned, mirrored, halved and doubled karyograms, pages of text and
photographs of nothing, all without the quality gate, which refuses many of them; and, to see the
price, pages of a laboratory that taught nothing. Writes reports/likeness.md; --into writes a bundle
that knows the reference.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import numpy as np

from screening.bundle import load_bundle, rewrite_bundle
from screening.bundle_schema import LikenessInfo
from screening.data.chromosomes import load_cell, read_cells
from screening.images.normalise import crop_margins, letterbox, normalise
from screening.metrics import auroc, markdown_table, proportion
from screening.predict.heads import described
from screening.synthesis.cell import Cell
from screening.synthesis.drawn import draw_cell
from screening.train.karyogram_set import COMPOSED, Entry, KaryogramSet, make
from screening.uncertainty.features import KINDS, FeatureReference

ROOT = Path(__file__).resolve().parents[1]
UNSEEN = "unseen laboratory, G bands"
BELONG = "held-out patients"


def tensor(page: np.ndarray, size: int) -> np.ndarray:
    """Return what the network sees of a page, uint8 (size, size)."""
    return letterbox(crop_margins(normalise(page)), size)


def composed(cell: Cell, seed: int) -> np.ndarray:
    """Return a karyogram of a cell in a random style."""
    entry = Entry(cell.source, cell.case, cell.cell, COMPOSED, seed)
    return make(entry, cell)[0].image


def odd_pages(page: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return pages that are no whole upright karyogram, made of one that is; by name."""
    height, width = page.shape
    text = np.full((900, 700), 255, np.uint8)
    for line in range(30):
        words = "".join(rng.choice(list("abcdefghij klmnop qrstuv wxyz "), 48))
        cv2.putText(text, words, (20, 30 * line + 25), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 0, 1)
    coarse = rng.integers(0, 256, (12, 16)).astype(np.uint8)
    return {
        "mirrored": np.ascontiguousarray(page[:, ::-1]),
        "upside down": np.ascontiguousarray(page[::-1]),
        "quarter turn": np.ascontiguousarray(np.rot90(page)),
        "upper half": page[: height // 2],
        "left half": page[:, : width // 2],
        "two side by side": np.hstack([page, page]),
        "negative": 255 - page,
        "page of text": text,
        "photograph": cv2.resize(coarse, (800, 600), interpolation=cv2.INTER_CUBIC),
    }


def rows(
    reference: FeatureReference, groups: Mapping[str, np.ndarray], least: float
) -> list[tuple[object, ...]]:
    """Return a line for each group of features (n, d): AUROC against BELONG and share below
    `least`, by each kind of distance."""
    found = []
    for name, features in groups.items():
        line: list[object] = [name, len(features)]
        for kind in KINDS:
            home, away = (reference.distance(f, kind) for f in (groups[BELONG], features))
            labels = np.r_[np.zeros(len(home)), np.ones(len(away))]
            line.append("–" if name == BELONG else auroc(labels, np.r_[home, away]))
            below = reference.likeness(features, kind) < least
            line.append(proportion(int(below.sum()), len(below)))
        found.append(tuple(line))
    return found


def pages(data: Path, count: int, size: int) -> dict[str, list[np.ndarray]]:
    """Return `count` tensors of each group of pages that are unlike the training pages."""
    rng = np.random.default_rng(0)
    records = [r for r in read_cells(data) if r.label == "normal"]
    other = [r for r in records if r.chromosomes[0].stain != "G"][:count]
    found = {"other stain (Q bands)": [composed(load_cell(r), i) for i, r in enumerate(other)]}
    drawn = [draw_cell(rng, "XX" if i % 2 else "XY") for i in range(count)]
    found["drawn cells"] = [composed(cell, 100 + i) for i, cell in enumerate(drawn)]
    whole = [r for r in records if r.chromosomes[0].stain == "G" and r.source == "gband612"]
    for i, record in enumerate(whole[:: max(1, len(whole) // count)][:count]):
        for name, page in odd_pages(composed(load_cell(record), 200 + i), rng).items():
            found.setdefault(name, []).append(page)
    return {name: [tensor(page, size) for page in group] for name, group in found.items()}


def main() -> None:
    """Fit, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--count", type=int, default=24, help="pages of each group")
    parser.add_argument("--fit", type=int, default=400, help="pages to fit, and held out, at most")
    parser.add_argument("--least", type=float, default=0.01)
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    parser.add_argument("--into", type=Path)
    parser.add_argument("--reports", type=Path, default=ROOT / "reports")
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    size = bundle.info.parts["screener"].size
    run = described(bundle.load_model())

    def features(images: Sequence[np.ndarray]) -> np.ndarray:
        batches = [np.stack(images[i : i + 8]) for i in range(0, len(images), 8)]
        made = [run(np.repeat(b[..., None].astype(np.float32), 3, -1))[1] for b in batches]
        return np.concatenate(made)

    train, validation = (KaryogramSet(args.run / "sets" / n) for n in ("train", "validation"))
    rng = np.random.default_rng(0)
    taught = rng.permutation(np.flatnonzero(train.honest))[: args.fit]
    chosen = rng.permutation(len(validation))[: args.fit]
    cases = [f"{validation.rows[i]['source']}/{validation.rows[i]['case']}" for i in chosen]
    half = set(rng.permutation(sorted(set(cases)))[::2])
    first = np.array([case in half for case in cases])
    images = train.images(size)
    learnt = features([np.asarray(images[i]) for i in sorted(taught)])
    images = validation.images(size)
    held_out = features([np.asarray(images[i]) for i in chosen])
    reference = FeatureReference.fit(learnt, held_out[first])
    groups = {BELONG: held_out[~first]}
    unseen = args.run / "sets" / "unseen"
    if (unseen / "progress").exists():
        images = KaryogramSet(unseen).images(size)
        step = max(1, len(images) // (2 * args.count))
        groups[UNSEEN] = features([np.asarray(image) for image in images[::step]])
    groups |= {
        name: features(images) for name, images in pages(args.data, args.count, size).items()
    }
    clock = time.perf_counter()
    reference.likeness(groups[BELONG], args.kind)
    each = 1000 * (time.perf_counter() - clock) / len(groups[BELONG])
    header = ("pages", "n", *(f"{kind}, {what}" for kind in KINDS
                              for what in ("AUROC", f"likeness < {args.least:g}")))  # fmt: skip
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    ).stdout.strip()  # fmt: skip
    weights = bundle.info.files[bundle.info.parts["screener"].weights][:16]
    table = markdown_table(header, rows(reference, groups, args.least))
    command = f"measure_likeness.py --count {args.count} --fit {args.fit} …"
    (args.reports / "likeness.md").write_text(
        "# Pages unlike those that trained the network\n\nCommand: `python "
        f"scripts/{command}`; commit {commit or 'unknown'}, "
        f"weights sha256 {weights}.\n\nReference: {len(learnt)} training pages, p-values "
        f"from {int(first.sum())} pages of half of the validation patients; AUROC of telling a "
        f"group from the {len(groups[BELONG])} pages of the other half. The distance takes "
        f"{each:.3f} ms a page; the network has seen the texture anyway.\n\n{table}",
        "utf-8",
    )
    if args.into:
        info = bundle.info.model_copy(
            update={"likeness": LikenessInfo(file="likeness.npz", kind=args.kind, least=args.least)}
        )
        rewrite_bundle(bundle, info, args.into, {"likeness.npz": reference.to_npz()})


if __name__ == "__main__":
    main()

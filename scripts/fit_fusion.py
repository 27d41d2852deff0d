"""Fit how a bundle joins its network with the cell's reading, and measure the whole.

    python scripts/fit_fusion.py --data ../shared/data --split runs/bundle/split.json \\
        --bundle runs/classifier/bundle --out runs/fusion [--into screening/bundles/default]

Stages, each skipped when its result is already in --out: pages composed inside each part of the
split (the laboratory given with --leave-out is the part "unseen") → what the bundle's network and
classifier say of each page, through the very steps of `screening screen` → coefficients, threshold
and limits on the validation patients alone → tables of test and unseen in reports/fused.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).parent))

import cv2
import numpy as np
from make_bundle import part_cells

from screening.bundle import Bundle, load_bundle
from screening.data.chromosomes import CellRecord, load_cell, read_cells
from screening.data.split import PARTS, Split
from screening.karyogram.cell import Cell
from screening.train.karyogram_set import COMPOSED, REAL, SIMULATED, Entry, make, plan

UNSEEN = "unseen"
COUNTS = {
    "validation": {COMPOSED: 4, SIMULATED: 4},
    "test": {COMPOSED: 3, SIMULATED: 4, REAL: 3},
    UNSEEN: {COMPOSED: 3, SIMULATED: 3},
    "calibration": {COMPOSED: 2, SIMULATED: 2, REAL: 2},
}
"""Karyograms per cell of each part."""


def main() -> None:
    """Run the stages that --out lacks."""
    args = _arguments()
    parts = args.parts.split(",")
    records = [r for r in read_cells(args.data) if r.chromosomes[0].stain == "G"]
    split = Split.from_json(args.split.read_text())
    for part in parts:
        pages = compose_pages(args.out, records, split, part, args.leave_out, args.workers)
        print(part, len(pages), "pages", flush=True)
    bundle = load_bundle(args.bundle)
    for part in parts:
        measure_pages(args.out, part, bundle, args.passes)


def compose_pages(
    out: Path,
    records: Sequence[CellRecord],
    split: Split,
    part: str,
    leave_out: str,
    workers: int,
) -> list[dict]:
    """Return the rows of out/PART/truth.jsonl; the pages lie beside it as NNNN.png."""
    folder = out / part
    truth = folder / "truth.jsonl"
    if truth.exists():
        return [json.loads(line) for line in truth.read_text().splitlines()]
    folder.mkdir(parents=True, exist_ok=True)
    if part == UNSEEN:
        chosen = [r for r in records if r.source == leave_out and r.label == "normal"]
        cells = {COMPOSED: [load_cell(r) for r in chosen]}
    else:
        others = [r for r in records if r.source != leave_out]
        cells = part_cells(others, split, part, PARTS.index(part))
    entries = plan(cells, COUNTS[part], seed=900 + len(part))
    by_id = {(c.source, c.case, c.cell): c for group in cells.values() for c in group}
    jobs = [(n, e, by_id[e.source, e.case, e.cell]) for n, e in enumerate(entries)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        rows = list(pool.map(partial(_page, folder), jobs, chunksize=8))
    half = truth.with_suffix(".part")
    half.write_text("".join(json.dumps(row) + "\n" for row in rows))
    half.replace(truth)
    return rows


def _page(folder: Path, job: tuple[int, Entry, Cell]) -> dict:
    cv2.setNumThreads(1)
    number, entry, cell = job
    karyogram, abnormality = make(entry, cell)
    name = f"{number:04d}.png"
    cv2.imwrite(str(folder / name), karyogram.image)
    return dict(
        asdict(entry),
        name=name,
        abnormality=abnormality,
        label="abnormal" if entry.kind == REAL else karyogram.label,
        iscn=karyogram.iscn,
        boxes=[[b.name, b.x, b.y, b.w, b.h, b.slot] for b in karyogram.boxes],
    )


def measure_pages(out: Path, part: str, bundle: Bundle, passes: int) -> None:
    """Write out/PART/seen_HASH.pkl: network passes, pieces and class probabilities per page."""
    from screening.worklist.reader import BundleReader
    from screening.worklist.scorer import BundleScorer

    weights = hashlib.sha256(
        "".join(sorted(bundle.info.files.values())).encode()
    ).hexdigest()[:12]  # fmt: skip
    path = out / part / f"seen_{weights}.pkl"
    if path.exists():
        return
    rows = [json.loads(line) for line in (out / part / "truth.jsonl").read_text().splitlines()]
    scorer, reader = BundleScorer(bundle, passes), BundleReader(bundle, passes)
    seen: list[dict] = []
    for start in range(0, len(rows), scorer.batch_size):
        group = rows[start : start + scorer.batch_size]
        seen += look(out / part, group, scorer, reader)
        if len(seen) % 80 < len(group):
            print(part, len(seen), "of", len(rows), flush=True)
    with path.open("wb") as file:
        pickle.dump(seen, file)


def look(folder: Path, rows: Sequence[Mapping], scorer, reader) -> list[dict]:
    """Return what is seen of some pages, as `screening screen` sees it."""
    from screening.images.normalise import crop_margins, letterbox, normalise
    from screening.images.read import read_image
    from screening.karyogram.gate import inspect

    papers = [normalise(read_image(folder / row["name"])) for row in rows]
    tensors = [letterbox(crop_margins(paper), scorer.size) for paper in papers]
    keys = [int(hashlib.sha256(t.tobytes()).hexdigest()[:15], 16) for t in tensors]
    answers = scorer.score(tensors, keys)
    seen = []
    for row, paper, answer in zip(rows, papers, answers, strict=True):
        inspection = inspect(paper)
        one = {
            "row": row, "p": answer.p, "accepted": inspection.quality.ok,
            "reason": inspection.quality.reason, "warnings": inspection.quality.warnings,
        }  # fmt: skip
        if inspection.located is not None:
            chosen, said = reader.classifier.read(inspection.located, paper)
            found = chosen.chromosomes
            one |= {
                "boxes": np.array([f.box for f in found], np.int32).reshape(-1, 4),
                "rows": np.array([f.row for f in found], np.int32),
                "groups": np.array([f.group for f in found], np.int32),
                "classified": {k: getattr(said, k) for k in ("p", "p_std", "relative", "crops")},
            }
        seen.append(one)
    return seen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with chromosomes.csv and cells.csv")
    add("--split", type=Path, required=True, help="the split that the bundle was trained with")
    add("--bundle", type=Path, required=True, help="bundle with screener and classifier")
    add("--out", type=Path, required=True, help="where the stages keep their results")
    add("--into", type=Path, help="where the bundle with the fusion goes")
    add("--leave-out", default="xihu", help="laboratory that trained nothing")
    add("--parts", default=",".join(COUNTS), help="parts to compose and measure")
    add("--passes", type=int, default=100)
    add("--workers", type=int, default=2, help="processes that compose pages")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Compose karyograms inside each part of the split, and let a bundle look at them as `screen` does.

    python scripts/fusion_pages.py --data ../shared/data --split runs/bundle/split.json \\
        --bundle runs/classifier/bundle --out runs/fusion

The laboratory given with --leave-out is the part "unseen". What the network and the classifier say
of every page is kept in --out for `fit_fusion.py` and `measure_fused.py`; what is there already is
not made again.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
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
from screening.data.split import CALIBRATION, PARTS, Split
from screening.images.foreground import components, shrunk
from screening.images.normalise import crop_margins, letterbox, normalise
from screening.images.read import read_image
from screening.karyogram.gate import inspect
from screening.karyogram.marks import toned_marks
from screening.synthesis.cell import Cell
from screening.synthesis.style import unworn
from screening.train.karyogram_set import (
    COMPOSED,
    REAL,
    REJOINED,
    SIMULATED,
    STRUCTURAL,
    Entry,
    make,
    plan,
)

UNSEEN = "unseen"
KINDS = {COMPOSED: "composed", SIMULATED: "simulated", REAL: "real", STRUCTURAL: "simulated",
         REJOINED: "composed"}  # fmt: skip
"""How manifests call the kinds."""
COUNTS = {
    "validation": {COMPOSED: 4, SIMULATED: 4},
    "test": {COMPOSED: 3, SIMULATED: 4, REAL: 3},
    UNSEEN: {COMPOSED: 3, SIMULATED: 3},
    "calibration": {COMPOSED: 2, SIMULATED: 6, REAL: 2},
    "calibration-one": {COMPOSED: 1, SIMULATED: 1, REAL: 1},
    "test-plain": {COMPOSED: 2, SIMULATED: 2, REAL: 3},
    "unseen-plain": {COMPOSED: 2, SIMULATED: 2},
    "validation-structural": {REJOINED: 2, STRUCTURAL: 2},
    "test-structural": {REJOINED: 2, STRUCTURAL: 2},
    "unseen-structural": {REJOINED: 1, STRUCTURAL: 1},
}
"""Karyograms per cell of each part. Measured apart: structural abnormalities, and good preparations
("plain") without bends, overlaps and frayed edges, in half of which homologs touch. Calibration
patients show both kinds, and share nobody: a promise counts patients. "calibration-one" has one
cell, and one abnormal page, of each."""


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
        if "screener" in bundle.info.parts:
            measure_network(args.out, part, bundle, args.passes)
        if "classifier" in bundle.info.parts:
            measure_chromosomes(args.out, part, bundle, args.passes)


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
        return rows_of(out, part)
    folder.mkdir(parents=True, exist_ok=True)
    patients, _, kind = part.partition("-")
    if patients == UNSEEN:
        chosen = [r for r in records if r.source == leave_out and r.label == "normal"]
        cells = {COMPOSED: [load_cell(r) for r in chosen]}
    else:
        others = [r for r in records if r.source != leave_out]
        seed, apart = PARTS.index(patients), patients == CALIBRATION
        cells = part_cells(others, split, patients, seed, apart)
        if kind == "one":
            cells = {name: _one_of_each(group) for name, group in cells.items()}
            real = {(c.source, c.case) for c in cells[REAL]}
            cells[COMPOSED] = [c for c in cells[COMPOSED] if (c.source, c.case) not in real]
    entries = plan(cells, COUNTS[part], seed=900 + len(part))
    by_id = {(c.source, c.case, c.cell): c for group in cells.values() for c in group}
    jobs = [(n, e, by_id[e.source, e.case, e.cell]) for n, e in enumerate(entries)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        looks = [partial(_page, folder, plain=_plain(part, e)) for _, e, _ in jobs]
        rows = list(pool.map(_call, looks, jobs, chunksize=8))
    half = truth.with_suffix(".part")
    half.write_text("".join(json.dumps(row) + "\n" for row in rows))
    half.replace(truth)
    write_manifest(folder, rows)
    return rows


def _plain(part: str, entry: Entry) -> bool:
    return part.endswith("-plain") or (part.startswith(CALIBRATION) and entry.seed % 2 == 0)


def _one_of_each(cells: Sequence[Cell]) -> list[Cell]:
    """The first cell of each patient."""
    return list({(cell.source, cell.case): cell for cell in reversed(cells)}.values())[::-1]


def write_manifest(folder: Path, rows: Sequence[Mapping]) -> None:
    """Write what `screening tune` and `screening evaluate` read: manifest.csv beside the pages."""
    columns = ("path", "label", "case", "source", "kind", "abnormality")
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows({**row, "path": row["name"], "kind": KINDS[row["kind"]]} for row in rows)


def _call(do: Callable[..., dict], job: tuple[int, Entry, Cell]) -> dict:
    return do(job)


def _page(folder: Path, job: tuple[int, Entry, Cell], plain: bool) -> dict:
    cv2.setNumThreads(1)
    number, entry, cell = job
    karyogram, abnormality = make(entry, cell, unworn if plain else lambda style: style)
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


def measure_network(out: Path, part: str, bundle: Bundle, passes: int) -> np.ndarray:
    """Return the network's passes (n, passes) over the pages of a part, kept in out/PART."""
    from screening.worklist.scorer import BundleScorer

    path = out / part / f"passes_{weights_hash(bundle, 'screener')}.npy"
    if path.exists():
        return np.load(path)
    scorer = BundleScorer(bundle, passes)
    rows, answers = rows_of(out, part), []
    for start in range(0, len(rows), scorer.batch_size):
        papers = [_paper(out / part, row) for row in rows[start : start + scorer.batch_size]]
        tensors = [letterbox(crop_margins(paper), scorer.size) for paper in papers]
        keys = [int(hashlib.sha256(t.tobytes()).hexdigest()[:15], 16) for t in tensors]
        answers += [answer.p for answer in scorer.score(tensors, keys)]
        if start % 80 == 0:
            print(part, "network", start, "of", len(rows), flush=True)
    np.save(path, np.array(answers, np.float32))
    return np.load(path)


def measure_chromosomes(out: Path, part: str, bundle: Bundle, passes: int) -> list[dict]:
    """Return what is found on every page of a part and how it is classified, kept in out/PART."""
    from screening.worklist.reader import BundleReader

    path = out / part / f"chromosomes_{weights_hash(bundle, 'classifier')}.pkl"
    if not path.exists():
        reader = BundleReader(bundle, passes)
        rows, seen = rows_of(out, part), []
        for number, row in enumerate(rows):
            seen.append(_look(_paper(out / part, row), reader))
            if number % 80 == 0:
                print(part, "chromosomes", number, "of", len(rows), flush=True)
        with path.open("wb") as file:
            pickle.dump(seen, file)
    with path.open("rb") as file:
        return pickle.load(file)


def rows_of(out: Path, part: str) -> list[dict]:
    """Return the truth of a part's pages, page by page."""
    return [json.loads(line) for line in (out / part / "truth.jsonl").read_text().splitlines()]


def weights_hash(bundle: Bundle, part: str) -> str:
    """Return what changes with the weights of one network of a bundle."""
    return bundle.info.files[bundle.info.parts[part].weights][:12]


def _paper(folder: Path, row: Mapping) -> np.ndarray:
    return normalise(read_image(folder / row["name"]))


def _look(paper: np.ndarray, reader) -> dict:
    """What `screening screen` sees of a page besides the network's answer."""
    inspection = inspect(paper)
    one = {
        "accepted": inspection.quality.ok, "reason": inspection.quality.reason,
        "warnings": inspection.quality.warnings,
        "components": components(shrunk(paper)[0]).count,
    }  # fmt: skip
    if inspection.located is not None:
        chosen, said = reader.classifier.read(inspection.located, paper)
        found = chosen.chromosomes
        one |= {
            "boxes": np.array([f.box for f in found], np.int32).reshape(-1, 4),
            "rows": np.array([f.row for f in found], np.int32),
            "groups": np.array([f.group for f in found], np.int32),
            "marks": len(toned_marks(paper, chosen)),
            "areas": np.array([f.area for f in found], np.float32),
            "classified": {k: getattr(said, k) for k in ("p", "p_std", "relative", "crops")},
        }
    return one


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with chromosomes.csv and cells.csv")
    add("--split", type=Path, required=True, help="the split that the bundle was trained with")
    add("--bundle", type=Path, required=True, help="bundle with screener and classifier")
    add("--out", type=Path, required=True, help="where the stages keep their results")
    add("--leave-out", default="xihu", help="laboratory that trained nothing")
    add("--parts", default=",".join(COUNTS), help="parts to compose and measure")
    add("--passes", type=int, default=100)
    add("--workers", type=int, default=2, help="processes that compose pages")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Karyograms composed inside each part of the split, for a bundle to look at as `screen` would.

A part of pages is a folder: NNNN.png, `truth.jsonl` (one line per page) and, written last,
`manifest.csv`, which `screening tune` and `screening evaluate` read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2

from screening.atomic import replace_files
from screening.build.config import KINDS, ONE, PLAIN, BuildConfig
from screening.build.data import one_of_each, part_cells
from screening.build.runner import Context
from screening.build.workers import each
from screening.data.chromosomes import CellRecord
from screening.data.pool import is_pooled
from screening.data.split import CALIBRATION, Split
from screening.synthesis.metaphase import Metaphase
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

TRUTH, MANIFEST = "truth.jsonl", "manifest.csv"
CALLED = {COMPOSED: "composed", SIMULATED: "simulated", REAL: "real", STRUCTURAL: "simulated",
          REJOINED: "composed"}  # fmt: skip
"""How manifests call the kinds."""


def compose_part(
    context: Context,
    folder: Path,
    part: str,
    counts: Mapping[str, int],
    records: Sequence[CellRecord],
    split: Split,
    config: BuildConfig,
    most: int | None = None,
) -> None:
    """Compose the pages of a part of pages (see `PagesConfig`) into `folder`, unless it is done:
    all of them, or the first `most` of their random order and every truly aneuploid one.

    Calibration patients show worn and good preparations; none of them is pooled.
    """
    if (folder / MANIFEST).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    people, _, look = part.partition("-")
    cells = part_cells(records, split, people, config)
    if look == ONE:
        cells = one_of_each(cells)
    kinds = {KINDS[kind]: times for kind, times in counts.items()}
    entries = plan(cells, kinds, seed=900 + len(part))
    if most is not None:
        entries = [e for n, e in enumerate(entries) if n < most or e.kind == REAL]
    by_id = {(c.source, c.case, c.cell): c for group in cells.values() for c in group}
    jobs = [
        (number, entry, by_id[entry.source, entry.case, entry.cell], _is_plain(people, look, entry))
        for number, entry in enumerate(entries)
    ]
    rows = list(each(context, partial(_page, folder), jobs, f"pages of {part}"))
    (folder / TRUTH).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    _write_manifest(folder, rows)


def rows_of(folder: Path) -> list[dict]:
    """Return the truth of a part's pages, page by page."""
    return [json.loads(line) for line in (folder / TRUTH).read_text("utf-8").splitlines()]


def _is_plain(people: str, look: str, entry: Entry) -> bool:
    """Whether a page shows a good preparation: no bends, overlaps and frayed edges, and homologs
    that touch in half of the pages only."""
    return look == PLAIN or (people == CALIBRATION and entry.seed % 2 == 0)


def _page(folder: Path, job: tuple[int, Entry, Metaphase, bool]) -> dict:
    number, entry, cell, plain = job
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


def _write_manifest(folder: Path, rows: Sequence[Mapping]) -> None:
    columns = ("path", "label", "case", "source", "kind", "pooled", "abnormality")
    file = io.StringIO()
    table = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for row in rows:
        said = {"path": row["name"], "kind": CALLED[row["kind"]]}
        table.writerow(dict(row) | said | {"pooled": "yes" if is_pooled(row["case"]) else "no"})
    replace_files(folder, {MANIFEST: file.getvalue()})

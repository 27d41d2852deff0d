"""Composed karyograms as a data set on disk: which cells they come from, pictures, truth, manifest.

FOLDER/karyograms/00001.png …, FOLDER/manifest.csv (path, label, case, iscn, kind, source, cell) and
FOLDER/truth.jsonl (one object per picture: boxes of all chromosomes and of the 24 slots). The
manifest is written last: an interrupted run leaves none.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from screening.atomic import replace_files
from screening.data.chromosomes import INCOMPLETE, CellRecord, read_cells
from screening.errors import ScreeningError
from screening.synthesis.compose import Karyogram
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Metaphase

MANIFEST = "manifest.csv"
MANIFEST_COLUMNS = ("path", "label", "case", "iscn", "kind", "source", "cell")
PICTURES = "karyograms"


@dataclass(frozen=True, eq=False)
class Made:
    """One finished karyogram, whose cell it shows, how it was made (`kind`: composed, sham or
    simulated) and from which recipe."""

    karyogram: Karyogram
    cell: Metaphase
    kind: str
    recipe: str = ""


def complete_cells(source: str, sources: Sequence[str] | None = None) -> list[CellRecord]:
    """Return the complete cells of a folder or CSV of single chromosomes.

    Cells that are incomplete are left out: they belong to neither label. Other stains than G are
    left out unless `sources` names what to use. Raises ScreeningError when no cell is left.
    """
    records = read_cells(source, sources)
    if not sources:
        records = [r for r in records if all(c.stain == "G" for c in r.chromosomes)]
    complete = [record for record in records if record.label != INCOMPLETE]
    if not complete:
        raise ScreeningError(
            f"expected complete cells (46 chromosomes known to be of one cell) in {source}, "
            f"received {len(records)} incomplete ones; give a folder with cells, or use: drawn"
        )
    return complete


def drawn_cell(
    rng: np.random.Generator, seed: int, number: int, sexes: Sequence[str] = ("XX", "XY")
) -> Metaphase:
    """Return a drawn cell of one of `sexes`, a case of its own: another one for another seed."""
    sex = sexes[int(rng.integers(len(sexes)))]
    return draw_cell(rng, sex, case=f"drawn-{seed}-{number:05d}", cell="1")


def write_karyograms(
    folder: Path, made: Iterable[Made], seed: int, suffix: str = "png"
) -> dict[str, int]:
    """Write the karyograms one by one, then their truth and manifest; return how many of a label.

    What an earlier run left is removed first. `seed` is noted; `suffix` is png or jpg. Raises
    ScreeningError when the folder cannot be written.
    """
    rows: list[dict[str, str]] = []
    truths = []
    try:
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        for stale in [folder / MANIFEST, *(folder / PICTURES).glob("[0-9]*.???")]:
            stale.unlink(missing_ok=True)
        for number, one in enumerate(made, start=1):
            name = f"{PICTURES}/{number:05d}.{suffix}"
            (folder / name).write_bytes(_encode(one.karyogram.image, suffix))
            rows.append(_row(name, one))
            truths.append(json.dumps(_truth(name, one, seed), ensure_ascii=False))
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, MANIFEST_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        lines = "".join(line + "\n" for line in truths)
        replace_files(folder, {"truth.jsonl": lines, MANIFEST: table.getvalue()})
    except OSError as error:
        raise ScreeningError(
            f"cannot write to {folder}: {error.strerror}; choose a folder with room and write "
            "permission"
        ) from error
    labels = [row["label"] for row in rows]
    return {label: labels.count(label) for label in sorted(set(labels))}


def _row(name: str, made: Made) -> dict[str, str]:
    return {
        "path": name,
        "label": made.karyogram.label,
        "case": made.cell.case,
        "iscn": made.karyogram.iscn,
        "kind": made.kind,
        "source": made.cell.source,
        "cell": made.cell.cell,
    }


def _truth(name: str, made: Made, seed: int) -> dict[str, object]:
    height, width = made.karyogram.image.shape
    return {
        **_row(name, made),
        "recipe": made.recipe,
        "seed": seed,
        "width": width,
        "height": height,
        "boxes": [asdict(box) for box in made.karyogram.boxes],
        "slots": [asdict(slot) for slot in made.karyogram.slots],
    }


def _encode(image: np.ndarray, suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix == "jpg" else []
    return cv2.imencode(f".{suffix}", image, options)[1].tobytes()

"""Single-chromosome images on disk: read as records, grouped into cells, decoded as `Metaphase`.

Understood are the data folder (`chromosomes.csv` with the columns path, source, case, cell, class,
stain, upright, and `cells.csv` beside it), any CSV with path, class and case, and the folders that
`data.layouts` knows. Records are cheap: only `load_cell` opens pictures.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from screening.classes import ABNORMAL, AUTOSOMES, CHROMOSOMES, NORMAL
from screening.data.layouts import list_folder
from screening.data.tables import Problems, read_table
from screening.errors import ImageError, ManifestError
from screening.images.ink import crop_to_ink
from screening.images.read import read_image
from screening.synthesis.metaphase import Chromosome, Metaphase

CHROMOSOME_TABLE = "chromosomes.csv"
CELL_TABLE = "cells.csv"
CELL_COLUMNS = (
    "source", "case", "cell", "chromosomes", "sex_chromosomes", "gains_and_losses", "label",
)  # fmt: skip
INCOMPLETE = "incomplete"
"""Label of a cell that lost chromosomes in preparation: neither normal nor abnormal."""

CELL_LABELS = (NORMAL, ABNORMAL, INCOMPLETE)
STAINS = ("G", "Q")
INK = 250
"""Grey values under this are chromosome, the rest is paper (stored crops are masked on 255)."""


@dataclass(frozen=True, slots=True)
class ChromosomeRecord:
    """One single-chromosome image on disk, not opened yet.

    `name` is one of classes.CHROMOSOMES, `stain` "G" (dark on white) or "Q" (bright on black),
    `upright` "yes" or "estimated", `origin` the path as listed: the picture's unique name.
    """

    path: Path
    source: str
    case: str
    cell: str
    name: str
    stain: str
    upright: str
    origin: str


class Stored(NamedTuple):
    """A picture as its file holds it: pixels, channels, and bits of each channel."""

    height: int
    width: int
    channels: int
    bits: int


@dataclass(frozen=True, slots=True)
class CellRecord:
    """One cell: whose it is, its label (normal, abnormal, incomplete) and its chromosome records.

    `gains_and_losses` is as published ("+21", "-12", empty): by count only.
    """

    source: str
    case: str
    cell: str
    label: str
    sex_chromosomes: str
    gains_and_losses: str
    chromosomes: tuple[ChromosomeRecord, ...]

    @property
    def id(self) -> str:
        """Return the cell's unique name, source/case/cell."""
        return f"{self.source}/{self.case}/{self.cell}"

    @property
    def reserved(self) -> bool:
        """Return True for a truly aneuploid cell: for calibration and test, never trained on."""
        return self.label == ABNORMAL

    def counts(self) -> dict[str, int]:
        """Return how many of each chromosome the cell has, in Denver order, zeros left out."""
        found = Counter(record.name for record in self.chromosomes)
        return {name: found[name] for name in CHROMOSOMES if found[name]}


def read_chromosomes(location: Path | str) -> list[ChromosomeRecord]:
    """Return the records of a data folder, of a CSV file or of a published layout, in listed order.

    A CSV's `path` is relative to the CSV. Without a `case` column, or in a layout that names no
    persons, every image is its own case: patients are then unknown and cannot be kept apart.
    Raises ManifestError with all problems: missing files, unknown classes, duplicates.
    """
    location = Path(location)
    if location.is_file():
        return _from_table(location)
    if not location.is_dir():
        raise ManifestError(f"expected a folder or a CSV of chromosomes, {location} does not exist")
    table = location / CHROMOSOME_TABLE
    return _from_table(table) if table.is_file() else _from_folder(location)


def read_cells(location: Path | str, sources: Iterable[str] | None = None) -> list[CellRecord]:
    """Return the cells of `location` (see read_chromosomes), optionally of some `sources` only.

    Cells listed in `cells.csv` carry its label. Others are labelled by count: a full 46,XX or 46,XY
    is normal, anything else is `incomplete`, because a missing chromosome cannot be told from one
    that was lost, cut away or never photographed.
    Raises ManifestError when the two tables disagree or a wanted source does not exist.
    """
    location = Path(location)
    groups: dict[tuple[str, str, str], list[ChromosomeRecord]] = defaultdict(list)
    for record in read_chromosomes(location):
        groups[record.source, record.case, record.cell].append(record)
    folder = location.parent if location.is_file() else location
    listed = _read_cell_table(folder / CELL_TABLE, groups)
    cells = [_cell(key, records, listed.get(key)) for key, records in groups.items()]
    if sources is None:
        return cells
    wanted = set(sources)
    known = {cell.source for cell in cells}
    if wanted - known:
        raise ManifestError(
            f"expected sources among {sorted(known)}, received {sorted(wanted - known)}"
        )
    return [cell for cell in cells if cell.source in wanted]


def load_cell(record: CellRecord) -> Metaphase:
    """Return the decoded cell: every chromosome dark on white paper (255), cropped to its ink."""
    return Metaphase(
        chromosomes=tuple(load_chromosome(item) for item in record.chromosomes),
        source=record.source,
        case=record.case,
        cell=record.cell,
    )


def load_chromosome(record: ChromosomeRecord) -> Chromosome:
    """Return one decoded chromosome, uint8 (h, w), dark on white; ImageError when unreadable.

    Q-banded pictures (bright on black) are inverted.
    """
    return load_stored(record)[0]


def load_stored(record: ChromosomeRecord) -> tuple[Chromosome, Stored]:
    """Return the chromosome as `load_chromosome` does, and how its file holds it.

    Grey of 8 bits is taken as it is, everything else as `images.read` takes it: colour as luma,
    more bits by the range that they use.
    """
    try:
        data = np.fromfile(record.path, dtype=np.uint8)
    except OSError as error:
        raise ImageError(record.path, f"cannot be opened ({error.strerror})") from error
    raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if raw is None:
        raise ImageError(record.path, "is not a readable picture")
    channels = raw.shape[2] if raw.ndim == 3 else 1
    stored = Stored(raw.shape[0], raw.shape[1], channels, 8 * raw.dtype.itemsize)
    plain = channels == 1 and stored.bits == 8
    grey = raw.reshape(raw.shape[:2]) if plain else read_image(record.path, min_side=1)
    if record.stain == "Q":
        grey = 255 - grey
    grey = crop_to_ink(grey, INK)
    if grey.size == 0:
        raise ImageError(record.path, "shows no chromosome: the picture is blank")
    return Chromosome(image=grey, name=record.name, origin=record.origin), stored


def _from_table(table: Path) -> list[ChromosomeRecord]:
    problems = Problems(str(table))
    records: list[ChromosomeRecord] = []
    seen: set[str] = set()
    root = str(table.parent)
    for line, row in read_table(table, required=("path", "class")):
        path, name = row["path"], row["class"]
        stain = row.get("stain") or "G"
        if name not in CHROMOSOMES:
            problems.add(f"line {line}: expected a class 1…22, X or Y, received {name!r}")
        if stain not in STAINS:
            problems.add(f"line {line}: expected the stain G or Q, received {stain!r}")
        if path in seen:
            problems.add(f"line {line}: {path} is listed twice")
        seen.add(path)
        full = os.path.join(root, path)
        if not os.path.isfile(full):
            problems.add(f"line {line}: the file {path} does not exist")
        case = row.get("case") or path
        records.append(
            ChromosomeRecord(
                path=Path(full),
                source=row.get("source") or table.parent.name,
                case=case,
                cell=row.get("cell") or case,
                name=name,
                stain=stain,
                upright=row.get("upright") or "yes",
                origin=path,
            )
        )
    if not records:
        problems.add("it lists no chromosome")
    problems.raise_if_any()
    return records


def _from_folder(folder: Path) -> list[ChromosomeRecord]:
    records = []
    for path, name, known, stain in list_folder(folder):
        origin = path.relative_to(folder).as_posix()
        case = known or origin
        records.append(ChromosomeRecord(path, folder.name, case, case, name, stain, "yes", origin))
    return records


def _read_cell_table(
    table: Path, groups: dict[tuple[str, str, str], list[ChromosomeRecord]]
) -> dict[tuple[str, str, str], dict[str, str]]:
    if not table.is_file():
        return {}
    problems = Problems(str(table))
    listed: dict[tuple[str, str, str], dict[str, str]] = {}
    for line, row in read_table(table, required=("source", "case", "cell", "label")):
        key = (row["source"], row["case"], row["cell"])
        if row["label"] not in CELL_LABELS:
            problems.add(f"line {line}: expected a label {CELL_LABELS}, received {row['label']!r}")
        if key in listed:
            problems.add(f"line {line}: the cell {'/'.join(key)} is listed twice")
        listed[key] = row
        found, stated = len(groups.get(key, ())), row.get("chromosomes")
        if stated and stated != str(found):
            problems.add(f"line {line}: states {stated} chromosomes, {found} are listed")
        elif not found:
            problems.add(f"line {line}: no chromosome of {'/'.join(key)} is listed")
    problems.raise_if_any()
    return listed


def _cell(
    key: tuple[str, str, str], records: list[ChromosomeRecord], row: dict[str, str] | None
) -> CellRecord:
    counts = Counter(record.name for record in records)
    if row is None:
        sexes = "X" * counts["X"] + "Y" * counts["Y"]
        complete = sexes in ("XX", "XY") and all(counts[name] == 2 for name in AUTOSOMES)
        row = {"label": NORMAL if complete else INCOMPLETE, "sex_chromosomes": sexes}
    return CellRecord(
        source=key[0],
        case=key[1],
        cell=key[2],
        label=row["label"],
        sex_chromosomes=row.get("sex_chromosomes") or "",
        gains_and_losses=row.get("gains_and_losses") or "",
        chromosomes=tuple(records),
    )

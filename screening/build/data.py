"""Whose chromosomes a build uses: records of the sources, cells of a part, drawn cells."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import cv2
import numpy as np

from screening.atomic import replaced_folder
from screening.build.config import UNSEEN, BuildConfig, DrawnConfig, SourcesConfig
from screening.classes import ABNORMAL, NORMAL
from screening.data.chromosomes import (
    CELL_COLUMNS,
    CELL_TABLE,
    CHROMOSOME_TABLE,
    CellRecord,
    load_cell,
    read_cells,
)
from screening.data.pool import pool_cells
from screening.data.split import CALIBRATION, PARTS, TRAIN, VALIDATION, Split
from screening.data.tables import Problems
from screening.errors import ManifestError
from screening.synthesis.drawn import draw_cell
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.simulate import simulate
from screening.train.karyogram_set import COMPOSED, REAL

SPLIT = "split.json"
_FEW = 1 / 3
"""Of the chromosomes of the largest source: one with fewer shows its own several times over, else
what its laboratory does otherwise would hardly be seen."""
_CHROMOSOME_COLUMNS = ("path", "source", "case", "cell", "class", "stain", "upright")
DRAWN_ABNORMAL = ("+21", "+18", "+13", "45,X", "47,XXY")


def records_of(data: Path, sources: SourcesConfig) -> list[CellRecord]:
    """Return the cells of the wanted stains, those of the sources left out among them.

    ManifestError when a source of these stains is in neither list, or a listed one is not there.
    """
    records = [r for r in read_cells(data) if r.chromosomes[0].stain in sources.stains]
    found = {r.source for r in records}
    listed = {*sources.train_on, *sources.leave_out}
    if found != listed:
        said = []
        if found - listed:
            said.append(f"{', '.join(sorted(found - listed))} is in the data and in neither list")
        if listed - found:
            said.append(f"{', '.join(sorted(listed - found))} is not in the data")
        raise ManifestError(
            f"{data}: expected the sources that the settings name under train_on and leave_out: "
            + "; ".join(said)
            + ": name those of the data under `sources` of a copy of the settings"
        )
    return records if sources.most_cases is None else _some(records, sources.most_cases)


def _some(records: Sequence[CellRecord], most: int) -> list[CellRecord]:
    """The records of `most` cases of each source, always the same, truly aneuploid ones first."""
    kept: set[tuple[str, str]] = set()
    for source in sorted({r.source for r in records}):
        own = [r for r in records if r.source == source]
        reserved = {r.case for r in own if r.reserved}
        order = sorted(
            {r.case for r in own},
            key=lambda case: (case not in reserved, hashlib.sha256(case.encode()).hexdigest()),
        )
        first = [case for case in order if case in reserved][: most // 4]
        rest = [case for case in order if case not in reserved]
        kept |= {(source, case) for case in [*first, *rest][:most]}
    return [r for r in records if (r.source, r.case) in kept]


def listing_hash(data: Path) -> str:
    """Return the sha256 (hex) of what a data folder lists: tables, paths and sizes of the files."""
    digest = hashlib.sha256()
    for record in sorted(read_cells(data), key=lambda r: r.id):
        digest.update(f"{record.id}\t{record.label}\n".encode())
        for one in record.chromosomes:
            line = (one.origin, one.name, one.stain, str(one.path.stat().st_size))
            digest.update("\t".join((*line, "\n")).encode())
    return digest.hexdigest()


def split_in(folder: Path) -> Split:
    """Return the split that the stage `split` keeps in its folder."""
    return Split.from_json((folder / SPLIT).read_text("utf-8"))


def taught(records: Sequence[CellRecord], sources: SourcesConfig) -> list[CellRecord]:
    """Return the records of the sources that may teach."""
    return [r for r in records if r.source in sources.train_on]


def check_cells(
    records: Sequence[CellRecord], split: Split, sources: SourcesConfig, data: Path
) -> None:
    """Raise ManifestError that names the parts with nothing to compose normal karyograms of: no
    complete normal cell, and (but for calibration, where a promise counts people) no pooled one."""
    problems = Problems(str(data))
    for part in (TRAIN, VALIDATION, CALIBRATION):
        chosen = split.select(taught(records, sources), part)
        pooled = part != CALIBRATION and any(r.source in sources.pooled for r in chosen)
        if not pooled and not any(r.label == NORMAL for r in chosen):
            problems.add(
                f"no whole normal cell of the {len({r.case for r in chosen})} cases in {part}: "
                "give more people, or other shares of them in the settings (split.fractions)"
            )
    problems.raise_if_any()


def part_cells(
    records: Sequence[CellRecord], split: Split, part: str, config: BuildConfig
) -> dict[str, list[Metaphase]]:
    """Return the complete normal cells of a part, pooled ones included, and its aneuploid cells.

    `part`: of the split, or `unseen`: all normal cells of the sources left out. Calibration has no
    pooled cells: a promise counts people.
    """
    sources = config.sources
    if part == UNSEEN:
        chosen = [r for r in records if r.source in sources.leave_out and r.label == NORMAL]
        return {COMPOSED: [load_cell(r) for r in chosen], REAL: []}
    chosen = split.select(taught(records, sources), part)
    chosen = [r for r in chosen if r.id not in sources.spoiled]
    normal = [load_cell(r) for r in chosen if r.label == NORMAL]
    rng = np.random.default_rng(PARTS.index(part))
    for source in sources.pooled if part != CALIBRATION else ():
        crops = [r for r in chosen if r.source == source]
        if crops:
            count = next((n for name, n in config.sets.pooled.items() if name == part), 0)
            normal += pool_cells(crops, count, rng)
    return {COMPOSED: normal, REAL: [load_cell(r) for r in chosen if r.label == ABNORMAL]}


def complete_cells(
    records: Sequence[CellRecord], pooled: Sequence[str], least: int, rng: np.random.Generator
) -> list[Metaphase]:
    """Return the complete normal cells of records of one part, those of a source of few more than
    once, and cells pooled from its sources of single crops: as many as there are complete ones,
    `least` of each source."""
    whole = [load_cell(r) for r in records if r.source not in pooled and r.label == NORMAL]
    cells = with_few_repeated(whole)
    count = max(len(cells), least)
    for source in pooled:
        crops = [r for r in records if r.source == source]
        cells += pool_cells(crops, count, rng) if crops else []
    return cells


def with_few_repeated(cells: Sequence[Metaphase]) -> list[Metaphase]:
    """Return the cells, each of a source of few chromosomes several times in a row."""
    sizes = Counter[str]()
    for cell in cells:
        sizes[cell.source] += len(cell.chromosomes)
    enough = _FEW * max(sizes.values(), default=0)
    return [cell for cell in cells for _ in range(max(1, ceil(enough / sizes[cell.source])))]


def one_of_each(cells: dict[str, list[Metaphase]]) -> dict[str, list[Metaphase]]:
    """Return the first cell of each person; who has a truly aneuploid one gives no normal one."""
    first = {
        kind: list({(c.source, c.case): c for c in reversed(group)}.values())[::-1]
        for kind, group in cells.items()
    }
    real = {(c.source, c.case) for c in first[REAL]}
    return first | {COMPOSED: [c for c in first[COMPOSED] if (c.source, c.case) not in real]}


def draw_data(folder: Path, config: DrawnConfig) -> Path:
    """Return a data folder of drawn chromosomes, made at `folder` unless it is there."""
    if (folder / CELL_TABLE).is_file():
        return folder
    people = [(config.source, number) for number in range(config.cases)]
    people += [(f"{config.source} elsewhere", number) for number in range(config.left_out)]
    with replaced_folder(folder) as part:
        chromosomes: list[tuple[str, ...]] = []
        cells: list[tuple[object, ...]] = []
        for index, (source, number) in enumerate(people):
            rng = np.random.default_rng([config.seed, index])
            case = f"case-{number:03d}"
            drawn = draw_cell(rng, "XX" if number % 2 else "XY", case=case)
            made = [(drawn, "1", "")]
            if source == config.source and number < config.abnormal:
                name = DRAWN_ABNORMAL[number % len(DRAWN_ABNORMAL)]
                made.append((simulate(drawn, name, rng), "2", name))
            for cell, label, abnormality in made:
                kind = ABNORMAL if abnormality else NORMAL
                count = len(cell.chromosomes)
                cells.append((source, case, label, count, cell.sex, abnormality, kind))
                chromosomes += _written(part, source, case, label, cell)
        _table(part / CHROMOSOME_TABLE, _CHROMOSOME_COLUMNS, chromosomes)
        _table(part / CELL_TABLE, CELL_COLUMNS, cells)
    return folder


def _written(
    root: Path, source: str, case: str, label: str, cell: Metaphase
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for number, one in enumerate(cell.chromosomes):
        path = f"chromosomes/{source}/{case}/{label}-{number:02d}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / path), one.image)
        rows.append((path, source, case, label, one.name, "G", "yes"))
    return rows


def _table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

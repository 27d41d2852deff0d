"""The chromosomes of cells that readers judged, cut out and listed with their classes, for `build`.

Two kinds are written. Those to which a reader gave a class; and, where the count by the readers'
classes is the karyotype of their verdict, all others of that cell too: the verdict says that the
program named them rightly. Only such a cell is whole, and most of `build` asks for whole ones.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from screening import words
from screening.atomic import replaced_folder
from screening.classes import CHROMOSOMES, LABELS, MARKER, NORMAL, NOT_A_CHROMOSOME, OK
from screening.data.chromosomes import CELL_COLUMNS, CELL_TABLE, CHROMOSOME_TABLE, INCOMPLETE
from screening.errors import ScreeningError
from screening.evidence.slots import UPSIDE_DOWN
from screening.iscn import karyotype
from screening.record import Reading
from screening.review.drawings import cut_out
from screening.review.originals import Originals, png
from screening.review.verdicts import PersonVerdict, content_of
from screening.worklist.kept import KeptPicture, KeptRun
from screening.worklist.tables import csv_text

COLUMNS = ("path", "source", "case", "cell", "class", "readers")
"""`source`: the folder's own name; `cell`: the picture; `readers`: who gave the class, "" where the
program did and the count of the cell says that it is right."""
_NORMAL_COUNTS = ("46,XX", "46,XY")


class NothingNamed(ScreeningError):
    """Says that no chromosome can be written, and why."""

    exit_status = 1


@dataclass(frozen=True)
class _Cell:
    """What of a cell is written: class and readers by place, and its label in CELL_TABLE."""

    classes: Mapping[int, tuple[str, tuple[str, ...]]]
    label: str

    @property
    def row(self) -> dict[str, str]:
        """What CELL_TABLE says of the cell itself."""
        counts = Counter(name for name, _ in self.classes.values())
        whole = self.label != INCOMPLETE
        _, sex, *changes = [*karyotype(counts).split(","), ""] if whole else ("", "")
        return {
            "chromosomes": str(len(self.classes)), "sex_chromosomes": sex,
            "gains_and_losses": ",".join(filter(None, changes)), "label": self.label,
        }  # fmt: skip


def check_new(folder: Path) -> None:
    """Raise NothingNamed where `write_named` would have to replace a folder."""
    if folder.exists():
        raise NothingNamed(f"--chromosomes expects a folder that does not exist yet, {folder} does")


def write_named(
    run: KeptRun, standing: Iterable[PersonVerdict], originals: Originals, folder: Path
) -> list[str]:
    """Write a PNG of every chromosome that has one of the 24 classes by readers, upright, and the
    tables of a data folder beside them; return in sentences what was written and left out.

    `folder` appears complete or not at all, and is never replaced. NothingNamed when there is none.
    """
    check_new(folder)
    source, left_out, miscounted = folder.resolve().name, list[str](), list[str]()
    rows: list[dict[str, str]] = []
    cells: list[dict[str, str]] = []
    with replaced_folder(folder) as fresh:
        for line, kept, heard in _judged(run, standing, left_out):
            image, reading = line["image"], kept.picture.reading
            cell = _agreed(image, reading, heard, left_out) if reading is not None else None
            if cell is None or cell.label == INCOMPLETE:
                miscounted.append(image)
            if reading is None or cell is None:
                continue
            try:
                original = originals.original(image)
            except ScreeningError as error:
                left_out.append(f"{image} ({error})")
                continue
            whose = {"source": source, "case": line["case"], "cell": image}
            for place, (name, readers) in cell.classes.items():
                file = f"{len(rows) + 1:05d}.png"
                picture = cut_out(original, reading.chromosomes[place])
                if reading.orientation == UPSIDE_DOWN:
                    picture = np.rot90(picture, 2)
                (fresh / file).write_bytes(png(picture))
                row = {"path": file, "class": name, "readers": " ".join(readers)}
                rows.append(row | whose)
            cells.append(whose | cell.row)
        if not rows:
            why = "no chromosome was given a class, and no cell's count is that of its verdict"
            told = _told(left_out, miscounted)
            raise NothingNamed("; ".join([f"{why}, so none is written", *told]))
        (fresh / CHROMOSOME_TABLE).write_text(csv_text(COLUMNS, rows), "utf-8")
        (fresh / CELL_TABLE).write_text(csv_text(CELL_COLUMNS, cells), "utf-8")
    whole = sum(each["label"] != INCOMPLETE for each in cells)
    one_by_one = sum(each["readers"] != "" for each in rows)
    return [
        f"{words.counted(len(rows), 'chromosome')} of {words.counted(len(cells), 'cell')}, "
        f"{whole} of them whole, {one_by_one} named by readers: {folder / CHROMOSOME_TABLE}",
        *_told(left_out, miscounted),
    ]


def _told(left_out: list[str], miscounted: list[str]) -> list[str]:
    said = [f"Left out: {words.first_of(left_out, 5)}"] if left_out else []
    if miscounted:
        said.append(
            "Nothing but what readers named, as the count is not the karyotype of the verdict, of "
            f"{words.counted(len(miscounted), 'cell')} ({words.first_of(miscounted, 5)})"
        )
    return said


def _judged(
    run: KeptRun, standing: Iterable[PersonVerdict], left_out: list[str]
) -> Iterator[tuple[Mapping[str, Any], KeptPicture, list[PersonVerdict]]]:
    """Every picture with the verdicts on it or its case that were given on what the run now shows,
    by name. What was named on another result, where places are those of other chromosomes, is
    `left_out`; a picture under a second name is not told."""
    by_subject: dict[tuple[str, str], list[PersonVerdict]] = {}
    for verdict in standing:
        by_subject.setdefault(verdict.subject, []).append(verdict)
    cases: dict[str, list[Mapping[str, Any]]] = {}
    for line in run.lines:
        cases.setdefault(line["case"], []).append(line)
    done: set[str] = set()
    for case, lines in sorted(cases.items()):
        of_case = by_subject.get((case, ""), [])
        if not of_case and not any(by_subject.get((case, line["image"])) for line in lines):
            continue
        pictures = run.pictures([line["image"] for line in lines])
        all_shown = "".join(each.shown for each in pictures)
        now = (
            content_of(line["sha256"] for line in lines),
            hashlib.sha256(all_shown.encode()).hexdigest(),
        )
        of_case = [each for each in of_case if (each.sha256, each.shown) == now]
        for line, kept in sorted(
            zip(lines, pictures, strict=True), key=lambda one: one[0]["image"]
        ):
            image, sha256 = line["image"], line["sha256"]
            own = by_subject.get((case, image), [])
            current = [each for each in own if (each.sha256, each.shown) == (sha256, kept.shown)]
            if any(each.classes for each in own if each not in current):
                left_out.append(f"{image} (was screened anew since its chromosomes were named)")
            said = {each.initials.casefold() for each in own}
            heard = current + [each for each in of_case if each.initials.casefold() not in said]
            if heard and line["status"] == OK and sha256 not in done:
                done.add(sha256)
                yield line, kept, heard


def _agreed(
    image: str, reading: Reading, heard: list[PersonVerdict], left_out: list[str]
) -> _Cell | None:
    """What is written of a cell with these verdicts, None for nothing."""
    given: dict[int, dict[str, list[str]]] = {}
    for verdict in heard:
        for number, called in verdict.classes.items():
            given.setdefault(int(number), {}).setdefault(called, []).append(verdict.initials)
    differing = [classes for classes in given.values() if len(classes) > 1]
    for classes in differing:
        left_out.append(f"{image} (readers name a chromosome {' and '.join(sorted(classes))})")
    named: dict[int, tuple[str, tuple[str, ...]]] = {}
    for place, classes in sorted(given.items()):
        ((name, readers), *others) = classes.items()
        if not others and place < len(reading.chromosomes):
            named[place] = (name, tuple(sorted(readers)))
    every = {place: (one.name, ()) for place, one in enumerate(reading.chromosomes)} | named
    every = {place: each for place, each in every.items() if each[0] != NOT_A_CHROMOSOME}
    if not differing and _is_whole(Counter(name for name, _ in every.values()), heard):
        return _Cell(every, heard[0].decision)
    own = {place: each for place, each in named.items() if each[0] in CHROMOSOMES}
    return _Cell(own, INCOMPLETE) if own else None


def _is_whole(counts: Mapping[str, int], heard: list[PersonVerdict]) -> bool:
    """Whether what was counted is the karyotype by all readers, so that no class is in doubt."""
    decisions, said = {each.decision for each in heard}, {each.iscn for each in heard if each.iscn}
    if len(decisions) > 1 or not decisions <= set(LABELS) or counts.get(MARKER):
        return False
    if not said and decisions == {NORMAL}:
        return karyotype(counts) in _NORMAL_COUNTS
    return said == {karyotype(counts)}

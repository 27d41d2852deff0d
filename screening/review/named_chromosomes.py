"""The chromosomes that readers named, cut out and listed with their classes, as `build` takes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from screening import words
from screening.atomic import replaced_folder
from screening.classes import CHROMOSOMES
from screening.errors import ScreeningError
from screening.review.drawings import cut_out
from screening.review.originals import Originals, png
from screening.review.verdicts import PersonVerdict
from screening.worklist.kept import KeptRun
from screening.worklist.tables import csv_text

TABLE = "chromosomes.csv"
COLUMNS = ("path", "class", "case", "image", "readers")


class NothingNamed(ScreeningError):
    """Says that no chromosome can be written, and why."""

    exit_status = 1


def write_named(
    run: KeptRun, standing: Iterable[PersonVerdict], originals: Originals, folder: Path
) -> list[str]:
    """Write a PNG of every chromosome that readers gave one class of the 24, and TABLE beside them;
    return in sentences what was written and what was left out.

    `folder` appears complete or not at all, and is never replaced. NothingNamed when there is none.
    """
    if folder.exists():
        raise NothingNamed(f"--chromosomes expects a folder that does not exist yet, {folder} does")
    named, left_out = _agreed(run, standing)
    if not named:
        raise NothingNamed(
            "no chromosome was given a class in the verdicts that stand, so none is written"
        )
    rows: list[dict[str, str]] = []
    with replaced_folder(folder) as fresh:
        for image, places in named.items():
            try:
                original = originals.original(image)
                reading = run.pictures([image])[0].picture.reading
            except ScreeningError as error:
                left_out.append(f"{image} ({error})")
                continue
            for place, (name, readers) in places.items():
                if reading is None or place >= len(reading.chromosomes):
                    left_out.append(f"{image} (was read anew since)")
                    continue
                file = f"{len(rows) + 1:05d}.png"
                (fresh / file).write_bytes(png(cut_out(original, reading.chromosomes[place])))
                case = next(line["case"] for line in run.lines if line["image"] == image)
                row = {"path": file, "class": name, "case": case, "image": image}
                rows.append(row | {"readers": " ".join(readers)})
        (fresh / TABLE).write_text(csv_text(COLUMNS, rows), "utf-8")
    said = [f"{words.counted(len(rows), 'chromosome')} named by readers: {folder / TABLE}"]
    if left_out:
        said.append(f"Left out: {words.first_of(left_out, 5)}")
    return said


def _agreed(
    run: KeptRun, standing: Iterable[PersonVerdict]
) -> tuple[dict[str, dict[int, tuple[str, list[str]]]], list[str]]:
    """By image and place the class that all who named it gave, and their initials; what is left
    out, in words."""
    hashes = {line["image"]: line["sha256"] for line in run.lines}
    given: dict[tuple[str, int], dict[str, list[str]]] = {}
    for verdict in standing:
        # On another result the places are those of other chromosomes.
        if hashes.get(verdict.image) == verdict.sha256 and verdict.bundle == run.bundle:
            for number, called in verdict.classes.items():
                by_class = given.setdefault((verdict.image, int(number)), {})
                by_class.setdefault(called, []).append(verdict.initials)
    agreed: dict[str, dict[int, tuple[str, list[str]]]] = {}
    left_out = []
    for (image, place), classes in sorted(given.items()):
        if len(classes) > 1:
            left_out.append(f"{image} (readers name a chromosome {' and '.join(sorted(classes))})")
            continue
        ((name, readers),) = classes.items()
        if name in CHROMOSOMES:
            agreed.setdefault(image, {})[place] = (name, sorted(readers))
    return agreed, left_out

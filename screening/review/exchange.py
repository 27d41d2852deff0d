"""Verdicts in and out of an output folder: labels, the whole trail, and those of another place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from screening import words
from screening.atomic import replace_files
from screening.data.tables import Problems, read_table
from screening.errors import ScreeningError
from screening.json_text import parsed
from screening.review import sentences
from screening.review.agreement import agreements, disagreements
from screening.review.labels import LABEL_COLUMNS, labels_of
from screening.review.named_chromosomes import check_new, write_named
from screening.review.originals import Originals
from screening.review.verdicts import (
    COLUMNS,
    FILE_NAME,
    PersonVerdict,
    VerdictError,
    Verdicts,
    as_row,
    checked,
    latest,
)
from screening.worklist.kept import read_run
from screening.worklist.tables import csv_text

_REQUIRED = ("case", "decision", "initials", "given", "id")


@dataclass(frozen=True)
class Settings:
    """What to do with the verdicts of `run`: `labels` and `trail` are tables to write, `add` one to
    take over first, `chromosomes` a folder for those that readers named; `pictures`: where the
    pictures are (None: where they were)."""

    run: Path
    labels: Path | None = None
    trail: Path | None = None
    add: Path | None = None
    pictures: Path | None = None
    chromosomes: Path | None = None


def exchange(settings: Settings) -> list[str]:
    """Return in sentences what was done and how far readers agree.

    ScreeningError for a run or a table that cannot be read; then nothing is taken over or written.
    """
    run = read_run(settings.run)
    if settings.chromosomes is not None:
        check_new(settings.chromosomes)
    arriving = read_verdicts(settings.add) if settings.add is not None else []
    said = []
    with Verdicts(settings.run / FILE_NAME) as store:
        if settings.add is not None:
            new = store.take_over(arriving)
            said.append(f"{words.counted(new, 'verdict')} taken over, {len(arriving) - new} known.")
        every = store.all()
    standing = list(latest(every).values())
    said.append(f"{words.counted(len(every), 'verdict')}, {len(standing)} of them stand.")
    here = {(line["case"], line["image"]) for line in run.lines}
    here |= {(line["case"], "") for line in run.lines}
    strange = {one.case for one in standing if one.subject not in here}
    if strange:
        said.append(
            f"Of pictures or cases that this run does not have, and kept without use: "
            f"{words.first_of(sorted(strange), 5)}."
        )
    said += [sentences.agreed(one) + "." for one in agreements(standing)]
    for one in disagreements(standing):
        what = ", ".join(f"{v.initials} {v.decision} {v.iscn}".rstrip() for v in one.verdicts)
        said.append(f"Readers differ on {one.image or one.case}: {what}.")
    if settings.trail is not None:
        _write(settings.trail, csv_text(COLUMNS, [as_row(each) for each in every]))
        said.append(f"Every verdict: {settings.trail}")
    hashes = {line["image"]: line["sha256"] for line in run.lines}
    originals = Originals(settings.pictures or run.folder, hashes)
    if settings.chromosomes is not None:
        said += write_named(run, standing, originals, settings.chromosomes)
    if settings.labels is not None:
        labels = labels_of(run, standing, originals.path, settings.labels)
        if not labels.rows:
            why = labels.told() or ["give verdicts in `screening review` first"]
            raise VerdictError("; ".join(["no picture has a label, so none are written", *why]))
        _write(settings.labels, csv_text(LABEL_COLUMNS, labels.rows))
        said += labels.told()
        said.append(f"{words.counted(len(labels.rows), 'label')}: {settings.labels}")
    return said


def read_verdicts(table: Path) -> list[PersonVerdict]:
    """Return the verdicts of a table that `--all` wrote; ManifestError with all that is wrong with
    it."""
    problems = Problems(str(table))
    found: list[PersonVerdict] = []
    for line, row in read_table(table, required=_REQUIRED):
        try:
            found.append(_verdict({name: row.get(name, "") for name in COLUMNS}))
        except (ScreeningError, ValueError) as error:
            problems.add(f"line {line}: {error}")
    if not found:
        problems.add("it lists no verdict")
    problems.raise_if_any()
    return found


def _verdict(row: dict[str, str]) -> PersonVerdict:
    plain = {name: _without_apostrophe(value) for name, value in row.items()}
    if not re.fullmatch(r"[0-9a-f]{32}", plain["id"]):
        raise ValueError(f"expected an id of 32 hexadecimal digits, received {plain['id']!r}")
    if not _is_time(plain["given"]):
        raise ValueError(
            "expected a time with its zone such as 2026-01-31T09:30:00+00:00, received "
            f"{plain['given']!r}"
        )
    classes = parsed(plain["classes"]) if plain["classes"] else {}
    if not isinstance(classes, dict):
        raise ValueError("expected the classes as a JSON object")
    pairs = {str(place): str(name) for place, name in classes.items()}
    return checked(PersonVerdict(**plain | {"classes": pairs}))  # type: ignore[arg-type]


def _is_time(text: str) -> bool:
    """Whether a text is a time with its zone, as it is stored."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _without_apostrophe(value: str) -> str:
    """A cell as it was before a table kept it from being run as a formula."""
    return value[1:] if re.match(r"'[=+\-@\t\r]", value) else value


def _write(path: Path, text: str) -> None:
    try:
        replace_files(path.parent, {path.name: text})
    except OSError as error:
        raise ScreeningError(f"cannot write {path} ({error.strerror}): choose another") from error

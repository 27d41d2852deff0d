"""A run that is finished, as it lies in its output folder: read, never written.

The list comes from the outputs, which are quick to read whole; what is known of one picture comes
from the ledger when it is asked for, and is judged by the bundle's description that lies there too.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from screening.bundle_schema import BundleInfo
from screening.json_text import parsed
from screening.record import Case, Picture
from screening.triage.cases import outvoted, without_doubt
from screening.triage.rule import Rule, judge
from screening.worklist.kept_record import picture_in
from screening.worklist.ledger import (
    AGAIN,
    FILE_NAME,
    SCHEMA_VERSION,
    LedgerError,
    info_in,
)
from screening.worklist.remote import RemoteFolder, place_of
from screening.worklist.rows import CASE_COLUMNS, TRIAGE_COLUMNS

_NUMBERS = tuple(each.name for each in fields(Case) if each.type == "int")
_TEXTS = ("image", "case", "status", "route", "prediction", "karyotype", "reasons", "sha256")


@dataclass(frozen=True)
class KeptPicture:
    """A judged picture of the ledger, `shown`: the sha256 of its record."""

    picture: Picture
    shown: str


@dataclass(frozen=True)
class KeptRun:
    """A finished run. `lines`: of triage.jsonl, most urgent first; `cases`, those of their first
    pictures' order; `stamp` differs for every run into the folder; `folder`: where the pictures
    were, `options` under which the ledger holds them, `rule` by which they are judged; `told`:
    run.json."""

    out: Path
    stamp: str
    folder: Path | RemoteFolder
    bundle: str
    options: str
    info: BundleInfo
    rule: Rule
    lines: tuple[Mapping[str, Any], ...]
    cases: tuple[Case, ...]
    told: Mapping[str, Any]

    def pictures(self, images: Sequence[str]) -> list[KeptPicture]:
        """Return what the ledger holds of pictures, in the order asked for; LedgerError when one is
        not there or the folder holds another run by now."""
        with reading(self.out / FILE_NAME) as connection:
            if _stamp(connection) != self.stamp:
                raise LedgerError(f"{self.out} was screened again: load the list anew")
            return [self._picture(connection, image) for image in images]

    def _picture(self, connection: sqlite3.Connection, image: str) -> KeptPicture:
        rows = connection.execute(
            "SELECT listed.patient_case, record FROM listed JOIN results USING (image, sha256)"
            " WHERE image = ? AND bundle = ? AND options = ?",
            (image, self.bundle, self.options),
        ).fetchall()
        if not rows:
            raise LedgerError(f"the ledger of {self.out} holds no result of {image}")
        case, text = rows[0]
        try:
            picture = replace(picture_in(text), case=case)
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(f"the kept result of {image} is damaged: {AGAIN}") from error
        return KeptPicture(self._judged(picture), hashlib.sha256(text.encode("utf-8")).hexdigest())

    def _judged(self, picture: Picture) -> Picture:
        """The picture with its verdict; where the other cells of its case took back a doubt, the
        list says so."""
        other = without_doubt(picture) if self.rule.together else None
        if other is not None:
            said = next(line["reasons"] for line in self.lines if line["image"] == picture.image)
            cells = sum(line["case"] == picture.case for line in self.lines)
            other = replace(other, verdict=judge(self.rule, other))
            for count in range(2, cells + 1):
                taken_back = outvoted(other, count)
                if taken_back.judged.reasons[-1] in said:
                    return taken_back
        return replace(picture, verdict=judge(self.rule, picture))


def read_run(out: Path) -> KeptRun:
    """Return the finished run in `out`; LedgerError that says what is missing and how to mend it:
    no run, one still being written, one that was stopped, one of another version."""
    with reading(out / FILE_NAME) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise LedgerError(
                f"{out} was written by another version of screening (ledger version {version}, "
                f"expected {SCHEMA_VERSION}): use that version, or screen the pictures anew"
            )
        stamp = _stamp(connection)
        settings = json.loads(
            connection.execute("SELECT settings FROM runs ORDER BY id DESC LIMIT 1").fetchone()[0]
        )
        told = _told(out)
        lines = _lines(out)
        infos = _infos(connection)
    bundle = str(told.get("bundle_hash", ""))
    info = info_in(infos.get(bundle), out)
    together = bool(settings.get("cells_together", False))
    rule = Rule.of(info, settings.get("min_confidence"), settings.get("rule"), together)
    cases = _cases(out, lines)
    folder, options = place_of(settings.get("pictures", "")), str(settings.get("options_hash", ""))
    return KeptRun(out, stamp, folder, bundle, options, info, rule, lines, cases, told)


def stamp_of(out: Path) -> str:
    """Return the stamp of the run that lies in `out` now; LedgerError while one is written, or
    where there is none."""
    with reading(out / FILE_NAME) as connection:
        return _stamp(connection)


def _stamp(connection: sqlite3.Connection) -> str:
    """What differs for every run; LedgerError for one that did not come to its end."""
    row = connection.execute(
        "SELECT id, started, finished FROM runs ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if row is None or row[2] is None:
        raise LedgerError(
            "the last run into this folder did not come to its end: use --resume to finish it"
        )
    return hashlib.sha256(repr(row).encode()).hexdigest()[:16]


def _infos(connection: sqlite3.Connection) -> dict[str, str]:
    try:
        return dict(connection.execute("SELECT hash, info FROM bundles").fetchall())
    except sqlite3.OperationalError:  # a ledger from before there was such a table
        return {}


def _text(out: Path, name: str) -> str:
    try:
        return (out / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{out / name} cannot be read ({error}): {AGAIN}") from error


def _told(out: Path) -> Mapping[str, Any]:
    try:
        told = parsed(_text(out, "run.json"))
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise LedgerError(f"{out / 'run.json'} is damaged: {AGAIN}")
    return told


def _lines(out: Path) -> tuple[Mapping[str, Any], ...]:
    try:
        text = _text(out, "triage.jsonl")
        listed = text.rstrip("\n").replace("\n", ",")  # read at once, which is quicker
        lines = tuple(parsed(f"[{listed}]"))
        whole = all(
            set(TRIAGE_COLUMNS) <= line.keys() and all(isinstance(line[n], str) for n in _TEXTS)
            for line in lines
        )
    except (ValueError, AttributeError):
        whole = False
    if not whole:
        raise LedgerError(f"{out / 'triage.jsonl'} is damaged: {AGAIN}")
    return lines


def _cases(out: Path, lines: Sequence[Mapping[str, Any]]) -> tuple[Case, ...]:
    """The cases of cases.csv, whose names are taken from the list: a table may have changed one
    that a spreadsheet would run as a formula."""
    names = list(dict.fromkeys(line["case"] for line in lines))
    try:
        rows = list(csv.DictReader(io.StringIO(_text(out, "cases.csv"), newline="")))
        if all(set(CASE_COLUMNS) <= row.keys() for row in rows):
            return tuple(_case(name, row) for name, row in zip(names, rows, strict=True))
    except (ValueError, csv.Error):
        pass
    raise LedgerError(f"cases.csv and triage.jsonl of {out} do not fit each other: {AGAIN}")


def _case(name: str, row: Mapping[str, str]) -> Case:
    text = {column: row[column] or "" for column in CASE_COLUMNS} | {"case": name}
    p = float(text["p_abnormal"]) if text["p_abnormal"] else None
    counts = {column: int(text[column]) for column in _NUMBERS}
    return Case(**text | counts | {"p_abnormal": p})  # type: ignore[arg-type]


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to the ledger at `path`; LedgerError while a run writes to it, or where
    there is none."""
    if not path.is_file():
        raise LedgerError(
            f"expected the output folder of `screening screen`, but {path.parent} holds no "
            f"{FILE_NAME}"
        )
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1.0)
    try:
        yield connection
    except sqlite3.Error as error:
        if "locked" in str(error):
            raise LedgerError(
                f"a run is writing to {path.parent}: wait until it has ended, then load again"
            ) from error
        raise LedgerError(
            f"the ledger {path} cannot be read ({error}): expected an SQLite file written by "
            f"screening; {AGAIN}"
        ) from error
    finally:
        connection.close()

"""The verdicts of people on the cells and cases of a run: append-only, on disk before it is said.

They lie in a file of their own beside the ledger, which a new run may replace. Nothing is ever
changed or deleted: a reader's later verdict on the same cell or case stands, the earlier ones stay
with their time and what was shown. Several programs may read and add at the same time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from screening.classes import ABNORMAL, CHROMOSOMES, MARKER, NORMAL, NOT_A_CHROMOSOME
from screening.errors import ScreeningError
from screening.iscn import problem_of
from screening.worklist.printable import printable

FILE_NAME = "verdicts.sqlite"
CANNOT_SAY, REDO = "cannot say", "redo"
DECISIONS = (NORMAL, ABNORMAL, CANNOT_SAY, REDO)
MOST_INITIALS, MOST_NOTE, MOST_ISCN = 12, 2000, 300
_VERSION = 1
_MAGIC = b"SQLite format 3\0"
_INITIALS = re.compile(r"[^\W\d_][\w.-]*", re.UNICODE)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, given TEXT NOT NULL,
    patient_case TEXT NOT NULL, image TEXT NOT NULL, decision TEXT NOT NULL, iscn TEXT NOT NULL,
    initials TEXT NOT NULL, note TEXT NOT NULL, classes TEXT NOT NULL, sha256 TEXT NOT NULL,
    shown TEXT NOT NULL, bundle TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_case ON verdicts (patient_case);
CREATE TRIGGER IF NOT EXISTS never_changed BEFORE UPDATE ON verdicts
    BEGIN SELECT RAISE(ABORT, 'verdicts are never changed'); END;
CREATE TRIGGER IF NOT EXISTS never_deleted BEFORE DELETE ON verdicts
    BEGIN SELECT RAISE(ABORT, 'verdicts are never deleted'); END;
"""


class VerdictError(ScreeningError):
    """Says why a verdict cannot be taken, or why the file of verdicts cannot be used."""

    exit_status = 1


@dataclass(frozen=True)
class PersonVerdict:
    """What one reader decided on a cell, or on a whole case when `image` is "".

    `decision`: one of DECISIONS; `iscn`: the karyotype by the reader, "" unless given; `classes`:
    the class that the reader gave to a chromosome, by its place in the reading. What was shown:
    `sha256` of the picture, of a case `content_of` its pictures ("" in files of earlier versions),
    `shown`: a hash of the record or records, `bundle`: that of the bundle. `given`: when, UTC, and
    `id`, both set when it is stored.
    """

    case: str
    decision: str
    initials: str
    image: str = ""
    iscn: str = ""
    note: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    shown: str = ""
    bundle: str = ""
    given: str = ""
    id: str = ""

    @property
    def subject(self) -> tuple[str, str]:
        """Return what was judged: the case and the image, "" for all of the case."""
        return self.case, self.image

    @property
    def when(self) -> datetime:
        """Return when it was given: as text, times of two zones do not compare."""
        return datetime.fromisoformat(self.given)


COLUMNS = tuple(each.name for each in fields(PersonVerdict))


def content_of(hashes: Iterable[str]) -> str:
    """Return one hash for the pictures of a case by their own, in whatever order."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def check_initials(initials: str) -> None:
    """Raise VerdictError for what cannot stand as a reader's initials."""
    if not _INITIALS.fullmatch(initials) or len(initials) > MOST_INITIALS:
        raise VerdictError(
            f"a verdict needs the reader's initials, 1 to {MOST_INITIALS} letters or digits that "
            f"begin with a letter, received {initials!r}"
        )


def checked(verdict: PersonVerdict) -> PersonVerdict:
    """Return a verdict with its texts trimmed; VerdictError that says what is wrong with it."""
    verdict = replace(
        verdict,
        initials=verdict.initials.strip(),
        iscn="".join(verdict.iscn.split()),
        note=verdict.note.strip(),
    )
    if verdict.decision not in DECISIONS:
        expected = ", ".join(DECISIONS[:-1]) + f" or {DECISIONS[-1]}"
        raise VerdictError(f"a verdict is {expected}, received {verdict.decision!r}")
    check_initials(verdict.initials)
    if len(verdict.note) > MOST_NOTE:
        raise VerdictError(f"a note holds at most {MOST_NOTE} characters: shorten it")
    if any(printable(char) != char for char in verdict.note if char not in "\n\t\r"):
        raise VerdictError("the note holds characters that cannot be printed: take them out")
    if len(verdict.iscn) > MOST_ISCN or (verdict.iscn and (problem := problem_of(verdict.iscn))):
        said = problem if len(verdict.iscn) <= MOST_ISCN else "it is too long"
        raise VerdictError(f"{verdict.iscn[:60]!r} is no ISCN karyotype: {said}")
    known = {*CHROMOSOMES, MARKER, NOT_A_CHROMOSOME}
    if not all(place.isdecimal() and name in known for place, name in verdict.classes.items()):
        raise VerdictError(
            f"a chromosome is 1 to 22, X, Y, {MARKER} or {NOT_A_CHROMOSOME}, received "
            f"{', '.join(map(str, verdict.classes.values()))}"
        )
    if not verdict.case:
        raise VerdictError("a verdict belongs to a case, received none")
    return verdict


class Verdicts:
    """The verdicts of an output folder; any thread may ask and add. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read: list[PersonVerdict] = []
        self._last = 0
        _refuse_foreign(path)
        try:
            self._connection = sqlite3.connect(path, timeout=20.0, check_same_thread=False)
        except sqlite3.Error as error:
            raise _explained(path, error) from error
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Verdicts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add(self, verdict: PersonVerdict) -> PersonVerdict:
        """Return the verdict as it was stored: on disk, with its time and id. VerdictError for one
        that cannot be taken.

        Its time is later than that of any verdict on its case, even where the clock was set back:
        what stands is decided by it.
        """
        verdict, now = checked(verdict), datetime.now(UTC)
        with contextlib.suppress(OverflowError):  # one that was taken over from the year 9999
            now = max([now, *(time + timedelta(milliseconds=1) for time in self._times(verdict))])
        given = now.astimezone(UTC).isoformat(timespec="milliseconds")
        stored = replace(verdict, given=given, id=uuid.uuid4().hex)
        self._insert([stored])
        return stored

    def take_over(self, verdicts: Sequence[PersonVerdict]) -> int:
        """Return how many of verdicts given elsewhere were new; all are stored, or none."""
        return self._insert([checked(verdict) for verdict in verdicts])

    def all(self) -> list[PersonVerdict]:
        """Return every verdict that was ever given, in the order in which they were stored."""
        with self._connected() as connection:  # none is ever changed: only new ones are read
            rows = connection.execute(
                "SELECT number, patient_case, decision, initials, image, iscn, note, classes,"
                " sha256, shown, bundle, given, id FROM verdicts WHERE number > ? ORDER BY number",
                (self._last,),
            ).fetchall()
            self._read += [_verdict(row[1:]) for row in rows]
            self._last = rows[-1][0] if rows else self._last
            return list(self._read)

    def _times(self, verdict: PersonVerdict) -> list[datetime]:
        """When the verdicts on the same case were given."""
        query = "SELECT given FROM verdicts WHERE patient_case = ?"
        with self._connected() as connection:
            rows = connection.execute(query, (verdict.case,)).fetchall()
        return [datetime.fromisoformat(given) for (given,) in rows]

    def _insert(self, verdicts: Sequence[PersonVerdict]) -> int:
        with self._connected() as connection:
            before = connection.total_changes
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR IGNORE INTO verdicts (id, given, patient_case, image, decision, iscn,"
                " initials, note, classes, sha256, shown, bundle)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (v.id, v.given, v.case, v.image, v.decision, v.iscn, v.initials, v.note,
                     json.dumps(dict(v.classes), sort_keys=True), v.sha256, v.shown, v.bundle)
                    for v in verdicts
                ],
            )  # fmt: skip
            connection.commit()
            return connection.total_changes - before

    def _prepare(self) -> None:
        with self._connected() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a verdict that was confirmed survives the loss of power, not only a kill.
            connection.execute("PRAGMA synchronous = FULL")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise VerdictError(
                    f"{self.path} was written by another version of screening (verdicts version "
                    f"{version}, expected {_VERSION}): use that version"
                )
            if version == 0:
                connection.executescript(
                    f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
                )

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                self._connection.rollback()
                raise _explained(self.path, error) from error


def latest(verdicts: Sequence[PersonVerdict]) -> dict[tuple[str, str, str], PersonVerdict]:
    """Return the verdict that stands of each reader on each subject, by (initials, case, image).

    Of verdicts that were given elsewhere and taken over the later time decides.
    """
    standing: dict[tuple[str, str, str], PersonVerdict] = {}
    for verdict in sorted(verdicts, key=lambda each: each.when):
        standing[verdict.initials.casefold(), *verdict.subject] = verdict
    return standing


def as_row(verdict: PersonVerdict) -> dict[str, str]:
    """Return a verdict as the cells of a table, by COLUMNS."""
    row = asdict(verdict)
    return row | {"classes": json.dumps(row["classes"], sort_keys=True) if row["classes"] else ""}


def _verdict(row: tuple[str, ...]) -> PersonVerdict:
    case, decision, initials, image, iscn, note, classes, *shown = row
    named = {} if classes == "{}" else json.loads(classes)  # nearly all are, and quicker so
    return PersonVerdict(case, decision, initials, image, iscn, note, named, *shown)


def _refuse_foreign(path: Path) -> None:
    """Raise VerdictError for a file that is no SQLite one: it takes some short ones for empty."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(_MAGIC))
    except OSError:
        return  # not there yet, or not to be read, which opening it tells
    if begins and begins != _MAGIC:
        raise _explained(path, sqlite3.DatabaseError(repr(begins)))


def _explained(path: Path, error: sqlite3.Error) -> VerdictError:
    text = str(error)
    if "locked" in text:
        return VerdictError(f"{path} is in use by another program: try again in a moment")
    if "full" in text:
        return VerdictError(f"the disk of {path.parent} is full: the verdict was not stored")
    if "unable to open" in text or "readonly" in text:
        return VerdictError(
            f"cannot write {path} ({text}): verdicts need a folder that may be written to"
        )
    return VerdictError(
        f"{path} is damaged ({text}): expected an SQLite file of verdicts; put it aside, and keep "
        "it, before new verdicts are given"
    )

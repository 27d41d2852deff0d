"""The ledger of a run: every result, on disk as soon as it is made (SQLite, one file in OUT).

A result belongs to a picture's name and content, the bundle and the options that shape the
numbers. It holds what the model and the quality gate said, not the decision: routes are decided
anew from it whenever the outputs are written, so another --min-confidence costs no computing.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from screening.bundle_schema import BundleInfo
from screening.errors import ScreeningError
from screening.record import Picture
from screening.worklist.guard import reason_of
from screening.worklist.kept_record import is_intact, picture_in, text_of

SCHEMA_VERSION = 3
FILE_NAME = "ledger.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, finished TEXT, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS results (
    image TEXT NOT NULL, sha256 TEXT NOT NULL, bundle TEXT NOT NULL, options TEXT NOT NULL,
    status TEXT NOT NULL, read INTEGER NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (image, sha256, bundle, options));
CREATE TABLE IF NOT EXISTS listed (
    image TEXT PRIMARY KEY, sha256 TEXT NOT NULL, patient_case TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundles (hash TEXT PRIMARY KEY, info TEXT NOT NULL) WITHOUT ROWID;
"""
_SEVEN = "VALUES (?, ?, ?, ?, ?, ?, ?)"

AGAIN = "run `screening screen` on it again with --resume, which computes nothing twice"
"""What mends a run that an older version wrote."""


class LedgerError(ScreeningError):
    """Says why the ledger of an output folder cannot be used."""

    exit_status = 1


class LedgerDamaged(LedgerError):
    """Says that the file is no ledger any more: what it held cannot be told."""


class Ledger:
    """The results of an output folder for one bundle and one set of options.

    Holds the file's lock from opening to closing (also released when the process dies), so that
    two runs never write to one folder. Use as a context manager, from one thread.
    """

    def __init__(self, path: Path, bundle: str, options: str) -> None:
        self.path, self.bundle, self.options = path, bundle, options
        self._run_id = 0
        self._cursors: list[sqlite3.Cursor] = []
        self._connection = _connect(path)
        self._file = _identity(path)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Whoever is in the midst of `results` gets no further one."""
        for cursor in self._cursors:  # an open one would hold the file's lock
            cursor.close()
        self._connection.close()

    @staticmethod
    def of_last_run(path: Path) -> Ledger:
        """Return the ledger at `path` opened for the bundle and the options of its last run;
        LedgerError when there is none, or none that this version can tell of."""
        if not path.is_file():
            raise LedgerError(f"{path.parent} holds no {path.name}: expected the --out of a run")
        ledger = Ledger(path, "", "")
        told = ledger.last_run()
        try:
            ledger.bundle, ledger.options = str(told["bundle"]), str(told["options_hash"])
        except KeyError:
            ledger.close()
            raise LedgerError(
                f"{path} tells of no run that this version can rebuild: use `screening screen` "
                "with --resume, which takes what it holds"
            ) from None
        return ledger

    def begin(
        self,
        settings: Mapping[str, object],
        started: str,
        names: Collection[str] = (),
        info: str = "",
    ) -> None:
        """Note a new run; results stay. Of the list of pictures those of `names` stay until they
        are added anew, so that a run that is broken off hides nothing that was known before it.

        `info`: the text of the bundle's description, by which the results can be judged anew where
        the bundle itself is not.
        """
        with self._transaction() as connection:
            if info:
                connection.execute(
                    "INSERT OR REPLACE INTO bundles VALUES (?, ?)", (self.bundle, info)
                )
            listed = connection.execute("SELECT image FROM listed").fetchall()
            gone = {image for (image,) in listed} - set(names)
            connection.executemany("DELETE FROM listed WHERE image = ?", [(n,) for n in gone])
            cursor = connection.execute(
                "INSERT INTO runs (started, settings) VALUES (?, ?)",
                (started, json.dumps(settings, sort_keys=True)),
            )
            self._run_id = int(cursor.lastrowid or 0)

    def finish(self, finished: str, how: Mapping[str, object] | None = None) -> None:
        """Note that the outputs of the current run are complete, and `how` it went."""
        with self._transaction() as connection:
            told = connection.execute("SELECT settings FROM runs WHERE id = ?", (self._run_id,))
            for (text,) in told.fetchall():
                settings = json.dumps({**json.loads(text), **(how or {})}, sort_keys=True)
                connection.execute(
                    "UPDATE runs SET finished = ?, settings = ? WHERE id = ?",
                    (finished, settings, self._run_id),
                )

    def last_run(self) -> dict[str, object]:
        """Return the settings of the last run, how it went, `started` and `finished` (None: it was
        broken off); empty when there was none."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT settings, started, finished FROM runs ORDER BY id DESC LIMIT 1"
            ).fetchone()
        if row is None:
            return {}
        return {**json.loads(row[0]), "started": row[1], "finished": row[2]}

    def info(self) -> BundleInfo:
        """Return the description of the bundle whose results these are; LedgerError when it is not
        there or of another version."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT info FROM bundles WHERE hash = ?", (self.bundle,)
            ).fetchall()
        return info_in(rows[0][0] if rows else None, self.path.parent)

    def is_empty(self) -> bool:
        """Return whether no run has left a result yet."""
        with self._reading() as connection:
            return connection.execute("SELECT 1 FROM results LIMIT 1").fetchone() is None

    def count(self) -> int:
        """Return how many pictures `results` has."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT count(*) FROM listed JOIN results USING (image, sha256)"
                " WHERE bundle = ? AND options = ?",
                (self.bundle, self.options),
            )
            return int(rows.fetchone()[0])

    def known(self) -> dict[str, str]:
        """Return the content hash, by name, of every picture that needs no new result.

        Failed pictures are left out: permission, memory or a network drive may have come back;
        and those whose record is another than was written.
        """
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT image, sha256, record FROM results"
                " WHERE bundle = ? AND options = ? AND status != 'failed' AND sha256 != ''",
                (self.bundle, self.options),
            )
            return {image: sha256 for image, sha256, record in rows if is_intact(record)}

    def read_one_by_one(self) -> set[str]:
        """Return the names of the pictures whose chromosomes were read one by one."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT image FROM results WHERE bundle = ? AND options = ? AND read",
                (self.bundle, self.options),
            )
            return {image for (image,) in rows}

    def add(self, results: Sequence[Picture], kept: Iterable[Picture] = ()) -> None:
        """Store `results` and list them, and `kept` (already known), all or nothing.

        A result that cannot be written down is stored as a failed one.
        """
        with self._transaction() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO results {_SEVEN}",
                [self._row_of_any(result) for result in results],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO listed VALUES (?, ?, ?)",
                [(r.image, r.sha256, r.case) for r in (*results, *kept)],
            )

    def copy(self, results: Iterable[tuple], listed: Iterable[tuple]) -> None:
        """Store and list rows of another ledger as they are, all or nothing."""
        with self._transaction() as connection:
            connection.executemany(f"INSERT OR REPLACE INTO results {_SEVEN}", results)
            connection.executemany("INSERT OR REPLACE INTO listed VALUES (?, ?, ?)", listed)

    def results(self) -> Iterator[Picture]:
        """Return the pictures of the current run, by name, one at a time, without verdicts.

        One that cannot be read back is failed, and is noted as such once all are read: the next run
        makes it anew. RecordError for one that another version wrote.
        """
        unreadable: list[Picture] = []
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT image, patient_case, sha256, record"
                " FROM listed JOIN results USING (image, sha256)"
                " WHERE bundle = ? AND options = ? ORDER BY image",
                (self.bundle, self.options),
            )
            self._cursors.append(rows)
            for image, case, sha256, record in rows:
                try:
                    picture = replace(picture_in(record), case=case)
                except Exception as error:
                    reason = (
                        f"its kept result is damaged, --resume makes it anew: {reason_of(error)}"
                    )
                    picture = Picture(image, case, sha256, reason=reason)
                    unreadable.append(picture)
                yield picture
        self.add(unreadable)

    def _row_of_any(self, picture: Picture) -> tuple[object, ...]:
        try:
            return self._row(picture)
        except Exception as error:
            reason = reason_of(error)
            return self._row(Picture(picture.image, picture.case, picture.sha256, reason=reason))

    def _row(self, picture: Picture) -> tuple[object, ...]:
        return (
            picture.image, picture.sha256, self.bundle, self.options, picture.status,
            picture.reading is not None, text_of(picture),
        )  # fmt: skip

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if _identity(self.path) != self._file:  # SQLite would go on writing to a file of no name
            raise _gone(self.path)
        with self._reading() as connection, connection:
            yield connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error


def info_in(text: str | None, out: Path) -> BundleInfo:
    """Return the bundle's description kept as `text` in the ledger of the folder `out`; LedgerError
    for None and for one of another version."""
    if text is None:
        raise LedgerError(
            f"{out} comes from an older version, whose ledger does not hold what the verdicts rest "
            f"on: {AGAIN}"
        )
    try:
        return BundleInfo.model_validate_json(text)
    except ValidationError as error:
        raise LedgerError(f"{out} comes from a bundle of another version: {AGAIN}") from error


def set_aside(path: Path) -> Path:
    """Return where a damaged ledger lies from now on: under a free name beside it.

    The journal keeps the name of its file: a later attempt at a rescue needs both.
    """
    number = 1
    while (backup := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
        number += 1
    try:
        for suffix in ("-wal", "-shm", "-journal", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(backup.with_name(backup.name + suffix))
    except OSError as error:
        raise LedgerError(f"cannot rename the damaged ledger {path} ({error.strerror})") from error
    return backup


def discard(path: Path) -> None:
    """Delete a ledger and its side files; a ledger in use is refused with LedgerError."""
    if path.exists():
        try:
            _connect(path).close()
        except LedgerInUse:
            raise
        except LedgerError:
            pass  # damaged: exactly what a new start is for
    try:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise LedgerError(f"cannot replace the ledger {path} ({error.strerror})") from error


class LedgerInUse(LedgerError):
    """Says that another process works on the same output folder."""


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=1.0)
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    try:
        # Exclusive before WAL: the lock lasts as long as the connection, and no shared memory
        # file is needed, which network drives do not offer.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # What a disk changed need not be text any more: then its checksum tells.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # Not the quick check: an index that misses rows would hide results.
        verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        _ensure_schema(connection, path)
    except (sqlite3.Error, LedgerError) as error:
        connection.close()
        raise error if isinstance(error, LedgerError) else _explained(path, error) from error
    return connection


def _ensure_schema(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, SCHEMA_VERSION):
        raise LedgerError(
            f"{path} was written by another version of screening (ledger version {version}, "
            f"expected {SCHEMA_VERSION}): use that version, another --out, or --overwrite"
        )
    connection.execute("BEGIN IMMEDIATE")  # takes the lock even when nothing has to be created
    for statement in _SCHEMA.split(";")[:-1]:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.commit()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file `path` is; None for none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _gone(path: Path) -> LedgerError:
    return LedgerError(
        f"{path} was moved or deleted while a run was writing to it: put it back and use --resume, "
        "or start again"
    )


def _explained(path: Path, error: sqlite3.Error) -> LedgerError:
    text = str(error)
    if "locked" in text:
        return LedgerInUse(
            f"another run is writing to {path.parent}: wait until it has ended, or choose "
            "another --out"
        )
    if "full" in text:
        return LedgerError(f"the disk of {path.parent} is full: free some space, then use --resume")
    if not path.parent.is_dir():
        return _gone(path)
    if "unable to open" in text or "readonly" in text or "disk I/O" in text:
        return LedgerError(
            f"cannot write to {path.parent} ({text}): check its permissions and its disk, then "
            "use --resume"
        )
    return LedgerDamaged(
        f"the ledger {path} is damaged ({text}): expected an SQLite file written by screening; "
        "--resume keeps it under another name and makes every result anew, --overwrite deletes it"
    )

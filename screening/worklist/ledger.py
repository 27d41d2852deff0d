"""The ledger of a run: every result, on disk as soon as it is made (SQLite, one file in OUT).

A result belongs to a picture's name and content, the bundle and the options that shape the
numbers. It holds what the model and the quality gate said, not the decision: routes are decided
anew from it whenever the outputs are written, so another --min-confidence costs no computing.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from screening.errors import ScreeningError
from screening.record import Picture
from screening.worklist.guard import reason_of

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


class LedgerError(ScreeningError):
    """Says why the ledger of an output folder cannot be used."""

    exit_status = 1


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

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Whoever is in the midst of `results` gets no further one."""
        for cursor in self._cursors:  # an open one would hold the file's lock
            cursor.close()
        self._connection.close()

    def begin(self, settings: dict[str, object], started: str, info: str = "") -> None:
        """Note a new run and start its list of pictures afresh; results stay.

        `info`: the text of the bundle's description, by which the results can be judged anew where
        the bundle itself is not.
        """
        with self._transaction() as connection:
            if info:
                connection.execute(
                    "INSERT OR REPLACE INTO bundles VALUES (?, ?)", (self.bundle, info)
                )
            connection.execute("DELETE FROM listed")
            cursor = connection.execute(
                "INSERT INTO runs (started, settings) VALUES (?, ?)",
                (started, json.dumps(settings, sort_keys=True)),
            )
            self._run_id = int(cursor.lastrowid or 0)

    def finish(self, finished: str) -> None:
        """Note that the outputs of the current run are complete."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE runs SET finished = ? WHERE id = ?", (finished, self._run_id)
            )

    def is_empty(self) -> bool:
        """Return whether no run has left a result yet."""
        with self._reading() as connection:
            return connection.execute("SELECT 1 FROM results LIMIT 1").fetchone() is None

    def known(self) -> dict[str, str]:
        """Return the content hash, by name, of every picture that needs no new result.

        Failed pictures are left out: permission, memory or a network drive may have come back.
        """
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT image, sha256 FROM results"
                " WHERE bundle = ? AND options = ? AND status != 'failed' AND sha256 != ''",
                (self.bundle, self.options),
            )
            return dict(rows.fetchall())

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
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)",
                [self._row_of_any(result) for result in results],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO listed VALUES (?, ?, ?)",
                [(r.image, r.sha256, r.case) for r in (*results, *kept)],
            )

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
                    picture = replace(Picture.from_dict(json.loads(record)), case=case)
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
        record = json.dumps(picture.to_dict(), ensure_ascii=False, separators=(",", ":"))
        return (
            picture.image, picture.sha256, self.bundle, self.options, picture.status,
            picture.reading is not None, record,
        )  # fmt: skip

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection, connection:
            yield connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error


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
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
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


def _explained(path: Path, error: sqlite3.Error) -> LedgerError:
    text = str(error)
    if "locked" in text:
        return LedgerInUse(
            f"another run is writing to {path.parent}: wait until it has ended, or choose "
            "another --out"
        )
    if "full" in text:
        return LedgerError(f"the disk of {path.parent} is full: free some space, then use --resume")
    if "unable to open" in text or "readonly" in text:
        return LedgerError(f"cannot write to {path.parent} ({text}): check its permissions")
    return LedgerError(
        f"the ledger {path} is damaged ({text}): expected an SQLite file written by screening; "
        "use --overwrite to start anew, or another --out"
    )

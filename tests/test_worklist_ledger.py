"""The ledger: what goes in comes out, nothing half, one writer, damage is named."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pictures import jpeg, reading
from screening.record import VERSION, Picture, RecordError, Verdict
from screening.worklist.kept_record import is_intact, text_of
from screening.worklist.ledger import (
    FILE_NAME,
    SCHEMA_VERSION,
    Ledger,
    LedgerError,
    LedgerInUse,
    discard,
    set_aside,
)


def result(name: str, sha: str = "ab", status: str = "ok", **changes: object) -> Picture:
    p = np.linspace(0, 1, 5, dtype=np.float32) if status == "ok" else None
    values = {"reason": "why", "objects": 46, "warnings": ("w",), "p": p, "thumbnail": b"jpeg"}
    return Picture(name, "case " + name, sha, status, **(values | changes))


def open_ledger(folder: Path, options: str = "o") -> Ledger:
    return Ledger(folder / "ledger.sqlite", "bundle", options)


def test_results_survive_closing_and_come_back_by_name(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        assert ledger.is_empty()
        ledger.begin({"passes": 5}, "now")
        ledger.add([result("ü.png"), result("a.png", status="rejected")])
    with open_ledger(tmp_path) as ledger:
        assert not ledger.is_empty()
        first, second = ledger.results()
    assert (first.image, second.image) == ("a.png", "ü.png")
    assert second.p is not None and np.array_equal(second.p, result("x").p)
    assert (second.case, second.warnings, second.objects) == ("case ü.png", ("w",), 46)
    assert (second.status, second.reason, second.thumbnail) == ("ok", "why", b"jpeg")


def test_everything_but_the_verdict_is_kept(tmp_path: Path) -> None:
    whole = result(
        "a.png", reading=reading("+21"), features={"network": (0.5, -1.25), "count": 1.0},
        doubts=("d",), notes=("n",), crops=(("21", jpeg()),),
    )  # fmt: skip
    with open_ledger(tmp_path) as ledger:
        ledger.add([replace(whole, verdict=Verdict("flag", "abnormal"))])
        (again,) = ledger.results()
        assert ledger.read_one_by_one() == {"a.png"}
    assert again.verdict is None
    assert again.to_dict() == whole.to_dict()


def test_the_case_is_that_of_the_current_run(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.add([result("a")])
        ledger.begin({}, "later, with another --case-from")
        ledger.add([], kept=[replace(result("a"), case="other")])
        assert [picture.case for picture in ledger.results()] == ["other"]


def test_known_needs_same_options_and_leaves_failures_to_be_tried_again(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.add([result("a"), result("r", status="rejected"), result("f", status="failed")])
        assert ledger.known() == {"a": "ab", "r": "ab"}
    with open_ledger(tmp_path, options="other") as ledger:
        assert ledger.known() == {}
        assert list(ledger.results()) == []


def test_only_pictures_of_the_current_run_and_content_are_listed(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.add([result("gone"), result("changed", "old"), result("kept")])
        ledger.begin({}, "later")
        ledger.add([result("changed", "new")], kept=[result("kept")])
        assert [(r.image, r.sha256) for r in ledger.results()] == [
            ("changed", "new"),
            ("kept", "ab"),
        ]


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        broken = Picture("b", "case", None, "ok")  # type: ignore[arg-type]
        with pytest.raises(LedgerError):
            ledger.add([result("a"), broken])
        assert ledger.is_empty()


def test_whoever_stops_in_the_midst_of_the_results_leaves_no_lock_behind(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.add([result("a"), result("b")])
        results = ledger.results()
        assert next(results).image == "a"
    with open_ledger(tmp_path) as again:  # although the first iterator still lives
        assert [picture.image for picture in again.results()] == ["a", "b"]
    with pytest.raises(LedgerError):
        next(results)


def test_a_second_process_is_refused_and_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from screening.worklist.ledger import *\n"
        "ledger = Ledger(Path(sys.argv[1]), 'b', 'o'); print('open', flush=True)\n"
        "sys.stdin.read()"
    )
    path = tmp_path / "ledger.sqlite"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"open\n"
        with pytest.raises(LedgerInUse, match="another run"):
            open_ledger(tmp_path)
        with pytest.raises(LedgerInUse):
            discard(path)
        holder.kill()
    assert path.exists()
    open_ledger(tmp_path).close()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" * 400])
def test_damage_is_named_and_can_be_discarded(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="damaged.*--overwrite"):
        open_ledger(tmp_path)
    discard(path)
    open_ledger(tmp_path).close()


def test_damage_inside_a_real_ledger_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with open_ledger(tmp_path) as ledger:
        ledger.add([result(f"{i:04d}", status="ok") for i in range(500)])
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 6] = b"\x5a" * (4096 * 4)
    path.write_bytes(data)
    with pytest.raises(LedgerError, match="damaged"):
        open_ledger(tmp_path)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerError, match="version 99"):
        open_ledger(tmp_path)


def changed(folder: Path, **values: object) -> None:
    """Change what the record of the only picture of a ledger says."""
    connection = sqlite3.connect(folder / FILE_NAME)
    (text,) = connection.execute("SELECT record FROM results").fetchone()
    record = json.dumps(json.loads(text.partition("\n")[0]) | values)
    connection.execute("UPDATE results SET record = ?", (record,))
    connection.commit()
    connection.close()


@pytest.mark.parametrize("version", [VERSION + 1, VERSION - 1, None])
def test_a_record_of_another_version_ends_with_the_way_on(
    tmp_path: Path, version: int | None
) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.add([result("a")])
    changed(tmp_path, version=version)
    with open_ledger(tmp_path) as ledger:
        with pytest.raises(RecordError, match=f"{version}.*reads {VERSION}.*--overwrite"):
            list(ledger.results())
        # Not turned into a failed row: nothing of it was lost.
        assert ledger.known() == {"a": "ab"}


def test_a_damaged_record_is_failed_and_made_anew(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.add([result("a")])
    changed(tmp_path, thumbnail=7)
    with open_ledger(tmp_path) as ledger:
        (picture,) = ledger.results()
        assert (picture.status, picture.case, picture.sha256) == ("failed", "case a", "ab")
        assert "--resume makes it anew" in picture.reason
        assert ledger.known() == {}


def test_a_number_that_a_disk_changed_is_seen_by_its_checksum(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.begin({}, "now")
        ledger.add([result("a"), result("b")])
        assert ledger.count() == 2
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    spoil = "UPDATE results SET record = replace(record, '46', '47') WHERE image = 'a'"
    connection.execute(spoil)
    connection.commit()
    connection.close()
    with open_ledger(tmp_path) as ledger:
        assert ledger.known() == {"b": "ab"}
        first, second = ledger.results()
        assert (first.status, second.status) == ("failed", "ok")
        assert "checksum" in first.reason and "--resume" in first.reason


def test_a_damaged_ledger_is_set_aside_under_a_free_name(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    for number, content in enumerate((b"first", b"second"), start=1):
        path.write_bytes(content)
        path.with_name(path.name + "-wal").write_bytes(b"journal of " + content)
        backup = set_aside(path)
        assert backup.name == f"ledger.damaged-{number}.sqlite" and not path.exists()
        assert backup.read_bytes() == content
        assert backup.with_name(backup.name + "-wal").read_bytes() == b"journal of " + content


def test_a_new_run_hides_nothing_that_is_known_of_its_pictures(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.begin({}, "Monday", ["a", "b"])
        ledger.add([result("a"), result("b")])
        ledger.begin({}, "Tuesday", ["b", "c"])
        assert [each.image for each in ledger.results()] == ["b"]
        assert ledger.last_run() == {"started": "Tuesday", "finished": None}
        ledger.finish("late", {"device": "cpu"})
        told = {"device": "cpu", "started": "Tuesday", "finished": "late"}
        assert ledger.last_run() == told


def test_a_result_that_cannot_be_written_down_is_failed_alone(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.add([result("a"), result("odd", warnings=(object(),)), result("z")])
        first, odd, last = ledger.results()
        assert (first.status, odd.status, last.status) == ("ok", "failed", "ok")
        assert (odd.case, odd.sha256) == ("case odd", "ab")
        assert odd.reason.startswith("could not be processed (TypeError")
        assert ledger.known() == {"a": "ab", "z": "ab"}


def test_a_folder_in_the_way_of_the_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(LedgerError, match="cannot write"):
        open_ledger(tmp_path)


def rows(folder: Path, query: str) -> list[tuple]:
    """What another program reads in a closed ledger."""
    connection = sqlite3.connect(folder / FILE_NAME)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_runs_are_noted_and_only_the_current_one_is_finished(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.begin({"b": 2, "a": 1}, "Monday")
    with open_ledger(tmp_path) as ledger:
        ledger.finish("nothing was begun")
    query = "SELECT started, finished, settings FROM runs ORDER BY id"
    assert rows(tmp_path, query) == [("Monday", None, '{"a": 1, "b": 2}')]
    with open_ledger(tmp_path) as ledger:
        ledger.begin({}, "Tuesday")
        ledger.finish("Wednesday")
    assert rows(tmp_path, query)[1:] == [("Tuesday", "Wednesday", "{}")]
    assert rows(tmp_path, query)[0][1] is None


def test_results_are_filed_under_their_bundle_and_options(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        assert (ledger.bundle, ledger.options) == ("bundle", "o")
        ledger.add([result("a")])
    assert rows(tmp_path, "SELECT bundle, options FROM results") == [("bundle", "o")]
    with Ledger(tmp_path / FILE_NAME, "o", "bundle") as ledger:
        assert ledger.known() == {} and not ledger.is_empty()


def test_what_was_read_chromosome_by_chromosome_is_known_by_name(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.add([result("read", reading=reading()), result("unread", status="rejected")])
        assert ledger.read_one_by_one() == {"read"}
        read, unread = ledger.results()
        assert read.reading == reading() and unread.reading is None
        assert unread.p is None
    with open_ledger(tmp_path, options="other") as ledger:
        assert ledger.read_one_by_one() == set()


def test_the_file_says_who_wrote_it_and_is_locked_while_open(tmp_path: Path) -> None:
    with open_ledger(tmp_path), pytest.raises(LedgerInUse, match="another run"):
        open_ledger(tmp_path)
    assert rows(tmp_path, "PRAGMA user_version") == [(SCHEMA_VERSION,)] == [(3,)]
    assert rows(tmp_path, "PRAGMA journal_mode") == [("wal",)]
    with open_ledger(tmp_path):
        reader = sqlite3.connect(tmp_path / FILE_NAME, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            reader.execute("SELECT * FROM runs").fetchall()
        reader.close()


def test_a_refused_ledger_is_let_go_at_once(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    rows(tmp_path, "PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="expected 3") as told:
        open_ledger(tmp_path)
    assert told.value.exit_status == 1
    connection = sqlite3.connect(tmp_path / FILE_NAME, timeout=0)
    connection.execute("BEGIN EXCLUSIVE")
    connection.close()


@pytest.mark.parametrize(
    ("pragma", "words"),
    [("max_page_count = 1", "disk of .* is full.*--resume"),
     ("query_only = ON", "cannot write to .*readonly.*permissions")],
)  # fmt: skip
def test_a_full_disk_and_one_that_cannot_be_written_are_named(
    tmp_path: Path, pragma: str, words: str
) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger._connection.execute(f"PRAGMA {pragma}")
        many = [replace(result(f"{i}"), thumbnail=b"x" * 4096) for i in range(50)]
        with pytest.raises(LedgerError, match=words):
            ledger.add(many)


def test_a_ledger_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    (tmp_path / f"{FILE_NAME}-journal").mkdir()
    with pytest.raises(LedgerError, match="cannot replace the ledger"):
        discard(tmp_path / FILE_NAME)


def test_a_record_whose_end_is_zeros_is_not_known(tmp_path: Path) -> None:
    """What SQLite gives when the last page of the file is gone: the checksum is lost as well."""
    text = text_of(result("a"))
    assert is_intact(text) and is_intact(text.partition("\n")[0])
    for kept in range(1, len(text) - 1, 7):
        assert not is_intact(text[:kept] + "\0" * (len(text) - kept))

"""The ledger: what goes in comes out, nothing half, one writer, damage is named."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from screening.worklist.ledger import Ledger, LedgerError, LedgerInUse, Result, discard


def result(name: str, sha: str = "ab", status: str = "ok") -> Result:
    p = np.linspace(0, 1, 5, dtype=np.float32) if status == "ok" else None
    return Result(name, "case " + name, sha, status, "why", 46, ("w",), p, b"jpeg")


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
    assert second.thumbnail == b"jpeg"


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
        broken = Result("b", "case", None, "ok")  # type: ignore[arg-type]
        with pytest.raises(LedgerError):
            ledger.add([result("a"), broken])
        assert ledger.is_empty()


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


def test_a_folder_in_the_way_of_the_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(LedgerError, match="cannot write"):
        open_ledger(tmp_path)

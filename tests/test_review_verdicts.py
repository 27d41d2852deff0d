"""Verdicts of people: checked, append-only, and none lost however a program ends."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime

import pytest

from screening.iscn import problem_of
from screening.review.verdicts import (
    FILE_NAME,
    PersonVerdict,
    VerdictError,
    Verdicts,
    latest,
)

GOOD = PersonVerdict("case-1", "abnormal", "AB", "case-1/a.png", "47,XX,+21", "clear", {"3": "21"})
KILLS = 50


@pytest.fixture
def verdicts(tmp_path):
    with Verdicts(tmp_path / FILE_NAME) as opened:
        yield opened


def test_what_is_given_is_kept_with_its_time_and_never_changed(verdicts):
    first = verdicts.add(replace(GOOD, sha256="ab", shown="cd", bundle="ef"))
    assert first.given.endswith("+00:00") and len(first.id) == 32
    second = verdicts.add(replace(GOOD, decision="normal", iscn=""))
    assert verdicts.all() == [first, second]
    with Verdicts(verdicts.path) as again:
        assert again.all() == [first, second]
    assert list(latest(verdicts.all()).values()) == [second]
    with sqlite3.connect(verdicts.path) as other:
        for change in ("UPDATE verdicts SET decision = 'normal'", "DELETE FROM verdicts"):
            with pytest.raises(sqlite3.Error, match="never"):
                other.execute(change)
    other.close()
    assert verdicts.all() == [first, second]


def test_verdicts_that_another_program_added_are_read_too(verdicts):
    first = verdicts.add(GOOD)
    assert verdicts.all() == [first]
    with Verdicts(verdicts.path) as other:
        second = other.add(replace(GOOD, case="case-2"))
        assert verdicts.all() == other.all() == [first, second]
        verdicts.all().clear()
        assert verdicts.all() == [first, second]


def test_the_last_verdict_stands_though_the_clock_was_set_back(verdicts, monkeypatch):
    class Clock(datetime):
        """Goes back by an hour each time that it is asked."""

        left = 12

        @classmethod
        def now(cls, tz=None):
            cls.left -= 1
            return cls(2026, 3, 29, cls.left, tzinfo=tz)

    monkeypatch.setattr("screening.review.verdicts.datetime", Clock)
    for decision in ("normal", "abnormal", "cannot say"):
        last = verdicts.add(replace(GOOD, decision=decision, iscn=""))
        other = verdicts.add(replace(GOOD, case="case-2", decision="normal", iscn=""))
    assert latest(verdicts.all())["ab", "case-1", GOOD.image] == last
    assert latest(verdicts.all())["ab", "case-2", GOOD.image] == other
    given = [one.given for one in verdicts.all() if one.case == "case-1"]
    assert given == sorted(given) and len(set(given)) == 3
    # What a colleague gave tomorrow, and by another zone's clock, is answered here today.
    ahead = replace(GOOD, id="2" * 32, given="2027-01-01T00:30:00+05:00", note="ahead")
    assert verdicts.take_over([ahead]) == 1
    assert latest(verdicts.all())["ab", "case-1", GOOD.image].note == "ahead"
    answer = verdicts.add(GOOD)
    assert answer.given.startswith("2026-12-31T19:30:00.001")
    assert latest(verdicts.all())["ab", "case-1", GOOD.image] == answer
    never = replace(GOOD, id="3" * 32, given="9999-12-31T23:59:59.999+00:00")
    assert verdicts.take_over([never]) == 1 and verdicts.add(GOOD).given


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decision": "maybe"}, "normal, abnormal, cannot say or redo, received 'maybe'"),
        ({"initials": " "}, "initials"),
        ({"initials": "=cmd|"}, "initials"),
        ({"initials": "A" * 13}, "initials"),
        ({"iscn": "47,XX"}, "no ISCN karyotype: 47 chromosomes are named"),
        ({"iscn": "46,XX," + "t(1;2)(q1;q2)," * 40}, "too long"),
        ({"note": "x" * 2001}, "2000"),
        ({"note": "\u202e"}, "printed"),
        ({"classes": {"3": "25"}}, "1 to 22, X, Y, mar or \\?, received 25"),
        ({"classes": {"-1": "21"}}, "received 21"),
        ({"case": ""}, "case"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence(verdicts, change, said):
    with pytest.raises(VerdictError, match=said):
        verdicts.add(replace(GOOD, **change))
    assert verdicts.all() == []


def test_texts_are_kept_as_people_write_them(verdicts):
    kept = verdicts.add(
        replace(GOOD, case="<script>", note='"=cmd|\n אבג 🧬', iscn=" 46, XX ", initials=" Ö.K ")
    )
    assert (kept.case, kept.note, kept.iscn) == ("<script>", '"=cmd|\n אבג 🧬', "46,XX")
    assert kept.initials == "Ö.K" and verdicts.all() == [kept]


def test_taking_over_is_all_or_nothing_and_knows_what_is_there(verdicts):
    mine = verdicts.add(GOOD)
    theirs = replace(GOOD, initials="CD", id="1" * 32, given="2026-01-01T00:00:00.000+00:00")
    assert verdicts.take_over([mine, theirs]) == 1
    with pytest.raises(VerdictError):
        verdicts.take_over([replace(theirs, id="2" * 32), replace(theirs, decision="?")])
    assert len(verdicts.all()) == 2


def test_the_later_time_stands_whatever_was_stored_last():
    early, late = (replace(GOOD, given=f"2026-01-0{day}", note=str(day)) for day in (1, 2))
    assert [v.note for v in latest([late, early]).values()] == ["2"]
    other = replace(early, initials="ab")  # the same reader, in small letters
    assert len(latest([late, other])) == 1


def test_another_version_and_a_damaged_file_are_told(tmp_path):
    path = tmp_path / FILE_NAME
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 7")
    other.close()
    with pytest.raises(VerdictError, match="another version"):
        Verdicts(path)
    for content in (b"no database" * 500, b"short", b"SQLite format 4\0" * 2):
        path.write_bytes(content)
        with pytest.raises(VerdictError, match="damaged"):
            Verdicts(path)
        assert path.read_bytes() == content
    path.write_bytes(b"")
    Verdicts(path).close()
    with pytest.raises(VerdictError, match="cannot write"):
        Verdicts(tmp_path / "missing" / FILE_NAME)


def test_many_threads_may_give_verdicts_at_once(verdicts):
    def give(reader):
        for i in range(10):
            verdicts.add(replace(GOOD, initials=reader, note=str(i)))

    threads = [threading.Thread(target=give, args=(reader,)) for reader in "ABCD"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(verdicts.all()) == 40


def test_no_confirmed_verdict_is_lost_when_the_program_is_killed(tmp_path):
    """Children say the id of each verdict once it is stored, and are killed in the midst."""
    code = """
import sys
from pathlib import Path
from screening.review.verdicts import PersonVerdict, Verdicts
store = Verdicts(Path(sys.argv[1]))
while True:
    print(store.add(PersonVerdict("c", "normal", "AB")).id, flush=True)
"""
    paths = [tmp_path / f"{i}.sqlite" for i in range(10)]
    confirmed: dict[object, set[str]] = {path: set() for path in paths}
    for turn in range(KILLS // len(paths)):
        children = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
            )
            for path in paths
        ]
        for child, path in zip(children, paths, strict=True):
            for _ in range(1 + turn):
                confirmed[path].add(child.stdout.readline().strip())
            child.kill()
            child.wait()
            confirmed[path] |= set(child.stdout.read().split("\n")[:-1])
            child.stdout.close()
    for path in paths:
        with Verdicts(path) as store:
            kept = {verdict.id for verdict in store.all()}
        assert "" not in confirmed[path] and confirmed[path] <= kept


@pytest.mark.parametrize(
    "text",
    ["46,XX", "46,XY[20]", "47,XX,+21", "45,X", "45,X,-Y", "69,XXY", "46,XX,del(5)(p15.2)",
     "46,XY,t(9;22)(q34;q11.2)", "45,XX,der(14;21)(q10;q10)", "mos 47,XX,+21[5]/46,XX[15]",
     "48,XX,+2mar", "46,X,i(X)(q10)", "48~50,XX,+8,+mar"],
)  # fmt: skip
def test_what_a_cytogeneticist_types_is_understood(text):
    assert problem_of(text) == ""


@pytest.mark.parametrize(
    "text",
    ["", "46", "abc", "46,XYZ", "47,XX", "46,XX,", "45,XX,,", "46,XX,t(9;22)", "mos", "/", ",",
     "47,XX,+21[5]/46,XX,+8[15]", "46,XX," + "t(" * 100],
)  # fmt: skip
def test_what_is_no_karyotype_is_told(text):
    assert problem_of(text)

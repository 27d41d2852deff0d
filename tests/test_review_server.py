"""The reading room over HTTP: who may ask, what is shown and stored, and what is refused how."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from review_room import INFO, keep_run, write_run
from screening import words
from screening.data.chromosomes import read_chromosomes
from screening.data.manifest import read_manifest
from screening.errors import ScreeningError
from screening.record import PairChange, Picture, Structure
from screening.report.glossary import LOOKED_MEANS
from screening.review import pages, serving
from screening.review.exchange import Settings, exchange
from screening.review.room import Room, key_of
from screening.review.server import application
from screening.review.serving import RoomNotOpened, bound, only_one, serve
from screening.worklist.kept import read_run
from screening.worklist.ledger import FILE_NAME, Ledger, LedgerError

TOKEN, PORT = "secret", 8123
HOME = f"http://127.0.0.1:{PORT}"
ODD = '<script>alert(1)</script>"=cmd|א‮🧬'
CELLS = {"case-a/1.png": "+21", "case-a/2.png": "+21", "case-b/1.png": "", "case-c.png": ""}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run that tests may read and give verdicts on, and must not change."""
    folder = tmp_path_factory.mktemp("run")
    write_run(folder / "out", folder / "in", CELLS, failed=["case-d.png"])
    return folder


@pytest.fixture
def room(written):
    (written / "out" / "verdicts.sqlite").unlink(missing_ok=True)
    opened = Room(written / "out")
    yield opened
    opened.close()


@pytest.fixture
def client(room):
    return visitor(room)


def visitor(room: Room) -> TestClient:
    return TestClient(application(room, TOKEN, PORT), base_url=HOME)


def give(client: TestClient, room: Room, name: str, said: str, /, **more: object):
    """Gives a verdict on a case; `more` of what the browser sends stands before it."""
    asked = {
        "case": key_of(name), "decision": said, "initials": "AB", "stamp": room.run.stamp,
    } | more  # fmt: skip
    return client.post(f"/{TOKEN}/verdict", json=asked, headers={"origin": HOME})


def test_only_this_machine_with_the_token_is_let_in(client, room):
    assert client.get(f"/{TOKEN}/").status_code == 200
    for path in ("/", "/secre/", "/secret2/", "/static/room.js"):
        assert client.get(path).status_code == 404
    for host in ("evil.example", f"127.0.0.1:{PORT + 1}", "127.0.0.1"):
        assert client.get(f"/{TOKEN}/", headers={"host": host}).status_code == 421
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{PORT}", ""):
        answer = client.post(
            f"/{TOKEN}/verdict", json={}, headers={"origin": origin} if origin else {}
        )
        assert answer.status_code == 403
    assert room.verdicts.all() == []


def test_pages_run_no_script_but_their_own_and_are_kept_nowhere(client):
    answer = client.get(f"/{TOKEN}/case/{key_of('case-a')}")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=", answer.text)
    assert "http" not in re.sub(r"http-equiv|https?://www\.w3\.org/\S+", "", answer.text)


def test_the_list_has_a_line_for_each_case_most_urgent_first(client):
    text = client.get(f"/{TOKEN}/").text
    names = re.findall(r'class="open-case"[^>]*>([^<]+)<', text)
    assert names == ["case-a", "case-d", "case-b", "case-c"]
    assert "2 of 2 cells show +21" in text and "0 of 4 read" in text
    assert re.search(r"no picture could be judged\s+<span class=\"case\">cut short", text)


def test_what_the_run_warns_of_stands_over_its_list(tmp_path):
    write_run(tmp_path / "out", tmp_path / "in", {"a.png": ""})
    told = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    told["warnings"] = ["what is certified may not hold here"]
    (tmp_path / "out" / "run.json").write_text(json.dumps(told), "utf-8")
    room = Room(tmp_path / "out")
    assert "what is certified may not hold here" in visitor(room).get(f"/{TOKEN}/").text
    room.close()


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("route=flag", ["case-a"]), ("q=%2B21", ["case-a"]), ("q=CUT+SHORT", ["case-d"]),
        ("q=case-b%2F1", ["case-b"]), ("q=secret", []), ("sort=case&route=low-priority", []),
        ("route=nonsense&page=99&sort=%00", ["case-a", "case-d", "case-b", "case-c"]),
        ("state=read", []), ("sort=cells", ["case-a", "case-d", "case-b", "case-c"]),
    ],
)  # fmt: skip
def test_filters_stand_in_the_address(client, asked, names):
    text = client.get(f"/{TOKEN}/?{asked}&part=rows").text
    found = re.findall(r'class="open-case"[^>]*>([^<]+)<', text)
    assert found == names or asked.startswith("sort=case")


def test_a_case_shows_its_cells_and_leads_on(client):
    text = client.get(f"/{TOKEN}/case/{key_of('case-a')}?cell=1&sort=case").text
    assert "case-a/2.png" in text and ">2.png<" in text and "1 of 4" in text
    assert f"case/{key_of('case-b')}?sort=case" in text
    assert "47,XX,+21" in text and "What this tool cannot see" in text
    assert text.count('<image class="heat looked"') == 1 and LOOKED_MEANS in text
    assert 'class="heat' not in client.get(f"/{TOKEN}/case/{key_of('case-b')}").text
    assert client.get(f"/{TOKEN}/case/{'0' * 16}").status_code == 404
    failed = client.get(f"/{TOKEN}/case/{key_of('case-d')}")
    assert failed.status_code == 200 and "cut short" in failed.text


def test_pictures_are_the_original_the_cell_relaid_and_homologs(client):
    key = key_of("case-a/1.png")
    for path in (f"original/{key}", f"relaid/{key}", f"thumbnail/{key}"):
        answer = client.get(f"/{TOKEN}/{path}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("image/")
    layout = client.get(f"/{TOKEN}/layout/{key}").json()
    assert len(layout["relaid"]) == 47 and layout["size"] == [600, 850]
    text = client.get(f"/{TOKEN}/homologs/{key}?name=21").text
    assert text.count("straightened") == 3 and "3 in this cell" in text
    assert "the classifier alone: 21" in text
    assert client.get(f"/{TOKEN}/homologs/{key}?name=Y").status_code == 404
    assert client.get(f"/{TOKEN}/original/{'0' * 16}").status_code == 404


def test_a_corrected_class_changes_reading_count_and_karyotype(client, room):
    reading = room.run.pictures(["case-a/1.png"])[0].picture.reading
    place = next(i for i, one in enumerate(reading.chromosomes) if one.name == "21")
    asked = {"key": key_of("case-a/1.png"), "classes": {str(place): "?"}}
    text = client.post(f"/{TOKEN}/reread", json=asked, headers={"origin": HOME}).text
    assert "By your classes: <b>46,XX</b>" in text and "Weighed anew" in text
    query = f"classes={place}:22"
    text = client.get(f"/{TOKEN}/homologs/{key_of('case-a/1.png')}?name=22&{query}").text
    assert "3 in this cell" in text
    asked["classes"] = {"999": "21"}
    answer = client.post(f"/{TOKEN}/reread", json=asked, headers={"origin": HOME})
    assert answer.status_code == 409 and "expected a chromosome" in answer.json()["said"]


def test_a_verdict_is_stored_with_what_was_shown(client, room):
    cell = key_of("case-a/1.png")
    answer = give(client, room, "case-a", "abnormal", cell=cell, iscn="47,XX,+21", note="so it is")
    assert answer.status_code == 200 and "so it is" in answer.json()["history"]
    (kept,) = room.verdicts.all()
    assert kept.image == "case-a/1.png" and len(kept.shown) == 64 and kept.bundle == "b" * 64
    assert kept.sha256 == room.run.lines[0]["sha256"]
    other = give(client, room, "case-b", "normal").json()
    assert other["read"] == "1 of 4 read" and "▽ AB</span>" in other["readers"]
    assert client.get(f"/{TOKEN}/?state=read&part=rows").text.count("open-case") == 1
    page = client.get(f"/{TOKEN}/case/{key_of('case-a')}").text
    assert "so it is" in page


def test_initials_that_no_verdict_could_have_are_refused_at_once(client):
    for initials, status in (("AB", 200), ("", 200), ("A B", 409), ("=cmd|", 409)):
        answer = client.post(
            f"/{TOKEN}/reader", json={"initials": initials}, headers={"origin": HOME}
        )
        assert answer.status_code == status
        assert status == 200 or "the reader's initials" in answer.json()["said"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decision": "perhaps"}, "normal, abnormal"), ({"iscn": "47,XX"}, "no ISCN karyotype"),
        ({"initials": ""}, "initials"), ({"case": "0" * 16}, "no such case"),
        ({"stamp": "another"}, "screened again"), ({"cell": "f" * 16}, "no such cell"),
        ({"classes": {"1": "21"}}, "one cell"), ({"classes": [1]}, "one cell"),
    ],
)  # fmt: skip
def test_what_is_no_verdict_is_refused_in_a_sentence(client, room, change, said):
    answer = give(client, room, "case-a", "normal", **change)
    assert answer.status_code == 409 and said in answer.json()["said"]
    assert room.verdicts.all() == []


def test_readers_who_differ_are_listed_unless_they_read_blind(written, room):
    first, second = visitor(room), visitor(room)
    give(first, room, "case-a", "abnormal")
    give(second, room, "case-a", "normal", initials="CD")
    give(second, room, "case-b", "normal", initials="CD")
    page = first.get(f"/{TOKEN}/agreement").text
    assert "AB: ▲ abnormal" in page and "CD: ▽ normal" in page and "kappa" in page
    assert first.get(f"/{TOKEN}/?state=readers+differ&part=rows").text.count("open-case") == 1
    blind = Room(written / "out", blind=True)
    blinded = visitor(blind)
    blinded.post(f"/{TOKEN}/reader", json={"initials": "AB"}, headers={"origin": HOME})
    for path in ("", "agreement", f"case/{key_of('case-a')}"):
        shown = blinded.get(f"/{TOKEN}/{path}").text
        assert "CD" not in re.sub(r'"data:[^"]*"', "", shown)
    assert "▲ abnormal</b>" in blinded.get(f"/{TOKEN}/case/{key_of('case-a')}").text
    assert "▲ abnormal</b>" not in visitor(blind).get(f"/{TOKEN}/case/{key_of('case-a')}").text
    blind.close()


def test_where_readers_differ_in_much_is_told_page_by_page(room, monkeypatch):
    first = visitor(room)
    for initials, said in (("AB", "abnormal"), ("CD", "normal")):
        for case in ("case-a", "case-b", "case-c"):
            give(first, room, case, said, initials=initials)
    assert 'class="pages"' not in first.get(f"/{TOKEN}/agreement").text
    monkeypatch.setattr(pages, "DIFFERING_ON_A_PAGE", 2)
    shown = {
        asked: first.get(f"/{TOKEN}/agreement?page={asked}").text
        for asked in ("1", "2", "9", "-1", "x")
    }
    assert [shown[n].count("AB: ▲") for n in ("1", "2", "9", "-1", "x")] == [2, 1, 1, 2, 2]
    assert re.findall(r'page=(\d)" aria-current', shown["9"]) == ["2"]


def test_a_folder_without_a_run_is_told_and_left_as_it_is(tmp_path):
    with pytest.raises(ScreeningError):
        serve(serving.Settings(tmp_path, browser=False))
    assert not list(tmp_path.iterdir())


def test_hostile_names_stay_text(tmp_path):
    names = {f"{ODD.replace('/', '-')}/1.png": "", "=1+1/#2.png": "+21"}
    (tmp_path / "in").mkdir()
    write_run(tmp_path / "out", tmp_path / "in", names)
    room = Room(tmp_path / "out")
    client = visitor(room)
    for line in room.lines:
        for path in ("", f"case/{line.key}"):
            text = client.get(f"/{TOKEN}/{path}").text
            assert "<script>alert" not in text
        assert client.get(f"/{TOKEN}/original/{key_of(line.cells[0]['image'])}").status_code == 200
        assert give(client, room, line.case.case, "normal").status_code == 200
    assert {one.case for one in room.verdicts.all()} == {line.case.case for line in room.lines}
    room.close()


def test_only_the_very_pictures_of_the_run_are_shown(tmp_path):
    write_run(tmp_path / "out", tmp_path / "in", {"a/1.png": "", "b/1.png": "", "c/1.png": ""})
    (tmp_path / "elsewhere.png").write_bytes((tmp_path / "in/a/1.png").read_bytes())
    (tmp_path / "in/a/1.png").unlink()
    os.symlink(tmp_path / "elsewhere.png", tmp_path / "in/a/1.png")
    (tmp_path / "in/b/1.png").write_bytes((tmp_path / "in/c/1.png").read_bytes() + b"x")
    lost = Picture("../elsewhere.png", "d", "0" * 64)
    room = Room(tmp_path / "out")
    room.originals.hashes = {**room.originals.hashes, lost.image: lost.sha256}
    room.images[key_of(lost.image)] = lost.image
    client = visitor(room)
    for name, said in (
        ("a/1.png", "leads out of"), ("b/1.png", "another picture"), ("../elsewhere.png", "leads"),
    ):  # fmt: skip
        answer = client.get(f"/{TOKEN}/original/{key_of(name)}")
        assert answer.status_code == 404 and said in answer.json()["said"]
    assert client.get(f"/{TOKEN}/static/..%2f..%2fcli.py").status_code == 404
    room.close()
    os.rename(tmp_path / "in", tmp_path / "moved")
    moved = Room(tmp_path / "out")
    answer = visitor(moved).get(f"/{TOKEN}/original/{key_of('c/1.png')}")
    assert answer.status_code == 404 and "--pictures" in answer.json()["said"]
    assert visitor(moved).get(f"/{TOKEN}/case/{key_of('c')}").status_code == 200
    moved.close()
    told = Room(tmp_path / "out", pictures=tmp_path / "moved")
    assert visitor(told).get(f"/{TOKEN}/original/{key_of('c/1.png')}").status_code == 200
    told.close()


def test_a_run_that_is_written_meanwhile_is_told_and_then_shown(tmp_path):
    write_run(tmp_path / "out", tmp_path / "in", {"a.png": ""})
    room = Room(tmp_path / "out")
    client, before = visitor(room), room.run.stamp
    with Ledger(tmp_path / "out" / FILE_NAME, "b" * 64, "o" * 64):
        assert "a run is writing to" in client.get(f"/{TOKEN}/").text
        assert give(client, room, "a", "normal").status_code == 409
    write_run(tmp_path / "out", tmp_path / "in", {"a.png": "", "b.png": "+21"})
    answer = give(client, room, "a", "normal")
    assert answer.status_code == 409 and "screened again" in answer.json()["said"]
    assert client.get(f"/{TOKEN}/").text.count("open-case") == 2
    assert room.run.stamp != before
    assert give(client, room, "a", "normal").status_code == 200
    room.close()


def test_a_case_to_which_a_picture_came_since_its_verdict_is_unread_again(tmp_path):
    pictures = {"a/1.png": "", "b/1.png": ""}
    write_run(tmp_path / "out", tmp_path / "in", pictures)
    room = Room(tmp_path / "out")
    client = visitor(room)
    for name in ("a", "b"):
        give(client, room, name, "normal")
    assert "2 of 2 read" in client.get(f"/{TOKEN}/").text
    write_run(tmp_path / "out", tmp_path / "in", pictures | {"a/2.png": "+21"})
    text = client.get(f"/{TOKEN}/").text
    assert "1 of 2 read" in text and text.count('class="reading normal before"') == 1
    assert client.get(f"/{TOKEN}/?state=unread&part=rows").text.count("open-case") == 1
    assert "screened again since" in client.get(f"/{TOKEN}/case/{key_of('a')}").text
    said = "\n".join(exchange(Settings(tmp_path / "out", tmp_path / "labels.csv")))
    assert "came or changed since its verdict: 2 (a/2.png, a/1.png)" in said and "1 label" in said
    give(client, room, "a", "abnormal")
    assert "2 of 2 read" in client.get(f"/{TOKEN}/").text
    room.close()


def test_a_reader_goes_on_from_the_own_verdict_on_what_is_shown(client, room):
    cell, page = key_of("case-a/1.png"), f"/{TOKEN}/case/{key_of('case-a')}"
    named = {"iscn": "46,XX", "classes": {"3": "?"}}
    client.post(f"/{TOKEN}/reader", json={"initials": "ab"}, headers={"origin": HOME})
    assert 'data-classes="{}"' in client.get(page).text
    give(client, room, "case-a", "normal", cell=cell, **named)
    text = client.get(page).text
    assert "{&#34;3&#34;: &#34;?&#34;}" in text and 'value="46,XX"' in text
    assert re.search(r'value="normal" required checked', text)
    assert 'data-classes="{}"' in client.get(f"{page}?cell=1").text
    client.post(f"/{TOKEN}/reader", json={"initials": "CD"}, headers={"origin": HOME})
    assert 'data-classes="{}"' in client.get(page).text
    # Of an earlier reading the places are those of other chromosomes.
    (given,) = room.verdicts.all()
    earlier = replace(given, shown="0" * 64, id="1" * 32, given="2027-01-01T00:00:00+00:00")
    room.verdicts.take_over([earlier])
    client.post(f"/{TOKEN}/reader", json={"initials": "AB"}, headers={"origin": HOME})
    text = client.get(page).text
    assert 'data-classes="{}"' in text and 'value="46,XX"' in text


@pytest.mark.parametrize("together", [False, True])
def test_the_room_shows_what_the_cells_of_a_case_say_together_as_the_list_does(together, tmp_path):
    write_run(tmp_path / "out", tmp_path / "in", {"a/1.png": "", "a/2.png": ""})
    one, two = (k.picture for k in read_run(tmp_path / "out").pictures(["a/1.png", "a/2.png"]))
    odds = dict.fromkeys(("5", "22"), -6.0)
    quiet = Structure(-6.0, 0.9, 2, odds=odds)
    loud = Structure(2.0, 0.9, 2, (PairChange("22", 0, 1, 0, 4.0, 0.5),), odds=odds | {"22": 4.0})
    doubted = replace(
        one, verdict=None, doubts=(words.structural_doubt(loud),),
        reading=replace(one.reading, structure=loud),
    )  # fmt: skip
    usual = replace(two, verdict=None, reading=replace(two.reading, structure=quiet))
    keep_run(tmp_path / "out", tmp_path / "in", [doubted, usual], together)
    run = read_run(tmp_path / "out")
    line = next(line for line in run.lines if line["image"] == "a/1.png")
    (shown,) = run.pictures(["a/1.png"])
    assert shown.picture.judged.route == line["route"] == ("low-priority" if together else "review")
    assert "; ".join(shown.picture.judged.reasons) == line["reasons"]
    assert ("the 2 cells of the case together speak against" in line["reasons"]) == together


def test_homologs_that_differ_are_marked_until_one_is_named_anew(tmp_path):
    write_run(tmp_path / "out", tmp_path / "in", {"a.png": ""})
    kept = read_run(tmp_path / "out").pictures(["a.png"])[0].picture
    two = [i for i, one in enumerate(kept.reading.chromosomes) if one.name == "22"]
    pair = PairChange("22", *two, two[0], 4.0, 0.5, "bands", 0.5, 1.0, "q12 to q13")
    structure = Structure(4.0, 0.9, 22, (pair,), odds={"22": 4.0})
    differs = replace(kept.reading, structure=structure)
    figure = (("the two chromosomes 22 differ", kept.thumbnail),)
    doubted = replace(kept, verdict=None, reading=differs, pairs=figure)
    keep_run(tmp_path / "out", tmp_path / "in", [doubted])
    room = Room(tmp_path / "out")
    client = visitor(room)
    page = client.get(f"/{TOKEN}/case/{key_of('a')}").text
    assert page.count('<rect class="unlike"') == 2 and "differs from its homolog" in page
    asked = {"key": key_of("a.png"), "classes": {str(two[0]): "21"}}
    text = client.post(f"/{TOKEN}/reread", json=asked, headers={"origin": HOME}).text
    marks = json.loads(re.search(r'data-marks="([^"]*)"', text)[1].replace("&#34;", '"'))
    kinds = {place: kind for place, kind, _ in marks}
    assert kinds[two[1]] == "loss unlike" and kinds[two[0]] == "gain"
    homologs = f"/{TOKEN}/homologs/{key_of('a.png')}?name=22"
    assert 'class="pair"' in client.get(homologs).text
    assert "log-odds" in client.get(homologs).text
    taken_apart = client.get(f"{homologs}&classes={two[0]}:21").text
    assert "log-odds" not in taken_apart and 'class="pair"' not in taken_apart
    room.close()


def test_the_first_page_loads_nothing_that_is_slow_to_import(written):
    code = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from screening.review.room import Room
from screening.review.server import application
app = application(Room(Path(sys.argv[1])), "t", 8123)
print(TestClient(app, base_url="http://127.0.0.1:8123").get("/t/").status_code)
print(*{"tensorflow", "onnxruntime", "scipy", "skimage", "sklearn", "pandas"} & set(sys.modules))
"""
    words = [sys.executable, "-c", code, str(written / "out")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["200"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(LedgerError, match="holds no ledger"):
        read_run(tmp_path)
    with Ledger(tmp_path / FILE_NAME, "b", "o") as ledger:
        ledger.begin({}, "now")
    with pytest.raises(LedgerError, match="did not come to its end"):
        read_run(tmp_path)
    with Ledger(tmp_path / FILE_NAME, "b", "o") as ledger:
        ledger.begin({}, "now")
        ledger.finish("later")
    with pytest.raises(LedgerError, match=r"run\.json cannot be read"):
        read_run(tmp_path)
    keep_run(tmp_path / "old", tmp_path, [Picture("a.png", "a")])
    with Ledger(tmp_path / "old" / FILE_NAME, "b" * 64, "o" * 64) as ledger:
        ledger._connection.execute("DELETE FROM bundles")
        ledger._connection.commit()
    with pytest.raises(LedgerError, match="older version.*--resume"):
        read_run(tmp_path / "old")
    (tmp_path / "old" / "triage.jsonl").write_text("[1]\n")
    with pytest.raises(LedgerError, match="damaged"):
        read_run(tmp_path / "old")


def test_a_record_without_outlines_is_shown_along_its_boxes(tmp_path):
    write_run(tmp_path / "out", tmp_path / "in", {"a.png": "+21"})
    kept = read_run(tmp_path / "out").pictures(["a.png"])[0].picture
    bare = tuple(replace(one, outline=(), seen=None) for one in kept.reading.chromosomes)
    older = replace(kept, verdict=None, reading=replace(kept.reading, chromosomes=bare))
    keep_run(tmp_path / "out", tmp_path / "in", [older])
    room = Room(tmp_path / "out")
    client, key = visitor(room), key_of("a.png")
    assert client.get(f"/{TOKEN}/relaid/{key}").status_code == 200
    answer = client.get(f"/{TOKEN}/homologs/{key}?name=21")
    assert answer.status_code == 404 and "keeps no outlines" in answer.json()["said"]
    asked = {"key": key, "classes": {"0": "?"}}
    text = client.post(f"/{TOKEN}/reread", json=asked, headers={"origin": HOME}).text
    assert "46,XX,-1,+21" in text and "Counted from the classes alone" in text
    room.close()


def test_one_reading_room_on_a_folder_and_one_program_on_a_port(tmp_path):
    with only_one(tmp_path):
        with pytest.raises(RoomNotOpened, match="a reading room is open"), only_one(tmp_path):
            pass
    with only_one(tmp_path), bound(0) as first:
        port = first.getsockname()[1]
        with pytest.raises(RoomNotOpened, match=f"port {port}.*choose another"), bound(port):
            pass
    with pytest.raises(RoomNotOpened, match="65535"), bound(70000):
        pass


def test_verdicts_become_labels_and_what_is_left_out_is_named(written, room, client, tmp_path):
    give(client, room, "case-a", "abnormal", iscn="47,XX,+21")
    give(client, room, "case-a", "normal", cell=key_of("case-a/2.png"))
    give(client, room, "case-b", "normal")
    give(client, room, "case-b", "abnormal", initials="CD")
    give(client, room, "case-c", "redo")
    said = "\n".join(exchange(Settings(written / "out", tmp_path / "labels.csv", tmp_path / "all")))
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["label"], row["karyotype"]) for row in rows] == [
        ("case-a", "abnormal", "47,XX,+21"), ("case-a", "normal", ""),
    ]  # fmt: skip
    assert all((tmp_path / row["path"]).is_file() for row in rows)
    assert "readers disagree: 1 (case-b/1.png)" in said and "'redo'" in said
    assert "AB and CD: the same verdict on 0 of 1 subject" in said and "Readers differ" in said
    assert len(read_manifest(tmp_path / "labels.csv")) == 2


def test_verdicts_travel_and_a_malformed_table_changes_nothing(written, room, client, tmp_path):
    give(client, room, "case-b", "normal", note='=1+1, "so"\nnext')
    exchange(Settings(written / "out", trail=tmp_path / "all.csv"))
    write_run(tmp_path / "out", tmp_path / "in", CELLS)
    said = exchange(Settings(tmp_path / "out", add=tmp_path / "all.csv"))
    assert said[0] == "1 verdict taken over, 0 known."
    assert exchange(Settings(tmp_path / "out", add=tmp_path / "all.csv"))[0].startswith("0 verd")
    (other,) = (opened := Room(tmp_path / "out")).verdicts.all()
    opened.close()
    assert other == replace(room.verdicts.all()[0])
    good = (tmp_path / "all.csv").read_text("utf-8")
    for bad in (
        good.replace("normal", "perhaps"), good.replace("+00:00", ""), "a,b\n1,2\n", "",
        good.replace(other.id, "x"), good.split("\n")[0], good.replace(",AB,", ",,"),
        re.sub(r"20\d\d-(\d\d)-(\d\d)T", r"\2.\1.26 ", good),
        "\0" * 50,
    ):  # fmt: skip
        (tmp_path / "bad.csv").write_text(bad, "utf-8")
        with pytest.raises(ScreeningError):
            exchange(Settings(tmp_path / "out", add=tmp_path / "bad.csv"))
    assert exchange(Settings(tmp_path / "out"))[0] == "1 verdict, 1 of them stand."
    strange = good.replace("case-b", "nobody").replace(other.id, "2" * 32)
    (tmp_path / "strange.csv").write_text(strange, "utf-8")
    said = exchange(Settings(tmp_path / "out", add=tmp_path / "strange.csv"))
    assert said[0] == "1 verdict taken over, 0 known." and "kept without use: nobody." in said[2]


def test_chromosomes_that_readers_named_are_cut_out_for_build(written, room, client, tmp_path):
    cell = key_of("case-a/1.png")
    give(client, room, "case-a", "abnormal", cell=cell, classes={"3": "1", "5": "?", "9": "7"})
    give(client, room, "case-a", "abnormal", cell=cell, classes={"9": "8"}, initials="CD")
    asked = Settings(written / "out", chromosomes=tmp_path / "named")
    said = "\n".join(exchange(asked))
    assert "1 chromosome of 1 cell, 0 of them whole" in said and "name a chromosome 7 and 8" in said
    (one,) = read_chromosomes(tmp_path / "named" / "chromosomes.csv")
    assert (one.name, one.case) == ("1", "case-a")
    with pytest.raises(ScreeningError, match="does not exist yet"):
        exchange(asked)


def test_the_iscn_is_checked_as_one_types(client):
    assert client.get(f"/{TOKEN}/iscn?text=47,XX,%2B21").json() == {"problem": ""}
    assert "make 46" in client.get(f"/{TOKEN}/iscn?text=47,XX").json()["problem"]
    assert client.get(f"/{TOKEN}/iscn?text={'1' * 400}").json() == {"problem": "it is too long"}


def test_the_rule_of_the_run_judges_and_nothing_else(room):
    for line in room.run.lines:
        verdict = room.run.pictures([line["image"]])[0].picture.judged
        assert (verdict.route, "; ".join(verdict.reasons)) == (line["route"], line["reasons"])
    assert room.run.info == INFO and json.loads(INFO.model_dump_json())["name"] == "fake"

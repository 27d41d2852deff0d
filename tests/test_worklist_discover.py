"""Discovery: nothing that may be a picture is lost, nothing else is taken, names are safe."""

from __future__ import annotations

import os
import socket
import sys
import unicodedata
from pathlib import Path

import pytest

from screening.errors import ScreeningError
from screening.worklist.discover import NothingToScreen, case_namer, discover
from screening.worklist.printable import printable

SUFFIXES = (".png", ".jpg", ".tif")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def found(folder: Path, **options: object) -> dict[str, str]:
    return {f.name: f.problem for f in discover(folder, SUFFIXES, **options).images}


def test_sorted_relative_names_and_others_counted(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "b/1.jpg", "a.png", "list.csv", ".DS_Store", "b/._1.jpg", ".x/y.png"):
        touch(tmp_path / name)
    result = discover(tmp_path, SUFFIXES)
    assert [f.name for f in result.images] == ["a.png", "b/1.jpg", "b/2.PNG"]
    assert [f.case for f in result.images] == ["a", "b", "b"]
    assert result.ignored == 4
    assert not any(f.problem for f in result.images)


def test_what_only_looks_like_a_picture_is_listed_with_its_problem(tmp_path: Path) -> None:
    touch(tmp_path / "good.png")
    touch(tmp_path / "folder.png" / "inside.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    os.mkfifo(tmp_path / "pipe.png")
    problems = found(tmp_path)
    assert problems["good.png"] == problems["folder.png/inside.png"] == ""
    assert "folder" in problems["folder.png"]
    assert "broken link" in problems["broken.png"]
    assert "itself" in problems["self.png"]
    assert "pipe" in problems["pipe.png"]


def test_a_socket_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.png")
        assert "socket" in found(tmp_path)["s.png"]


def test_links_back_to_a_folder_above_end(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    result = discover(tmp_path, SUFFIXES)
    assert [f.name for f in result.images] == ["a/x.png"]
    assert "links back" in result.notes[0]


def test_a_linked_folder_elsewhere_is_entered(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "x.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "day").symlink_to(tmp_path / "elsewhere")
    assert list(found(tmp_path / "in")) == ["day/x.png"]


def test_a_folder_that_cannot_be_opened_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "good.png")
    touch(tmp_path / "locked" / "x.png")
    scandir = os.scandir

    def refusing(folder: Path) -> object:  # root opens everything, so chmod would prove nothing
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    problems = found(tmp_path)
    assert problems["good.png"] == ""
    assert "Permission denied" in problems["locked/"]


def test_outputs_inside_the_folder_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "x.png")
    touch(tmp_path / "day" / "out" / "figure.png")
    result = discover(tmp_path, SUFFIXES, out=tmp_path / "day" / ".." / "day" / "out")
    assert [f.name for f in result.images] == ["x.png"]
    assert "outputs" in result.notes[0]
    assert "x.png" in found(tmp_path, out=tmp_path)  # OUT = FOLDER still screens the pictures


def test_very_deep_folders_do_not_exhaust_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = 1500
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    try:
        with pytest.raises(NothingToScreen):
            discover(tmp_path, SUFFIXES)
    finally:
        for _ in range(depth):  # shutil.rmtree would itself recurse too deeply
            os.chdir("..")
            os.rmdir("d")


@pytest.mark.parametrize("make", ["missing", "file", "empty"])
def test_nothing_to_walk_is_said_plainly(tmp_path: Path, make: str) -> None:
    folder = tmp_path / "f"
    if make == "file":
        touch(folder)
    elif make == "empty":
        touch(folder / "notes.txt")
    with pytest.raises(ScreeningError) as caught:
        discover(folder, SUFFIXES)
    assert caught.value.exit_status == (1 if make == "empty" else 2)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "name", "case"),
    [
        (None, "ward 3/p7/k1.png", "ward 3/p7"),
        ("parent", "k1.png", "k1"),
        ("stem", "p7/k1.v2.png", "k1.v2"),
        (r"p(\d+)", "ward/p7/k1.png", "7"),
        (r"(ward)/(?P<case>p\d+)", "ward/p7/k1.png", "p7"),
        (r"p\d+", "ward/p7/k1.png", "p7"),
        (r"q(\d+)", "ward/p7/k1.png", None),
    ],
)
def test_case_rules(rule: str | None, name: str, case: str | None) -> None:
    assert case_namer(rule)(name) == case


def test_case_rule_errors_and_partial_fit(tmp_path: Path) -> None:
    touch(tmp_path / "p1_a.png")
    touch(tmp_path / "other.png")
    with pytest.raises(ScreeningError, match="regular expression"):
        discover(tmp_path, SUFFIXES, case_from="(")
    with pytest.raises(ScreeningError, match="fits no picture"):
        discover(tmp_path, SUFFIXES, case_from="zzz")
    result = discover(tmp_path, SUFFIXES, case_from=r"^p\d")
    assert {f.name: f.case for f in result.images} == {"p1_a.png": "p1", "other.png": "other"}
    assert "1 of 2" in result.notes[0]


def test_printable_keeps_letters_and_escapes_the_rest() -> None:
    assert printable("Żółć 染色体 é\u0301 ك.png") == "Żółć 染色体 é\u0301 ك.png"
    assert printable("a\nb\x1b\u202egnp.png") == "a\\nb\\x1b\\u202egnp.png"
    assert printable(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are not valid UTF-8")
def test_names_that_are_not_utf8_stay_readable_and_unique(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    touch(tmp_path / "caf\\xe9.png")
    touch(tmp_path / ("染" * 80 + ".png"))  # 244 bytes, near the limit of a name
    result = discover(tmp_path, SUFFIXES)
    assert len({f.name for f in result.images}) == 3
    for image in result.images:
        image.name.encode("utf-8")
        assert image.path.read_bytes() == b"x"
        assert not any(unicodedata.category(c) == "Cc" for c in image.name)

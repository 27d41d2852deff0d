"""Where the page leads to originals, copies of them, and the page on paper."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from pictures import judged
from screening.cli import main
from screening.images.read import read_image
from screening.report import pdf
from screening.report.pdf import NotPrinted, write_pdf
from screening.worklist.discover import COPIES
from screening.worklist.links import addresses
from test_worklist_rebuild import gate, screen  # noqa: F401  (no gate here either)
from worklist_fakes import write_karyograms

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_addresses_lead_from_the_page_to_the_files_and_nowhere_else(tmp_path):
    folder, out = tmp_path / "a b", tmp_path / "out"
    folder.mkdir()
    (folder / "y.tif#2").touch()
    names = ["c/ü#.png", "x.tif#2", "y.tif#2", "y.tif#2 (2)", "../up.png", "bad\\xff.png", "/e"]
    found = addresses([judged(name) for name in names], folder, out)
    assert found == {
        "c/ü#.png": "../a%20b/c/%C3%BC%23.png", "x.tif#2": "../a%20b/x.tif",
        "y.tif#2": "../a%20b/y.tif%232", "y.tif#2 (2)": "../a%20b/y.tif",
    }  # fmt: skip
    assert addresses([judged("a.png")], None, out) == {}


def test_copies_travel_with_the_page_and_what_changed_is_told(tmp_path, capsys):
    folder, out = tmp_path / "in", tmp_path / "in" / "out"
    write_karyograms(folder, 3)
    pages = [Image.new("L", (480, 400), 255), read_image(sorted(folder.rglob("*.png"))[0])]
    second = Image.fromarray(pages[1])
    pages[0].save(folder / "two.tif", save_all=True, append_images=[second])
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    screen(folder, out)
    gone = sorted(folder.glob("**/*.png"))[0]
    Image.new("L", (480, 400), 90).save(gone)
    assert main(["report", str(out), "--pictures", "--quiet"]) == 3
    page = (out / "report.html").read_text("utf-8")
    copies = sorted((out / COPIES).iterdir())
    assert len(copies) == 4 and page.count(f'href="{COPIES}/') == 4
    assert "no copy of 1 picture, not in" in page and gone.name in page
    sizes = []
    for path in copies:
        with Image.open(path) as copy:
            sizes.append(copy.size)
    assert second.size in sizes
    capsys.readouterr()
    screen(folder, out)
    text = (out / "report.html").read_text("utf-8")
    assert text.count(f'href="{COPIES}/') == 4 and str(gone) not in text


def test_copies_are_no_pictures_of_a_run_around_them(tmp_path):
    write_karyograms(tmp_path / "in", 1)
    screen(tmp_path / "in", tmp_path / "in" / "first")
    assert main(["report", str(tmp_path / "in" / "first"), "--pictures", "--quiet"]) == 0
    screen(tmp_path / "in", tmp_path / "second")
    page = (tmp_path / "second" / "report.html").read_text("utf-8")
    assert "first/pictures/ holds copies of pictures and was not searched" in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, found none")
def test_the_page_is_printed(tmp_path):
    write_karyograms(tmp_path / "in", 2)
    screen(tmp_path / "in", tmp_path / "out")
    assert main(["report", str(tmp_path / "out"), "--pdf", "--quiet"]) == 0
    printed = (tmp_path / "out" / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") >= 2


def test_without_a_browser_a_sentence_says_so(tmp_path, monkeypatch, capsys):
    write_karyograms(tmp_path / "in", 1)
    screen(tmp_path / "in", tmp_path / "out")
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    assert main(["report", str(tmp_path / "out"), "--pdf"]) == 1
    assert "--pdf expects Chromium, Chrome or Edge" in capsys.readouterr().err
    monkeypatch.setattr(pdf, "BROWSERS", (sys.executable,))  # which knows no such options
    with pytest.raises(NotPrinted, match="printed nothing"):
        write_pdf("<p>", tmp_path / "x.pdf")
    assert not list(Path(tmp_path).glob("*.pdf"))

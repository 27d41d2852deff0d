"""Chromosomes as files: whole folders or none, names that every system takes, resuming."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from pictures import jpeg
from screening import atomic
from screening.errors import ScreeningError
from screening.evidence import witness
from screening.images.page import Page
from screening.karyogram.locate import Located
from screening.record import Chromosome, PairChange, Picture, Reading, Structure
from screening.worklist.chromosome_files import (
    FOLDER_NAME,
    KARYOGRAM,
    is_saved,
    keep_chromosomes,
    picture_folder,
    save_chromosomes,
)
from screening.worklist.reader import ReadCell
from screening.worklist.run import Settings, screen_folder
from shipped import locator
from worklist_fakes import FakeScorer, paper_of, write_karyograms


def crops(count: int = 3) -> list[tuple[str, float, np.ndarray]]:
    rng = np.random.default_rng(0)
    names = ["21", "X", "?"]
    return [
        (names[i % 3], 0.976, rng.integers(0, 255, (40 + i, 14), np.uint8)) for i in range(count)
    ]


def test_files_hold_the_crops_and_the_cell_re_laid(tmp_path: Path) -> None:
    folder = save_chromosomes(tmp_path / FOLDER_NAME, "case/Käryo 1.png", crops())
    assert sorted(p.name for p in folder.iterdir()) == [
        "01_chr21_p0.98.png", "02_chrX_p0.98.png", "03_unnamed_p0.98.png", KARYOGRAM,
    ]  # fmt: skip
    for path, (_, _, crop) in zip(sorted(folder.glob("0*")), crops(), strict=True):
        read = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(read, crop)
    assert is_saved(tmp_path / FOLDER_NAME, "case/Käryo 1.png")
    assert not is_saved(tmp_path / FOLDER_NAME, "other/Käryo 1.png")


@pytest.mark.parametrize(
    "image", ["a/b.png", "../../etc/x.png", "..", ".png", "CON", "a" * 300 + ".png", "\udcff.png", "?*:|.tif"]  # noqa: E501
)  # fmt: skip
def test_any_picture_name_stays_inside_and_is_plain(image: str, tmp_path: Path) -> None:
    folder = picture_folder(tmp_path, image)
    assert folder.parent == tmp_path and re.fullmatch(r"[\w.-]{1,80}", folder.name, re.ASCII)
    assert not folder.name.startswith(".")
    assert folder != picture_folder(tmp_path, "x/" + image)


def test_earlier_files_and_left_overs_are_replaced(tmp_path: Path) -> None:
    save_chromosomes(tmp_path, "a.png", crops(9))
    left_over = tmp_path / f".part-{picture_folder(tmp_path, 'a.png').name}"
    left_over.mkdir()
    (left_over / "half.png").write_bytes(b"")
    folder = save_chromosomes(tmp_path, "a.png", crops(2))
    assert len(list(folder.iterdir())) == 3
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


def test_a_death_while_writing_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            save_chromosomes(tmp_path, "a.png", crops())
    assert not is_saved(tmp_path, "a.png") and not picture_folder(tmp_path, "a.png").exists()
    save_chromosomes(tmp_path, "a.png", crops())
    assert is_saved(tmp_path, "a.png")


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / FOLDER_NAME).write_text("a file")
    with pytest.raises(ScreeningError, match="--save-chromosomes") as caught:
        save_chromosomes(tmp_path / FOLDER_NAME, "a.png", crops())
    assert caught.value.exit_status == 1


class Reader:
    """Names every chromosome 1; keeps the papers of the pictures it read."""

    def __init__(self) -> None:
        self.papers: list[np.ndarray] = []

    def load(self) -> None:
        """Nothing to load."""

    def read(self, page: Page, located: Located, p: np.ndarray, changed: float | None) -> ReadCell:
        self.papers.append(page.paper)
        named = tuple(Chromosome("1", 0.9, x=0.1, y=0.1, w=0.1, h=0.1) for _ in located.chromosomes)
        return ReadCell(Reading(named), witness.Testimony(), located.chromosomes)


def run(folder: Path, out: Path, save: bool) -> list[str]:
    """The names of the pictures that were read."""
    reader = Reader()
    settings = Settings(
        folder, out, "b" * 64, "fake", quiet=True, resume=True, save_chromosomes=save
    )
    screen_folder(settings, FakeScorer(), locator(), reader)
    files = {path.relative_to(folder).as_posix(): path for path in folder.glob("case*/*.png")}
    return [
        name
        for paper in reader.papers
        for name, path in files.items()
        if np.array_equal(paper, paper_of(path))
    ]


def test_the_chromosomes_of_a_picture_that_was_read_are_kept_as_cut(tmp_path: Path) -> None:
    write_karyograms(tmp_path / "in", 1)
    (path,) = (tmp_path / "in").rglob("*.png")
    page = Page(paper_of(path))
    found = locator().locate(page).chromosomes
    assert len(found) > 20
    named = tuple(Chromosome("7", 0.5) for _ in found)
    keep_chromosomes(tmp_path / "out", Picture("a.png", "a", reading=Reading(named)), page, found)
    files = sorted(picture_folder(tmp_path / "out", "a.png").glob("*_chr7_p0.50.png"))
    assert len(files) == len(found)
    for file, piece in zip(files, found, strict=True):
        assert np.array_equal(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), piece.crop(page.paper))


def test_homologs_that_differ_are_saved_as_the_page_shows_them(tmp_path: Path) -> None:
    pairs = tuple(PairChange(name, 0, 1, 0, 5.0, 1.0) for name in ("9", "Y"))
    read = Reading(structure=Structure(5.0, 0.8, 22, pairs))
    figures = (("nine", jpeg((30, 40))), ("Y", jpeg((20, 50))))
    blank = Page(np.zeros((9, 9), np.uint8))
    keep_chromosomes(tmp_path, Picture("a.png", "a", reading=read, pairs=figures), blank, ())
    saved = picture_folder(tmp_path, "a.png")
    assert sorted(p.name for p in saved.glob("pair_*")) == ["pair_9.png", "pair_Y.png"]
    assert cv2.imread(str(saved / "pair_Y.png")).shape == (50, 20, 3)
    keep_chromosomes(tmp_path, Picture("a.png", "a", reading=read), blank, ())
    assert not list(saved.glob("pair_*"))
    torn = Picture("a.png", "a", reading=read, pairs=(("9", b"torn"), ("Y", b"")))
    with pytest.raises(ValueError, match="JPEG"):
        keep_chromosomes(tmp_path, torn, blank, ())


def test_of_a_picture_that_was_not_read_nothing_is_kept(tmp_path: Path) -> None:
    keep_chromosomes(tmp_path / "out", Picture("a.png", "a"), Page(np.zeros((9, 9), np.uint8)), ())
    assert not (tmp_path / "out").exists()


def test_only_pictures_without_their_files_are_read_again(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    write_karyograms(folder, 4)
    names = run(folder, out, save=False)
    assert names and not (out / FOLDER_NAME).exists()
    before = (out / "triage.csv").read_bytes()
    assert run(folder, out, save=True) == names
    assert all(is_saved(out / FOLDER_NAME, name) for name in names)
    assert (out / "triage.csv").read_bytes() == before
    (picture_folder(out / FOLDER_NAME, names[1]) / KARYOGRAM).unlink()
    assert run(folder, out, save=True) == [names[1]]
    assert run(folder, out, save=True) == []


def test_saved_chromosomes_are_not_screened_as_pictures(tmp_path: Path) -> None:
    write_karyograms(tmp_path / "in", 2)
    names = run(tmp_path / "in", tmp_path / "in", save=True)
    assert run(tmp_path / "in", tmp_path / "in", save=True) == []
    assert len((tmp_path / "in" / "triage.csv").read_text().splitlines()) == 1 + len(names)
    assert "not searched" in (tmp_path / "in" / "report.html").read_text()


def test_saving_needs_a_reader(tmp_path: Path) -> None:
    write_karyograms(tmp_path / "in", 1)
    settings = Settings(
        tmp_path / "in", tmp_path / "out", "b" * 64, "fake", quiet=True, save_chromosomes=True
    )
    with pytest.raises(ScreeningError, match="--save-chromosomes"):
        screen_folder(settings, FakeScorer(), locator())
    assert not (tmp_path / "out").exists()

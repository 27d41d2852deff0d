"""Chromosomes of cells that readers judged become a data folder that `build` can be taught with."""

from __future__ import annotations

import numpy as np
import pytest

from review_room import keep_run, write_run
from screening.build.config import SourcesConfig
from screening.build.data import records_of
from screening.classes import ABNORMAL, NORMAL
from screening.data.chromosomes import INCOMPLETE, load_cell, read_cells
from screening.errors import ManifestError
from screening.review.exchange import Settings, exchange
from screening.review.giving import given_from
from screening.review.named_chromosomes import NothingNamed
from screening.review.room import Room, key_of
from screening.review.verdicts import VerdictError
from screening.worklist.kept import read_run

CELLS = {"case-a/1.png": "+21", "case-a/2.png": "+21", "case-b/1.png": "", "case-c.png": ""}


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path / "out", tmp_path / "in", CELLS, failed=["case-d.png"])
    return tmp_path


def give(run, case: str, image: str, said: str, iscn: str = "", initials: str = "AB", **classes):
    room = Room(run / "out")
    asked = {
        "case": key_of(case), "cell": key_of(image) if image else "", "decision": said,
        "iscn": iscn, "initials": initials, "stamp": room.run.stamp,
        "classes": {place.removeprefix("at"): name for place, name in classes.items()},
    }  # fmt: skip
    try:
        return given_from(room, asked)
    finally:
        room.close()


def named(run, folder: str = "ours") -> str:
    return "\n".join(exchange(Settings(run / "out", chromosomes=run / folder)))


def iscn_of(run, image: str) -> str:
    """The karyotype of a drawn cell by counting: the fixture draws both sexes."""
    (kept,) = read_run(run / "out").pictures([image])
    return kept.picture.reading.iscn


def test_a_cell_whose_count_is_that_of_its_verdict_is_written_whole(run):
    give(run, "case-b", "", NORMAL)
    give(run, "case-a", "case-a/1.png", ABNORMAL, iscn_of(run, "case-a/1.png"))
    give(run, "case-a", "case-a/2.png", ABNORMAL, at3="1", at5="?")
    said = named(run)
    assert "94 chromosomes of 3 cells, 2 of them whole, 1 named by readers" in said
    assert "Nothing but what readers named" in said and "of 1 cell (case-a/2.png)" in said
    cells = {cell.cell: cell for cell in read_cells(run / "ours")}
    assert {cell.source for cell in cells.values()} == {"ours"}
    assert [cells[name].label for name in sorted(cells)] == [ABNORMAL, INCOMPLETE, NORMAL]
    assert cells["case-a/1.png"].gains_and_losses.endswith("+21")
    assert cells["case-b/1.png"].counts()["1"] == 2
    assert len(load_cell(cells["case-b/1.png"]).chromosomes) == 46


def test_such_a_folder_is_a_source_of_its_own_to_build(run):
    give(run, "case-b", "", NORMAL)
    named(run)
    (cell,) = records_of(run / "ours", SourcesConfig(train_on=("ours",), pooled=()))
    assert cell.id == "ours/case-b/case-b/1.png"
    with pytest.raises(ManifestError, match="ours is in the data and in neither list.*sources"):
        records_of(run / "ours", SourcesConfig(train_on=("gband612",), pooled=()))


@pytest.mark.parametrize(
    ("decision", "iscn", "initials"),
    [(ABNORMAL, "", "CD"), (NORMAL, "45,X", "CD"), ("cannot say", "", "CD"), (NORMAL, "", "AB")],
)
def test_a_cell_in_doubt_gives_what_was_named_and_nothing_else(run, decision, iscn, initials):
    """Of no karyotype, of another one, of a reader who cannot say, or with a class miscounted."""
    give(run, "case-c", "", NORMAL, initials="CD")
    give(run, "case-c", "case-c.png", decision, iscn, initials, at0="7")
    assert "1 chromosome of 1 cell, 0 of them whole, 1 named" in named(run)


def test_nothing_is_written_of_what_was_screened_anew_and_it_is_said(run):
    give(run, "case-c", "case-c.png", NORMAL, at0="7")
    pictures = [k.picture for k in read_run(run / "out").pictures(list(CELLS))]
    for path in (run / "out").glob("ledger.sqlite*"):
        path.unlink()
    for picture in pictures:
        picture.p[:] = np.float32(0.5)
    keep_run(run / "out", run / "in", pictures)
    with pytest.raises(NothingNamed, match="case-c.png .was screened anew"):
        named(run)
    assert not (run / "ours").exists()


def test_of_pictures_that_moved_it_is_said_how_to_tell_where(run):
    give(run, "case-b", "", NORMAL)
    (run / "in").rename(run / "moved")
    with pytest.raises(VerdictError, match="say with --pictures where it is"):
        exchange(Settings(run / "out", labels=run / "labels.csv"))
    exchange(Settings(run / "out", labels=run / "labels.csv", pictures=run / "moved"))
    assert "./moved/case-b/1.png,normal" in (run / "labels.csv").read_text("utf-8")


def test_a_folder_that_exists_is_refused_before_anything_is_written(run):
    give(run, "case-b", "", NORMAL)
    (run / "ours").mkdir()
    with pytest.raises(NothingNamed, match="does not exist yet"):
        exchange(Settings(run / "out", trail=run / "all.csv", chromosomes=run / "ours"))
    assert not (run / "all.csv").exists()


def test_a_class_for_a_chromosome_that_is_not_there_is_no_verdict(run):
    with pytest.raises(VerdictError, match="no such chromosome"):
        give(run, "case-c", "case-c.png", NORMAL, at99="21")

"""What a bundle has seen is known by content and by case, whatever the manifest calls it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from labelled_fakes import read_rows, write_labelled, write_rows
from screening.assess.labelled import LabelledPicture, read_pictures
from screening.assess.recognise import (
    CALIBRATED,
    NAMED,
    TRAINED,
    TRAINED_ON,
    case_hash,
    compared,
    files_of,
    recognise,
    refuse_relabelled,
    told,
    trained_on,
)
from screening.bundle import default_bundle, load_bundle
from screening.bundle_schema import BundleInfo, CalibrationInfo
from screening.errors import ManifestError


def one(name: str, case: str, source: str = "", abnormal: bool = False, patient: str = ""):
    who = patient or case
    return LabelledPicture(
        name, Path(name), abnormal, case, source, who, False, f"sha of {name}", case=case
    )


TAUGHT = [one("a.png", "1", "lab"), one("b.png", "2", "lab", abnormal=True)]
INFO = BundleInfo(
    name="b", created="2026-01-01", parts={},
    data={"sources": ["lab", "else"], "left_out": "far", TRAINED_ON: trained_on(
        [("lab", "1"), ("lab", "1"), ("else", "pooled-7"), ("", "9")], TAUGHT[:1])},
    calibration=CalibrationInfo(
        scaling={"kind": "identity"}, prevalence=0.5, scores={}, unread=0, pictures=1,
        cases=(case_hash("lab", "2"), case_hash("own", "3")), sources=("own",),
        **files_of(TAUGHT[1:]),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("picture", "role", "case"),
    [
        (one("x", "1", "lab"), TRAINED, "case 1 of lab"),
        (one("x", "1"), TRAINED, "case 1 of lab"),
        (one("x", "1", "another name"), TRAINED, "case 1 of lab"),
        (one("x", "lab/1"), TRAINED, "case 1 of lab"),
        (one("x", "any/1"), TRAINED, "case 1 of lab"),
        (one("x", "k17", patient="1"), TRAINED, "case 1 of lab"),
        (one("x", "1", patient="new name"), TRAINED, "case 1 of lab"),
        (one("x", "9", "lab"), TRAINED, "case 9"),
        (one("x", "7"), TRAINED, "case pooled-7 of else"),
        (one("x", "pooled-1"), TRAINED, "case 1 of lab"),
        (one("x", "2"), CALIBRATED, "case 2 of lab"),
        (one("x", "3"), CALIBRATED, "case 3 of own"),
    ],
)
def test_a_person_is_known_under_any_source_name(picture, role, case):
    (found,) = recognise(INFO, [one("y", "stranger", "lab"), picture])
    assert (found.picture, found.role, found.case, found.content) == ("x", role, case, False)
    refuse_relabelled([found])


def test_strangers_are_not_known_and_a_bundle_that_lists_nobody_says_so():
    assert recognise(INFO, [one("x", "4", "lab"), one("y", "11")]) == []
    empty = BundleInfo(name="b", created="2026-01-01", parts={})
    assert recognise(empty, TAUGHT) == [] and "it lists nobody" in compared(empty)
    said = compared(INFO)
    assert "1 files and 3 people that trained it" in said
    assert "1 files and 2 people that calibrated it" in said and "else, far, lab, own" in said


def test_a_file_is_known_by_its_content_and_may_not_be_relabelled():
    same, abnormal = TAUGHT
    found = recognise(INFO, [same, abnormal])
    assert [(s.role, s.content, s.case) for s in found] == [
        (TRAINED, True, "case 1 of lab"), (CALIBRATED, True, "case 2 of lab"),
    ]  # fmt: skip
    refuse_relabelled(found)
    for changed, words in (
        (one("b.png", "2", "lab"), "b.png: normal here, not then"),
        (one("b.png", "new", "lab", abnormal=True), "b.png: case new here, another then"),
        (one("a.png", "1", abnormal=True), "a.png: abnormal here, not then"),
    ):
        with pytest.raises(ManifestError, match=words):
            refuse_relabelled(recognise(INFO, [changed]))


def test_a_sentence_counts_all_and_names_the_first():
    many = [one(f"x{i}", "1") for i in range(NAMED + 3)]
    said = told(recognise(INFO, [*many, TAUGHT[1]]))
    assert "8 pictures have trained it (0 known by content, 8 by case)" in said
    assert "1 picture has calibrated it (1 known by content, 1 by case)" in said
    assert "x4 (case 1 of lab), and 4 more" in said and "x5" not in said


def test_the_shipped_bundle_knows_its_people_from_a_manifest_without_source(tmp_path):
    info = load_bundle(default_bundle()).info
    table = write_labelled(tmp_path, 2, 0)
    rows = [{name: row[name] for name in ("path", "label", "case")} for row in read_rows(table)]
    chosen = info.model_copy(
        update={"data": info.data | {TRAINED_ON: trained_on([("tseng", rows[0]["case"])])}}
    )
    (found,) = recognise(chosen, read_pictures(write_rows(table, rows)))
    assert (found.picture, found.case) == (rows[0]["path"], f"case {rows[0]['case']} of tseng")


def test_hashes_are_those_that_written_bundles_carry():
    """Another way to hash would make every case of an old bundle look unseen."""
    known = hashlib.sha256(b"lab\x001").hexdigest()[:16]
    assert case_hash("lab", "1") == known and len(known) == 16
    assert case_hash("la", "b1") != known
    kept = trained_on([("lab", str(i)) for i in range(9)] * 2, [*TAUGHT, TAUGHT[0]])
    assert list(kept["images"]) == ["sha of a.png", "sha of b.png"]
    assert kept["labels"] == {"sha of a.png": "normal", "sha of b.png": "abnormal"}
    assert kept["cases"] == sorted({case_hash("lab", str(i)) for i in range(9)})
    assert kept["sources"] == ["lab"] and json.dumps(kept)

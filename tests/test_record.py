"""The record of a picture: kept exactly, whatever is None, and refused when of another version."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from pictures import jpeg, picture, reading
from screening.errors import ScreeningError
from screening.record import VERSION, Chromosome, Picture, Reading, RecordError, Verdict


def whole() -> Picture:
    """A picture in which no field has its default."""
    p = np.random.default_rng(0).random(7, np.float32)
    cell = reading(
        "+21", margin=-1.25, counts={"1": 2, "21": 3, "mar": 1}, disorder=0.1 + 0.2,
        misread_rate=1 / 3, layout_score=np.nextafter(1, 0), whole=False,
    )  # fmt: skip
    odd = Chromosome("?", 0.123456789, "X", True, True, 1 / 3, 2 / 3, 0.05, 0.1)
    return Picture(
        image="ü/a.png", case="Fall 1", sha256="ab" * 32, status="rejected", reason="too blurred",
        objects=47, warnings=("w1", "w2"), p=p, thumbnail=bytes(range(256)),
        reading=replace(cell, chromosomes=(*cell.chromosomes, odd)),
        features={"network": tuple((p.astype(float) / 3).tolist()), "count": 1.0, "margin": -1 / 3},
        doubts=("d",), notes=("n1", "n2"), printed=("46,XX",),
        crops=(("21 (0.55)", jpeg()), ("ü", b"\x00\xff")),
        pairs=(("9: ö", jpeg()), ("22", b"\xff\x00")), heat=b"\x89PNG",
        changed=b"\x89P",
        verdict=Verdict("flag", "abnormal"),
    )  # fmt: skip


def again(one: Picture) -> Picture:
    return Picture.from_dict(json.loads(json.dumps(one.to_dict(), allow_nan=False)))


def assert_same(one: Picture, other: Picture) -> None:
    for each in fields(Picture):
        mine, theirs = getattr(one, each.name), getattr(other, each.name)
        if each.name == "p" and mine is not None:
            assert theirs.dtype == np.float32 and np.array_equal(mine, theirs)
        elif each.name != "verdict":
            assert mine == theirs and type(mine) is type(theirs), each.name


def test_a_whole_picture_comes_back_exactly():
    one = whole()
    for each in fields(Picture):  # or the test would not see a field that is forgotten
        value = getattr(one, each.name)
        assert isinstance(value, np.ndarray) or value != each.default
    assert_same(one, again(one))
    assert isinstance(again(one).features["network"], tuple)
    assert isinstance(again(one).reading.chromosomes[0], Chromosome)


@pytest.mark.parametrize(
    "one",
    [
        Picture("a.png", "a"),
        Picture("a.png", "a", reason="torn"),
        picture(reading=None, objects=None),
        picture(reading=Reading()),
        picture(p=np.zeros(0, np.float32)),
    ],
)
def test_what_is_unknown_stays_unknown(one):
    assert_same(one, again(one))


@pytest.mark.parametrize(
    "p",
    [np.array([0, 1, 0.1, 1 / 3, 1e-45, np.nextafter(np.float32(1), np.float32(0))], np.float32),
     np.random.default_rng(1).random(100, np.float32)],
)  # fmt: skip
def test_every_bit_of_the_passes_is_kept(p):
    assert again(picture(p=p)).p.tobytes() == p.tobytes()


def test_what_was_kept_is_written_the_same_again():
    kept = json.dumps(whole().to_dict())
    assert json.dumps(again(whole()).to_dict()) == kept


def test_the_verdict_is_not_kept():
    assert "verdict" not in whole().to_dict() and again(whole()).verdict is None


@pytest.mark.parametrize("version", [VERSION + 1, VERSION - 1, "1", None])
def test_another_version_is_refused_with_the_way_on(version):
    values = whole().to_dict() | {"version": version}
    with pytest.raises(RecordError) as caught:
        Picture.from_dict(values)
    said = str(caught.value)
    assert f"of version {version}," in said and f"reads {VERSION}" in said
    assert "--overwrite" in said and isinstance(caught.value, ScreeningError)
    del values["version"]
    with pytest.raises(RecordError, match="version None"):
        Picture.from_dict(values)


def test_from_dict_leaves_what_it_reads_as_it_was():
    values = whole().to_dict()
    before = json.dumps(values)
    Picture.from_dict(values)
    assert json.dumps(values) == before


def test_no_verdict_is_asked_for_before_there_is_one():
    with pytest.raises(ValueError, match=r"a\.png has no verdict yet"):
        _ = picture("a.png").judged
    verdict = Verdict("review")
    assert picture("a.png", verdict=verdict).judged is verdict


def test_a_reading_comes_back_from_its_dict_and_counts_itself():
    cell = reading("+21")
    assert Reading.from_dict(json.loads(json.dumps(asdict(cell)))) == cell
    odd = (
        Chromosome("?", 0.9),
        Chromosome("mar", 0.5, doubtful=True),
        Chromosome("4", 0.99, "5", misplaced=True),
        Chromosome("?", 0.5, doubtful=True),
    )
    more = replace(cell, chromosomes=(*cell.chromosomes, *odd))
    assert (more.found(), more.doubtful(), more.misplaced()) == (49, 2, 1)

"""A cell read anew: what a person says of a chromosome holds, all the rest is as it was seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from evidence_pages import chromosomes, draw, say
from screening.errors import ScreeningError
from screening.evidence.reading import read_cell
from screening.evidence.weights import held_to
from screening.reading_settings import ReadingSettings
from screening.record import Reading, Seen
from screening.review.reread import reread

SETTINGS = ReadingSettings()


def kept(change: str = "+21") -> Reading:
    """A reading as a record keeps it."""
    drawn = draw(chromosomes(change))
    p, page = say(drawn.names), drawn.page
    read = read_cell(p, page, drawn.lengths, SETTINGS)
    seen = [
        Seen(tuple(p[i].tolist()), float(drawn.lengths[i]), tuple(page.boxes[i].astype(int)),
             int(page.rows[i]), int(page.groups[i]), int(np.prod(page.boxes[i, 2:])))
        for i in range(len(p))
    ]  # fmt: skip
    both = zip(read.chromosomes, seen, strict=True)
    return replace(read, chromosomes=tuple(replace(one, seen=each) for one, each in both))


def test_without_a_word_the_cell_reads_as_before():
    before = kept()
    again = reread(before, {}, SETTINGS)
    assert again.iscn == "47,XX,+21" and again.reading is not None
    assert again.names == tuple(one.name for one in before.chromosomes)
    assert again.reading.karyotypes[0][0] == before.karyotypes[0][0]


@pytest.mark.parametrize(
    ("name", "iscn"),
    [("?", "46,XX"), ("22", "47,XX,+22"), ("mar", "47,XX,+mar"), ("Y", "47,XXY")],
)
def test_what_a_person_says_holds(name, iscn):
    before = kept()
    place = [one.name for one in before.chromosomes].index("21")
    again = reread(before, {str(place): name}, SETTINGS)
    assert again.iscn == iscn and again.names[place] == name
    assert again.reading is not None and again.reading.chromosomes[place].name == name
    told = dict(again.reading.karyotypes)
    assert told.get(iscn, 0) > dict(before.karyotypes).get(iscn, 0)
    assert again.counts == {n: c for n, c in Counter(again.names).items() if n != "?"}


@pytest.mark.parametrize("classes", [{"99": "1"}, {"0": "25"}, {"-1": "1"}, {"a": "1"}])
def test_what_is_no_chromosome_or_no_class_is_refused(classes):
    with pytest.raises(ScreeningError, match="expected a chromosome of this cell"):
        reread(kept(), classes, SETTINGS)


def test_a_record_that_keeps_too_little_is_counted_only():
    before = kept()
    bare = replace(before, chromosomes=tuple(replace(o, seen=None) for o in before.chromosomes))
    again = reread(bare, {"0": "?"}, SETTINGS)
    assert again.iscn == "46,XX,-1,+21" and again.reading is None


def test_weights_are_held_without_changing_the_others():
    weights = np.random.default_rng(0).random((3, 50))
    held = held_to(weights, {1: 7})
    assert held[1].argmax() == 7 and held[1].sum() == pytest.approx(1)
    np.testing.assert_array_equal(held[[0, 2]], weights[[0, 2]])
    assert held_to(weights, {}) is weights

"""The figure of two homologs: what is marked stands where it belongs, for every class and size."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from pictures import jpeg, judged, reading
from screening import words
from screening.bands import band_table
from screening.classes import CHROMOSOMES
from screening.karyogram.locate import FoundChromosome
from screening.record import Picture, Structure
from screening.report.glossary import LIMITS, limits
from screening.report.pair_figure import (
    _CHANGED,
    _DOUBT,
    _TOP,
    LARGEST,
    TALLEST,
    WIDEST,
    encoded,
    ideogram_of,
    pair_figure,
)
from screening.report.work_list import MOST_PAIRS, PAIR_BYTES, pairs_shown, render
from screening.triage.rule import Rule
from screening.worklist.outputs import light
from screening.worklist.pairs import straight_pair
from test_report import HOSTILE, parsed, view
from test_words import pair

ROWS = 150


def figure(change=None, rows=(ROWS, ROWS), columns=60, doubts=None):
    strips = [np.full((one, columns), 200, np.uint8) for one in rows]
    return pair_figure(change or pair("shorter"), strips, doubts or [np.zeros(40), np.zeros(40)])


def rows_of(drawn: np.ndarray, colour: tuple[int, int, int], below: int = _TOP) -> np.ndarray:
    """The rows from `below` on with this very colour, from the top of the strips."""
    return np.flatnonzero((drawn[below:] == colour).all(-1).any(1)) + below - _TOP


@pytest.mark.parametrize("name", CHROMOSOMES)
@pytest.mark.parametrize("kind", ["", "shorter", "bands"])
def test_every_class_draws_with_and_without_a_stretch(name, kind):
    drawn = figure(pair(kind, name))
    assert drawn.dtype == np.uint8 and drawn.shape[0] <= 240 and drawn.shape[1] <= 360
    assert len(rows_of(drawn, _CHANGED)) == (ROWS // 2 if kind else 0)


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.2), (0.4, 0.6), (0.9, 1.0), (0.5, 0.5001)])
def test_the_bar_covers_the_rows_of_the_stretch(start, end):
    marked = rows_of(figure(replace(pair("inv"), start=start, end=end)), _CHANGED)
    assert abs(marked[0] - start * ROWS) <= 1
    assert abs(marked[-1] + 1 - end * ROWS) <= 2 and len(marked) >= 2


@pytest.mark.parametrize(("start", "top"), [(0.6, 0), (0.0, 50)])
def test_a_shorter_one_hangs_where_nothing_is_lost(start, top):
    change = replace(pair("shorter"), start=start, end=start + 0.33, changed=0)
    drawn = figure(change, rows=(ROWS - 50, ROWS))
    shown = np.flatnonzero((drawn[_TOP:, : drawn.shape[1] // 3] == 200).all(-1).any(1))
    assert (shown[0], shown[-1] + 1) == (top, top + ROWS - 50)


@pytest.mark.parametrize("odd", [0, 1])
def test_the_odd_one_is_the_one_marked(odd):
    drawn = figure(replace(pair("shorter"), changed=odd))
    red = np.flatnonzero((drawn[: _TOP - 2] == _CHANGED).all(-1).any(0))
    middle = drawn.shape[1] // 2
    assert len(red) and (red.min() > middle if odd else red.max() < middle)


def test_doubts_stand_beside_the_rows_they_are_of():
    doubts = [np.zeros(30), np.repeat([0.0, 1.0, 0.0], 10)]
    drawn = figure(pair(""), doubts=doubts)
    middle = drawn.shape[1] // 2
    assert not len(rows_of(drawn[:, :middle], _DOUBT))
    rows = rows_of(drawn[:, middle:], _DOUBT)
    assert abs(rows[0] - ROWS / 3) < 4 and abs(rows[-1] - 2 * ROWS / 3) < 4
    figure(doubts=[np.zeros(0), np.zeros(0)])


def test_the_ideogram_is_narrow_at_the_centromere():
    drawn = ideogram_of("1", 200)
    outline = (drawn[..., 0] < 250).argmax(1)  # the first column that is drawn
    waist = 20 + outline[20:180].argmax()
    assert outline[waist] >= outline[50] + 4
    assert abs(waist - 200 * band_table()["1"].centromere) < 4


def test_strips_that_are_too_large_are_refused():
    with pytest.raises(ValueError, match="strips"):
        figure(rows=(TALLEST + 1, 100))
    with pytest.raises(ValueError, match="strips"):
        figure(columns=WIDEST + 1)


def test_any_figure_is_small():
    noise = np.random.default_rng(0).integers(0, 255, (2, TALLEST, WIDEST), np.uint8)
    kept = encoded(pair_figure(pair("shorter", "1"), list(noise), [np.ones(64)] * 2))
    assert kept[:2] == b"\xff\xd8" and len(kept) <= LARGEST


def piece(length: int, width: int) -> FoundChromosome:
    mask = np.ones((length, width), bool)
    axis = np.array([[width / 2, 0], [width / 2, length]], np.float32)
    return FoundChromosome(3, 4, width, length, mask, axis, length, width)


@pytest.mark.parametrize(("first", "second"), [(19, 15), (120, 100), (900, 700), (2, 2)])
def test_both_are_straightened_at_one_scale_whatever_their_size(first, second):
    paper = np.full((1000, 400), 90, np.uint8)
    pieces = [piece(length, max(2, first // 5)) for length in (first, second)]
    strips = straight_pair(pieces, paper)
    assert all(one.shape[0] <= TALLEST and one.shape[1] <= WIDEST for one in strips)
    assert strips[1].shape[0] / strips[0].shape[0] == pytest.approx(second / first, abs=0.1)
    drawn = pair_figure(pair(""), strips, [np.zeros(9)] * 2)
    assert drawn[_TOP:, : drawn.shape[1] // 3].min() < 60  # the ink was strengthened


def doubted(route: str = "review", count: int = 3, size: int = 0) -> Picture:
    structure = Structure(5.0, 0.8, 22, tuple(pair("shorter", name) for name in ("9", "22", "Y")))
    figures = tuple((f"figure {i}", jpeg() + bytes(size)) for i in range(count))
    return judged("a.png", route, reading=reading(structure=structure), pairs=figures)


def test_the_page_shows_the_first_figures_of_what_is_not_of_low_priority():
    text = render(view(doubted()))
    parsed(text)
    assert re.findall(r'alt="(figure \d)"', text) == ["figure 0", "figure 1"]
    assert words.PAIR_LEGEND in text and "1 more is not shown" in text
    assert text.index("Homologs that differ") < text.index("figure 0")
    for none in (doubted("low-priority"), doubted(count=0)):
        assert "Homologs that differ" not in render(view(none))
    assert len(pairs_shown(doubted())) == MOST_PAIRS
    assert len(pairs_shown(doubted(size=PAIR_BYTES // 2))) == 1


def test_figures_take_at_most_40_kb_of_the_page():
    large = replace(doubted(), pairs=(("a", bytes(LARGEST)), ("b", bytes(PAIR_BYTES - LARGEST))))
    assert len(pairs_shown(large)) == 2
    assert len(render(view(large))) - len(render(view(replace(large, pairs=())))) < 40_000


def test_a_hostile_caption_stays_text():
    text = render(view(replace(doubted(), pairs=((HOSTILE, jpeg()),))))
    assert "<script>alert" not in text


def test_the_word_is_explained_where_homologs_were_compared():
    assert "<b>homologs that differ</b>" in render(view(doubted(count=0)))
    assert "homologs that differ" not in render(view(judged("a.png", reading=reading())))


def test_what_cannot_be_seen_of_structure_is_what_the_bundle_does_not_cover():
    assert LIMITS[0] in render(view(doubted()))
    text = render(view(doubted(), rule=Rule(covers=0.25)))
    assert LIMITS[0] not in text and LIMITS[1] in text
    assert "changes of structure smaller than about 25 % of a chromosome" in text
    assert limits(0.25)[1:] == limits()[1:] == LIMITS[1:]
    # Where no size is promised, none may be named.
    assert "%" not in limits(1.0)[0] and "many changes of structure" in limits(1.0)[0]


def test_figures_are_not_kept_in_memory_for_the_tables():
    assert light(doubted()).pairs == ()

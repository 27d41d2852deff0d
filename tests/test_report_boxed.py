"""A karyogram with boxes: in their places at every size, and nothing but them when asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pictures import reading
from screening.record import Reading, Seen
from screening.report.boxed import LONGEST, NARROWEST, boxed, has_boxes

BOX = (200, 100, 40, 90)
PRINT = slice(10, 20), slice(300, 420)


def read(**changes: object) -> Reading:
    """A cell of which one chromosome is known where it stands."""
    one, *others = reading().chromosomes
    seen = Seen((), None, BOX, 0, 0, 9)
    return reading(chromosomes=(replace(one, seen=seen, **changes), *others))


def page() -> np.ndarray:
    grey = np.full((400, 800), 255, np.uint8)
    grey[100:190, 200:240] = 90
    grey[PRINT] = 0
    return grey


def shown(grey: np.ndarray, read: Reading | None, **more: bool) -> np.ndarray:
    """The page without the room over and under it."""
    made = boxed(grey, read, (), (), **more)
    height = round(grey.shape[0] * min(1, LONGEST / max(grey.shape)))
    room = (len(made) - height) // 2
    return made[room : room + height]


def test_boxes_stand_around_chromosomes_in_the_colour_of_their_state() -> None:
    calm, amber = (60, 110, 180), (178, 106, 0)
    for changes, colour in (({}, calm), ({"doubtful": True}, amber), ({"misplaced": True}, amber)):
        picture = shown(page(), read(**changes))
        assert tuple(picture[98, 220]) == tuple(picture[191, 220]) == colour
        assert tuple(picture[150, 220]) == (90, 90, 90) and not picture[PRINT].any()
    changed = replace(read(), gains_and_losses=("+1",))
    assert tuple(shown(page(), changed)[98, 220]) == (198, 32, 32)


def test_only_what_was_found_is_shown_when_asked() -> None:
    picture = shown(page(), read(), only_found=True)
    assert (picture[PRINT] == 255).all() and tuple(picture[150, 220]) == (90, 90, 90)
    nothing = shown(page(), read(name="?"), only_found=True)
    assert (nothing[150, 220] == 255).all()


def test_large_pages_are_shrunk_and_small_ones_find_room_for_words() -> None:
    large = np.kron(page(), np.ones((8, 8), np.uint8))
    eightfold = replace(read().chromosomes[0], seen=Seen((), None, (1600, 800, 320, 720), 0, 0, 9))
    picture = shown(large, reading(chromosomes=(eightfold,)))
    assert picture.shape == (LONGEST // 2, LONGEST, 3)
    assert tuple(picture[248, 550]) == (60, 110, 180) and tuple(picture[300, 550]) == (90, 90, 90)
    words = ("word " * 60,)
    small = boxed(np.zeros((64, 64), np.uint8), None, words, words)
    assert small.shape[1] == NARROWEST and small.shape[0] > 64 + 4 * 12
    ink = (small < 200).any(axis=2)
    assert not ink[:, :16].any() and not ink[:, -8:].any()


def test_a_record_that_knows_no_places_has_no_boxes() -> None:
    assert has_boxes(read()) and not has_boxes(reading()) and not has_boxes(None)
    assert (shown(page(), reading())[:, :, 0] == page()).all()

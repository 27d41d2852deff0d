"""A small chromosome that was taken for print is noticed; print and captions are not."""

import cv2
import numpy as np

from screening.karyogram.locate import FoundChromosome, Located
from screening.karyogram.marks import toned_marks
from screening.page_settings import Marks

UNIT = 20.0
BLOB, LETTER, CAPTION = (100, 76, 20, 24), (130, 84, 14, 16), (100, 200, 20, 24)


def _page() -> tuple[np.ndarray, Located]:
    paper = np.full((260, 300), 255, np.uint8)
    whole = FoundChromosome(
        30, 20, 20, 80, np.ones((80, 20), bool), np.array([[40, 20], [40, 100]], np.float32),
        80.0, UNIT,
    )  # fmt: skip
    paper[20:100, 30:50] = 90
    for x, y, w, h in (BLOB, CAPTION):
        grey = np.full((h, w), 110, np.uint8)
        grey[4:9], grey[15:20] = 40, 170
        cv2.ellipse(
            paper[y : y + h, x : x + w], (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 0, -1
        )
        inside = paper[y : y + h, x : x + w] == 0
        paper[y : y + h, x : x + w][inside] = grey[inside]
    x, y, w, h = LETTER
    cv2.putText(paper, "F", (x, y + h), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 0, 2)
    return paper, Located((whole,), (), 1, (BLOB, LETTER, CAPTION), UNIT)


def test_only_the_toned_mark_in_line_is_found():
    paper, located = _page()
    assert toned_marks(paper, located, Marks()) == [BLOB]


def test_a_mark_of_one_tone_is_print_and_an_empty_page_has_none():
    paper, located = _page()
    x, y, w, h = BLOB
    window = paper[y : y + h, x : x + w]
    window[window < 255] = 30
    assert toned_marks(paper, located, Marks()) == []
    assert toned_marks(paper, Located((), (), 0, (), 0.0), Marks()) == []

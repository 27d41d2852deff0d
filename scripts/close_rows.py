"""Pages whose rows stand close together, scanned straight and askew: is each chromosome's row told?

For `measure_locate.py`. Pages are 450 to 520 px wide, of stout chromosomes, with labels; the rows
hang into one another's labels, and some pages have a frame, a headline or a printed result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import cv2
import numpy as np

from screening.classes import MARKER
from screening.images.page import Page
from screening.karyogram.gate import inspect
from screening.karyogram.layout import LAYOUTS
from screening.karyogram.locate import Located, Locator
from screening.synthesis.compose import Box
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.printed import printed
from screening.synthesis.simulate import sham
from screening.synthesis.style import random_style

DEGREES = (0.0, 2.0, 3.5, 5.0)
"""How far a page was turned when it was scanned, one way or the other."""
HEADER = ("turned", "n", "rows right by boxes alone", "rows right", "refused", "warned of rows")
_SAME = 0.5  # intersection over union of boxes: the same chromosome


@dataclass(frozen=True)
class RowsLine:
    """What was told of one page: every chromosome that was found is in its row, by boxes alone and
    at last; the page is refused; it is warned of its rows."""

    by_boxes: bool
    right: bool
    refused: bool
    warned: bool


def rows_line(cell: Metaphase, degrees: float, seed: int, locator: Locator) -> RowsLine:
    """Return the line of one page composed of a cell."""
    rng = np.random.default_rng(seed)
    style = random_style(rng)
    style = replace(
        style, label="number" if style.label == "none" else style.label, letters=False,
        row_gap=rng.uniform(-0.015, 0.004), rule="none", label_gap=rng.uniform(0, 0.003),
        label_size=min(style.label_size, 0.014), caption="", inverted=False,
    )  # fmt: skip
    kinds = [kind for kind in ("header", "result", "frame", "twice") if rng.random() < 0.4]
    made = printed(sham(cell, rng), ("stout", "small", *kinds), rng, style).karyogram
    image, turn = _turned(made.image, degrees * rng.choice([-1, 1]))
    boxes = _moved(made.boxes, turn)
    layout = LAYOUTS[style.layout]
    at = {name: k for k, row in enumerate(layout) for block in row for name in block}
    true = np.array([at.get(box.name, len(layout) - 1) for box in made.boxes if box.name != MARKER])
    page = Page.of(image)
    told = inspect(page, locator)
    alone = locator.locate(told.page or page)
    return RowsLine(
        _right(alone, boxes, true),
        told.located is not None and _right(told.located, boxes, true),
        not told.quality.ok,
        any("rows" in warning for warning in told.quality.warnings),
    )


def rows_row(name: str, lines: Sequence[RowsLine]) -> tuple[object, ...]:
    """Return the report's row for some pages."""
    found = np.array([astuple(each) for each in lines], int)
    return (name, len(lines), *found.sum(0).tolist())


def _turned(image: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the page turned about its middle on larger paper, and the matrix (2, 3) of it."""
    h, w = image.shape
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    room = int(np.ceil(np.abs(turn[0, 1]) * max(h, w) / 2))
    turn[:, 2] += room
    paper = int(np.median(image))
    size = (w + 2 * room, h + 2 * room)
    return cv2.warpAffine(image, turn, size, flags=cv2.INTER_CUBIC, borderValue=paper), turn


def _moved(boxes: Sequence[Box], turn: np.ndarray) -> np.ndarray:
    """Return float (n, 4) x, y, w, h: the boxes, as large, where the page's turn moves them."""
    size = np.array([(box.w, box.h) for box in boxes if box.name != MARKER], float)
    corner = np.array([(box.x, box.y) for box in boxes if box.name != MARKER], float)
    return np.concatenate([(corner + size / 2) @ turn[:, :2].T + turn[:, 2] - size / 2, size], 1)


def _right(located: Located, boxes: np.ndarray, true: np.ndarray) -> bool:
    """Return whether every true chromosome that was found is in its row; rows count from the
    top, those without a chromosome not."""
    found = np.array([each.box for each in located.chromosomes], float).reshape(-1, 1, 4)
    low = np.maximum(found[..., :2], boxes[:, :2])
    high = np.minimum(found[..., :2] + found[..., 2:], boxes[:, :2] + boxes[:, 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    share = common / (found[..., 2:].prod(-1) + boxes[:, 2:].prod(-1) - common)
    if not share.size:
        return False
    row = np.array([each.row for each in located.chromosomes])[share.argmax(0)]
    seen = share.max(0) >= _SAME
    return bool((row == np.unique(true, return_inverse=True)[1])[seen].all())

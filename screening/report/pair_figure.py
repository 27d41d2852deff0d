"""Two homologs of which one looks rearranged, side by side, with the bands of their class between.

Both straightened, short arm up and at one scale; the ideogram is as long as the one that is not
suspected, so that a row of it shows the same place of the class.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from screening.bands import STAIN, band_table
from screening.karyogram.text import letters
from screening.record import PairChange
from screening.report.relay import stamp

TALLEST, WIDEST = 200, 80
"""Most rows and columns of a strip in the figure, px."""
LARGEST = 14 * 1024
"""Most bytes of a figure that is kept."""

_MARGIN, _TOP, _GAP = 8, 24, 16
_CURVE = 18  # px from no doubt to certainty
_BAR, _IDEOGRAM = 5, 24
_NAME_HEIGHT, _NAME_STEP = 7, 11  # px: capitals, and from one name to the next
_ENOUGH = 40  # px of room for names in any class, so that figures of one page are alike
_INK, _SOFT, _CHANGED = (28, 36, 48), (91, 102, 117), (179, 38, 30)
_DOUBT, _DOUBT_EDGE, _LINE = (245, 205, 140), (178, 106, 0), (217, 222, 229)
_DARKEST = 0.85  # of the darkest band: the outline must still be seen
_FINE = 4  # rows and columns drawn for each of the ideogram's


def pair_figure(
    pair: PairChange, strips: Sequence[np.ndarray], doubts: Sequence[np.ndarray]
) -> np.ndarray:
    """Return uint8 RGB (h, w, 3), at most 240 x 360, of the two chromosomes of a pair.

    `strips`: uint8 (rows, columns) of the first and the second, dark on white, the short arm up, at
    most TALLEST x WIDEST; `doubts`: float (n,), 0–1 from end to end of each: how probably it is
    changed there. The odd one is marked, and where on the class's length when its rows tell.
    ValueError for other strips.
    """
    for one in strips:
        if one.ndim != 2 or not (0 < one.shape[0] <= TALLEST and 0 < one.shape[1] <= WIDEST):
            raise ValueError(f"expected strips up to {TALLEST} x {WIDEST}, received {one.shape}")
    odd = int(pair.changed == pair.second)
    rows = strips[1 - odd].shape[0]
    body = max(one.shape[0] for one in strips)
    # What is lost near one end leaves the other end's bands at like heights.
    hang = pair.kind in ("shorter", "longer") and pair.start + pair.end < 1

    def top_of(height: int) -> int:
        return _TOP + (body - height if hang else 0)

    top = top_of(rows)
    names = _names(pair.name, rows)
    room = max([_ENOUGH, *(ink.shape[1] for ink, _ in names)])
    left = _MARGIN + _CURVE + 2
    bar = left + strips[0].shape[1] + _GAP
    ideogram = bar + _BAR + 4
    beside = ideogram + _IDEOGRAM + 5
    right = beside + room + _GAP // 2
    width = right + strips[1].shape[1] + 2 + _CURVE + _MARGIN
    page = np.full((_TOP + body + _MARGIN, width, 3), 255, np.uint8)

    for x, one, doubt, side in zip((left, right), strips, doubts, (-1, 1), strict=True):
        high, wide = one.shape
        y = top_of(high)
        page[y : y + high, x : x + wide] = one[..., None]
        _curve(page, x - 2 if side < 0 else x + wide + 1, y, high, doubt, side)
    page[top : top + rows, ideogram : ideogram + _IDEOGRAM] = ideogram_of(pair.name, rows)
    for ink, middle in names:
        stamp(page, ink, beside, top + middle - ink.shape[0] // 2, _SOFT)
    if pair.kind:
        first, last = stretch_of(pair, rows)
        page[top + first : top + last, bar : bar + _BAR] = _CHANGED
    _headed(page, letters(pair.name, "sans-bold", 11), ideogram + _IDEOGRAM // 2, _INK)
    x = (left, right)[odd]
    _headed(page, letters("differs", "sans-bold", 9), x + strips[odd].shape[1] // 2, _CHANGED)
    return page


def stretch_of(pair: PairChange, rows: int) -> tuple[int, int]:
    """Return the first row of the differing stretch and the one behind it, of an ideogram of
    `rows`; at least two rows, however short it is."""
    first = min(max(round(pair.start * rows), 0), max(rows - 2, 0))
    return first, min(max(round(pair.end * rows), first + 2), rows)


def ideogram_of(name: str, rows: int) -> np.ndarray:
    """Return uint8 RGB (rows, 24, 3): the bands of class `name`, round at the ends and narrow at
    the centromere."""
    bands = band_table()[name]
    high, wide = rows * _FINE, _IDEOGRAM * _FINE
    at = (np.arange(high) + 0.5) / high
    index = np.clip(np.searchsorted(bands.edges, at, side="right") - 1, 0, len(bands.stains) - 1)
    tone = 1 - _DARKEST * np.array([STAIN[stain] for stain in bands.stains])[index]
    radius = wide / 2
    from_end = np.minimum(at, 1 - at) * high
    inside = np.clip(from_end / radius, 0, 1)
    half = radius * np.sqrt(1 - (1 - inside) ** 2)
    half *= 1 - 0.45 * np.exp(-(((at - bands.centromere) * high / (5 * _FINE)) ** 2))
    away = np.abs(np.arange(wide) + 0.5 - radius)[None]
    fine = np.where(away <= half[:, None], tone[:, None], 1.0)
    edge = (away <= half[:, None]) & (away > half[:, None] - _FINE)
    fine[edge | (away <= half[:, None]) & (from_end[:, None] < _FINE)] = 0.35
    small = cv2.resize(fine, (_IDEOGRAM, rows), interpolation=cv2.INTER_AREA)
    return np.repeat(np.round(255 * small).astype(np.uint8)[..., None], 3, axis=2)


def encoded(figure: np.ndarray) -> bytes:
    """Return a JPEG of a figure, uint8 RGB (h, w, 3), of at most LARGEST bytes."""
    content = b""
    for quality in (80, 70, 60, 45, 30, 15):
        done, made = cv2.imencode(
            ".jpg", cv2.cvtColor(figure, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
        if not done:
            raise ValueError(f"expected a picture that JPEG can hold, received {figure.shape}")
        content = made.tobytes()
        if len(content) <= LARGEST:
            break
    return content


def _names(name: str, rows: int) -> list[tuple[np.ndarray, int]]:
    """Ink and middle row of the bands at about 400 bands, the larger ones first, while there is
    room."""
    bands = band_table()[name]
    spans: dict[str, tuple[float, float]] = {}
    for full, start, end in zip(bands.names, bands.edges[:-1], bands.edges[1:], strict=True):
        coarse = full.partition(".")[0]
        spans[coarse] = (spans.get(coarse, (start, end))[0], end)
    found: list[tuple[np.ndarray, int]] = []
    for text, (start, end) in sorted(spans.items(), key=lambda each: each[1][0] - each[1][1]):
        middle = round((start + end) / 2 * rows)
        inside = _NAME_STEP / 2 <= middle <= rows - _NAME_STEP / 2
        if inside and all(abs(middle - other) >= _NAME_STEP for _, other in found):
            found.append((letters(text, "sans", _NAME_HEIGHT), middle))
    return found


def _curve(page: np.ndarray, x: int, y: int, rows: int, doubt: np.ndarray, side: int) -> None:
    """Fill how far each of `rows` is doubted, from the column `x` outwards: to the left for `side`
    -1, to the right for 1."""
    page[y : y + rows, x] = _LINE
    if not len(doubt):
        return
    at = (np.arange(rows) + 0.5) / rows * len(doubt) - 0.5
    values = np.interp(at, np.arange(len(doubt)), np.clip(doubt, 0, 1))
    for row, reach in enumerate(np.round(_CURVE * values).astype(int).tolist()):
        if reach:
            first, last = sorted((x + side, x + side * reach))
            page[y + row, first : last + 1] = _DOUBT
            page[y + row, x + side * reach] = _DOUBT_EDGE


def _headed(page: np.ndarray, ink: np.ndarray, middle: int, colour: tuple[int, int, int]) -> None:
    """Write above what stands in the column `middle`."""
    x = min(max(middle - ink.shape[1] // 2, 0), page.shape[1] - ink.shape[1])
    stamp(page, ink, x, 5, colour)

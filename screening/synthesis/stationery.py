"""The single things that laboratories print: lines of text, tables, rulers, logos, handwriting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from screening.karyogram.text import letters, stamp


@dataclass(frozen=True, eq=False)
class Strip:
    """Ink on a strip of a page: `marks` of (picture uint8 (h, w), left edge as a fraction of the
    page's width, negative from the right edge, top in pixels); `height` in pixels."""

    marks: tuple[tuple[np.ndarray, float, int], ...]
    height: int

    def placed(self, width: int) -> list[tuple[np.ndarray, int, int]]:
        """Return each mark with its left and top on a strip of so many pixels."""
        return [
            (ink, round(at * width) if at >= 0 else width - ink.shape[1] + round(at * width), top)
            for ink, at, top in self.marks
        ]


def text_lines(left: Sequence[str], right: Sequence[str], font: str, height: int) -> Strip:
    """Return lines of text, some from the left, some from the right; capitals `height` px high."""
    pitch = round(1.7 * height)
    marks = [(letters(line, font, height), 0.02, k * pitch) for k, line in enumerate(left)]
    marks += [(letters(line, font, height), -0.02, k * pitch) for k, line in enumerate(right)]
    return Strip(tuple(marks), max(len(left), len(right)) * pitch)


def ink_of_table(
    rows: Sequence[tuple[str, str]], font: str, height: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a table of two columns, uint8 (h, w), ruled in full or only between its rows."""
    cells = [[letters(word, font, height) for word in row] for row in rows]
    pad, pitch = height // 2 + 2, 2 * height
    first = max(cell[0].shape[1] for cell in cells) + 2 * pad
    second = max(cell[1].shape[1] for cell in cells) + 2 * pad
    page = np.full((pitch * len(rows) + 2, first + second + 2), 255, np.uint8)
    for k, row in enumerate(cells):
        stamp(page, row[0], pad, k * pitch + height // 2)
        stamp(page, row[1], first + pad, k * pitch + height // 2)
    line = max(1, height // 10)
    for k in range(len(rows) + 1):
        page[k * pitch : k * pitch + line] = 40
    if rng.random() < 0.6:
        for x in (0, first, page.shape[1] - line):
            page[:, x : x + line] = 40
    return page


def ruler(length: int, height: int, font: str, rng: np.random.Generator) -> np.ndarray:
    """Return a scale bar with its length written under it, or ticks where `font` is empty."""
    line = max(1, height // 6)
    page = np.full((2 * height + 4, length + 2), 255, np.uint8)
    if font:
        page[: max(2, height // 4)] = 0
        mark = letters(str(rng.choice(["10 um", "5 um", "10 µm"])), font, height)
        stamp(page, mark, (length - mark.shape[1]) // 2, height // 2 + 2)
        return page
    page[:line] = 0
    for k in range(21):
        x = round(k * (length - line) / 20)
        page[: height if k % 5 == 0 else height // 2, x : x + line] = 0
    return page


def logo(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a laboratory's mark, uint8 (h, w), about `size` px high: rings, blocks, a helix."""
    page = np.full((size, round(1.4 * size)), 255, np.uint8)
    grey = int(rng.integers(0, 150))
    middle, form = size // 2, int(rng.integers(4))
    if form == 0:
        cv2.circle(page, (middle, middle), middle - 2, grey, -1, cv2.LINE_AA)
        stamp_light(page, letters("G", "sans-bold", size // 2), middle - size // 5, size // 4)
    elif form == 1:
        cv2.circle(page, (middle, middle), middle - 3, grey, max(2, size // 9), cv2.LINE_AA)
        cv2.circle(page, (middle, middle), size // 5, grey, -1, cv2.LINE_AA)
    elif form == 2:
        page[:, :size] = np.linspace(grey, 200, size, dtype=np.uint8)[:, None]
        stamp_light(page, letters("CL", "sans-bold", size // 3), size // 5, size // 3)
    else:
        y = np.arange(size)
        for phase in (0, np.pi):
            x = middle + 0.35 * size * np.sin(2 * np.pi * y / size * 1.5 + phase)
            curve = np.stack([x, y], 1).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(page, [curve], False, grey, max(2, size // 12), cv2.LINE_AA)
        for k in range(1, 8):
            y0 = k * size // 8
            reach = abs(round(0.35 * size * np.sin(2 * np.pi * k / 8 * 1.5)))
            cv2.line(page, (middle - reach, y0), (middle + reach, y0), grey, max(1, size // 24))
    return page


def stamp_light(page: np.ndarray, ink: np.ndarray, x: int, y: int) -> None:
    """Draw light into `page` (uint8, in place) where `ink` is dark, clipped at the page's edge."""
    window = page[y : y + ink.shape[0], x : x + ink.shape[1]]
    np.maximum(window, 255 - ink[: window.shape[0], : window.shape[1]], out=window)


def scribble(height: int, rng: np.random.Generator) -> np.ndarray:
    """Return a few words by hand, or a signature, uint8 (h, w)."""
    thickness = max(1, round(height * rng.uniform(0.06, 0.14)))
    grey = int(rng.integers(0, 110))
    if rng.random() < 0.5:
        word = str(rng.choice(["ok", "normal", "check 9", "inv?", "A. Rossi", "46", "see 21"]))
        face = int(rng.choice([cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX]))
        scale = cv2.getFontScaleFromHeight(face, height, thickness)
        (w, h), base = cv2.getTextSize(word, face, scale, thickness)
        page = np.full((h + base + 8, w + 16), 255, np.uint8)
        cv2.putText(page, word, (6, h + 4), face, scale, grey, thickness, cv2.LINE_AA)
    else:
        loops, steps = int(rng.integers(3, 8)), 160
        t = np.linspace(0, 2 * np.pi * loops, steps)
        swell = np.interp(np.linspace(0, 1, steps), np.linspace(0, 1, 6), rng.uniform(0.3, 1, 6))
        x = t / t[-1] * loops * 0.7 * height + 0.35 * height * np.sin(t) * swell
        y = height * (0.75 - 0.6 * swell * np.cos(t))
        points = np.stack([x - x.min() + 4, y - y.min() + 4], 1)
        w, h = points.max(0) + 6
        page = np.full((int(h), int(w)), 255, np.uint8)
        curve = np.rint(points).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(page, [curve], False, grey, thickness, cv2.LINE_AA)
    slant = np.array([[1, rng.uniform(-0.25, 0.05), 0.25 * page.shape[0]], [0, 1, 0]])
    size = (page.shape[1] + round(0.3 * page.shape[0]), page.shape[0])
    return cv2.warpAffine(page, slant, size, borderValue=255)

"""The first gate: does this page show chromosomes at all, and well enough to judge them?

Refuses only on clear evidence and says why in plain words; what is merely doubtful becomes a
warning, which reaches the user and can send the picture to a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from screening.images.foreground import CHROMOSOME, INK, TEXT, Components
from screening.images.page import Page

MIN_OBJECTS, MAX_OBJECTS = 14, 115
"""A cell has about 46; touching homologs count once (23), a tetraploid cell has 92."""


@dataclass(frozen=True)
class Quality:
    """The gate's answer. `reason` is '' when `ok`; `objects` counts separate chromosome objects;
    `warnings` are plain sentences about doubts that are no ground for refusal."""

    ok: bool
    reason: str = ""
    objects: int = 0
    warnings: tuple[str, ...] = ()


def assess(whole: Page) -> Quality:
    """Return whether a normalised page shows the chromosomes of a cell, well enough.

    Refused: blank pages, photographs, text, single chromosomes, too small or too blurred ones. How
    the chromosomes are arranged is for `karyogram.gate` to judge, once each has been found.
    """
    page, scale = whole.shrunk
    ink_share = float((page < INK).mean())
    if ink_share < 0.002:
        return Quality(False, "a blank page: nothing stands on it")
    found = whole.components
    count = found.count
    reason = _not_a_page(page, found, ink_share) or _not_chromosomes(found)
    if reason:
        return Quality(False, reason, count)
    sharp = _sharpness(page, found)
    length = float(np.median(found.of_kind(CHROMOSOME)[:, 3])) / scale
    reason = _too_poor(length, sharp)
    if reason:
        return Quality(False, reason, count)
    return Quality(True, "", count, tuple(_doubts(page, found, length, sharp)))


def _not_a_page(page: np.ndarray, found: Components, ink_share: float) -> str:
    """Say why the page is no page of separate objects: photographs and textures."""
    if ink_share > 0.5:
        return f"no paper between objects ({ink_share:.0%} is dark): a photograph?"
    if not len(found.areas):
        return "no chromosomes found on the page"
    largest = int(found.areas.argmax())
    share = found.areas[largest] / max(1, found.areas.sum())
    _, _, w, h = found.boxes[largest]
    area = w * h / page.size
    if found.areas[largest] / page.size > 0.12 or (area > 0.3 and share > 0.3):
        return "one object fills much of the picture: a photograph, or a single chromosome"
    return ""


def _not_chromosomes(found: Components) -> str:
    """Say why the objects cannot be the chromosomes of one cell."""
    count = found.count
    letters = int(np.count_nonzero(found.kind == TEXT))
    if count > MAX_OBJECTS:
        return f"{count} objects, a cell has about 46 chromosomes: text, noise or several cells?"
    if count < MIN_OBJECTS:
        what = "object looks" if count == 1 else "objects look"
        return f"{count} {what} like chromosomes, a karyogram has about 46: not a whole karyogram"
    boxes = found.of_kind(CHROMOSOME)
    # Pairs that touch are of one diagonal: the longer side tells chromosomes 1 from 22.
    small, large = np.percentile(boxes[:, 2:], [8, 92], axis=0)
    if (large < 1.6 * small).all():
        return "all objects are of one size, chromosomes 1 to 22 are not: text or a pattern?"
    written = found.areas[found.kind == TEXT].sum()
    if letters > 6 * count or (letters > 2 * count and written > found.areas.sum() / 2):
        return f"{letters} letter-like marks beside {count} objects: a page of text?"
    return ""


def _too_poor(length: float, sharp: float) -> str:
    """Say why bands cannot be seen: `length` pixels of the median chromosome, `sharp` see below."""
    if length < 12:
        return f"chromosomes are only {length:.0f} pixels long: too small to see bands"
    if sharp < 0.12:
        return "too blurred to see bands"
    return ""


def _sharpness(page: np.ndarray, found: Components) -> float:
    """Return how steep the chromosomes' edges are: the steepest grey step per pixel, as a share of
    the chromosomes' contrast, times their half width in pixels. About 1 is sharp at any size."""
    ink = np.isin(found.labels, 1 + np.flatnonzero(found.kind == CHROMOSOME))
    grey = page[ink]
    contrast = 255.0 - float(np.percentile(grey, 10))
    dx = cv2.Sobel(page, cv2.CV_32F, 1, 0, scale=1 / 8)
    steps = np.abs(dx[ink])
    radius = float(np.median(found.radius[found.kind == CHROMOSOME]))
    return float(np.percentile(steps, 85)) / max(contrast, 1.0) * radius


def _doubts(page: np.ndarray, found: Components, length: float, sharp: float) -> list[str]:
    """Return sentences about what makes the picture hard to judge."""
    doubts = []
    if length < 20:
        doubts.append(f"chromosomes are only {length:.0f} pixels long")
    if sharp < 0.3:
        doubts.append("the picture is blurred")
    return doubts

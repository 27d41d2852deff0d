"""What stands on the paper: connected objects, told apart as chromosomes, letters, rules, specks.

Everything is relative to the picture's own objects, so that the page's resolution does not matter.
Input is always a normalised picture: paper 255, ink darker (see `images.normalise`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

CHROMOSOME, TEXT, RULE, SPECK = "chromosome", "text", "rule", "speck"
INK = 240
"""Greys below are ink: pale bands and satellites must not break a chromosome apart."""

_ANALYSIS_SIDE = 1400  # px: larger pages are judged on a shrunken copy


@dataclass(frozen=True, eq=False)
class Components:
    """The connected objects of a page.

    `labels` int32 (h, w), 0 paper, i + 1 the i-th object; `boxes` int (n, 4) x, y, w, h;
    `areas` (n,) pixels of ink; `radius` (n,) half of the object's greatest thickness in pixels;
    `kind` (n,) one of "chromosome", "text", "rule", "speck". Touching chromosomes are one object.
    """

    labels: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    radius: np.ndarray
    kind: np.ndarray

    @property
    def count(self) -> int:
        """Return the number of objects of kind "chromosome"."""
        return int(np.count_nonzero(self.kind == CHROMOSOME))

    def of_kind(self, *kinds: str) -> np.ndarray:
        """Return the boxes int (m, 4) of the objects of these kinds."""
        return self.boxes[np.isin(self.kind, kinds)]


def components(paper: np.ndarray) -> Components:
    """Return the objects on a normalised page uint8 (h, w).

    Long thin lines are taken out first, so that a rule which touches letters or chromosomes does
    not tie them together. An object is text when its strokes are thin beside the chromosomes'.
    """
    ink = ink_of(paper)
    ink, lines = _without_lines(ink)
    number, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    boxes = stats[1:, :4].astype(np.int64)
    areas = stats[1:, cv2.CC_STAT_AREA].astype(np.int64)
    radius = _radius(ink, labels, number)
    kind = _kinds(boxes, areas, radius, paper.shape)
    if lines.any():
        line_number, line_labels, line_stats, _ = cv2.connectedComponentsWithStats(lines)
        labels = np.where((line_labels > 0) & (labels == 0), line_labels + number - 1, labels)
        boxes = np.concatenate([boxes, line_stats[1:, :4]])
        areas = np.concatenate([areas, line_stats[1:, cv2.CC_STAT_AREA]])
        radius = np.concatenate([radius, _radius(lines, line_labels, line_number)])
        kind = np.concatenate([kind, np.full(line_number - 1, RULE, dtype=object)])
    return Components(labels.astype(np.int32, copy=False), boxes, areas, radius, kind)


def content_box(paper: np.ndarray) -> tuple[int, int, int, int]:
    """Return the box (x, y, w, h) of chromosomes and of the letters near their rows.

    Specks, rules, page frames and captions that stand well above or below every chromosome are
    left out. A page without any object gives the whole page.
    """
    small, scale = shrunk(paper)
    return content_box_of(components(small), paper.shape, scale)


def content_box_of(
    found: Components, shape: tuple[int, ...], scale: float
) -> tuple[int, int, int, int]:
    """Return `content_box` of a page of `shape` (h, w) whose objects were found at `scale`."""
    height, width = shape
    chromosomes = found.of_kind(CHROMOSOME)
    if not len(chromosomes):
        return 0, 0, width, height
    top = chromosomes[:, 1].min()
    bottom = (chromosomes[:, 1] + chromosomes[:, 3]).max()
    # Labels stand within about half a chromosome of their row; a caption further away is not one.
    reach = 0.6 * np.median(chromosomes[:, 3])
    letters = found.of_kind(TEXT)
    middle = letters[:, 1] + letters[:, 3] / 2
    near = letters[(middle > top - reach) & (middle < bottom + reach)]
    boxes = np.concatenate([chromosomes, near])
    x0, y0 = np.floor(boxes[:, :2].min(axis=0) / scale)
    x1, y1 = np.ceil((boxes[:, :2] + boxes[:, 2:]).max(axis=0) / scale)
    x0, y0, x1, y1 = int(x0), int(y0), min(int(x1), width), min(int(y1), height)
    return x0, y0, x1 - x0, y1 - y0


def shrunk(paper: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (page, scale): the page at most 1,400 px long, and its scale (1 when untouched)."""
    height, width = paper.shape
    scale = min(1.0, _ANALYSIS_SIDE / max(height, width))
    if scale == 1.0:
        return paper, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(paper, size, interpolation=cv2.INTER_AREA), scale


def ink_of(paper: np.ndarray) -> np.ndarray:
    """Return the ink as uint8 0/1 (h, w), single pixels of noise removed, small gaps closed."""
    ink = (paper < INK).astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    # OpenCV's own border is paper all round when it grows, and ends ink a pixel before the page.
    wide = cv2.copyMakeBorder(ink, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return cv2.morphologyEx(wide, cv2.MORPH_CLOSE, cross)[1:-1, 1:-1].copy()


def _without_lines(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (ink without long thin lines, the lines), both uint8 0/1 (h, w).

    Thin is judged on all ink across the line, so that a straight column of pixels inside a
    chromosome is no line.
    """
    height, width = ink.shape
    thick = max(5, round(0.009 * max(height, width)))
    lines = np.zeros_like(ink)
    for along, across in (
        ((1, max(16, round(0.16 * width))), (thick, 1)),
        ((max(16, round(0.5 * height)), 1), (1, thick)),
    ):
        line = np.ones(along, np.uint8)
        runs = cv2.erode(ink, line)
        if runs.any():
            runs = cv2.dilate(runs, line)
            solid = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones(across, np.uint8))
            lines |= runs & (1 - solid)
    return (ink & (1 - lines), lines) if lines.any() else (ink, lines)


def _radius(ink: np.ndarray, labels: np.ndarray, number: int) -> np.ndarray:
    """Return the greatest distance to paper inside each of the objects 1 … number - 1, pixels."""
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 3)
    inside = ink > 0
    radius = np.zeros(number, np.float32)
    np.maximum.at(radius, labels[inside], depth[inside])
    return radius[1:]


def _kinds(
    boxes: np.ndarray, areas: np.ndarray, radius: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    kind = np.full(len(areas), SPECK, dtype=object)
    if not len(areas):
        return kind
    page = float(np.hypot(*shape))
    w, h = boxes[:, 2], boxes[:, 3]
    flat = (np.maximum(w, h) > 8 * np.minimum(w, h)) & (radius <= max(2.0, 0.004 * page))
    hollow = (np.maximum(w, h) > 0.25 * page) & (areas < 0.05 * w * h)
    rule = flat | hollow
    body = ~rule & (areas >= 6)
    if body.any():
        # The typical chromosome by share of ink: letters and noise are many but hold little of it.
        typical_radius = _weighted_median(radius[body], areas[body])
        typical_area = _weighted_median(areas[body], areas[body])
        thick = radius >= 0.42 * typical_radius
        large = areas >= 0.04 * typical_area
        # Bent or pale chromosomes can be thin, yet nothing written is as large.
        bulky = (areas >= 0.3 * typical_area) & (radius >= 0.25 * typical_radius)
        chromosome = body & ((thick & large) | bulky)
        kind[body & ~chromosome & (areas >= 0.004 * typical_area)] = TEXT
        kind[chromosome] = CHROMOSOME
        kind[_labels_among(boxes, kind)] = TEXT
    kind[rule] = RULE
    return kind


def _labels_among(boxes: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Return the indices of "chromosomes" that are labels in bold or in digits grown together.

    They are as high as the letters that are known, and stand close under a larger object.
    """
    letters = np.flatnonzero(kind == TEXT)
    objects = np.flatnonzero(kind == CHROMOSOME)
    if len(letters) < 4 or not 4 <= len(objects) <= 400:
        return objects[:0]
    high = boxes[objects, 3]
    letter = float(np.median(boxes[letters, 3]))
    tall = float(np.median(high))
    if letter > 0.6 * tall:
        return objects[:0]
    alike = (high >= 0.75 * letter - 1) & (high <= 1.25 * letter + 1)
    small = objects[alike]
    large = boxes[objects[~alike]]
    x, y, w = boxes[small, 0], boxes[small, 1], boxes[small, 2]
    gap = y[:, None] - (large[:, 1] + large[:, 3])[None]
    beside = (x[:, None] < (large[:, 0] + large[:, 2])[None] + letter) & (
        (x + w)[:, None] > large[:, 0][None] - letter
    )
    under = (beside & (gap > -0.3 * letter) & (gap < 1.8 * letter)).any(axis=1)
    return small[under]


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    half = np.cumsum(weights[order]) >= weights.sum() / 2
    return float(values[order][int(half.argmax())])

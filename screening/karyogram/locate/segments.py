"""What each pixel of a page is: paper, chromosome, border between two chromosomes, or print.

A small convolutional network (a bundle's segmenter: ONNX, 0.4 MB, run by OpenCV) looks at a copy of
the page on which chromosomes are about ten pixels wide. It learned from composed karyograms of
training patients, whose every pixel is known.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import cv2
import numpy as np

from screening.images.foreground import CHROMOSOME, INK, components, ink_of

KINDS = ("paper", "body", "border", "print")
"""What the network tells apart, in the order of its outputs."""
PAPER, BODY, BORDER, PRINT = range(len(KINDS))
WORK_WIDTH = 10.0
"""Width in pixels of a typical chromosome on the copy that the network sees."""
_MOST_PIXELS = 500_000  # of the copy: letters alone would be enlarged without end
_ENLARGE = 3.0
_THICK = 0.35 * WORK_WIDTH  # px from the edge: letters are thinner
_LEAST_EXPLAINED = 0.8  # of thick ink; 0.94 and more on 70 composed and clinical karyograms


@dataclass(frozen=True, eq=False)
class Segments:
    """Pixels of the copy: `inside` bool (h, w), part of a chromosome; `border` float32 (h, w), how
    probably two of them meet here, 0 outside; `printed` bool (h, w), letters, rules, arrows and
    dirt; `ink` float32 (h, w), 0 white to 1 black."""

    inside: np.ndarray
    border: np.ndarray
    printed: np.ndarray
    ink: np.ndarray


def typical_width(page: np.ndarray) -> float:
    """Return the typical chromosome width of a normalised page in pixels, 0 without ink.

    The median half width along the middle lines of all ink, weighted by it: letters are many, but
    hold little ink.
    """
    ink = ink_of(page)
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 3)
    top = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)) - 1e-3) & (depth > 1)
    half = np.sort(depth[top])
    if not len(half):
        return 2.0 if ink.any() else 0.0
    weight = np.cumsum(half.astype(np.float64) ** 1.5)
    return 2 * float(half[int(np.searchsorted(weight, weight[-1] / 2))])


def page_copy(page: np.ndarray, unit: float) -> tuple[np.ndarray, float]:
    """Return (copy, scale): the page at the scale at which chromosomes of width `unit` are
    `WORK_WIDTH` wide; sides are multiples of 8."""
    height, width = page.shape
    scale = min(_ENLARGE, WORK_WIDTH / max(unit, 1.0), (_MOST_PIXELS / page.size) ** 0.5)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    copy = cv2.resize(page, size, interpolation=method)
    down, right = -size[1] % 8, -size[0] % 8
    return cv2.copyMakeBorder(copy, 0, down, 0, right, cv2.BORDER_CONSTANT, value=255), scale


class Segmenter:
    """A network that tells what each pixel is, from its ONNX file; threads may share it."""

    def __init__(self, onnx: bytes) -> None:
        self.onnx = onnx
        self._of_thread = threading.local()  # a network of OpenCV serves one thread

    def __reduce__(self) -> tuple[type[Segmenter], tuple[bytes]]:
        return Segmenter, (self.onnx,)

    def segments(self, copy: np.ndarray) -> Segments:
        """Return the segments of a copy made by `page_copy`, uint8 (h, w)."""
        ink = (255 - copy).astype(np.float32) / 255
        logits = self._logits(ink)
        body, border = logits[BODY], logits[BORDER]
        rest = np.maximum(logits[PAPER], logits[PRINT])
        inside = np.maximum(body, border) > rest
        meets = np.zeros_like(ink)
        meets[inside] = 1 / (1 + np.exp(np.clip(body[inside] - border[inside], -30, 30)))
        printed = (logits[PRINT] > logits[PAPER]) & ~inside
        return Segments(inside, meets, printed, ink)

    def _logits(self, ink: np.ndarray) -> np.ndarray:
        """Return float32 (4, h, w)."""
        net = getattr(self._of_thread, "net", None)
        if net is None:
            net = cv2.dnn.readNetFromONNX(np.frombuffer(self.onnx, np.uint8))
            self._of_thread.net = net
        net.setInput(ink[None, None])
        out = net.forward()[0]
        # Each of the network's pixels holds the kinds of a square of two by two.
        _, h, w = out.shape
        square = out.reshape(2, 2, len(KINDS), h, w).transpose(2, 3, 0, 4, 1)
        return np.ascontiguousarray(square).reshape(len(KINDS), 2 * h, 2 * w)


def familiar(copy: np.ndarray, found: Segments) -> bool:
    """Return whether most thick ink of the copy was taken for chromosomes.

    On pages unlike all that the network learned from (lying on their side, metaphase spreads) it
    is not: what the network says of these is no evidence.
    """
    ink = (copy < INK).astype(np.uint8)
    thick = cv2.distanceTransform(ink, cv2.DIST_L2, 3) > _THICK
    return bool(np.count_nonzero(thick & found.inside) >= _LEAST_EXPLAINED * thick.sum())


def objects_alone(copy: np.ndarray) -> Segments:
    """Return the segments of a copy by connected ink of plausible size, without the network."""
    objects = components(copy)
    wanted = np.concatenate([[False], objects.kind == CHROMOSOME])
    inside = wanted[objects.labels]
    ink = (255 - copy).astype(np.float32) / 255
    printed = (objects.labels > 0) & ~inside
    return Segments(inside, np.zeros_like(ink), printed, ink)

"""Marks that people draw into a karyogram: an arrow at a chromosome, a line under a pair."""

from __future__ import annotations

import cv2
import numpy as np

_SHIFT = 4  # OpenCV's fractional bits


def draw_arrow(
    page: np.ndarray,
    taken: np.ndarray,
    box: tuple[int, int, int, int],
    length: float,
    grey: int,
    rng: np.random.Generator,
) -> None:
    """Draw an arrow beside the chromosome in `box` (x, y, w, h) into `page`, uint8, in place.

    It points at the box from a direction in which it covers least of `taken`, bool (h, w), the
    pixels of chromosomes and letters. Which chromosome it points at is the caller's choice; it
    must not depend on the karyogram's label.
    """
    x, y, w, h = box
    thickness = max(1, round(length * rng.uniform(0.05, 0.16)))
    filled = rng.random() < 0.6
    best: tuple[int, np.ndarray] | None = None
    for angle in rng.permutation(np.deg2rad([0, 180, -35, 215, 35, 145, -90, -60, -120])):
        direction = np.array([np.cos(angle), np.sin(angle)])  # from the tip outwards
        at = y + h * rng.uniform(0.1, 0.9)
        edge = x + w if direction[0] > 0.1 else x if direction[0] < -0.1 else x + w / 2
        tip = np.array([edge, at if abs(direction[0]) > 0.1 else y])
        tip = tip + direction * (2 + rng.uniform(-0.03, 0.25) * length)
        tail = tip + direction * length
        if not (0 <= tail[0] < page.shape[1] and 0 <= tail[1] < page.shape[0]):
            continue
        mark = _arrow(page.shape, tip, tail, thickness, filled)
        covered = int((taken & (mark < 200)).sum())
        if best is None or covered < best[0]:
            best = (covered, mark)
        if not covered:
            break
    if best is not None:
        np.minimum(page, np.maximum(best[1], np.uint8(grey)), out=page, where=best[1] < 255)


def underline(
    page: np.ndarray, x0: float, x1: float, y: float, thickness: int, rng: np.random.Generator
) -> None:
    """Draw a line by hand from `x0` to `x1` at about `y` into `page`, uint8, in place."""
    count = 9
    xs = np.linspace(x0, x1, count)
    tremor = rng.normal(0, 0.012 * (x1 - x0), count)
    ys = y + np.linspace(0, rng.normal(0, 0.05) * (x1 - x0), count) + np.cumsum(tremor) / 2
    points = np.rint(np.stack([xs, ys], 1) * 2**_SHIFT).astype(np.int32)
    grey = int(rng.integers(0, 120))
    mark = np.full_like(page, 255)
    cv2.polylines(mark, [points], False, 0, thickness, cv2.LINE_AA, _SHIFT)
    np.minimum(page, np.maximum(mark, np.uint8(grey)), out=page, where=mark < 255)


def _arrow(
    shape: tuple[int, ...], tip: np.ndarray, tail: np.ndarray, thickness: int, filled: bool
) -> np.ndarray:
    mark = np.full(shape, 255, np.uint8)
    along = tip - tail
    length = float(np.hypot(*along))
    along = along / length
    side = np.array([-along[1], along[0]])
    head = min(0.5 * length, 2.5 * thickness + 0.18 * length)
    base = tip - along * head
    barbs = [base + side * 0.55 * head, base - side * 0.55 * head]

    def fixed(*points: np.ndarray) -> np.ndarray:
        return np.rint(np.array(points) * 2**_SHIFT).astype(np.int32)

    end = base if filled else tip
    cv2.polylines(mark, [fixed(tail, end)], False, 0, thickness, cv2.LINE_AA, _SHIFT)
    if filled:
        cv2.fillPoly(mark, [fixed(tip, *barbs)], 0, cv2.LINE_AA, _SHIFT)
    else:
        wedge = fixed(barbs[0], tip, barbs[1])
        cv2.polylines(mark, [wedge], False, 0, thickness, cv2.LINE_AA, _SHIFT)
    return mark

"""One look for every laboratory's karyogram: dark ink of known strength on white paper.

This is the one path that training and screening share: whatever changes here changes what the
shipped weights mean, so VERSION is stored in the bundle and compared when it is loaded.
"""

from __future__ import annotations

import cv2
import numpy as np

VERSION = "normalise-1"

_FIELD_WIDTH = 200
"""Width in pixels of the small copy on which the paper's brightness is estimated."""
_INK = 25
"""Ink (255 − grey) above which a pixel counts as printed when the strength is measured."""
_STRENGTH = 150.0
"""Where the upper quartile of the printed ink is brought to."""
_GAIN = (0.5, 3.0)


def normalise(grey: np.ndarray) -> np.ndarray:
    """Return uint8 (h, w): dark chromosomes on paper of exactly 255, ink of a fixed strength.

    `grey` is uint8 (h, w). A picture that is light on dark is inverted; uneven paper is divided
    out; paper noise and JPEG ringing are cleared; the ink's upper quartile is set to a fixed
    value, so that pale and dark prints look alike while bands keep their relations.
    """
    if is_inverted(grey):
        grey = 255 - grey
    field = _paper(grey)
    ink = 255.0 - np.minimum(grey.astype(np.float32) * (255.0 / field), 255.0)
    blank = ink[ink < _INK]
    noise = 1.4826 * float(np.median(blank)) if blank.size else 0.0
    floor = float(np.clip(4.0 * noise, 8.0, _INK))
    printed = ink[ink > max(_INK, floor)]
    gain = 1.0
    if printed.size:
        gain = float(np.clip(_STRENGTH / np.percentile(printed, 75), *_GAIN))
    # Full removal below the floor, none at twice the floor: soft edges stay soft.
    ink = np.clip(2.0 * (ink - floor), 0.0, ink)
    return 255 - np.clip(np.rint(ink * gain), 0, 255).astype(np.uint8)


def is_inverted(grey: np.ndarray) -> bool:
    """Return True for light chromosomes on a dark ground: both middle and border are dark."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.median(grey) < 110 and np.median(border) < 128)


def margins(paper: np.ndarray, pad: float = 0.015) -> tuple[int, int, int, int]:
    """Return (x, y, w, h) of what is printed on a normalised picture, with a margin around it.

    Specks do not count. `pad` is a fraction of the printed width. The whole picture when blank.
    """
    height, width = paper.shape
    mask = (paper < 215).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    speck = max(4, 1.5e-5 * paper.size)
    objects = stats[1:][stats[1:, cv2.CC_STAT_AREA] > speck]
    if not len(objects):
        return 0, 0, width, height
    x0, y0 = objects[:, 0].min(), objects[:, 1].min()
    x1, y1 = (objects[:, 0] + objects[:, 2]).max(), (objects[:, 1] + objects[:, 3]).max()
    room = round(pad * (x1 - x0)) + 1
    x0, y0 = max(0, x0 - room), max(0, y0 - room)
    x1, y1 = min(width, x1 + room), min(height, y1 + room)
    return int(x0), int(y0), int(x1 - x0), int(y1 - y0)


def crop_margins(paper: np.ndarray, pad: float = 0.015) -> np.ndarray:
    """Return the printed part of a normalised picture, so that scale compares between pages."""
    x, y, w, h = margins(paper, pad)
    return paper[y : y + h, x : x + w]


def letterbox(paper: np.ndarray, size: int, fill: int = 255) -> np.ndarray:
    """Return uint8 (size, size): the picture centred, its aspect kept, `fill` around it."""
    height, width = paper.shape
    scale = size / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.full((size, size), fill, np.uint8)
    left, top = (size - w) // 2, (size - h) // 2
    out[top : top + h, left : left + w] = cv2.resize(paper, (w, h), interpolation=how)
    return out


def preprocess(grey: np.ndarray, size: int) -> np.ndarray:
    """Return what the screener sees, uint8 (size, size): normalised, margins cut, letterboxed."""
    return letterbox(crop_margins(normalise(grey)), size)


def _paper(grey: np.ndarray) -> np.ndarray:
    """Return the paper's brightness at every pixel, float32 (h, w), 1–255."""
    height, width = grey.shape
    scale = min(1.0, _FIELD_WIDTH / max(height, width))
    small = cv2.resize(
        grey, (max(1, round(width * scale)), max(1, round(height * scale))),
        interpolation=cv2.INTER_AREA,
    )  # fmt: skip
    # Closing fills dark objects narrower than its window: wider than two chromosomes side by side.
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (29, 29))
    closed = cv2.morphologyEx(cv2.medianBlur(small, 3), cv2.MORPH_CLOSE, window)
    field = cv2.GaussianBlur(closed, (0, 0), 8.0)
    field = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.maximum(field.astype(np.float32), 1.0)

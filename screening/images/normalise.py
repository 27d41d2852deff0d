"""Grey pictures of any laboratory brought to one look: dark chromosomes on white paper, one scale.

`normalise`, `crop_margins`, `letterbox`, in this order, are the only path to a network's input;
training and screening both take it. All functions are pure NumPy and OpenCV and may be called from
threads.
"""

from __future__ import annotations

import cv2
import numpy as np

from screening.images.foreground import content_box

VERSION = "look-2"
"""Changes with anything that changes a picture on its way to a network: earlier results and weights
then no longer belong to what is seen now."""
PAPER = 255
DARK_END = 40
"""Grey on which the darkest bands of the chromosomes land, whatever the laboratory's exposure."""

_SMALL = 320  # px, longest side of the copy on which illumination and polarity are judged
_PAPER_LEVEL = 220  # paper before the last step: leaves head room to see the noise above it
_MAX_GAIN = 3.0  # a nearly blank page must not have its noise blown up to chromosomes


def normalise(grey: np.ndarray) -> np.ndarray:
    """Return uint8 (h, w): dark chromosomes on paper of exactly 255, darkest bands at DARK_END.

    The picture is inverted when it is light on dark. The paper's brightness is estimated on a
    coarse scale and divided out, so grey paper and uneven light vanish; what differs from paper by
    no more than its own noise becomes 255. Raises ValueError for another shape or dtype.
    """
    _check(grey)
    small = _shrink(grey, _SMALL)
    if _is_light_on_dark(small):
        grey, small = 255 - grey, 255 - small
    light = _illumination(small)
    light = cv2.resize(light, (grey.shape[1], grey.shape[0]), interpolation=cv2.INTER_LINEAR)
    flat = cv2.divide(grey, light, scale=_PAPER_LEVEL)
    level, noise = _paper_level(flat)
    return _develop(flat, level, noise)


def crop_margins(grey: np.ndarray, pad_fraction: float = 0.02) -> np.ndarray:
    """Return normalised uint8 (h, w) without blank margins, page frames and distant captions.

    `pad_fraction` of the content's longer side is left on each side, white where the picture ends,
    so that the scale of the content depends neither on the page nor on its margins.
    """
    return cut(grey, margins(grey, pad_fraction))


def cut(grey: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return uint8 (h, w): what a box (x, y, w, h) shows of the page, paper where it ends."""
    x, y, w, h = box
    height, width = grey.shape
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    out = np.full((h, w), PAPER, np.uint8)
    out[y0 - y : y1 - y, x0 - x : x1 - x] = grey[y0:y1, x0:x1]
    return out


def margins(grey: np.ndarray, pad_fraction: float = 0.02) -> tuple[int, int, int, int]:
    """Return the box (x, y, w, h) in pixels that `crop_margins` cuts.

    It may reach beyond the picture (x or y below 0) where the content touches the border. A page
    without content gives the whole page.
    """
    _check(grey)
    return padded(content_box(grey), pad_fraction)


def padded(box: tuple[int, int, int, int], pad_fraction: float = 0.02) -> tuple[int, int, int, int]:
    """Return a content box (x, y, w, h) with its pad on each side."""
    x, y, w, h = box
    pad = round(pad_fraction * max(w, h))
    return x - pad, y - pad, w + 2 * pad, h + 2 * pad


def letterbox(grey: np.ndarray, size: int, fill: int = PAPER) -> np.ndarray:
    """Return uint8 (size, size): the picture as large as fits, undistorted, centred on `fill`.

    Shrinks by area averaging, so that thin bands fade instead of aliasing; enlarges linearly.
    """
    _check(grey)
    if size < 1:
        raise ValueError(f"expected a size of at least 1 pixel, received {size}")
    height, width = grey.shape
    scale = size / max(height, width)
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(grey, (w, h), interpolation=method)
    out = np.full((size, size), fill, np.uint8)
    top, left = (size - h) // 2, (size - w) // 2
    out[top : top + h, left : left + w] = resized
    return out


def _check(grey: np.ndarray) -> None:
    if grey.ndim != 2 or grey.dtype != np.uint8 or grey.size == 0:
        raise ValueError(
            f"expected a grey picture uint8 (h, w), received {grey.dtype} {grey.shape}: "
            "read it with images.read.read_image"
        )


def _shrink(grey: np.ndarray, longest: int) -> np.ndarray:
    height, width = grey.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return grey
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def _is_light_on_dark(small: np.ndarray) -> bool:
    """Say whether the paper is the dark part.

    Paper covers more than half of a karyogram, so the median is paper and ink lies on one side of
    it. The tails are compared, not the ends: a few black letters or white specks change nothing.
    """
    tails = np.percentile(small, [1, 5, 50, 95, 99])
    dark = 2 * tails[2] - tails[1] - tails[0]
    light = tails[4] + tails[3] - 2 * tails[2]
    return bool(light > dark)


def _illumination(small: np.ndarray) -> np.ndarray:
    """Return the paper's brightness, uint8, at the resolution of `small`, at least 1.

    A closing wider than any pair of chromosomes keeps only what is paper; the blur keeps the
    estimate from following single chromosomes.
    """
    longest = max(small.shape)
    reach = 2 * (longest // 12) + 1
    calm = cv2.medianBlur(small, 3)
    disc = cv2.getStructuringElement(cv2.MORPH_RECT, (reach, reach))
    closed = cv2.morphologyEx(calm, cv2.MORPH_CLOSE, disc, borderType=cv2.BORDER_REFLECT)
    smooth = cv2.GaussianBlur(closed, (0, 0), longest / 25, borderType=cv2.BORDER_REFLECT)
    # A scanner's black surround is no paper: dividing by it would turn it into white.
    floor = max(1, round(0.45 * float(np.percentile(smooth, 90))))
    return np.maximum(smooth, floor).astype(np.uint8)


def _paper_level(flat: np.ndarray) -> tuple[float, float]:
    """Return (grey of the paper, its noise as a standard deviation) of an evened picture.

    The paper's grey is the most common one. Ink lies below it, so noise is read mostly from above.
    """
    counts = cv2.calcHist([flat], [0], None, [256], [0, 256]).ravel()
    near = np.convolve(counts, np.ones(3) / 3, mode="same")
    first = round(0.75 * _PAPER_LEVEL)
    peak = first + int(near[first:255].argmax())
    # Where paper is one single grey the mean is as high beside it, and the paper would be left out.
    level = peak - 1 + int(counts[peak - 1 : peak + 2].argmax())
    above = counts[level:255]
    distance = np.arange(above.size, dtype=np.float64)
    noise = float(np.sqrt((above * distance**2).sum() / max(1.0, above.sum())))
    # White paper is cut off at white and shows its noise only below: 84 % of a half normal
    # distribution lie within one standard deviation of a mode that holds the other half.
    below = counts[level - 40 : level + 1][::-1]
    clipped = float(np.searchsorted(np.cumsum(below), 0.84 * below.sum()))
    return float(level), max(noise, clipped)


def _develop(flat: np.ndarray, level: float, noise: float) -> np.ndarray:
    """Return the evened picture with paper at 255 and the chromosomes' dark end at DARK_END."""
    reach = 3 if noise < 2.5 else 5
    calm = cv2.GaussianBlur(flat, (reach, reach), 0)
    slack = min(0.02 * level + 1.5 * noise, 0.09 * level)  # the blur halves the noise: 3 sigma
    paper = calm >= level - slack
    thick = _thick_ink(calm, level - max(2 * slack, 0.12 * level))
    gain = 1.0
    if thick.size:
        darkest = float(np.percentile(thick, 2))
        gain = min((PAPER - DARK_END) / max(1.0, (level - darkest) * PAPER / level), _MAX_GAIN)
    grey = np.arange(256, dtype=np.float64)
    curve = PAPER - (level - grey) * gain * PAPER / level
    curve[grey >= level - max(2.0, noise)] = PAPER
    out = cv2.LUT(flat, np.clip(np.rint(curve), 0, 255).astype(np.uint8))
    out[paper] = PAPER
    return out


def _thick_ink(calm: np.ndarray, threshold: float) -> np.ndarray:
    """Return the greys (n,) inside thick objects: chromosomes, without letters and rules.

    Letters are often pure black and would hide how dark the chromosomes are.
    """
    ink = (calm < threshold).astype(np.uint8)
    for share in (200, 400):
        reach = 2 * max(1, round(max(calm.shape) / share)) + 1
        core = cv2.erode(ink, np.ones((reach, reach), np.uint8), borderValue=0)
        found = calm[core > 0]
        if found.size > 0.002 * calm.size:
            return found
    found = calm[ink > 0]
    return found if found.size > 0.002 * calm.size else found[:0]

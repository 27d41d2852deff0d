"""From one chromosome's picture to the classifier's input: straightened, one size, one tone.

Laboratories differ in how wide, how dark and how bent the same chromosome is; its bands along the
axis are what they share. A crop is therefore sampled along its medial axis onto a fixed canvas: the
length fills the height, the median width a fixed share of the width, and the tone is stretched
between percentiles of the chromosome's own ink. What this takes away, the length, comes back as the
relative length in the cell (`relative_lengths`), the only size that two laboratories agree on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from screening.classes import AUTOSOMES, RELATIVE_LENGTH
from screening.karyogram.body import axis_of, joined, shrunk_mask

CANVAS = (96, 32)
"""Height and width of the classifier's input, pixels."""

LENGTH_SHARE = 0.92
"""Part of the canvas' height that the chromosome's length fills."""

BODY_SHARE = 0.56
"""Part of the canvas' width that the chromosome's median width fills; the rest is surroundings."""

INK_OF_BODY = 0.16
"""Ink over the chromosome's dark bands above which a pixel belongs to it; less is halo or paper."""

_MOST_MISFIT = 0.12
"""Mean difference of the logarithms of lengths, quantile by quantile, that one cell may show."""

_FEWEST_FOR_SCALE = 20
"""Fewer chromosomes than this do not tell the scale of a cell without knowing their classes."""


@dataclass(frozen=True, eq=False)
class Outline:
    """The shape of one chromosome: `axis` float32 (k, 2) x, y from the upper end to the lower end,
    `length` along it, end to end, and `width` (median across it), all in pixels of the picture;
    `dark` and `light`: the ink (255 - grey) of its dark and of its light bands."""

    axis: np.ndarray
    length: float
    width: float
    dark: float
    light: float


@dataclass(frozen=True)
class Jitter:
    """Deliberate errors of sampling, for training: factors on length and width, shifts as fractions
    of them, and a slant (radians) of the rows against the axis."""

    length: float = 1.0
    width: float = 1.0
    along: float = 0.0
    across: float = 0.0
    slant: float = 0.0


def standardised(
    crops: Sequence[np.ndarray],
    size: tuple[int, int] = CANVAS,
    outlines: Sequence[Outline | None] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the crops as the network sees them, uint8 (n, h, w), their lengths and widths.

    The one path from pictures to the network. `crops`: uint8 (h, w) of any resolution, one
    chromosome each, dark on white 255, its p arm up. Ink is bright on paper 0, so that paper equals
    the zero padding of convolutions; a picture without ink gives an empty canvas. Lengths and
    widths float32 (n,), along and across the axis in pixels of the page; 0 where there is no ink.
    `outlines`: those of the crops, where they are known.
    """
    images = np.zeros((len(crops), *size), np.uint8)
    lengths, widths = np.zeros((2, len(crops)), np.float32)
    known = map(outline_of, crops) if outlines is None else outlines
    for i, (crop, outline) in enumerate(zip(crops, known, strict=True)):
        if outline is not None:
            images[i] = sample(crop, outline, size)
            lengths[i], widths[i] = outline.length, outline.width
    return images, lengths, widths


def toned(images: np.ndarray, tone: float) -> np.ndarray:
    """Return float32 (n, h, w, 1) of standardised crops uint8 (n, h, w), their ink (0-1) to the
    power of `tone`."""
    curve = 255 * (np.arange(256, dtype=np.float32) / 255) ** np.float32(tone)
    return curve[images][..., None]


def outline_of(crop: np.ndarray) -> Outline | None:
    """Return the outline of the largest object of `crop`, uint8 dark on white; None when blank."""
    ink = 255 - crop
    inside = ink[ink > 8]
    if inside.size < 6:
        return None
    dark = float(np.percentile(inside, 92))
    body = (ink > max(8.0, INK_OF_BODY * dark)).astype(np.uint8)
    # The same whatever margin the picture has.
    left, top, across, along = cv2.boundingRect(body)
    body, factor = shrunk_mask(body[top : top + along, left : left + across])
    body = joined(body)
    axis, width = axis_of(body)
    steps = np.hypot(*np.diff(axis, axis=0).T)
    inner = cv2.erode(body, np.ones((3, 3), np.uint8), borderValue=0)
    inner = inner if np.count_nonzero(inner) > 12 else body
    at = cv2.resize(inner, (across, along), interpolation=cv2.INTER_NEAREST) > 0
    tones = ink[top : top + along, left : left + across][at]
    if tones.size == 0:
        tones = inside
    light, dark = np.percentile(tones, (4, 96))
    return Outline(
        axis=((axis + 0.5) * factor - 0.5 + (left, top)).astype(np.float32),
        length=float(steps.sum()) * factor,
        width=max(1.5, width * factor),
        dark=float(dark),
        light=float(min(light, dark - 12)),
    )


def sample(
    crop: np.ndarray, outline: Outline, size: tuple[int, int] = CANVAS, jitter: Jitter | None = None
) -> np.ndarray:
    """Return the crop resampled along its axis onto uint8 `size`, tone stretched, paper 0.

    Light bands become about 70, dark ones about 230; what is lighter than the light bands fades
    towards paper. `jitter` is for training only.
    """
    jitter = jitter or Jitter()
    height, width = size
    along = outline.length * jitter.length / (LENGTH_SHARE * height)
    across = outline.width * jitter.width / (BODY_SHARE * width)
    ink = 255 - crop
    axis = outline.axis
    # Shrinking needs an area average first, or fine bands alias.
    factor = min(1.0, 1.6 / min(along, across)) if min(along, across) > 1.6 else 1.0
    if factor < 1:
        small = (max(2, round(ink.shape[1] * factor)), max(2, round(ink.shape[0] * factor)))
        scale = np.array([small[0] / ink.shape[1], small[1] / ink.shape[0]], np.float32)
        ink = cv2.resize(ink, small, interpolation=cv2.INTER_AREA)
        axis = (axis + 0.5) * scale - 0.5
        along, across = along * factor, across * factor
    rows = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)
    columns = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    points, normals = walk(
        axis, rows * along + jitter.along * outline.length * factor, spread=0.5 * across * width
    )
    offset = (columns * across + jitter.across * outline.width * factor)[None, :, None]
    grid = points[:, None, :] + offset * normals[:, None, :]
    if jitter.slant:
        tangents = np.stack([-normals[:, 1], normals[:, 0]], 1)
        grid = grid + offset * np.float32(np.tan(jitter.slant)) * tangents[:, None, :]
    grid = np.ascontiguousarray(grid, np.float32)
    canvas = cv2.remap(
        ink, grid[..., 0], grid[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return cv2.LUT(canvas, tone_curve(outline))


def relative_lengths(lengths: np.ndarray) -> np.ndarray:
    """Return float32 (n,): each length in percent of the haploid autosomes, as RELATIVE_LENGTH.

    `lengths` (n,) in pixels, of all the chromosomes of one cell, their classes unknown. The scale
    is the one at which the middle of the sorted lengths fits that of a normal cell: a gain, a loss,
    two chromosomes taken for one, or a label among them hardly move it. All nan when fewer than 20
    chromosomes are given: those could be any part of a cell.
    """
    lengths = np.asarray(lengths, np.float32)
    usable = np.sort(lengths[np.isfinite(lengths) & (lengths > 0)])
    if usable.size < _FEWEST_FOR_SCALE:
        return np.full(lengths.shape, np.nan, np.float32)
    # Both ends are where labels and clusters stand: only the middle nine tenths decide.
    at = np.linspace(0.12, 0.92, 33)
    ratios = np.quantile(usable, at) / np.quantile(_NORMAL_CELL, at)
    return (lengths / np.median(ratios)).astype(np.float32)


def scale_between(lengths: np.ndarray, relative: np.ndarray) -> float:
    """Return the factor from pixels (n,) to relative lengths (n,); nan when none is known."""
    known = np.isfinite(relative) & (lengths > 0)
    return float(np.median(relative[known] / lengths[known])) if known.any() else float("nan")


def cell_scale(lengths: np.ndarray) -> float:
    """Return the factor from pixels to relative length if `lengths` (n,) can be those of one cell.

    nan when there are too few, or when their spread is not a cell's: single classes, several cells
    at several scales.
    """
    lengths = np.asarray(lengths, np.float32)
    usable = lengths[lengths > 0]
    relative = relative_lengths(usable)
    if not usable.size or np.isnan(relative[0]):
        return float("nan")
    at = np.linspace(0.1, 0.9, 17)
    misfit = np.abs(np.log(np.quantile(relative, at) / np.quantile(_NORMAL_CELL, at))).mean()
    return float(relative[0] / usable[0]) if misfit < _MOST_MISFIT else float("nan")


def scaled_by_class(lengths: np.ndarray, names: list[str]) -> np.ndarray:
    """Return lengths like `relative_lengths`, the classes (`names`) being known or guessed.

    For cells of which only a part was seen. Robust: wrong names among them hardly matter.
    """
    lengths = np.asarray(lengths, np.float32)
    expected = np.array([RELATIVE_LENGTH[name] for name in names], np.float32)
    return (lengths / np.median(lengths / expected)).astype(np.float32)


_NORMAL_CELL = np.sort(
    [RELATIVE_LENGTH[name] for name in (*AUTOSOMES, *AUTOSOMES, "X", "X")]
).astype(np.float32)


def tone_curve(outline: Outline) -> np.ndarray:
    """Return uint8 (256,): what each ink of a chromosome becomes, stretched as in `sample`."""
    ink = np.arange(256, dtype=np.float32)
    light, dark = outline.light, max(outline.dark, outline.light + 12)
    inside = 70 + (ink - light) * (160 / (dark - light))
    # Under the light bands straight to zero, so that halo and paper stay paper.
    below = 70 * ink / max(light, 1.0)
    return np.clip(np.where(ink < light, below, inside), 0, 255).astype(np.uint8)


def walk(axis: np.ndarray, at: np.ndarray, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Return points (n, 2) and unit normals (n, 2) at distances `at` from the middle of the axis.

    Normals are averaged over a stretch as long as the canvas is wide, so that rows do not cross on
    the inner side of a bend. Beyond its ends the axis goes straight on.
    """
    steps = np.diff(axis, axis=0)
    sizes = np.maximum(np.hypot(steps[:, 0], steps[:, 1]), 1e-6)
    along = np.concatenate([[0.0], np.cumsum(sizes)])
    where = at + along[-1] / 2
    points = np.stack([np.interp(where, along, axis[:, k]) for k in (0, 1)], 1)
    first, last = steps[0] / sizes[0], steps[-1] / sizes[-1]
    points += (
        np.minimum(where, 0)[:, None] * first + np.maximum(where - along[-1], 0)[:, None] * last
    )
    if len(axis) == 2:
        tangents = np.repeat(first[None], len(at), 0)
    else:
        reach = max(float(spread), 1.0)
        before, after = (
            np.stack([np.interp(where + side, along, axis[:, k]) for k in (0, 1)], 1)
            + _beyond(where + side, along[-1], first, last)
            for side in (-reach, reach)
        )
        tangents = after - before
        tangents /= np.maximum(np.hypot(*tangents.T), 1e-6)[:, None]
    # Left to right across a chromosome that runs downwards.
    normals = np.stack([tangents[:, 1], -tangents[:, 0]], 1)
    return points.astype(np.float32), normals.astype(np.float32)


def _beyond(where: np.ndarray, end: float, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    return np.minimum(where, 0)[:, None] * first + np.maximum(where - end, 0)[:, None] * last

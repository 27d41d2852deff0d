"""Smooth deformations of one chromosome picture: one interpolation for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from screening.images.ink import ink_window

_INK = 245
"""Grey value under which a pixel is a chromosome's."""


@dataclass(frozen=True)
class Hinge:
    """One bend of a chromosome's axis: where along it, how far it turns, over what length.

    `at` and `reach` (standard deviation) are fractions of the length, `turn` is in degrees.
    """

    at: float
    turn: float
    reach: float


def warp(
    image: np.ndarray,
    scale: float = 1.0,
    stretch: tuple[float, float] = (1.0, 1.0),
    angle: float = 0.0,
    bend: float = 0.0,
    waves: np.ndarray | None = None,
    mirror: bool = False,
) -> np.ndarray:
    """Return the chromosome `image` (uint8, ink on white) deformed, cropped to its ink.

    `scale` and `stretch` (across, along) size it; `angle` rotates (degrees); `bend` bows the axis
    by that fraction of the length; `waves`, float (n, 2), moves the axis sideways and along it by
    fractions of the length, interpolated between n knots from the top to the bottom.
    """
    sx, sy = scale * stretch[0], scale * stretch[1]
    if min(sx, sy) < 0.75:  # shrinking needs an area average first, or bands alias
        size = (max(2, round(image.shape[1] * sx)), max(2, round(image.shape[0] * sy)))
        image, sx, sy = cv2.resize(image, size, interpolation=cv2.INTER_AREA), 1.0, 1.0
    h, w = image.shape
    theta = np.deg2rad(angle)
    out_h, out_w = h * sy, w * sx
    sway = abs(bend) * out_h + (np.abs(waves).max() * out_h if waves is not None else 0.0)
    pad = 2 + sway + abs(np.sin(theta)) * out_h / 2
    rows, columns = int(np.ceil(out_h + 2 * (2 + sway / 2))), int(np.ceil(out_w + 2 * pad))
    y = np.arange(rows, dtype=np.float32)[:, None] - np.float32((rows - 1) / 2)
    x = np.arange(columns, dtype=np.float32)[None] - np.float32((columns - 1) / 2)
    along = x * np.float32(-np.sin(theta)) + y * np.float32(np.cos(theta))
    across = x * np.float32(np.cos(theta)) + y * np.float32(np.sin(theta))
    if bend:
        t = along * np.float32(2 / out_h)
        across = across + np.float32(bend * out_h) * (t * t - np.float32(0.5))
    if waves is not None:
        knot = np.clip(along / np.float32(out_h) + np.float32(0.5), 0, 1)
        knot = knot * np.float32(len(waves) - 1)
        knots = np.linspace(0, len(waves) - 1, 4 * len(waves))
        fine = np.stack([_smooth(waves[:, k], knots) for k in (0, 1)], 1) * out_h
        at = knot * np.float32((len(knots) - 1) / (len(waves) - 1))
        low = np.minimum(at.astype(np.int32), len(knots) - 2)
        part = (at - low)[..., None]
        shift = fine[low] * (1 - part) + fine[low + 1] * part
        across, along = across + shift[..., 0], along + shift[..., 1]
    map_x = across * np.float32((-1 if mirror else 1) / sx) + np.float32((w - 1) / 2)
    map_y = along * np.float32(1 / sy) + np.float32((h - 1) / 2)
    warped = cv2.remap(
        image,
        np.ascontiguousarray(np.broadcast_to(map_x, (rows, columns)), np.float32),
        np.ascontiguousarray(np.broadcast_to(map_y, (rows, columns)), np.float32),
        cv2.INTER_CUBIC if max(sx, sy) > 1 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=255,
    )
    return crop(warped)


def curl(
    image: np.ndarray, hinges: Sequence[Hinge], angle: float = 0.0, lead: float = 0.0
) -> np.ndarray:
    """Return the chromosome `image` (uint8, ink on white) along a curved axis, cropped to its ink.

    The width stays and bands stay perpendicular to the axis, as when a real chromosome bends;
    no hinge is made tighter than the width allows. The result stands upright by its chord
    (`lead` 0) or by its longer straight part (`lead` 1), then turned by `angle` degrees.
    """
    h, w = image.shape
    line = centre_line(image)
    axis_x = np.full(h, (w - 1) / 2, np.float32) if line is None else line
    half = 0.5 * float(np.median((image < _INK).sum(1))) + 1
    count = int(np.clip(h / 2, 24, 96))
    s = np.linspace(0, h - 1, count, dtype=np.float32)
    step = float(s[1] - s[0])
    kappa = np.zeros(count, np.float32)
    for hinge in hinges:
        turn = np.deg2rad(hinge.turn)
        # The inner edge may be squeezed to a quarter, never folded over itself.
        reach = max(hinge.reach * h, abs(turn) * 1.35 * half / np.sqrt(2 * np.pi), 1.0)
        bell = np.exp(-0.5 * ((s - hinge.at * h) / reach) ** 2)
        kappa += np.float32(turn / (reach * np.sqrt(2 * np.pi))) * bell.astype(np.float32)
    heading = np.cumsum(kappa) * step
    heading -= lead * np.median(heading) + (1 - lead) * heading.mean()
    heading = (heading + np.deg2rad(angle)).astype(np.float32)
    tangent = np.stack([np.sin(heading), np.cos(heading)], 1)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1)
    points = np.cumsum(tangent, 0, dtype=np.float32) * step
    reach_x = max(float(np.abs(axis_x).max()), float((w - axis_x).max())) + 2
    points -= points.min(0) - reach_x
    columns, rows = (int(np.ceil(v)) for v in points.max(0) + reach_x)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    place = np.stack([x.ravel(), y.ravel()], 1)
    squared = (points**2).sum(1)[None] - 2 * place @ points.T
    near = squared.argmin(1)
    offset = place - points[near]
    across = (offset * normal[near]).sum(1)
    ahead = (offset * tangent[near]).sum(1)
    along = s[near] + ahead / np.maximum(0.3, 1 - kappa[near] * across)
    row = np.clip(np.rint(along).astype(np.int32), 0, h - 1)
    map_x = (axis_x[row] + across).reshape(rows, columns).astype(np.float32)
    map_y = along.reshape(rows, columns).astype(np.float32)
    bent = cv2.remap(
        image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=255
    )
    return crop(bent)


def random_hinges(rng: np.random.Generator, slenderness: float) -> tuple[Hinge, ...]:
    """Return the hinges of a hook, a C or an S, as a chromosome of this length : width has them."""
    kind = rng.choice(["hook", "c", "s"], p=[0.4, 0.35, 0.25])
    most = float(np.clip(28 * slenderness - 15, 25, 130))
    side = 1 if rng.random() < 0.5 else -1
    if kind == "hook":
        at = rng.uniform(0.12, 0.32)
        at = at if rng.random() < 0.65 else 1 - at  # short arms fold more often
        return (Hinge(at, side * rng.uniform(0.4, 1) * most, rng.uniform(0.03, 0.08)),)
    if kind == "c":
        turn = side * rng.uniform(0.4, 1) * most
        return (Hinge(rng.uniform(0.3, 0.7), turn, rng.uniform(0.05, 0.25)),)
    first, second = rng.uniform(0.35, 0.75, 2) * most * side
    return (
        Hinge(rng.uniform(0.18, 0.36), first, rng.uniform(0.04, 0.12)),
        Hinge(rng.uniform(0.62, 0.85), -second, rng.uniform(0.04, 0.12)),
    )


def centre_line(image: np.ndarray) -> np.ndarray | None:
    """Return the x of the axis at each row, float32 (h,), or None when the chromosome is bent.

    Rows stand for positions along the axis only where the chromosome is nearly straight: no row
    much wider than usual, and no drift of the middle by a third of the width.
    """
    ink = image < _INK
    h, w = ink.shape
    filled = ink.any(1)
    if h < 8 or filled.sum() < 0.8 * h:
        return None
    left = ink.argmax(1)
    right = w - 1 - ink[:, ::-1].argmax(1)
    width = (right - left + 1)[filled]
    usual = float(np.median(width))
    rows = np.arange(h)
    middle = np.interp(rows, rows[filled], ((left + right) / 2)[filled]).astype(np.float32)
    span = int(max(3, usual / 2)) | 1
    padded = np.pad(middle, span // 2, mode="edge")
    smooth = np.convolve(padded, np.full(span, 1 / span), "valid").astype(np.float32)
    inner = slice(h // 12, h - h // 12)
    drift = np.abs(smooth[inner] - smooth[inner].mean()).max()
    if np.percentile(width, 90) > 1.6 * usual or drift > 0.35 * usual:
        return None
    return smooth


def crop(image: np.ndarray, paper: int = _INK) -> np.ndarray:
    """Return the part of `image` that holds its ink (pixels under `paper`); itself when blank."""
    window = ink_window(image < paper)
    return image if window is None else image[window]


def _smooth(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Cosine interpolation of knots: no overshoot, and no kink at a knot."""
    low = np.minimum(at.astype(int), len(values) - 2)
    part = (1 - np.cos(np.pi * (at - low))) / 2
    return values[low] * (1 - part) + values[low + 1] * part

"""Smooth deformations of one chromosome picture: one interpolation for all of them."""

from __future__ import annotations

import cv2
import numpy as np


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
        t = np.clip(along / np.float32(out_h) + np.float32(0.5), 0, 1) * np.float32(len(waves) - 1)
        knots = np.linspace(0, len(waves) - 1, 4 * len(waves))
        fine = np.stack([_smooth(waves[:, k], knots) for k in (0, 1)], 1) * out_h
        at = t * np.float32((len(knots) - 1) / (len(waves) - 1))
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


def crop(image: np.ndarray, paper: int = 245) -> np.ndarray:
    """Return the part of `image` that holds its ink (pixels under `paper`); itself when blank."""
    ink = image < paper
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if rows.size == 0:
        return image
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _smooth(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Cosine interpolation of knots: no overshoot, and no kink at a knot."""
    low = np.minimum(at.astype(int), len(values) - 2)
    part = (1 - np.cos(np.pi * (at - low))) / 2
    return values[low] * (1 - part) + values[low + 1] * part

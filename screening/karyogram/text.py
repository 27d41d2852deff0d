"""Letters for labels and captions, the same on every machine: no system font is used."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from screening.images.ink import crop_to_ink

FONTS: dict[str, int | None] = {
    "sans": None,
    "sans-bold": None,
    "plain": cv2.FONT_HERSHEY_DUPLEX,
    "serif": cv2.FONT_HERSHEY_COMPLEX,
    "mono": cv2.FONT_HERSHEY_SIMPLEX,
}
"""Font name -> OpenCV's stroke font, or None for the font inside Pillow."""
PRINT_FONTS: dict[str, str] = {
    "print-sans": "DejaVuSans.ttf",
    "print-sans-bold": "DejaVuSans-Bold.ttf",
    "print-serif": "STIXGeneral.ttf",
    "print-serif-bold": "STIXGeneralBol.ttf",
    "print-mono": "DejaVuSansMono.ttf",
    "print-typewriter": "cmtt10.ttf",
}
"""Font name -> file among the fonts inside matplotlib: what laboratories print with."""


@lru_cache(maxsize=4096)
def letters(text: str, font: str, height: int) -> np.ndarray:
    """Return `text` as uint8 (h, w) ink, 0 on white 255, cropped; capitals are `height` px high.

    The array is shared by a cache and read-only. ValueError for an unknown font.
    """
    faces = FONTS | PRINT_FONTS
    if font not in faces:
        raise ValueError(f"expected a font of {', '.join(faces)}, received {font!r}")
    face = faces[font]
    if face is None or isinstance(face, str):
        size = max(6.0, height / 0.72)  # capitals of these typefaces are about 0.72 em high
        typeface = ImageFont.load_default(size) if face is None else _typeface(face, size)
        canvas = Image.new("L", (int(size * (len(text) + 2)), int(size * 2.5)), 255)
        ImageDraw.Draw(canvas).text((size, size / 2), text, 0, typeface)
        ink = np.asarray(canvas)
        if font == "sans-bold":  # strokes wider to the right, as a bold face has them
            for _ in range(max(1, round(size / 18))):
                ink = np.minimum(ink, np.roll(ink, 1, axis=1))
    else:
        thickness = max(1, round(height / 12))
        scale = max(0.25, cv2.getFontScaleFromHeight(face, height, thickness))
        (w, h), base = cv2.getTextSize(text, face, scale, thickness)
        ink = np.full((h + base + 8, w + 8), 255, np.uint8)
        cv2.putText(ink, text, (4, h + 4), face, scale, 0, thickness, cv2.LINE_AA)
    cropped = crop_to_ink(ink, 200)
    if cropped.size == 0:
        cropped = np.full((1, 1), 255, np.uint8)
    cropped.setflags(write=False)
    return cropped


def _typeface(file: str, size: float) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path  # a third of a second, and only the composer prints

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / file, size)


def stamp(page: np.ndarray, ink: np.ndarray, x: int, y: int) -> None:
    """Darken `page` (uint8, in place) by `ink` with its upper left corner at (x, y), clipped."""
    top, left = max(0, y), max(0, x)
    bottom, right = min(page.shape[0], y + ink.shape[0]), min(page.shape[1], x + ink.shape[1])
    if bottom <= top or right <= left:
        return
    window = page[top:bottom, left:right]
    np.minimum(window, ink[top - y : bottom - y, left - x : right - x], out=window)

"""Each chromosome of a cell as it stands on the page: size, bends, preparation and tone."""

from __future__ import annotations

import cv2
import numpy as np

from screening.classes import RELATIVE_LENGTH
from screening.karyogram.layout import CENTROMERE
from screening.synthesis.metaphase import Chromosome, Metaphase, length_unit
from screening.synthesis.style import Style
from screening.synthesis.texture import (
    add_crossing,
    add_satellites,
    fray,
    open_chromatids,
    sharpen,
    weaken_bands,
)
from screening.synthesis.warp import Hinge, centre_line, crop, curl, random_hinges, warp

ACROCENTRIC = ("13", "14", "15", "21", "22")
_STOUTEST, _SLIMMEST = 0.45, 0.12  # median width : length of chromosome 1, as real pages have it
_DEGREES_PER_BEND = np.rad2deg(8.0)  # an arc whose sagitta is its length turns by 8 radians


def render(
    cell: Metaphase, style: Style, rng: np.random.Generator
) -> dict[str, list[tuple[np.ndarray, str]]]:
    """Return per class its chromosomes in random order: picture and ISCN name if rearranged.

    Pictures are uint8 (h, w) cropped to ink; the ISCN name is "" for an ordinary chromosome.
    One scale for the whole cell. Nothing here looks at the cell's label or at what was simulated.
    """
    stout = _stoutness(cell, style)
    scale = _scale(cell, style, stout)
    tones = _tones(style)
    found: dict[str, list[tuple[np.ndarray, str]]] = {}
    for index in rng.permutation(len(cell.chromosomes)):
        chromosome = cell.chromosomes[index]
        image = _prepare(_shape(chromosome, scale, stout, style, rng), style, rng)
        ready = crop(cv2.LUT(image, tones))
        found.setdefault(chromosome.name, []).append((ready, chromosome.derived))
    return found


def _shape(
    chromosome: Chromosome, scale: float, stout: float, style: Style, rng: np.random.Generator
) -> np.ndarray:
    """The outline: sized, bent, turned, its chromatids open, its satellites visible."""
    name, picture = chromosome.name, chromosome.image
    angle, bend = rng.normal(0, style.rotation), rng.normal(0, style.bend)
    mirror = bool(rng.random() < style.mirror)
    slender = picture.shape[0] / (picture.shape[1] * stout)
    curled = rng.random() < style.curl * np.clip((slender - 0.8) / 2.5, 0.15, 1.5)
    opened = style.cleft > 0 or style.splay > 0
    satellites = name in ACROCENTRIC and rng.random() < style.satellites
    if not (curled or opened or satellites):
        return warp(picture, scale, (stout, 1.0), angle=angle, bend=bend, mirror=mirror)
    image = warp(picture, scale, (stout, 1.0), mirror=mirror)
    if centre_line(image) is None:  # bent as it is: another bend would tear it
        return curl(image, (), angle)
    if opened:
        cleft = style.cleft * rng.uniform(0.5, 1.3)
        image = open_chromatids(image, CENTROMERE[name], cleft, style.splay, rng)
    if satellites:
        image = add_satellites(image, rng)
    mild = Hinge(rng.uniform(0.3, 0.7), bend * _DEGREES_PER_BEND, 0.25)
    hinges = random_hinges(rng, slender) if curled else (mild,)
    return curl(image, hinges, angle, lead=rng.uniform(0, 1))


def _prepare(image: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """The chromosome's surface: bands, crossings, optics, grain and the edge of its mask."""
    if style.bands != 1.0:
        image = weaken_bands(image, style.bands)
    if rng.random() < style.crossing:
        image = add_crossing(image, rng)
    if style.rim or style.chromosome_blur > 0.25:
        pad = style.rim + int(np.ceil(2 * style.chromosome_blur)) + 1
        image = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=255)
        if style.rim:
            mask = (image < 245).astype(np.uint8)
            kernel = np.ones((2 * style.rim + 1,) * 2, np.uint8)
            image = np.where(
                (cv2.dilate(mask, kernel) > 0) & (mask == 0), np.uint8(style.rim_grey), image
            )
        if style.chromosome_blur > 0.25:
            image = cv2.GaussianBlur(image, (0, 0), style.chromosome_blur)
    if style.sharpen:
        image = sharpen(image, style.sharpen, max(0.8, 2 * style.grain_size))
    if style.grain or style.ragged:
        image = fray(image, style.grain, style.grain_size, style.ragged, rng)
    return image


def _stoutness(cell: Metaphase, style: Style) -> float:
    """Factor on every width of the cell, held within what real preparations show."""
    widths = [chromosome.image.shape[1] for chromosome in cell.chromosomes]
    if not widths or style.stout == 1.0:
        return 1.0
    ratio = float(np.median(widths)) / (length_unit(cell.chromosomes) * RELATIVE_LENGTH["1"])
    most, least = max(1.0, _STOUTEST / ratio), min(1.0, _SLIMMEST / ratio)
    return float(np.clip(style.stout, least, most))


def _scale(cell: Metaphase, style: Style, stout: float) -> float:
    """Factor from the cell's pixels to the page's.

    A laboratory enlarges by what fills the form: slender, early chromosomes come out longer than
    stout ones, but less than their proportions alone would make them.
    """
    length = length_unit(cell.chromosomes) * RELATIVE_LENGTH["1"]
    widths = [stout * chromosome.image.shape[1] for chromosome in cell.chromosomes]
    slender = 0.25 * length / np.percentile(widths, 30) if widths else 1.0
    return style.chr1 * style.width / length * float(np.clip(slender**0.4, 0.8, 1.3))


def _tones(style: Style) -> np.ndarray:
    lightness = (np.arange(256) / 255) ** style.gamma
    toned = 255 * (1 - style.contrast * (1 - lightness))
    return np.clip(np.rint(toned), 0, 255).astype(np.uint8)

"""Training crops of the 24-class classifier: chromosomes as other laboratories would show them.

Every picture is changed before it is standardised, so that errors of finding, cutting and
straightening happen in training as they do in screening: another resolution, width, bend, stain,
focus, halo, noise, JPEG, a neighbour's remnant, an end cut off. Never upside down: which arm is up
is part of a class. Class 24 is made here too: clusters, fragments, print, rules, arrows, specks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME_INDEX, RELATIVE_LENGTH, class_index
from screening.karyogram.crops import CANVAS, Jitter, outline_of, sample
from screening.karyogram.text import FONTS, letters
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.warp import crop, warp

LENGTH_OF_CHROMOSOME_1 = (42.0, 230.0)
"""Pixels along chromosome 1 on pages of 400 to 2000 px width."""

_CHR1 = RELATIVE_LENGTH["1"]
_SOFT = 0.35
"""Share of crops as soft as a poor microscope or a small scan makes them: half as sharp as the
sources themselves, where fine bands melt together."""


@dataclass(frozen=True, eq=False)
class Crops:
    """Standardised crops: `images` uint8 (n, h, w) with ink bright, `labels` uint8 (n,) 0…24,
    `relative` float32 (n,) relative length (nan unknown), `cells` int32 (n,) its cell."""

    images: np.ndarray
    labels: np.ndarray
    relative: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def joined(cls, parts: Sequence[Crops]) -> Crops:
        """Return all parts one after another; cells are numbered on."""
        offsets = np.cumsum([0, *(int(p.cells.max(initial=-1)) + 1 for p in parts)])
        return cls(
            np.concatenate([p.images for p in parts]),
            np.concatenate([p.labels for p in parts]),
            np.concatenate([p.relative for p in parts]),
            np.concatenate([p.cells + o for p, o in zip(parts, offsets, strict=False)]),
        )


def plain_crops(cells: Sequence[Metaphase], size: tuple[int, int] = CANVAS) -> Crops:
    """Return every chromosome as it is, standardised; relative lengths by the known classes."""
    rows: list[tuple[np.ndarray, int, float, int]] = []
    for number, cell in enumerate(cells):
        unit = pixels_per_percent(cell)
        for one in cell.chromosomes:
            rows.append(_row(one.image, class_index(one.name), unit, size, number))
    return _packed(rows, size)


def varied_crops(
    cells: Sequence[Metaphase],
    rng: np.random.Generator,
    not_one: float = 0.15,
    size: tuple[int, int] = CANVAS,
) -> Crops:
    """Return one changed copy of every chromosome, and `not_one` of that number of class 24."""
    rows: list[tuple[np.ndarray, int, float, int]] = []
    for number, cell in enumerate(cells):
        unit = pixels_per_percent(cell)
        if not np.isfinite(unit):
            continue
        pictures = [one.image for one in cell.chromosomes]
        for one in cell.chromosomes:
            picture, scale = varied(one.image, unit, rng, pictures)
            label = class_index(one.name)
            rows.append(_row(picture, label, unit * scale, size, number, _jitter(rng)))
        for _ in range(rng.binomial(len(pictures), not_one)):
            picture, scale = not_one_chromosome(pictures, unit, rng)
            rows.append(
                _row(picture, NOT_A_CHROMOSOME_INDEX, unit * scale, size, number, _jitter(rng))
            )
    return _packed(rows, size)


def pixels_per_percent(cell: Metaphase) -> float:
    """Return the cell's scale by the lengths along the axes of its chromosomes; nan if blank."""
    ratios = []
    for one in cell.chromosomes:
        outline = outline_of(one.image)
        if outline is not None:
            ratios.append(outline.length / RELATIVE_LENGTH[one.name])
    return float(np.median(ratios)) if ratios else float("nan")


def varied(
    picture: np.ndarray, unit: float, rng: np.random.Generator, others: Sequence[np.ndarray]
) -> tuple[np.ndarray, float]:
    """Return the chromosome as another laboratory's page may show it, and the factor of its size.

    `unit`: pixels per percent of relative length; `others`: pictures of the same cell, of which a
    piece may be left at its edge.
    """
    low, high = np.log(LENGTH_OF_CHROMOSOME_1)
    target = float(np.exp(rng.uniform(low, high)))
    scale = float(np.clip(target / (unit * _CHR1), 0.2, 2.5))
    page = unit * scale * _CHR1 / 110  # 1 at a page of about 900 pixels
    stout = rng.random() < 0.35
    wide = rng.uniform(1.2, 2.1) if stout else np.exp(rng.uniform(np.log(0.7), np.log(1.5)))
    image = warp(
        picture,
        scale,
        stretch=(float(wide), rng.uniform(0.93, 1.07)),
        angle=rng.uniform(-8, 8),
        bend=rng.normal(0, 0.05) if rng.random() < 0.6 else 0.0,
        waves=rng.normal(0, (0.012, 0.014), (5, 2)) if rng.random() < 0.6 else None,
        mirror=rng.random() < 0.5,
    )
    if rng.random() < 0.12:
        image = _cut_end(image, rng, rng.uniform(0.02, 0.09))
    image = _stain(image, rng)
    if rng.random() < 0.2:
        image = _eroded(image, rng)
    if rng.random() < 0.18:
        image = _with_remnant(image, warp(others[int(rng.integers(len(others)))], scale), rng)
    image = _optics(image, rng, page, stout)
    return image, scale


def not_one_chromosome(
    pictures: Sequence[np.ndarray], unit: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Return a picture of class 24 and the factor of its size against the cell's pictures."""
    kind = rng.choice(list(_KINDS), p=list(_KINDS.values()))
    low, high = np.log(LENGTH_OF_CHROMOSOME_1)
    scale = float(np.clip(np.exp(rng.uniform(low, high)) / (unit * _CHR1), 0.2, 2.5))
    chr1 = unit * scale * _CHR1
    if kind in ("print", "rule", "arrow", "speck", "blob"):
        image = _mark(str(kind), chr1, rng)
    else:
        wide = float(np.exp(rng.uniform(np.log(0.75), np.log(1.7))))

        def ready(shrink: float = 1.0) -> np.ndarray:
            chosen = pictures[int(rng.integers(len(pictures)))]
            angle, bend = rng.uniform(-8, 8), rng.normal(0, 0.04)
            return warp(chosen, scale * shrink, (wide, 1.0), angle, bend, mirror=rng.random() < 0.5)

        if kind == "fragment":
            image = _cut_end(ready(), rng, rng.uniform(0.35, 0.7))
        elif kind == "row":
            image = _beside([ready() for _ in range(rng.integers(3, 8))], rng, 0.0)
        elif kind == "stack":
            one, two = ready(), ready()
            image = _beside([one.T, two.T], rng, rng.uniform(0, 0.12)).T
        else:
            image = _beside(_alike(ready(), ready(), rng), rng, rng.uniform(0.0, 0.45))
        image = _stain(np.ascontiguousarray(image), rng)
    return _optics(image, rng, chr1 / 110, rng.random() < 0.3), scale


_KINDS = {
    "pair": 0.36, "stack": 0.10, "row": 0.06, "fragment": 0.20,
    "print": 0.16, "rule": 0.04, "arrow": 0.02, "speck": 0.03, "blob": 0.03,
}  # fmt: skip


def _row(
    picture: np.ndarray,
    label: int,
    unit: float,
    size: tuple[int, int],
    cell: int,
    jitter: Jitter | None = None,
) -> tuple[np.ndarray, int, float, int]:
    outline = outline_of(picture)
    if outline is None:
        return np.zeros(size, np.uint8), NOT_A_CHROMOSOME_INDEX, float("nan"), cell
    return sample(picture, outline, size, jitter), label, outline.length / unit, cell


def _packed(rows: Sequence[tuple[np.ndarray, int, float, int]], size: tuple[int, int]) -> Crops:
    images = np.stack([r[0] for r in rows]) if rows else np.zeros((0, *size), np.uint8)
    return Crops(
        images,
        np.array([r[1] for r in rows], np.uint8),
        np.array([r[2] for r in rows], np.float32),
        np.array([r[3] for r in rows], np.int32),
    )


def _jitter(rng: np.random.Generator) -> Jitter:
    return Jitter(
        length=rng.uniform(0.95, 1.06),
        width=float(np.exp(rng.uniform(np.log(0.75), np.log(1.3)))),
        along=rng.normal(0, 0.012),
        across=rng.normal(0, 0.05),
        slant=rng.normal(0, 0.08),
    )


def _stain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other band intensities, grain, contrast: the same chromosome stained another day."""
    ink = (255 - image.astype(np.float32)) / 255
    h, w = ink.shape
    bands = rng.normal(1, 0.12, (max(3, h // 10), 1)).astype(np.float32)
    grain = rng.normal(1, 0.06, (max(2, h // 4), max(2, w // 4))).astype(np.float32)
    ink = np.clip(ink, 0, 1) ** np.float32(np.exp(rng.uniform(np.log(0.6), np.log(1.7))))
    ink *= cv2.resize(bands, (w, h)) * cv2.resize(grain, (w, h))
    ink *= np.float32(rng.uniform(0.45, 1.15))
    floor = np.float32(rng.uniform(0, 0.25)) * (
        image < 245
    )  # body under the bands, as in pale stains
    ink = np.maximum(ink, floor * ink.max(initial=0.1))
    return (255 - np.clip(255 * ink, 0, 255)).astype(np.uint8)


def _optics(image: np.ndarray, rng: np.random.Generator, page: float, stout: bool) -> np.ndarray:
    """Rim, halo, focus, noise and JPEG; the paper comes back to 255 as normalising a page does."""
    image = cv2.copyMakeBorder(image, 6, 6, 6, 6, cv2.BORDER_CONSTANT, value=255)
    mask = (image < 245).astype(np.uint8)
    if rng.random() < (0.6 if stout else 0.25):
        width = 1 + round(rng.uniform(0, 3 if stout else 1.5) * max(page, 0.4))
        ring = cv2.dilate(mask, np.ones((2 * width + 1,) * 2, np.uint8))
        grey = np.uint8(rng.integers(195, 245))
        image = np.where((ring > 0) & (mask == 0), grey, image)
        mask = ring
    blur = rng.uniform(0.6, 2.6) if stout else abs(rng.normal(0, 0.8))
    if rng.random() < _SOFT:
        blur = rng.uniform(2.0, 5.5)
    blur *= page
    if blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    elif rng.random() < 0.4:
        soft = cv2.GaussianBlur(image, (0, 0), 0.8)
        image = cv2.addWeighted(image, 1.6, soft, -0.6, 0)
    if rng.random() < 0.5:
        noise = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, 0, float(rng.uniform(1, 9)))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        _, buffer = cv2.imencode(
            ".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 97))]
        )
        decoded = cv2.imdecode(buffer, cv2.IMREAD_GRAYSCALE)
        assert decoded is not None, "just encoded"
        image = decoded
    reach = 1 + int(rng.integers(0, 3))
    keep = cv2.dilate(mask, np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    image = np.where(keep & (image < rng.integers(236, 253)), image, np.uint8(255))
    return crop(image, 254)


def _cut_end(image: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """The picture without `share` of its upper or lower end, cut at a slant."""
    h, w = image.shape
    edge = h * share + np.linspace(-0.5, 0.5, w) * w * rng.normal(0, 0.25)
    rows = np.arange(h)[:, None]
    gone = rows < edge if rng.random() < 0.5 else rows > h - 1 - edge
    return crop(np.where(gone, np.uint8(255), image))


def _eroded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mask = cv2.copyMakeBorder((image < 245).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8))[1:-1, 1:-1]
    if np.count_nonzero(mask) < 0.5 * np.count_nonzero(image < 245):
        return image
    return crop(np.where(mask > 0, image, np.uint8(255)))


def _with_remnant(image: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A piece of a neighbour, or of a rule, left at one side of the picture."""
    h, w = image.shape
    pad = max(3, round(0.35 * w))
    canvas = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=255)
    if rng.random() < 0.15:
        at = pad + h + int(rng.integers(-1, 3))
        canvas[at : at + 1, pad // 2 : -(pad // 2)] = int(rng.integers(60, 200))
        return crop(canvas)
    piece_h = max(2, min(round(h * rng.uniform(0.08, 0.35)), other.shape[0]))
    piece_w = max(2, min(round(w * rng.uniform(0.12, 0.45)), other.shape[1], pad + w // 3))
    y0 = int(rng.integers(0, other.shape[0] - piece_h + 1))
    left = rng.random() < 0.5
    piece = other[y0 : y0 + piece_h, -piece_w:] if left else other[y0 : y0 + piece_h, :piece_w]
    top = int(rng.integers(0, canvas.shape[0] - piece_h + 1))
    band = canvas[top : top + piece_h]
    ink = np.flatnonzero((band < 245).any(axis=0))
    if ink.size == 0:
        return image
    overlap = int(rng.integers(0, max(2, piece_w // 2)))
    x = ink[0] - piece_w + overlap if left else ink[-1] + 1 - overlap
    x = int(np.clip(x, 0, canvas.shape[1] - piece_w))
    window = canvas[top : top + piece_h, x : x + piece_w]
    np.minimum(window, piece, out=window)
    return crop(canvas)


def _alike(one: np.ndarray, two: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Two for a pair; usually brought to about one length, as homologs are."""
    if rng.random() < 0.75:
        height = max(4, round(one.shape[0] * rng.uniform(0.88, 1.12)))
        two = cv2.resize(two, (two.shape[1], height), interpolation=cv2.INTER_AREA)
    return [one, two]


def _beside(images: Sequence[np.ndarray], rng: np.random.Generator, overlap: float) -> np.ndarray:
    """The pictures left to right, overlapping by up to `overlap` of the narrower of two."""
    height = max(i.shape[0] for i in images)
    canvas = np.full((round(1.3 * height) + 1, sum(i.shape[1] for i in images)), 255, np.uint8)
    x = 0
    for k, image in enumerate(images):
        h, w = image.shape
        if k:
            x -= round(overlap * min(w, images[k - 1].shape[1]))
        top = round((canvas.shape[0] - h) / 2 + rng.uniform(-0.14, 0.14) * height)
        top = int(np.clip(top, 0, canvas.shape[0] - h))
        if k:  # move left until the two touch
            x -= _gap(canvas[top : top + h], image, x)
        x = max(0, x)
        window = canvas[top : top + h, x : x + w]
        np.minimum(window, image[:, : window.shape[1]], out=window)
        x += w
    return crop(canvas)


def _gap(band: np.ndarray, image: np.ndarray, x: int) -> int:
    """Blank columns that `image`, put at `x`, would leave to the ink of `band`, row by row."""
    right = np.where((band < 245).any(1), band.shape[1] - (band[:, ::-1] < 245).argmax(1), -(10**6))
    left = np.where((image < 245).any(1), (image < 245).argmax(1), 10**6)
    return max(0, int((x + left - right).min()))


def _mark(kind: str, chr1: float, rng: np.random.Generator) -> np.ndarray:
    """Print, a rule, an arrow, a speck or a blob on white, sized against chromosome 1."""
    if kind == "print":
        words = [*CHROMOSOMES, *"ABCDEFG", "mar", "XY", "sex", str(rng.integers(100, 99999))]
        height = max(6, round(chr1 * rng.uniform(0.06, 0.25)))
        return letters(str(rng.choice(words)), str(rng.choice(list(FONTS))), height)
    canvas = np.full((round(1.5 * chr1) + 12,) * 2, 255, np.uint8)
    middle = canvas.shape[0] // 2
    tone = int(rng.integers(0, 170))
    if kind == "rule":
        long, thick = round(chr1 * rng.uniform(0.25, 1.3) / 2), int(rng.integers(1, 4))
        cv2.line(canvas, (middle - long, middle), (middle + long, middle), tone, thick)
        canvas = canvas.T if rng.random() < 0.3 else canvas
    elif kind == "arrow":
        turn, reach = rng.uniform(0, 2 * np.pi), chr1 * rng.uniform(0.08, 0.35)
        tip = (round(middle + reach * np.cos(turn)), round(middle + reach * np.sin(turn)))
        thick = max(1, round(0.015 * chr1))
        cv2.arrowedLine(canvas, (middle, middle), tip, tone, thick, tipLength=rng.uniform(0.3, 0.7))
    else:
        size = chr1 * (rng.uniform(0.01, 0.05) if kind == "speck" else rng.uniform(0.1, 0.5))
        axes = (max(1, round(size * rng.uniform(0.6, 1.4))), max(1, round(size)))
        cv2.ellipse(canvas, (middle, middle), axes, float(rng.uniform(0, 180)), 0, 360, tone, -1)
        if kind == "blob":
            canvas = cv2.add(canvas, rng.integers(0, 60, canvas.shape, np.uint8))
    return crop(np.ascontiguousarray(canvas))

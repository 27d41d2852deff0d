"""A karyogram from the chromosomes of one cell, with the truth about every one of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from screening.classes import CHROMOSOMES, DENVER_GROUPS, MARKER, RELATIVE_LENGTH
from screening.karyogram.cell import Cell, length_unit
from screening.karyogram.layout import CENTROMERE, Row, place
from screening.karyogram.paper import develop
from screening.karyogram.style import Style
from screening.karyogram.text import letters, stamp
from screening.karyogram.warp import crop, warp

_GROUP_OF = {name: letter for letter, names in DENVER_GROUPS.items() for name in names}


@dataclass(frozen=True)
class Box:
    """One chromosome's tight box in pixels, its true class and the slot in which it stands."""

    name: str
    x: int
    y: int
    w: int
    h: int
    slot: str


@dataclass(frozen=True)
class SlotBox:
    """The region of one class's slot in pixels: every chromosome of the class stands inside."""

    name: str
    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, eq=False)
class Karyogram:
    """A composed picture uint8 (h, w) and its truth; `slots` are the 24 classes in order."""

    image: np.ndarray
    boxes: tuple[Box, ...]
    slots: tuple[SlotBox, ...]
    iscn: str
    label: str


def compose(cell: Cell, style: Style, rng: np.random.Generator) -> Karyogram:
    """Return the karyogram of `cell` in the look of `style`; any number of homologs composes.

    One scale for the whole cell, so that relative sizes stay true. `rng` decides the order of
    homologs, small rotations, bends and the noise: the same state gives the same picture.
    """
    ink = _render(cell, style, rng)
    widths = {name: [image.shape[1] for image in images] for name, images in ink.items()}
    every = [w for row in widths.values() for w in row]
    unit = float(np.median(every)) if every else style.width * style.chr1 * 0.25
    page_width, rows = place(widths, style, rng, unit)
    label_height = max(6, round(style.label_size * style.width))
    caption = letters(style.caption, "sans", label_height) if style.caption else None

    y = max(2.0, style.top * style.width)
    if caption is not None and style.caption_at == "top":
        y += 2 * label_height
    pastes: list[tuple[np.ndarray, int, int]] = []
    marks: list[tuple[np.ndarray, int, int]] = []
    rules: list[tuple[int, int, int]] = []
    boxes: list[Box] = []
    slots: dict[str, SlotBox] = {}
    empty_row = style.width * style.chr1 * 0.3
    for row in rows:
        up, down = _reach(row, ink, style, empty_row)
        axis = y + up
        for slot in row.slots:
            region = [slot.x, y, slot.x + slot.width, y + up + down]
            for image, left in zip(ink.get(slot.name, ()), slot.lefts, strict=True):
                h, w = image.shape
                top = axis - _above(slot.name, h, style) + rng.normal(0, style.shift_jitter * unit)
                left, top = round(max(1.0, left)), round(max(1.0, top))
                pastes.append((image, left, top))
                boxes.append(Box(slot.name, left, top, w, h, slot.name))
                region = [min(region[0], left), min(region[1], top),
                          max(region[2], left + w), max(region[3], top + h)]  # fmt: skip
            if slot.name in CHROMOSOMES:
                x0, y0 = int(np.floor(region[0])), int(np.floor(region[1]))
                x1, y1 = int(np.ceil(region[2])), int(np.ceil(region[3]))
                slots[slot.name] = SlotBox(slot.name, x0, y0, x1 - x0, y1 - y0)
        bottom = max([y + up + down, *(t + image.shape[0] for image, _, t in pastes)])
        y = _annotate(row, style, bottom, label_height, page_width, marks, rules)
    y += (style.bottom - style.row_gap) * style.width
    if style.rule == "page":
        rules.append((round(y), 0, page_width))
        y += style.rule_width + style.bottom * style.width
    if caption is not None:
        at_top = style.caption_at == "top"
        where = round(style.top * style.width) + 2 if at_top else round(y)
        marks.append((caption, round(style.margin * page_width) + 1, where))
        y += 0 if at_top else 2 * label_height

    page = np.full((int(np.ceil(y)) + 3, page_width), 255, np.uint8)
    for image, left, top in pastes:
        stamp(page, image, left, top)
    for mark, left, top in marks:
        stamp(page, mark, left, top)
    for at, x0, x1 in rules:
        window = page[at : at + style.rule_width, max(0, x0) : x1]
        np.minimum(window, style.rule_grey, out=window)
    order = {name: index for index, name in enumerate((*CHROMOSOMES, MARKER))}
    return Karyogram(
        image=develop(page, style, rng),
        boxes=tuple(sorted(boxes, key=lambda box: (order[box.name], box.x))),
        slots=tuple(slots[name] for name in CHROMOSOMES),
        iscn=cell.iscn,
        label=cell.label,
    )


def _render(cell: Cell, style: Style, rng: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """The chromosomes at their final size and tone, per class, homologs in random order."""
    scale = _scale(cell, style)
    tones = _tones(style)
    found: dict[str, list[np.ndarray]] = {}
    for index in rng.permutation(len(cell.chromosomes)):
        chromosome = cell.chromosomes[index]
        image = warp(
            chromosome.image,
            scale,
            angle=rng.normal(0, style.rotation),
            bend=rng.normal(0, style.bend),
            mirror=rng.random() < style.mirror,
        )
        if style.rim or style.chromosome_blur > 0.25:
            pad = style.rim + int(np.ceil(2 * style.chromosome_blur)) + 1
            image = cv2.copyMakeBorder(image, *[pad] * 4, cv2.BORDER_CONSTANT, value=255)
            if style.rim:
                mask = (image < 245).astype(np.uint8)
                kernel = np.ones((2 * style.rim + 1,) * 2, np.uint8)
                image = np.where(
                    (cv2.dilate(mask, kernel) > 0) & (mask == 0), np.uint8(style.rim_grey), image
                )
            if style.chromosome_blur > 0.25:
                image = cv2.GaussianBlur(image, (0, 0), style.chromosome_blur)
        found.setdefault(chromosome.name, []).append(crop(cv2.LUT(image, tones)))
    return found


def _scale(cell: Cell, style: Style) -> float:
    """Factor from the cell's pixels to the page's.

    A laboratory enlarges by what fills the form: slender, early chromosomes come out longer than
    stout ones, but less than their proportions alone would make them.
    """
    length = length_unit(cell.chromosomes) * RELATIVE_LENGTH["1"]
    widths = [chromosome.image.shape[1] for chromosome in cell.chromosomes]
    slender = 0.25 * length / np.percentile(widths, 30) if widths else 1.0
    return style.chr1 * style.width / length * float(np.clip(slender**0.4, 0.8, 1.3))


def _tones(style: Style) -> np.ndarray:
    lightness = (np.arange(256) / 255) ** style.gamma
    toned = 255 * (1 - style.contrast * (1 - lightness))
    return np.clip(np.rint(toned), 0, 255).astype(np.uint8)


def _above(name: str, height: int, style: Style) -> float:
    """Pixels of a chromosome above its row's common line."""
    share = {"bottom": 1.0, "centromere": CENTROMERE[name], "middle": 0.5}[style.align]
    return share * height


def _reach(
    row: Row, ink: dict[str, list[np.ndarray]], style: Style, empty: float
) -> tuple[float, float]:
    heights = [(s.name, image.shape[0]) for s in row.slots for image in ink.get(s.name, ())]
    if not heights:
        return empty, 0.0
    ups = [_above(name, h, style) for name, h in heights]
    return max(ups), max(h - up for (_, h), up in zip(heights, ups, strict=True))


def _annotate(
    row: Row,
    style: Style,
    bottom: float,
    height: int,
    page_width: int,
    marks: list[tuple[np.ndarray, int, int]],
    rules: list[tuple[int, int, int]],
) -> float:
    """Add the row's labels and rules under `bottom`; return where the next row may begin."""
    y = bottom + max(2.0, style.label_gap * style.width)
    if style.rule in ("pair", "row"):
        spans = [(s.x, s.x + s.width) for s in row.slots]
        if style.rule == "row":
            spans = [(block[0].x, block[-1].x + block[-1].width) for block in row.blocks]
        rules.extend((round(y), round(x0), round(x1)) for x0, x1 in spans)
        y += style.rule_width + max(2.0, style.label_gap * style.width)
    lines: list[tuple[str, float]] = []
    if style.label != "none":
        lines = _labels(row, style)
        for line, centre in lines:
            mark = letters(line, style.font, height)
            left = min(max(1, round(centre - mark.shape[1] / 2)), page_width - mark.shape[1] - 1)
            marks.append((mark, left, round(y)))
        y += 1.25 * height
    if style.letters:
        for letter, centre in _group_letters(row):
            mark = letters(letter, style.font, height)
            marks.append((mark, round(centre - mark.shape[1] / 2), round(y + 0.3 * height)))
        y += 1.6 * height
    return y + style.row_gap * style.width


def _group_letters(row: Row) -> list[tuple[str, float]]:
    """Each Denver group of the row and the middle of its slots; sex chromosomes have no letter."""
    spans: dict[str, tuple[float, float]] = {}
    for slot in row.slots:
        if slot.name not in ("X", "Y", MARKER):
            start, _ = spans.get(_GROUP_OF[slot.name], (slot.x, 0.0))
            spans[_GROUP_OF[slot.name]] = (start, slot.x + slot.width)
    return [(letter, (start + end) / 2) for letter, (start, end) in spans.items()]


def _labels(row: Row, style: Style) -> list[tuple[str, float]]:
    centre = {slot.name: slot.x + slot.width / 2 for slot in row.slots}
    labels = []
    for name, middle in centre.items():
        if name in ("X", "Y") and style.sex_label != "separate":
            if name == "X":
                word = "sex" if style.sex_label == "sex" else "X  Y"
                labels.append((word, (middle + centre.get("Y", middle)) / 2))
            continue
        group = _GROUP_OF.get(name)
        with_group = style.label == "group" and name not in ("X", "Y", MARKER)
        labels.append((f"{group} {name}" if with_group else name, middle))
    return labels

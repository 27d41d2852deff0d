"""A karyogram from the chromosomes of one cell, with the truth about every one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screening.classes import CHROMOSOMES, DENVER_GROUPS, MARKER
from screening.karyogram.layout import CENTROMERE
from screening.karyogram.text import letters, stamp
from screening.synthesis.arrow import draw_arrow, underline
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.paper import develop
from screening.synthesis.placement import Row, place
from screening.synthesis.render import render
from screening.synthesis.style import Style

_GROUP_OF = {name: letter for letter, names in DENVER_GROUPS.items() for name in names}


@dataclass(frozen=True)
class Box:
    """One chromosome's tight box in pixels, its true class and the slot in which it stands.

    `derived`: the ISCN name of a rearranged chromosome, else "".
    """

    name: str
    x: int
    y: int
    w: int
    h: int
    slot: str
    derived: str = ""


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
    """A composed picture uint8 (h, w) and its truth; `slots` are the 24 classes in order.

    `laid`: each chromosome's picture uint8 (h, w) with its left and top on the page, in the order
    in which they were laid down, before the page was developed.
    """

    image: np.ndarray
    boxes: tuple[Box, ...]
    slots: tuple[SlotBox, ...]
    iscn: str
    label: str
    laid: tuple[tuple[np.ndarray, int, int], ...] = ()


def compose(cell: Metaphase, style: Style, rng: np.random.Generator) -> Karyogram:
    """Return the karyogram of `cell` in the look of `style`; any number of homologs composes.

    One scale for the whole cell, so that relative sizes stay true. `rng` decides the order of
    homologs, small rotations, bends and the noise: the same state gives the same picture.
    """
    rendered = render(cell, style, rng)
    ink = {name: [image for image, _ in pictures] for name, pictures in rendered.items()}
    derived = {name: [iscn for _, iscn in pictures] for name, pictures in rendered.items()}
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
            stood = []
            for image, left in zip(ink.get(slot.name, ()), slot.lefts, strict=True):
                top = axis - _above(slot.name, image.shape[0], style)
                top += rng.normal(0, style.shift_jitter * unit)
                stood.append((image, round(max(1.0, left)), round(max(1.0, top))))
            leaned = _leaned(stood, style, unit, rng)
            for (image, left, top), iscn in zip(leaned, derived.get(slot.name, ()), strict=True):
                h, w = image.shape
                pastes.append((image, left, top))
                boxes.append(Box(slot.name, left, top, w, h, slot.name, iscn))
                region = [min(region[0], left), min(region[1], top),
                          max(region[2], left + w), max(region[3], top + h)]  # fmt: skip
            if slot.name in CHROMOSOMES:
                x0, y0 = int(np.floor(region[0])), int(np.floor(region[1]))
                x1, y1 = int(np.ceil(region[2])), int(np.ceil(region[3]))
                slots[slot.name] = SlotBox(slot.name, x0, y0, x1 - x0, y1 - y0)
        bottom = max([y + up + down, *(t + image.shape[0] for image, _, t in pastes)])
        shift = rng.normal(0, style.label_jitter * unit, len(row.slots))
        y = _annotate(row, style, bottom, label_height, page_width, shift, marks, rules)
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
        _lay(page, image, left, top)
    for mark, left, top in marks:
        stamp(page, mark, left, top)
    for at, x0, x1 in rules:
        window = page[at : at + style.rule_width, max(0, x0) : x1]
        np.minimum(window, style.rule_grey, out=window)
    _draw_in(page, boxes, tuple(slots.values()), style, rng)
    order = {name: index for index, name in enumerate((*CHROMOSOMES, MARKER))}
    return Karyogram(
        image=develop(page, style, rng),
        boxes=tuple(sorted(boxes, key=lambda box: (order[box.name], box.x))),
        slots=tuple(slots[name] for name in CHROMOSOMES),
        iscn=cell.iscn,
        label=cell.label,
        laid=tuple(pastes),
    )


def _lay(page: np.ndarray, image: np.ndarray, left: int, top: int) -> None:
    """Lay a chromosome onto the page, in place: where two overlap, light passes through both."""
    window = page[top : top + image.shape[0], left : left + image.shape[1]]
    part = image[: window.shape[0], : window.shape[1]]
    window[:] = (window.astype(np.uint16) * part // 255).astype(np.uint8)


def _leaned(
    stood: list[tuple[np.ndarray, int, int]],
    style: Style,
    unit: float,
    rng: np.random.Generator,
) -> list[tuple[np.ndarray, int, int]]:
    """One slot's chromosomes (picture, left, top), some moved until their ink touches or overlaps.

    Bent ones then reach into one another's boxes, as they do on real pages.
    """
    if not style.lean:
        return stood
    moved, total = [stood[0]] if stood else [], 0
    for image, left, top in stood[1:]:
        left += total
        if rng.random() < style.lean:
            before, clear = moved[-1], rng.uniform(-0.3, 0.12) * unit
            shift = round(clear - _clearance(before, (image, left, top)))
            deepest = -round(0.55 * min(image.shape[1], before[0].shape[1]))
            box_gap = left - before[1] - before[0].shape[1]
            shift = min(0, max(shift, deepest - box_gap))
            left, total = left + shift, total + shift
        moved.append((image, left, top))
    return [(image, left - total // 2, top) for image, left, top in moved]


def _clearance(a: tuple[np.ndarray, int, int], b: tuple[np.ndarray, int, int]) -> int:
    """Least white between the ink of `a` and of `b` to its right, pixels over all common rows."""
    top, bottom = max(a[2], b[2]), min(a[2] + a[0].shape[0], b[2] + b[0].shape[0])
    gap = b[1] - a[1] - a[0].shape[1]
    if bottom <= top:
        return gap
    ink_a = a[0][top - a[2] : bottom - a[2]] < 245
    ink_b = b[0][top - b[2] : bottom - b[2]] < 245
    both = ink_a.any(1) & ink_b.any(1)
    if not both.any():
        return gap
    return gap + int((ink_a[both, ::-1].argmax(1) + ink_b[both].argmax(1)).min())


def _draw_in(
    page: np.ndarray,
    boxes: list[Box],
    slots: tuple[SlotBox, ...],
    style: Style,
    rng: np.random.Generator,
) -> None:
    """Add arrows and underlines by hand, in place, at chromosomes and slots chosen at random."""
    taken = page < 245
    for _ in range(style.arrows if boxes else 0):
        box = boxes[int(rng.integers(len(boxes)))]
        length = style.width * rng.uniform(0.025, 0.06)
        grey = int(rng.choice([0, 0, int(rng.integers(150))]))
        draw_arrow(page, taken, (box.x, box.y, box.w, box.h), length, grey, rng)
    for _ in range(style.underlines):
        slot = slots[int(rng.integers(len(slots)))]
        y = slot.y + slot.h + style.width * rng.uniform(0.002, 0.03)
        thickness = max(1, round(style.width * rng.uniform(0.001, 0.003)))
        underline(page, slot.x, slot.x + slot.w, y, thickness, rng)


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
    shift: np.ndarray,
    marks: list[tuple[np.ndarray, int, int]],
    rules: list[tuple[int, int, int]],
) -> float:
    """Add the row's labels and rules under `bottom`; return where the next row may begin."""
    y = bottom
    if style.rule in ("pair", "row", "line"):
        spans = [(s.x, s.x + s.width) for s in row.slots]
        if style.rule == "row":
            spans = [(block[0].x, block[-1].x + block[-1].width) for block in row.blocks]
        elif style.rule == "line":
            spans = [(0.5 * style.margin * page_width, (1 - 0.5 * style.margin) * page_width)]
        y += style.rule_gap * style.width
        rules.extend((round(y), round(x0), round(x1)) for x0, x1 in spans)
        y += style.rule_width
    y += style.label_gap * style.width
    lines: list[tuple[str, float]] = []
    if style.label != "none":
        lines = _labels(row, style)
        for (line, centre), aside in zip(lines, shift, strict=False):
            mark = letters(line, style.font, height)
            left = min(
                max(1, round(centre + aside - mark.shape[1] / 2)), page_width - mark.shape[1] - 1
            )
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

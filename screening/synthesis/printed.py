"""Pages as laboratories print them: what stands around a karyogram, and what files go through.

Drawn around (and, for hands and arrows, into) a composed karyogram; chromosomes are only moved
together with their page, so that order and truth stay. What is printed says nothing about the cell:
it is drawn without looking at it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from screening.images.foreground import INK
from screening.karyogram.text import PRINT_FONTS, letters, stamp
from screening.synthesis.compose import Karyogram, compose
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.paper import develop
from screening.synthesis.stationery import Strip, ink_of_table, logo, ruler, scribble, text_lines
from screening.synthesis.style import Style, random_style

AROUND = ("header", "result", "footer", "logo", "table", "ruler", "handwriting", "frame")
"""What is drawn onto the paper, from the inside outwards."""
LOOKS = ("arrows", "close", "stout", "slender", "small", "large")
"""What changes the karyogram's own look."""
FILES = ("halo", "twice", "window")
"""What happens to the file."""
KINDS = (*AROUND, *LOOKS, *FILES)


@dataclass(frozen=True, eq=False)
class PrintedPage:
    """A printed page: the `karyogram` with its truth on the whole page; `printed` bool (h, w),
    pixels that are print; `kinds` of print on it, some of `KINDS`."""

    karyogram: Karyogram
    printed: np.ndarray
    kinds: tuple[str, ...]


def random_kinds(rng: np.random.Generator) -> tuple[str, ...]:
    """Return what one laboratory's page has of `KINDS`, at least something around the karyogram."""
    share = {"header": 0.5, "result": 0.6, "footer": 0.35, "logo": 0.2, "table": 0.12,
             "ruler": 0.1, "handwriting": 0.15, "frame": 0.3, "arrows": 0.15, "close": 0.2,
             "stout": 0.2, "slender": 0.12, "small": 0.25, "large": 0.12, "halo": 0.2,
             "twice": 0.4, "window": 0.12}  # fmt: skip
    drawn = {kind for kind, p in share.items() if rng.random() < p}
    if "stout" in drawn:
        drawn.discard("slender")
    if "small" in drawn:
        drawn.discard("large")
    if not drawn & set(AROUND):
        drawn.add("result")
    return tuple(kind for kind in KINDS if kind in drawn)


def printed_style(kinds: Sequence[str], rng: np.random.Generator, style: Style) -> Style:
    """Return the style with the looks among `kinds`."""
    if "arrows" in kinds:
        style = replace(style, arrows=int(rng.integers(1, 4)))
    if "close" in kinds:
        bare = rng.random() < 0.5
        style = replace(
            style, row_gap=rng.uniform(0.0, 0.004), rule="none", letters=False,
            label="none" if bare else style.label, label_gap=rng.uniform(0.0, 0.003),
            label_size=max(6 / style.width, min(style.label_size, 0.011)),
        )  # fmt: skip
    if "stout" in kinds:
        style = replace(style, stout=rng.uniform(1.35, 1.8), bands=rng.uniform(0.5, 0.9))
    if "slender" in kinds:
        style = replace(style, stout=rng.uniform(0.6, 0.75))
    if "small" in kinds:
        style = replace(style, width=int(rng.integers(450, 560)))
    if "large" in kinds:
        style = replace(style, width=int(rng.integers(2000, 3001)))
    if {"small", "large"} & set(kinds):
        style = replace(style, blur=0.0, chromosome_blur=0.5, rule_width=1 + style.width // 1000)
    return replace(style, label_size=max(style.label_size, 6 / style.width))


def printed(
    cell: Metaphase,
    kinds: Sequence[str],
    rng: np.random.Generator,
    style: Style | None = None,
    result: str | None = None,
) -> PrintedPage:
    """Return the karyogram of `cell` on a printed page with these of `KINDS`.

    `style`: of the karyogram (one of `random_style` when None); `result`: what is printed as the
    karyotype, drawn at random when None. ValueError for an unknown kind.
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise ValueError(f"expected kinds of {', '.join(KINDS)}, received {sorted(unknown)}")
    style = printed_style(kinds, rng, style or random_style(rng))
    plain = replace(style, blur=0, paper=255, vignette=0, noise=0, jpeg=0, inverted=False)
    karyogram = compose(cell, plain, rng)
    sheet = _Sheet(karyogram, style, rng)
    text = result or _RESULTS[int(rng.integers(len(_RESULTS)))]
    for kind in AROUND:
        if kind in kinds:
            _PRINTERS[kind](sheet, text)
    if "halo" in kinds and style.paper > 245:
        style = replace(style, paper=int(rng.integers(215, 246)))  # on white none can be seen
    chromosomes = sheet.chromosomes()
    image = develop(sheet.page, style, rng)
    print_ = (sheet.page < INK) & ~chromosomes
    if "halo" in kinds:
        image = _halo(image, rng)
    if "twice" in kinds:
        image = _again(image, rng)
    x, y = sheet.x, sheet.y
    if "window" in kinds:
        image, (dx, dy) = _window(image, style, rng)
        border = np.ones(image.shape, bool)
        border[dy : dy + print_.shape[0], dx : dx + print_.shape[1]] = print_
        print_, x, y = border, x + dx, y + dy
    return PrintedPage(_moved(karyogram, image, x, y), print_, tuple(kinds))


def _moved(karyogram: Karyogram, image: np.ndarray, x: int, y: int) -> Karyogram:
    return replace(
        karyogram,
        image=image,
        boxes=tuple(replace(box, x=box.x + x, y=box.y + y) for box in karyogram.boxes),
        slots=tuple(replace(slot, x=slot.x + x, y=slot.y + y) for slot in karyogram.slots),
        laid=tuple((ink, left + x, top + y) for ink, left, top in karyogram.laid),
    )


_RESULTS = ("46,XX", "46,XY", "46,XX", "46,XY", "47,XX,+21", "47,XY,+18", "45,X", "46,XY,t(9;22)",
            "46,XX,del(5)(p15)", "47,XXY")  # fmt: skip
_NAMES = ("Meyer", "Okafor", "Silva", "Tanaka", "Novak", "Haddad", "Larsen", "Gupta", "Rossi")
_LABORATORIES = ("Institute of Human Genetics", "CYTOGENETICS LABORATORY", "Genetics Centre",
                 "Dept. of Medical Genetics", "Prenatal Diagnosis Unit", "GENLAB")  # fmt: skip


class _Sheet:
    """A page that grows outwards: `page` uint8 (h, w), the karyogram at (`x`, `y`) on it."""

    def __init__(self, karyogram: Karyogram, style: Style, rng: np.random.Generator) -> None:
        self.karyogram, self.rng = karyogram, rng
        self.page, self.x, self.y = karyogram.image.copy(), 0, 0
        self.width = style.width
        self.font = str(rng.choice(list(PRINT_FONTS) + ["sans", "sans-bold", "plain", "mono"]))
        self.letter = max(7, round(style.width * rng.uniform(0.011, 0.024)))

    def grow(self, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> None:
        """Add white on some sides."""
        self.page = cv2.copyMakeBorder(
            self.page, top, bottom, left, right, cv2.BORDER_CONSTANT, value=255
        )
        self.x, self.y = self.x + left, self.y + top

    def add(self, strip: Strip, above: bool) -> None:
        """Add a strip of the page's width above or under what is there."""
        outside, inside = (round(self.letter * r) for r in self.rng.uniform(0.3, 1.6, 2))
        height = outside + strip.height + inside
        at = outside if above else self.page.shape[0] + inside
        self.grow(top=height if above else 0, bottom=0 if above else height)
        for ink, x, y in strip.placed(self.page.shape[1]):
            stamp(self.page, ink, x, at + y)

    def chromosomes(self) -> np.ndarray:
        """Return bool (h, w): where a chromosome's ink lies."""
        found = np.zeros(self.page.shape, bool)
        for ink, left, top in self.karyogram.laid:
            at = found[top + self.y :, left + self.x :][: ink.shape[0], : ink.shape[1]]
            at |= (ink < INK)[: at.shape[0], : at.shape[1]]
        return found


def _header(sheet: _Sheet, _: str) -> None:
    rng = sheet.rng
    left = [
        str(rng.choice(_LABORATORIES)),
        f"Patient: {rng.choice(_NAMES)}, {rng.choice(list('ABEKMSZ'))}.",
        f"Case: {rng.integers(10, 27)}-{rng.integers(100, 9999)}",
        f"Slide {rng.integers(1, 9)}  Cell {rng.integers(1, 40)}",
    ][: rng.integers(1, 5)]
    right = [_date(rng), "GTG 450 bphs", f"Page {rng.integers(1, 4)}"][: rng.integers(0, 4)]
    sheet.add(text_lines(left, right, sheet.font, sheet.letter), above=True)


def _footer(sheet: _Sheet, _: str) -> None:
    rng = sheet.rng
    left = [
        f"Metaphase {rng.integers(1, 60)}   x{rng.choice([630, 1000])}",
        f"Analysed by {rng.choice(_NAMES)}   {_date(rng)}",
        "This report is confidential.",
    ][: rng.integers(1, 4)]
    right = [f"{rng.integers(1, 4)} / 4"] if rng.random() < 0.4 else []
    sheet.add(text_lines(left, right, sheet.font, sheet.letter), above=False)


def _result(sheet: _Sheet, text: str) -> None:
    rng = sheet.rng
    before = str(rng.choice(["", "", "Result: ", "Karyotype: ", "ISCN: ", "KARYOTYPE  "]))
    font = str(rng.choice([sheet.font, "sans-bold", "print-sans-bold", "print-serif-bold"]))
    height = max(8, round(sheet.letter * rng.uniform(1.0, 2.4)))
    place = str(rng.choice(["left", "left", "centre", "right"]))
    at = {"left": 0.03, "centre": 0.36, "right": -0.03}[place]
    strip = Strip(((letters(before + text, font, height), at, 0),), height + height // 2)
    sheet.add(strip, above=rng.random() < 0.4)


def _logo(sheet: _Sheet, _: str) -> None:
    size = round(sheet.letter * sheet.rng.uniform(2.5, 5))
    mark = logo(size, sheet.rng)
    at = float(sheet.rng.choice([0.02, 0.45, 0.85]))
    sheet.add(Strip(((mark, at, 0),), mark.shape[0]), above=sheet.rng.random() < 0.7)


def _table(sheet: _Sheet, _: str) -> None:
    rng = sheet.rng
    rows = [("Cells", "20"), ("Bands", "450"), ("Culture", "72 h"), ("Stain", "GTG"),
            ("Sex", "-"), ("Model", "NIK-E"), ("Count", "46"), ("Score", "A")]  # fmt: skip
    chosen = rows[: int(rng.integers(3, len(rows) + 1))]
    table = ink_of_table(chosen, sheet.font, sheet.letter, rng)
    gap = 2 * sheet.letter
    if rng.random() < 0.6:
        sheet.grow(right=table.shape[1] + 2 * gap)
        x = sheet.page.shape[1] - table.shape[1] - gap
        short = max(0, table.shape[0] + 2 * gap - sheet.page.shape[0])
        sheet.grow(bottom=short)
        y = int(rng.integers(gap, max(gap + 1, sheet.page.shape[0] - table.shape[0] - gap + 1)))
        stamp(sheet.page, table, x, y)
    else:
        at = float(rng.choice([0.03, 0.3, 0.55]))
        sheet.add(Strip(((table, at, 0),), table.shape[0] + gap), above=False)


def _ruler(sheet: _Sheet, _: str) -> None:
    rng = sheet.rng
    if rng.random() < 0.5:
        bar = ruler(round(sheet.width * rng.uniform(0.08, 0.2)), sheet.letter, sheet.font, rng)
        strip = Strip(((bar, float(rng.choice([0.03, 0.75])), 0),), bar.shape[0] + sheet.letter)
        sheet.add(strip, above=False)
        return
    side = ruler(round(sheet.page.shape[0] * 0.85), sheet.letter, "", rng).T
    sheet.grow(left=side.shape[1] + 2 * sheet.letter)
    stamp(sheet.page, side, sheet.letter, round(sheet.page.shape[0] * 0.07))


def _handwriting(sheet: _Sheet, _: str) -> None:
    rng = sheet.rng
    for _number in range(int(rng.integers(1, 3))):
        mark = scribble(round(sheet.letter * rng.uniform(1.2, 2.2)), rng)
        free = _free_place(sheet.page, mark.shape, rng)
        if free is None or rng.random() < 0.3:
            at = rng.uniform(0.05, 0.6)
            sheet.add(Strip(((mark, at, 0),), mark.shape[0]), above=rng.random() < 0.4)
        else:
            stamp(sheet.page, mark, *free)


def _free_place(
    page: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return (x, y) where a mark of `shape` covers nothing, None where the page has no room."""
    h, w = shape
    if h + 2 >= page.shape[0] or w + 2 >= page.shape[1]:
        return None
    ink = cv2.integral((page < INK).astype(np.uint8))
    for _ in range(60):
        x, y = int(rng.integers(page.shape[1] - w)), int(rng.integers(page.shape[0] - h))
        if ink[y + h, x + w] - ink[y, x + w] - ink[y + h, x] + ink[y, x] == 0:
            return x, y
    return None


def _frame(sheet: _Sheet, _: str) -> None:
    rng = sheet.rng
    gap = round(sheet.width * rng.uniform(0.004, 0.025))
    line = max(1, round(sheet.width * rng.uniform(0.001, 0.005)))
    sheet.grow(*(gap + 2 * line,) * 4)
    lines = 2 if rng.random() < 0.25 else 1
    outside = round(sheet.width * rng.uniform(0, 0.03)) if rng.random() < 0.6 else 0
    grey = int(rng.choice([0, 0, 60, 120]))
    h, w = sheet.page.shape
    for k in range(lines):
        inset = k * 2 * line + line // 2
        cv2.rectangle(sheet.page, (inset, inset), (w - 1 - inset, h - 1 - inset), grey, line)
    sheet.grow(*(outside,) * 4)


def _date(rng: np.random.Generator) -> str:
    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(1998, 2026)
    form = str(rng.choice(["{:02d}.{:02d}.{}", "{:02d}/{:02d}/{}", "{:02d}-{:02d}-{}"]))
    return form.format(day, month, year)


_PRINTERS: dict[str, Callable[[_Sheet, str], None]] = {
    "header": _header, "result": _result, "footer": _footer, "logo": _logo, "table": _table,
    "ruler": _ruler, "handwriting": _handwriting, "frame": _frame,
}  # fmt: skip


def _halo(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture sharpened by an unsharp mask until light rims stand around dark ink."""
    sigma = rng.uniform(0.8, 2.2) * image.shape[1] / 900
    soft = cv2.GaussianBlur(image, (0, 0), max(0.6, sigma))
    amount = rng.uniform(0.5, 1.8)
    return cv2.addWeighted(image, 1 + amount, soft, -amount, 0)


def _again(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture saved as JPEG once more, its blocks elsewhere than the first time."""
    shift = int(rng.integers(1, 8))
    wider = cv2.copyMakeBorder(image, shift, 0, shift, 0, cv2.BORDER_REPLICATE)
    for quality in rng.integers(35, 85, 2):
        _, buffer = cv2.imencode(".jpg", wider, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
        decoded = cv2.imdecode(buffer, cv2.IMREAD_GRAYSCALE)
        assert decoded is not None, "just encoded"
        wider = decoded
    return np.ascontiguousarray(wider[shift:, shift:])


def _window(
    image: np.ndarray, style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return (the picture in a program's window, where on it the picture lies)."""
    bar = max(16, round(style.width * rng.uniform(0.02, 0.035)))
    edge = int(rng.integers(1, 7))
    chrome, ink = (int(rng.integers(190, 240)), 20) if rng.random() < 0.6 else (60, 235)
    tools = bar + 6 if rng.random() < 0.4 else 0
    foot = bar if rng.random() < 0.4 else edge
    top = bar + tools
    page = cv2.copyMakeBorder(image, top, foot, edge, edge, cv2.BORDER_CONSTANT, value=chrome)
    mask = np.full(page.shape, 255, np.uint8)
    title = str(rng.choice(["Karyotyper - [cell.kar]", "Image viewer", "case.jpg - Preview"]))
    stamp(mask, letters(title, "sans", max(7, bar // 3)), bar // 2, bar // 3)
    for k in range(3):
        x = page.shape[1] - (k + 1) * bar
        cv2.rectangle(mask, (x, bar // 3), (x + bar // 3, 2 * bar // 3), 0, 1)
    for k in range(int(rng.integers(4, 12)) if tools else 0):
        cv2.rectangle(mask, (6 + k * tools, bar + 3), (k * tools + tools, top - 3), 0, 1)
    page[mask < 128] = ink
    page[: bar // 8 + 1] = ink
    return page, (edge, top)

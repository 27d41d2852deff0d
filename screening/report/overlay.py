"""Boxes over a karyogram's thumbnail, one for each chromosome found, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from screening import words
from screening.classes import MARKER, NOT_A_CHROMOSOME
from screening.languages.spoken import said, told
from screening.record import Chromosome, Reading

_LETTERS = 0.028  # of the thumbnail's width: height of the letters at noteworthy chromosomes
_CHANGES = {
    "gain": "more of this class than expected",
    "loss": "fewer of this class than expected",
}


def overlay(reading: Reading, size: tuple[int, int]) -> Markup:
    """Return an SVG to lay over a thumbnail of `size` (width, height) px; empty for size 0.

    Each box has a hover text: class, probability, position. Noteworthy ones are drawn last, over
    the others, with the class above them. The box's class is its state, for the style sheet: `gain`
    or `loss`, else `misplaced`, else `fine`, and `doubtful` besides.
    """
    width, height = size
    if not (width and height and reading.chromosomes):
        return Markup("")
    kinds = [(one, _kind(one, reading.gains_and_losses)) for one in reading.chromosomes]
    ordered = sorted(kinds, key=lambda pair: (pair[1] != "fine", pair[0].x))
    boxes: list[Markup] = []
    labelled: list[tuple[str, tuple[float, float, float]]] = []
    for one, kind in ordered:
        boxes.append(_box(one, kind, reading.gains_and_losses, width, height))
        if kind != "fine":
            label, at = _label(one, width, height)
            # Three chromosomes 21 side by side would print one label over the other.
            if not any(label == other and _touch(at, there) for other, there in labelled):
                boxes.append(_text(label, kind, at))
                labelled.append((label, at))
    return Markup(
        '<svg class="boxes" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{boxes}</svg>'
    ).format(
        w=width,
        h=height,
        label=told(
            "{n:n} {n?chromosome|chromosomes} found, {odd:n} of them noteworthy",
            n=len(kinds),
            odd=sum(kind != "fine" for _, kind in kinds),
        ),  # fmt: skip
        boxes=Markup("").join(boxes),
    )


def described(one: Chromosome, changes: Sequence[str]) -> str:
    """Return what is known of one chromosome in words, for the hover text."""
    parts = [
        f"chromosome {one.name}, probability {words.probability(one.probability)}"
        if one.name != NOT_A_CHROMOSOME
        else "reads as no class"
    ]
    if one.position:
        own = ", not its own" if one.misplaced else ""
        parts.append(f"stands in position {one.position}{own}")
    change = change_of(one, changes)
    if change:
        parts.append(_CHANGES[change])
    if one.doubtful:
        parts.append("doubtful to read")
    return "; ".join(parts)


def change_of(one: Chromosome, changes: Sequence[str]) -> str:
    """Return "gain" or "loss" when the cell has more or fewer of its class than a normal one."""
    # A chromosome without a name may be the marker that the karyotype speaks of.
    name = MARKER if one.name == NOT_A_CHROMOSOME else one.name
    return "gain" if f"+{name}" in changes else "loss" if f"-{name}" in changes else ""


def _kind(one: Chromosome, changes: Sequence[str]) -> str:
    state = change_of(one, changes) or ("misplaced" if one.misplaced else "")
    return " ".join(filter(None, (state, "doubtful" if one.doubtful else ""))) or "fine"


def _box(one: Chromosome, kind: str, changes: Sequence[str], width: int, height: int) -> Markup:
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
        "<title>{}</title></rect>"
    ).format(
        kind,
        one.x * width,
        one.y * height,
        one.w * width,
        one.h * height,
        said(described(one, changes)),
    )


def _label(one: Chromosome, width: int, height: int) -> tuple[str, tuple[float, float, float]]:
    """The class, with "?" when doubtful, and its middle, base line and height of letters."""
    letters = _LETTERS * width
    y = one.y * height
    # Above the box, or inside it at the top of the page.
    baseline = y - 0.25 * letters if y > 1.3 * letters else y + letters
    mark = "?" if one.doubtful and one.name != NOT_A_CHROMOSOME else ""
    return one.name + mark, ((one.x + one.w / 2) * width, baseline, letters)


def _touch(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    letters = one[2]
    return abs(one[0] - other[0]) < 1.5 * letters and abs(one[1] - other[1]) < letters


def _text(label: str, kind: str, at: tuple[float, float, float]) -> Markup:
    return Markup(
        '<text class="{}" x="{:.1f}" y="{:.1f}" font-size="{:.1f}" text-anchor="middle">{}</text>'
    ).format(kind, *at, label)

"""Boxes over a karyogram's thumbnail, one for each chromosome found, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from screening.report.view import ChromosomeView

_LETTERS = 0.028  # of the thumbnail's width: height of the letters at noteworthy chromosomes
_CHANGES = {
    "gain": "more of this class than expected",
    "loss": "fewer of this class than expected",
}


def overlay(chromosomes: Sequence[ChromosomeView], size: tuple[int, int]) -> Markup:
    """Return an SVG to lay over a thumbnail of `size` (width, height) px; empty for size 0.

    Each box has a hover text: class, probability, slot. Noteworthy ones are drawn last, over the
    others, with the class above them. The box's class is its state, for the style sheet: `gain` or
    `loss`, else `missorted`, else `fine`, and `doubtful` besides.
    """
    width, height = size
    if not (width and height and chromosomes):
        return Markup("")
    ordered = sorted(chromosomes, key=lambda one: _kind(one) != "fine")
    return Markup(
        '<svg class="boxes" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{boxes}</svg>'
    ).format(
        w=width,
        h=height,
        label=f"{len(chromosomes)} chromosomes found, "
        f"{sum(_kind(one) != 'fine' for one in chromosomes)} of them noteworthy",
        boxes=Markup("").join(_box(one, width, height) for one in ordered),
    )


def described(one: ChromosomeView) -> str:
    """Return what is known of one chromosome in words, for the hover text."""
    parts = [
        f"chromosome {one.name}, probability {one.probability:.2f}"
        if one.name != "?"
        else "reads as no class"
    ]
    if one.slot:
        parts.append(f"stands in slot {one.slot}" + (", not its own" if one.missorted else ""))
    if one.change:
        parts.append(_CHANGES[one.change])
    if one.doubtful:
        parts.append("doubtful to read")
    return "; ".join(parts)


def _kind(one: ChromosomeView) -> str:
    state = one.change or ("missorted" if one.missorted else "")
    return " ".join(filter(None, (state, "doubtful" if one.doubtful else ""))) or "fine"


def _box(one: ChromosomeView, width: int, height: int) -> Markup:
    kind = _kind(one)
    x, y, w, h = one.x * width, one.y * height, one.w * width, one.h * height
    box = Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
        "<title>{}</title></rect>"
    ).format(kind, x, y, w, h, described(one))
    if kind == "fine":
        return box
    letters = _LETTERS * width
    # Above the box, or inside it at the top of the page.
    baseline = y - 0.25 * letters if y > 1.3 * letters else y + letters
    mark = "" if not one.doubtful or one.name == "?" else "?"
    return box + Markup(
        '<text class="{}" x="{:.1f}" y="{:.1f}" font-size="{:.1f}" text-anchor="middle">{}{}</text>'
    ).format(kind, x + w / 2, baseline, letters, one.name, mark)

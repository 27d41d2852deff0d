"""Where each chromosome of a composed karyogram stands: rows and slots, without any pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from screening.classes import MARKER
from screening.karyogram.layout import LAYOUTS
from screening.synthesis.style import Style

_LEAST_SLOT_GAP = 0.35  # widths; under it neighbouring pairs run into one another
_TIGHTEST_HOMOLOGS = (-0.05, -0.2)  # widths; what a crowded row is squeezed to


@dataclass(frozen=True)
class Slot:
    """One class's place: horizontal span and the x of each of its chromosomes, pixels (float)."""

    name: str
    x: float
    width: float
    lefts: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """One row: its slots from left to right, grouped in blocks as in `LAYOUTS`."""

    blocks: tuple[tuple[Slot, ...], ...]

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Return all slots of the row from left to right."""
        return tuple(slot for block in self.blocks for slot in block)


def place(
    widths: Mapping[str, Sequence[float]], style: Style, rng: np.random.Generator, unit: float
) -> tuple[int, tuple[Row, ...]]:
    """Return (page width in pixels, rows) for chromosomes of the given widths per class.

    `unit` is the median chromosome width in pixels. Slots of pairs have a nominal width that does
    not depend on what stands in them, so that a monosomy leaves a gap; more chromosomes widen
    theirs. A crowded row is squeezed until homologs overlap by a fifth; only then the page grows.
    """
    rows = list(LAYOUTS[style.layout])
    if widths.get(MARKER):
        rows[-1] = (*rows[-1][:-1], (*rows[-1][-1], MARKER))
    gaps: dict[str, Sequence[float]] = {
        name: rng.normal(0, style.gap_jitter, max(0, len(w) - 1)).tolist()
        for name, w in widths.items()
    }
    inner = style.width * (1 - 2 * style.margin)
    measured = []
    for blocks in rows:
        names = [name for block in blocks for name in block]
        for gap in (style.homolog_gap, *_TIGHTEST_HOMOLOGS):
            spans = {n: _span(n, widths.get(n, ()), gaps.get(n, ()), gap, unit) for n in names}
            total = sum(span for span, _ in spans.values())
            if total + (len(names) - 1) * _LEAST_SLOT_GAP * unit <= inner:
                break
        measured.append((blocks, spans, total, len(names)))
    least = max(total + (n - 1) * _LEAST_SLOT_GAP * unit for _, _, total, n in measured)
    page = max(style.width, int(np.ceil(least / (1 - 2 * style.margin))))
    inner, left = page * (1 - 2 * style.margin), page * style.margin
    # The row with least room sets the pitch of all, as on a printed form.
    pitch = min((inner - total) / max(1, n - 1) for _, _, total, n in measured)
    placed = []
    for blocks, spans, total, n in measured:
        if len(blocks) == 1 and style.justify and n > 4:
            within, between = (inner - total) / max(1, n - 1), 0.0
        else:
            even = (inner - total) / max(1, n - 1)
            within = min(even, max(pitch, 1.2 * unit)) if style.justify else min(pitch, 1.2 * unit)
            rest = inner - total - within * (n - len(blocks))
            between = rest / max(1, len(blocks) - 1) if style.justify else 2.2 * within
        x, placed_blocks = left, []
        if style.layout == "five" and len(blocks) == 1 and n <= 3:
            x = left + inner - total - within * (n - 1)  # the sex row stands on the right
        for block in blocks:
            slots = []
            for name in block:
                span, lefts = spans[name]
                slots.append(_slot(name, x, span, lefts, widths.get(name, ()), style))
                x += span + within
            x += between - within
            placed_blocks.append(tuple(slots))
        placed.append(Row(tuple(placed_blocks)))
    return page, tuple(placed)


def _span(
    name: str, widths: Sequence[float], jitter: Sequence[float], gap: float, unit: float
) -> tuple[float, tuple[float, ...]]:
    lefts, x = [], 0.0
    for index, width in enumerate(widths):
        if index:
            # Never further than 30 % of a chromosome into its neighbour: a lab would move it.
            x += max(-0.3, gap + jitter[index - 1]) * unit
        lefts.append(x)
        x += width
    nominal = unit * (1.2 if name in ("Y", MARKER) else 2 + max(0.0, gap))
    return max(x, nominal), tuple(lefts)


def _slot(
    name: str, x: float, span: float, lefts: Sequence[float], widths: Sequence[float], style: Style
) -> Slot:
    used = lefts[-1] + widths[-1] if widths else 0.0
    indent = (span - used) / 2
    if len(widths) == 1 and style.single == "left" and name not in ("X", "Y", MARKER):
        indent = 0.0
    return Slot(name, x, span, tuple(x + indent + each for each in lefts))

"""Pictures of what the reader of structure finds, misses and doubts in vain.

Both homologs side by side, drawn of the strips that it reads, not of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import matplotlib
import numpy as np
from scipy.special import expit
from structure_tables import Cell, Told, whole

from screening.models.structure import ROW
from screening.train.structure import predict
from screening.train.structure_pages import UNTOUCHED, Strips

matplotlib.use("Agg")
import matplotlib.pyplot as plt

MANY = 10
_LARGE = 0.25
_RATE = 1  # of `structure_tables.RATES`: 5 %
_TRUE, _READ = "#b3261e", "#d98200"
LEGEND = (
    "Each pair as the reader sees it, the short arm up, at the scale of its class. Red outside a "
    "strip: rows that are truly changed (foreign, turned, doubled, or beside a loss). Orange "
    "inside: rows that the reader calls changed. Above: class, kind, changed part of the "
    "chromosome, log-odds of the pair."
)


@dataclass(frozen=True)
class Shown:
    """A pair to be drawn: whose set of pages it is of, its number there, and what is said of it."""

    how: str
    number: int
    caption: str


def chosen(told: Told, of: Sequence[str], rng: np.random.Generator) -> dict[str, list[Shown]]:
    """Return ten hits and ten misses of the sets `of`, at random among cells with a change of a
    quarter of a chromosome or more, each kind about as often, and the ten pairs of normal cells
    that come nearest to a false alarm or are one."""
    limit = told.limits[_RATE]
    large = [(how, cell) for how in of for cell in told.made[how] if cell.size >= _LARGE]
    found: dict[str, list[Shown]] = {}
    for what, raised in (("hits", True), ("misses", False)):
        own = [each for each in large if (whole(each[1], told.together) >= limit) == raised]
        found[what] = [_shown(how, cell) for how, cell in _mixed(own, rng)]
    quiet = [cell for cell in told.made["normal"] if cell.kind == UNTOUCHED]
    quiet.sort(key=lambda cell: -whole(cell, told.together))
    found["false_alarms"] = [_shown("normal", cell) for cell in quiet[:MANY]]
    return found


def draw(path: Path, reader: keras.Model, sets: dict[str, Strips], shown: Sequence[Shown]) -> None:
    """Write a PNG of these pairs."""
    figure, axes = plt.subplots(1, MANY, figsize=(13, 3.4), dpi=75, squeeze=False)
    for axis in axes[0]:
        axis.axis("off")
    for axis, one in zip(axes[0], shown, strict=False):
        strips = sets[one.how]
        pair = strips.pairs()[[one.number]]
        read = expit(predict(reader, strips, pair, (ROW,))[ROW][0])
        both = pair[0]
        ink = [255 - strips.strips[at] for at in both]
        rows, columns = ink[0].shape
        gap = 10
        page = np.full((rows, 2 * columns + gap), 255, np.uint8)
        page[:, :columns], page[:, columns + gap :] = ink
        axis.imshow(page, cmap="gray", vmin=0, vmax=255, aspect="equal")
        for side, at in enumerate(both):
            out = -2 if side == 0 else 2 * columns + gap + 1
            inner = columns + 1 if side == 0 else columns + gap - 2
            _marked(axis, out, strips.changed[at], _TRUE)
            _marked(axis, inner, np.repeat(read[side] >= 0.5, rows // read.shape[1]), _READ)
        axis.set_ylim(rows, 0)
        axis.set_xlim(-4, page.shape[1] + 3)
        axis.set_title(one.caption, fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def _marked(axis: plt.Axes, x: float, rows: np.ndarray, colour: str) -> None:
    axis.scatter(np.full(int(rows.sum()), x), np.flatnonzero(rows), s=3, c=colour, marker="s")


def _mixed(cells: list[tuple[str, Cell]], rng: np.random.Generator) -> list[tuple[str, Cell]]:
    """At random, first one of each kind, then a second of each."""
    order = [cells[i] for i in rng.permutation(len(cells))]
    seen: dict[str, int] = {}
    rank = []
    for _, cell in order:
        rank.append(seen.get(cell.kind, 0))
        seen[cell.kind] = rank[-1] + 1
    return [order[i] for i in np.argsort(rank, kind="stable")[:MANY]]


def _shown(how: str, cell: Cell) -> Shown:
    """The pair that says most of the changed ones, of a normal cell of all."""
    name = max(cell.changed or cell.pairs, key=lambda each: cell.pairs[each])
    size = f" {100 * cell.size:.0f} %" if cell.size else ""
    kind = cell.kind if cell.changed else "normal"
    return Shown(how, cell.number[name], f"{name}: {kind}{size}\n{cell.pairs[name]:+.1f}")

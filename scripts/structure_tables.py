"""Tables of structural changes found: by pair, and by cell at few false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from screening.bands import band_table
from screening.classes import CHROMOSOMES, DENVER_GROUPS
from screening.evidence.structure_cell import cell_doubt
from screening.metrics import auroc, markdown_table
from screening.train.structure_pages import KINDS, SHAM, UNTOUCHED, Strips

BANDS = ((0.05, 0.10), (0.10, 0.25), (0.25, 0.50), (0.50, 1.30))
"""Changed parts of a chromosome that are reported apart."""
RATES = (0.01, 0.05, 0.10)
"""False alarms per cell."""

MEGABASES = ((5, 10), (10, 20), (20, 40), (40, 80), (80, 300))
"""Changed lengths that are reported apart."""
_LARGE = 0.25
FEWEST = 8
"""Cells from which on a line is told."""


@dataclass(frozen=True)
class Cell:
    """A cell with one change: its kind, the largest changed part of a chromosome and that in
    `megabases`, the classes changed, the log odds of every pair by class, and of each the `number`
    of the pair. Without a change: the page's untouched pairs, as UNTOUCHED."""

    kind: str
    size: float
    megabases: float
    changed: tuple[str, ...]
    pairs: dict[str, float]
    number: dict[str, int]


def length_score(strips: Strips, pairs: np.ndarray) -> np.ndarray:
    """Return how far the lengths of each pair differ: a baseline."""
    return np.abs(strips.quality[pairs[:, 0], 0] - strips.quality[pairs[:, 1], 0])


def profile_score(strips: Strips, pairs: np.ndarray) -> np.ndarray:
    """Return 1 - correlation of the pair's band profiles, both stretched to one length."""
    profiles = np.zeros((len(strips), 64), np.float32)
    for number in np.unique(pairs):
        mean = strips.strips[number].astype(np.float32).sum(1)
        inside = np.flatnonzero(mean)
        if len(inside) > 4:
            at = np.linspace(inside[0], inside[-1], 64)
            row = np.interp(at, np.arange(len(mean)), mean)
            profiles[number] = (row - row.mean()) / max(float(row.std()), 1e-3)
    return 1 - (profiles[pairs[:, 0]] * profiles[pairs[:, 1]]).mean(1)


def single_cells(strips: Strips, pairs: np.ndarray, log_odds: np.ndarray) -> Iterator[Cell]:
    """Yield cells with one change each: a changed pair, or both pairs of a page's only
    translocation, among the unchanged pairs of its page; and each page without a change."""
    kinds, sizes = strips.kinds[pairs].max(1), strips.sizes[pairs].max(1)
    page = strips.pages[pairs[:, 0]]
    names = [CHROMOSOMES[index] for index in strips.classes[pairs[:, 0]]]
    for number in np.unique(page):
        here = np.flatnonzero(page == number)
        at = {names[k]: int(k) for k in here}
        quiet = {names[k]: log_odds[k] for k in here if KINDS[kinds[k]] in (UNTOUCHED, SHAM)}
        changed = [k for k in here if names[k] not in quiet]
        exchanged = [k for k in changed if KINDS[kinds[k]] == "t"]
        if not changed:
            yield Cell(UNTOUCHED, 0.0, 0.0, (), quiet, at)
        groups = [[k] for k in changed if k not in exchanged]
        for group in groups + [exchanged] * (len(exchanged) == 2):
            yield Cell(
                KINDS[kinds[group[0]]],
                float(sizes[group].max()),
                max(float(sizes[k]) * band_table()[names[k]].megabases for k in group),
                tuple(names[k] for k in group),
                quiet | {names[k]: log_odds[k] for k in group},
                at,
            )


@dataclass(frozen=True)
class Told:
    """What one score says of cells with one change: by `made` the cells of each set of pages,
    "normal" among them, and the `limits` above which so many normal ones lie as RATES say.
    `together`: the scores are log odds, weighed by `cell_doubt`; else the highest counts."""

    made: dict[str, list[Cell]]
    together: bool
    limits: tuple[float, ...]

    @classmethod
    def of(cls, sets: dict[str, Strips], scores: dict[str, np.ndarray], together: bool) -> Told:
        """Return it of the pairs of each set."""
        made = {how: list(single_cells(s, s.pairs(), scores[how])) for how, s in sets.items()}
        quiet = [whole(cell, together) for cell in made["normal"]]
        limits = tuple(float(np.quantile(quiet, 1 - rate)) for rate in RATES)
        return cls(made, together, limits)

    def raised(self, cells: Sequence[Cell]) -> list[str]:
        """Return the shares of the cells raised at each of RATES, and how many there are."""
        found = np.array([whole(cell, self.together) for cell in cells])
        return [*(f"{100 * np.mean(found > x):.0f} %" for x in self.limits), str(len(cells))]


def whole(cell: Cell, together: bool) -> float:
    """Return what the pairs of a cell say together."""
    return cell_doubt(cell.pairs).log_odds if together else max(cell.pairs.values())


def tables(sets: dict[str, Strips], scores: dict[str, np.ndarray], together: bool) -> list[str]:
    """Return the table of one score of the pairs of each set, "normal" among them.

    AUROC of changed pairs against the unchanged ones beside them (of shams against untouched
    pairs). Then the share of the cells that are raised where so many normal ones are: by
    `cell_doubt` when the scores are log odds (`together`), else by the highest score.
    """
    told = Told.of(sets, scores, together)
    rows: list[list[object]] = []
    for how, strips in sets.items():
        if how == "normal":
            continue
        kinds = strips.kinds[strips.pairs()].max(1)
        sizes = strips.sizes[strips.pairs()].max(1)
        sham, calm = kinds == KINDS.index(SHAM), kinds <= KINDS.index(SHAM)
        if sham.any():
            area = _auroc(scores[how][sham], scores["normal"])
            rows.append([how, SHAM, "all", int(sham.sum()), area, *[""] * len(RATES), ""])
        for number, kind in enumerate(KINDS):
            for low, high in BANDS if kind not in (UNTOUCHED, SHAM) else ():
                own = (kinds == number) & (sizes >= low) & (sizes < high)
                cells = [c for c in told.made[how] if c.kind == kind and low <= c.size < high]
                if len(cells) >= FEWEST:
                    area = _auroc(scores[how][own], scores[how][calm])
                    band = f"{100 * low:.0f}-{100 * min(high, 1):.0f} %"
                    rows.append([how, kind, band, int(own.sum()), area, *told.raised(cells)])
    head = ["made by", "kind", "changed", "pairs", "AUROC"]
    return [markdown_table([*head, *(f"at {100 * r:.0f} %" for r in RATES), "cells"], rows)]


def length_tables(told: Told, of: Sequence[str]) -> list[str]:
    """Return detection by changed length in megabases, by kind, and by class of at least a quarter
    of a chromosome, all kinds together, of the sets `of`; classes with few cells stand in their
    Denver group alone."""
    cells = [cell for how in of for cell in told.made[how] if cell.kind != UNTOUCHED]
    rates = [f"at {100 * r:.0f} %" for r in RATES]
    rows: list[list[object]] = []
    for kind in KINDS[2:]:
        for low, high in MEGABASES:
            own = [c for c in cells if c.kind == kind and low <= c.megabases < high]
            if len(own) >= FEWEST:
                far = f"{low}-{high} Mb" if high < MEGABASES[-1][1] else f"{low} Mb or more"
                rows.append([kind, far, *told.raised(own)])
    made = [markdown_table(["kind", "changed length", *rates, "cells"], rows), ""]
    large = [cell for cell in cells if cell.size >= _LARGE]
    rows = []
    for group, names in DENVER_GROUPS.items():
        own = [cell for cell in large if set(cell.changed) & set(names)]
        if own:
            rows.append([f"group {group} ({', '.join(names)})", *told.raised(own)])
        for name in names:
            own = [cell for cell in large if name in cell.changed]
            if len(own) >= FEWEST:
                rows.append([name, *told.raised(own)])
    said = f"Of changes of {100 * _LARGE:.0f} % of a chromosome or more, all kinds together:"
    return [*made, said, "", markdown_table(["class", *rates, "cells"], rows)]


def _auroc(positive: np.ndarray, negative: np.ndarray) -> str:
    labels = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    return f"{auroc(labels, np.r_[positive, negative]):.3f}"

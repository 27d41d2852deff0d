"""Tables of structural changes found: by pair, and by cell at few false alarms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from screening.classes import CHROMOSOMES
from screening.evidence.structure_cell import cell_doubt
from screening.metrics import auroc, markdown_table
from screening.train.structure_pages import KINDS, SHAM, UNTOUCHED, Strips

BANDS = ((0.05, 0.10), (0.10, 0.25), (0.25, 0.50), (0.50, 1.30))
"""Changed parts of a chromosome that are reported apart."""
RATES = (0.01, 0.05, 0.10)
"""False alarms per cell."""

Cell = tuple[str, float, dict[str, float]]


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
    """Yield (kind, changed part, log odds by class) of cells with one change each: a changed pair,
    or both pairs of a page's only translocation, among the unchanged pairs of its page. Of a page
    without a change: the page, as UNTOUCHED."""
    kinds, sizes = strips.kinds[pairs].max(1), strips.sizes[pairs].max(1)
    page = strips.pages[pairs[:, 0]]
    names = [CHROMOSOMES[index] for index in strips.classes[pairs[:, 0]]]
    for number in np.unique(page):
        here = np.flatnonzero(page == number)
        quiet = {names[k]: log_odds[k] for k in here if KINDS[kinds[k]] in (UNTOUCHED, SHAM)}
        changed = [k for k in here if names[k] not in quiet]
        exchanged = [k for k in changed if KINDS[kinds[k]] == "t"]
        if not changed:
            yield UNTOUCHED, 0.0, quiet
        if len(exchanged) == 2:
            yield (
                "t",
                float(sizes[exchanged].max()),
                quiet | {names[k]: log_odds[k] for k in exchanged},
            )
        for k in changed:
            if k not in exchanged:
                yield KINDS[kinds[k]], float(sizes[k]), quiet | {names[k]: log_odds[k]}


def tables(sets: dict[str, Strips], scores: dict[str, np.ndarray], together: bool) -> list[str]:
    """Return the table of one score of the pairs of each set, "normal" among them.

    AUROC of changed pairs against the unchanged ones beside them (of shams against untouched
    pairs). Then the share of the cells that are raised where so many normal ones are: by
    `cell_doubt` when the scores are log odds (`together`), else by the highest score.
    """

    def whole(pairs: dict[str, float]) -> float:
        return cell_doubt(pairs).log_odds if together else max(pairs.values())

    made = {how: list(single_cells(s, s.pairs(), scores[how])) for how, s in sets.items()}
    quiet = [whole(pairs) for _, _, pairs in made["normal"]]
    limits = [float(np.quantile(quiet, 1 - rate)) for rate in RATES]
    rows: list[list[object]] = []
    for how, strips in sets.items():
        if how == "normal":
            continue
        kinds = strips.kinds[strips.pairs()].max(1)
        sizes = strips.sizes[strips.pairs()].max(1)
        sham, calm = kinds == KINDS.index(SHAM), kinds <= KINDS.index(SHAM)
        area = _auroc(scores[how][sham], scores["normal"]) if sham.any() else ""
        rows.append([how, SHAM, "all", int(sham.sum()), area, *[""] * len(RATES), ""])
        for number, kind in enumerate(KINDS):
            for low, high in BANDS if kind not in (UNTOUCHED, SHAM) else ():
                own = (kinds == number) & (sizes >= low) & (sizes < high)
                raised = [whole(p) for k, size, p in made[how] if k == kind and low <= size < high]
                if len(raised) >= 8:
                    area = _auroc(scores[how][own], scores[how][calm])
                    band = f"{100 * low:.0f}-{100 * min(high, 1):.0f} %"
                    shares = [f"{100 * np.mean(np.array(raised) > x):.0f} %" for x in limits]
                    rows.append([how, kind, band, int(own.sum()), area, *shares, len(raised)])
    head = ["made by", "kind", "changed", "pairs", "AUROC"]
    return [markdown_table([*head, *(f"at {100 * r:.0f} %" for r in RATES), "cells"], rows)]


def _auroc(positive: np.ndarray, negative: np.ndarray) -> str:
    labels = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    return f"{auroc(labels, np.r_[positive, negative]):.3f}"

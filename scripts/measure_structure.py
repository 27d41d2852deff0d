"""Measure the reader of structure on unseen people and an unseen laboratory.

    python scripts/measure_structure.py --data ../shared/data --run runs/structure

Writes reports/structure.md. Rearrangements by the simulator and by structure_splicer.py, which no
training saw, on single pictures and on composed pages as the program finds them. The
strips are kept in RUN/measured; false alarms are counted over all pairs of a cell.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
from reproduce_structure import part_cells, settings
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from structure_splicer import by_pictures

from screening.build.data import records_of
from screening.bundle import default_bundle, load_bundle
from screening.classes import CHROMOSOMES, NORMAL, class_index
from screening.data.chromosomes import load_cell
from screening.data.split import TEST, VALIDATION
from screening.errors import ScreeningError
from screening.evidence.structure_path import read_path
from screening.karyogram.locate import Locator
from screening.metrics import auroc, markdown_table
from screening.models.structure import (
    DENSE,
    PAIR,
    PARTS,
    SINGLE,
    STEPS,
    build_structure_reader,
)
from screening.synthesis.metaphase import Metaphase
from screening.train.structure import predict
from screening.train.structure_pages import (
    KINDS,
    SHAM,
    UNTOUCHED,
    Splicer,
    Strips,
    by_simulator,
    changed_cell,
    page_strips,
)

BANDS = ((0.05, 0.10), (0.10, 0.25), (0.25, 0.50), (0.50, 1.30))
"""Changed parts of a chromosome that are reported apart."""
RATES = (0.01, 0.05, 0.10)
"""False alarms per cell."""
WITNESSES = ("homologs", "alone", "path", "lengths", "band profiles")
"""The reader's three, then two baselines without a network."""
FUSED = "all together"
"""A logistic regression over the witnesses, fitted on validation people."""
BCR_ABL = "t(9;22)(q34;q11.2)"


def test_cells(data: Path) -> dict[str, list[Metaphase]]:
    """Return the cells of unseen people by laboratory; no pooled ones."""
    config = settings()
    pooled, apart = config.sources.pooled, config.sources.leave_out
    found = {"unseen people": [c for c in part_cells(data, TEST) if c.source not in pooled]}
    records = records_of(data, config.sources)
    chosen = [r for r in records if r.source in apart and r.label == NORMAL]
    return found | {"unseen laboratory": [load_cell(r) for r in chosen]}


def measured_strips(
    path: Path, cells: list[Metaphase], how: str, locator: Locator | None, pages: int
) -> Strips:
    """Return the strips of `pages` pages of each cell, kept at `path`.

    `how`: "normal", "simulator" or "pictures" (eight changes a page, half shams), an ISCN name.
    """
    if path.exists():
        return Strips.load([path])
    splicer: Splicer = by_pictures if how == "pictures" else by_simulator
    parts = []
    for number, cell in enumerate(cells):
        for page in range(pages):
            rng = np.random.default_rng((9, number, page))
            names, changes = ([how], 0) if "(" in how else ([], 0 if how == "normal" else 8)
            try:
                changed, truths = changed_cell(cell, rng, changes, splicer, names)
                parts.append(page_strips(changed, truths, rng, locator))
            except ScreeningError as error:
                print(error, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Strips.joined(parts)
    made.save(path)
    return made


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


def witnesses(reader: keras.Model, strips: Strips, pairs: np.ndarray) -> dict[str, np.ndarray]:
    """Return what each witness says of each pair (m,): the higher, the more it looks changed."""
    found = {name: np.zeros(len(pairs)) for name in WITNESSES}
    found["lengths"] = length_score(strips, pairs)
    found["band profiles"] = profile_score(strips, pairs)
    for first in range(0, len(pairs), 256):
        own = pairs[first : first + 256]
        here = np.s_[first : first + len(own)]
        made = predict(reader, strips, own, (PAIR, SINGLE, DENSE))
        found["homologs"][here] = made[PAIR]
        found["alone"][here] = made[SINGLE].max(1)
        dense = log_softmax(made[DENSE].astype(np.float32), -1)
        inked = strips.strips[own].reshape(len(own), 2, STEPS, -1).max(-1) > 20
        gains = np.zeros(own.shape)
        for number, side in np.ndindex(own.shape):
            shown = dense[number, side][inked[number, side]].reshape(-1, len(CHROMOSOMES), PARTS)
            if len(shown) > 1:
                gains[number, side] = read_path(shown, int(strips.classes[own[number, side]])).gain
        found["path"][here] = gains.max(1)
    return found


def numbers(found: dict[str, np.ndarray], pages: np.ndarray) -> np.ndarray:
    """Return what the witnesses are fused from (m, 8): each, and how far the first three stand out
    among the pairs of their page."""
    path = np.sqrt(found["path"])
    columns = [found["homologs"], found["alone"], path, found["lengths"], found["band profiles"]]
    for column in columns[:3]:
        middle = np.array([np.median(column[pages == page]) for page in pages])
        columns.append(column - middle)
    return np.stack(columns, 1)


def highest(strips: Strips, pairs: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return the highest score of any pair of each page."""
    page = strips.pages[pairs[:, 0]]
    best = np.full(int(page.max()) + 1, -np.inf)
    np.maximum.at(best, page, score)
    return best[np.isfinite(best)]


def main() -> int:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--report", type=Path, default=Path("reports/structure.md"))
    parser.add_argument("--pages", type=int, default=2)
    parser.add_argument("--only-strips", action="store_true", help="make the strips, then stop")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    locator = Locator.of(load_bundle(default_bundle()))
    if not given.only_strips:
        reader = build_structure_reader()
        reader.load_weights(given.run / "run" / "reader.weights.h5")
        held_out = Strips.load(sorted((given.run / "pages").glob(f"{VALIDATION}-*.npz")))
        pairs = held_out.pairs()
        fused = make_pipeline(StandardScaler(), LogisticRegression()).fit(
            numbers(witnesses(reader, held_out, pairs), held_out.pages[pairs[:, 0]]),
            held_out.kinds[pairs].max(1) > KINDS.index(SHAM),
        )
    text = ["# The reader of structure", "", "Written by `scripts/measure_structure.py`.", ""]
    for where, cells in test_cells(given.data).items():
        for shown, finder in (("single pictures", None), ("pages as found", locator)):
            sets = {}
            for how in ("normal", "simulator", "pictures", BCR_ABL):
                name = f"{where}-{shown}-{how.partition('(')[0]}.npz".replace(" ", "-")
                path = given.run / "measured" / name
                sets[how] = measured_strips(path, cells, how, finder, given.pages)
                print(name, len(sets[how]), flush=True)
            if given.only_strips:
                continue
            text += [f"## {where}, {shown} ({len(cells)} cells)", ""]
            told = {how: witnesses(reader, s, s.pairs()) for how, s in sets.items()}
            for how, s in sets.items():
                pages = s.pages[s.pairs()[:, 0]]
                told[how][FUSED] = fused.decision_function(numbers(told[how], pages))
            for what in (FUSED, *WITNESSES):
                scores = {how: found[what] for how, found in told.items()}
                text += [f"### By {what}", "", *tables(sets, scores), ""]
            given.report.write_text("\n".join(text) + "\n", "utf-8")
    return 0


def tables(sets: dict[str, Strips], scores: dict[str, np.ndarray]) -> list[str]:
    """Return the lines of the table of one score of the pairs of each set."""
    seen = {how: (s, s.pairs(), scores[how]) for how, s in sets.items()}
    best = highest(*seen["normal"])
    limits = [float(np.quantile(best, 1 - rate)) for rate in RATES]
    rows = []
    for how in ("simulator", "pictures"):
        strips, pairs, value = seen[how]
        kinds = strips.kinds[pairs].max(1)
        sizes = strips.sizes[pairs].max(1)
        normal = kinds <= KINDS.index(SHAM)
        untouched = seen["normal"][2]
        sham = value[kinds == KINDS.index(SHAM)]
        rows.append([how, SHAM, "all", len(sham), _auroc(sham, untouched), *_shares(sham, limits)])
        for kind in KINDS[KINDS.index(UNTOUCHED) + 2 :]:
            for low, high in BANDS:
                own = (kinds == KINDS.index(kind)) & (sizes >= low) & (sizes < high)
                if own.sum() >= 8:
                    band = f"{100 * low:.0f}-{100 * min(high, 1):.0f} %"
                    area = _auroc(value[own], value[normal])
                    rows.append(
                        [how, kind, band, int(own.sum()), area, *_shares(value[own], limits)]
                    )
    strips, pairs, value = seen[BCR_ABL]
    concerned = np.isin(strips.classes[pairs[:, 0]], [class_index("9"), class_index("22")])
    cell = highest(strips, pairs[concerned], value[concerned])
    rows.append(["simulator", BCR_ABL, "either pair", len(cell), "", *_shares(cell, limits)])
    head = ["spliced by", "kind", "changed", "n", "AUROC", *(f"at {100 * r:.0f} %" for r in RATES)]
    return [markdown_table(head, rows)]


def _auroc(positive: np.ndarray, negative: np.ndarray) -> str:
    labels = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    return f"{auroc(labels, np.r_[positive, negative]):.3f}" if len(positive) else ""


def _shares(value: np.ndarray, limits: list[float]) -> list[str]:
    return [
        f"{100 * float(np.mean(value > limit)):.0f} %" if len(value) else "" for limit in limits
    ]


if __name__ == "__main__":
    sys.exit(main())

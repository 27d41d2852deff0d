"""Measure the reader of structure on unseen people and an unseen laboratory.

    python scripts/measure_structure.py --data ../shared/data

Writes reports/structure.md: of a bundle's reader, or with --run of a training's as it stands, in
the folder of the stage `structure` of `screening build`. Rearrangements by the simulator and by
structure_splicer.py, which no training saw, on single pictures and on composed pages as the bundle
finds them. The strips are kept in --strips; false alarms are counted over all pairs of a cell.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
from report_header import ROOT, add_report_arguments, begin, write
from scipy.special import log_softmax
from structure_splicer import by_pictures
from structure_tables import length_score, profile_score, tables

from screening.build.config import BuildConfig, read_build
from screening.build.data import records_of, taught
from screening.build.given import apart_from, seen_by
from screening.build.structure import RUN, STRUCTURE, structure_cells
from screening.bundle import Bundle, default_bundle, load_bundle, sha256_of
from screening.classes import CHROMOSOMES, NORMAL
from screening.data.chromosomes import load_cell
from screening.data.split import TEST, split_by_case
from screening.errors import ScreeningError
from screening.evidence.structure_path import read_path
from screening.karyogram.locate import Locator
from screening.models.backbones import known_depths
from screening.models.structure import (
    DENSE,
    PAIR,
    PARTS,
    SINGLE,
    STEPS,
    build_structure_reader,
)
from screening.synthesis.metaphase import Metaphase
from screening.synthesis.structural import structural_sham
from screening.train.structure import predict
from screening.train.structure_pages import (
    Splicer,
    Strips,
    by_simulator,
    changed_cell,
    page_strips,
)

WITNESSES = ("homologs", "alone", "path", "lengths", "band profiles")
"""The reader's three, then two baselines without a network."""
BCR_ABL = "t(9;22)(q34;q11.2)"
UNCUT = f"sham of {BCR_ABL}"


def settings() -> BuildConfig:
    """Return the settings of the default bundle."""
    return read_build(ROOT / "configs" / "default_bundle.yaml", known_depths())


def test_cells(data: Path, bundle: Bundle) -> dict[str, list[Metaphase]]:
    """Return the cells of people that the bundle never saw, by laboratory; no pooled ones."""
    config = settings()
    pooled, apart = config.sources.pooled, config.sources.leave_out
    records = records_of(data, config.sources)
    split = split_by_case(records, config.split.fractions, config.split.seed)
    split = apart_from(split, seen_by(bundle), config.sources)
    people = split.select(taught(records, config.sources), TEST)
    cells = structure_cells(tuple(r for r in people if r.source not in pooled), pooled)
    found = {"unseen people": list(cells)}
    chosen = [r for r in records if r.source in apart and r.label == NORMAL]
    return found | {"unseen laboratory": [load_cell(r) for r in chosen]}


def measured_strips(
    path: Path, cells: list[Metaphase], how: str, locator: Locator | None, pages: int
) -> Strips:
    """Return the strips of `pages` pages of each cell, kept at `path`.

    `how`: "normal", "simulator" or "pictures" (eight changes a page, half shams), BCR_ABL, or
    UNCUT, the cells cut and joined as for that, but whole.
    """
    if path.exists():
        return Strips.load([path])
    splicers: dict[str, Splicer] = {
        "pictures": by_pictures, UNCUT: lambda cell, name, rng, _: structural_sham(cell, name, rng),
    }  # fmt: skip
    splicer = splicers.get(how, by_simulator)
    parts = []
    for number, cell in enumerate(cells):
        for page in range(pages):
            rng = np.random.default_rng((9, number, page))
            names, changes = ([BCR_ABL], 0) if BCR_ABL in how else ([], 0 if how == "normal" else 8)
            try:
                changed, truths = changed_cell(cell, rng, changes, splicer, names)
                parts.append(page_strips(changed, truths, rng, locator))
            except ScreeningError as error:
                print(error, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Strips.joined(parts)
    made.save(path)
    return made


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


def reader_of(bundle: Bundle, run: Path | None) -> tuple[keras.Model, Bundle | str]:
    """Return the reader of a training, None: of the bundle, and whose it is, for the header."""
    if run is None:
        return bundle.load_model(STRUCTURE), bundle
    reader = build_structure_reader()
    weights = run / RUN / "reader.weights.h5"
    reader.load_weights(weights)
    return reader, f"the reader of weights sha256 {sha256_of(weights)[:16]} is in no bundle yet"


def main() -> int:
    """Measure and write the report; return 1 when there is no reader."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--run", type=Path, help="measure RUN/run/reader.weights.h5 instead")
    parser.add_argument("--strips", type=Path, help="kept strips (RUN or runs/structure, measured)")
    add_report_arguments(parser)
    parser.add_argument("--pages", type=int, default=2)
    parser.add_argument("--only-strips", action="store_true", help="make the strips, then stop")
    given = parser.parse_args()
    commit = begin(given)
    cv2.setNumThreads(1)
    kept = given.strips or (given.run or ROOT / "runs" / "structure") / "measured"
    try:
        bundle = load_bundle(given.bundle)
        if not given.only_strips:
            reader, whose = reader_of(bundle, given.run)
    except ScreeningError as error:
        sys.exit(f"{error}; give another --bundle, or --run of a training")
    locator = Locator.of(bundle)
    text: list[str] = []
    for where, cells in test_cells(given.data, bundle).items():
        for shown, finder in (("single pictures", None), ("pages as found", locator)):
            sets = {}
            for how in ("normal", "simulator", "pictures", BCR_ABL, UNCUT):
                name = f"{where}-{shown}-{how.partition('(')[0]}.npz".replace(" ", "-")
                sets[how] = measured_strips(kept / name, cells, how, finder, given.pages)
                print(name, len(sets[how]), flush=True)
            if given.only_strips:
                continue
            text += [f"## {where}, {shown} ({len(cells)} cells)", ""]
            told = {how: witnesses(reader, s, s.pairs()) for how, s in sets.items()}
            for what in WITNESSES:
                scores = {how: found[what] for how, found in told.items()}
                text += [f"### By {what}", "", *tables(sets, scores, what == WITNESSES[0]), ""]
    if not given.only_strips:
        title = "The reader of structure, measured"
        write(given, "structure.md", title, commit, whose, given.data, "\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())

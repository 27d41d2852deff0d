"""Measure the reader of structure on unseen people and an unseen laboratory.

    python scripts/measure_structure.py --data ../shared/data

Writes reports/structure.md: of a bundle's reader, or with --run of a training's as it stands, in
the folder of the stage `structure` of `screening build`. Rearrangements by the simulator and by
structure_splicer.py, which no training saw, on single pictures and on composed pages as the bundle
finds them; pictures of hits, misses and false alarms beside it. With --shards also against a
Siamese network, and how well seams can be seen. The strips are kept in --strips; false alarms are
counted over all pairs of a cell.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
from measured_pages import leaving_out_as, split_apart
from report_header import ROOT, add_report_arguments, begin, write
from scipy.special import log_softmax
from structure_baselines import Budget, rejoined, seams, shards_of, siamese, siamese_score
from structure_figures import LEGEND, chosen, draw
from structure_splicer import by_pictures
from structure_tables import Told, length_score, length_tables, profile_score, tables

from screening.build.config import BuildConfig, read_build
from screening.build.data import records_of, taught
from screening.build.structure import READER, STRUCTURE, structure_cells, structure_part
from screening.bundle import Bundle, default_bundle, load_bundle, sha256_of
from screening.classes import CHROMOSOMES, NORMAL
from screening.data.chromosomes import CellRecord, load_cell
from screening.data.split import TEST, TRAIN
from screening.errors import ScreeningError
from screening.evidence.structure_path import read_path
from screening.karyogram.locate import Locator
from screening.metrics import markdown_table
from screening.models.backbones import known_depths
from screening.models.structure import (
    DENSE,
    PAIR,
    PARTS,
    SINGLE,
    STEPS,
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
SIAMESE = "a Siamese network"
SPLICED = ("simulator", "pictures")
PEOPLE, FOUND, SINGLE_PICTURES = "unseen people", "pages as found", "single pictures"
FIGURES = {
    "hits": "Ten found at 5 % false alarms per cell, at random:",
    "misses": "Ten of a quarter of a chromosome or more that are missed there, at random:",
    "false_alarms": "The pairs that speak most in the ten normal cells doubted most:",
}
_TAUGHT = 150
"""Cells of training people that teach a detector of the seams that no training of the reader saw.
"""


def settings(bundle: Bundle) -> BuildConfig:
    """Return the settings of the default bundle, for one that the same sources have taught."""
    config = read_build(ROOT / "configs" / "default_bundle.yaml", known_depths())
    return leaving_out_as(config, bundle)


def test_cells(data: Path, bundle: Bundle) -> dict[str, list[Metaphase]]:
    """Return the cells of people that the bundle never saw, by laboratory; no pooled ones."""
    config = settings(bundle)
    records = records_of(data, config.sources)
    chosen = [r for r in records if r.source in config.sources.leave_out and r.label == NORMAL]
    found = {PEOPLE: people_cells(records, bundle, TEST)}
    return found | ({"unseen laboratory": [load_cell(r) for r in chosen]} if chosen else {})


def people_cells(records: list[CellRecord], bundle: Bundle, part: str) -> list[Metaphase]:
    """Return the complete normal cells of a part, people parted as the bundle's were."""
    config = settings(bundle)
    pooled = config.sources.pooled
    people = split_apart(records, config, bundle).select(taught(records, config.sources), part)
    return list(structure_cells(tuple(r for r in people if r.source not in pooled), pooled))


def _some(cells: list[Metaphase], most: int | None) -> list[Metaphase]:
    order = np.random.default_rng(3).permutation(len(cells))[:most]
    return cells if most is None else [cells[i] for i in order]


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
    _, reader = structure_part(run)
    return reader, f"the reader sha256 {sha256_of(run / READER)[:16]} is in no bundle yet"


def kept_strips(
    kept: Path, where: str, shown: str, cells: list[Metaphase], locator: Locator, pages: int
) -> dict[str, Strips]:
    """Return the strips of every way of changing the cells of a place, made where they are not."""
    sets = {}
    for how in ("normal", "simulator", "pictures", BCR_ABL, UNCUT):
        name = f"{where}-{shown}-{how.partition('(')[0]}.npz".replace(" ", "-")
        finder = locator if shown == FOUND else None
        sets[how] = measured_strips(kept / name, cells, how, finder, pages)
        print(name, len(sets[how]), flush=True)
    return sets


def section(
    reader: keras.Model, rival: keras.Model | None, sets: dict[str, Strips], figures: Path | None
) -> list[str]:
    """Return the tables of one place and one way of showing it; `rival`: the Siamese network.

    `figures`: a folder that gets the pictures of hits, misses and false alarms.
    """
    found = {how: witnesses(reader, s, s.pairs()) for how, s in sets.items()}
    if rival is not None:
        for how, strips in sets.items():
            found[how][SIAMESE] = siamese_score(rival, strips, strips.pairs())
    text: list[str] = []
    for what in found["normal"]:
        scores = {how: each[what] for how, each in found.items()}
        together = what == WITNESSES[0]
        text += [f"### By {what}", "", *tables(sets, scores, together), ""]
        if not together:
            continue
        told = Told.of(sets, scores, together)
        text += ["### By homologs, by length and class", "", *length_tables(told, SPLICED), ""]
        if figures is not None:
            text += ["### Pictures", "", LEGEND, ""]
            for name, shown in chosen(told, SPLICED, np.random.default_rng(4)).items():
                draw(figures / f"structure_{name}.png", reader, sets, shown)
                text += [f"{FIGURES[name]} ![{name}](structure_{name}.png)", ""]
    return text


def seam_table(
    taught: Strips, others: Strips, sets: dict[str, dict[str, Strips]], steps: int
) -> list[str]:
    """Return how well detectors that are taught to see seams see them in `sets` by way of showing;
    `taught`: strips with the simulator's shams, `others` with those of plain pictures."""
    learned = {
        "simulator": (taught, lambda known: known["simulator"]),
        "pictures": (others, lambda known: known["pictures"]),
        "strips": (rejoined(taught, 5), lambda known: rejoined(known["normal"], 6)),
    }  # fmt: skip
    rows = []
    for splicer, (strips, asked) in learned.items():
        known = [asked(each) for each in sets.values()]
        for shown, one in zip(sets, seams(strips, known, Budget(steps)), strict=True):
            rows.append([
                splicer, shown, one.cut, f"{one.auroc:.3f}", f"{one.within:.3f}",
                f"{one.quality:.3f}", f"{one.seconds:.0f}",
            ])  # fmt: skip
            print(*rows[-1], flush=True)
    return [
        "## Seams", "",
        f"A convolutional network taught in {steps} steps of 64 strips of training people to tell "
        "chromosomes cut and joined without a change from untouched ones, on unseen people. At 0.5 "
        "it sees nothing. Straight chromosomes are cut: what the quality numbers alone tell is no "
        "seam, and within pairs the uncut one is the other homolog of the same cell.", "",
        markdown_table(
            ["spliced by", "shown as", "cut", "AUROC", "within pairs", "by quality alone",
             "seconds"], rows,
        ),
    ]  # fmt: skip


def main() -> int:
    """Measure and write the report; return 1 when there is no reader."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--run", type=Path, help="measure RUN/structure.keras instead")
    parser.add_argument(
        "--strips", type=Path,
        help="where strips are kept (RUN/measured or runs/structure/measured); another for a "
        "bundle that finds chromosomes otherwise",
    )  # fmt: skip
    parser.add_argument(
        "--shards", type=Path,
        help="folder of the stage structure-pages of a build: also teach a Siamese network and "
        "detectors of seams by its shards",
    )  # fmt: skip
    parser.add_argument("--most-shards", type=int, default=12)
    parser.add_argument("--steps", type=int, default=1500, help="of these (%(default)s)")
    add_report_arguments(parser)
    parser.add_argument("--pages", type=int, default=2)
    parser.add_argument("--cells", type=int, help="of each place (default: all)")
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
    rival = taught = others = None
    if given.shards is not None:
        people = people_cells(records_of(given.data, settings(bundle).sources), bundle, TRAIN)
        people = _some(people, given.cells or _TAUGHT)
        name = f"training-people-{SINGLE_PICTURES}-pictures.npz".replace(" ", "-")
        others = measured_strips(kept / name, people, "pictures", None, given.pages)
    if given.shards is not None and not given.only_strips:
        taught = shards_of(given.shards, given.most_shards)
        rival, seconds = siamese(taught, Budget(given.steps))
        text += [
            "The Siamese network is as published, a contrastive loss on pairs: "
            f"{rival.count_params():,} parameters, {given.steps} steps of 64 pairs of "
            f"{taught.pages.max() + 1} training pages, {seconds:.0f} s.", "",
        ]  # fmt: skip
    seen: dict[str, dict[str, Strips]] = {}
    for where, cells in test_cells(given.data, bundle).items():
        cells = _some(cells, given.cells)
        for shown in (SINGLE_PICTURES, FOUND):
            sets = kept_strips(kept, where, shown, cells, locator, given.pages)
            if given.only_strips:
                continue
            drawn = given.reports if (where, shown) == (PEOPLE, FOUND) else None
            text += [f"## {where}, {shown} ({len(cells)} cells)", ""]
            text += section(reader, rival, sets, drawn)
            if where == PEOPLE:
                seen[shown] = sets
    if given.only_strips:
        return 0
    if taught is not None and others is not None:
        text += seam_table(taught, others, seen, given.steps)
    title = "The reader of structure, measured"
    write(given, "structure.md", title, commit, whose, given.data, "\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())

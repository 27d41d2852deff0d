"""Measure CS-GANomaly's idea, 24 classes and "abnormal", against the shipped reader of structure.

    python scripts/measure_ganomaly.py --data DATA [--cells 24]

Writes reports/ganomaly.md. The baseline is taught here on training people; both are asked of the
very same single chromosomes of unseen people, rearranged, cut and joined without a change, and
untouched: by default those of reports/singles.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from ganomaly import ABNORMAL, SIZE, Ganomaly
from measure_singles import Singles, singles
from measure_structure import people_cells, settings
from report_header import add_report_arguments, begin, write
from structure_splicer import by_pictures
from structure_tables import BANDS

from screening.build.data import records_of
from screening.bundle import Bundle, default_bundle, load_bundle
from screening.classes import CHROMOSOMES
from screening.data.split import TEST, TRAIN, VALIDATION
from screening.karyogram.crops import standardised
from screening.metrics import auroc, markdown_table
from screening.predict.chromosomes import ChromosomeClassifier
from screening.predict.engine import engine_of
from screening.predict.structure import StructureReader
from screening.train.structure_pages import KINDS, SHAM, UNTOUCHED, Splicer, by_simulator
from screening.worklist.singles_structure import changes_of

NORMAL_ALONE, SUPERVISED = "normal ones alone", "24 and abnormal"
WAYS = {
    NORMAL_ALONE: ("latent", "reconstruction", "latent + reconstruction"),
    SUPERVISED: ("abnormal", "abnormal + latent + reconstruction"),
}
"""Scores of a baseline by how it was taught."""
READER, DOUBT = "the reader of structure", "the classifier's doubt"
FALSE_ALARMS = 0.05
"""Share of the untouched pictures of validation people that are called abnormal."""
FEWEST = 8
_DRAWS = 200

Said = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
"""By witness: how abnormal each picture looks (n,), and the index of its likeliest class (n,)."""


def by_shipped(known: Singles, bundle: Bundle) -> Said:
    """Return what the shipped reader and classifier say of each picture by itself."""
    engine = engine_of(bundle).engine
    unknown = np.full(len(known.pictures), np.nan, np.float32)
    p = ChromosomeClassifier(bundle, engine, 20).classify(known.pictures, unknown, False).p
    reader, how = StructureReader(engine, passes=1), bundle.info.reading.structure
    said = changes_of(known.pictures, p, reader, how, False, False)
    own = p[:, : len(CHROMOSOMES)]
    scores = {
        READER: np.array([0.0 if isinstance(one, str) else one.p for one in said]),
        DOUBT: 1 - own.max(1) / own.sum(1),
    }
    return scores, dict.fromkeys(scores, own.argmax(1))


def by_baselines(
    teaching: Singles, asked: Sequence[Singles], steps: int
) -> tuple[list[Said], list[str]]:
    """Return what the baselines, taught by the first pictures, say of each of the others, and in
    words what was taught."""
    images = standardised(teaching.pictures, SIZE)[0]
    changed = ~np.isin(teaching.kinds, (UNTOUCHED, SHAM))
    labels = np.where(changed, ABNORMAL, teaching.classes)
    shown = [standardised(each.pictures, SIZE)[0] for each in asked]
    found: list[Said] = [({}, {}) for _ in asked]
    words = []
    for name, ways in WAYS.items():
        which = teaching.kinds == UNTOUCHED if name == NORMAL_ALONE else labels >= 0
        model = Ganomaly.new(0)
        seconds = model.fit(images[which], labels[which], steps, 0)
        words.append(f"{name}: {which.sum():,} pictures, {seconds:.0f} s of a processor")
        print(words[-1], flush=True)
        said = [model.scores(each) for each in shown]
        quiet = {way: score[asked[0].kinds == UNTOUCHED] for way, score in said[0].items()}
        for (scores, classes), one in zip(found, said, strict=True):
            for way in ways:
                parts = [(one[k] - quiet[k].mean()) / quiet[k].std() for k in way.split(" + ")]
                scores[f"{name}: {way}"] = np.sum(parts, 0)
                classes[f"{name}: {way}"] = one["likeliest"]
    return found, words


def interval(score: np.ndarray, own: np.ndarray, others: np.ndarray, cells: np.ndarray) -> str:
    """Return the AUROC of `own` against `others` with its 95 % interval, cells drawn anew."""
    rng, drawn = np.random.default_rng(0), []
    of_cell = [np.flatnonzero((cells == cell) & (own | others)) for cell in np.unique(cells)]
    for _ in range(_DRAWS):
        at = np.concatenate([of_cell[k] for k in rng.integers(len(of_cell), size=len(of_cell))])
        drawn.append(auroc(own[at].astype(int), score[at]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{_area(score, own, others)} ({low:.3f}–{high:.3f})"


def _area(score: np.ndarray, own: np.ndarray, others: np.ndarray) -> str:
    both = own | others
    return f"{auroc(own[both].astype(int), score[both]):.3f}"


def areas(known: Singles, said: Said) -> str:
    """Return AUROC by kind and changed part of each witness, as Markdown."""
    untouched, sham = known.kinds == UNTOUCHED, known.kinds == SHAM
    real = ~untouched & ~sham
    rows: list[list[object]] = []
    for name, own, others in (
        ("changed against untouched", real, untouched),
        ("changed against shams", real, sham),
        ("shams against untouched", sham, untouched),
    ):
        told = [interval(score, own, others, known.cells) for score in said[0].values()]
        rows.append([name, "all", int(own.sum()), *told])
    for kind in KINDS[2:]:
        for low, high in BANDS:
            own = (known.kinds == kind) & (known.sizes >= low) & (known.sizes < high)
            if own.sum() >= FEWEST:
                told = [_area(score, own, untouched) for score in said[0].values()]
                size = f"{100 * low:.0f}-{100 * min(high, 1):.0f} %"
                rows.append([kind, size, int(own.sum()), *told])
    return markdown_table(["kind", "changed", "n", *said[0]], rows)


def decisions(known: Singles, said: Said, quiet: Singles, before: Said) -> str:
    """Return what "24 classes and abnormal" decides, a witness a line, as Markdown; the threshold
    by untouched pictures of `quiet`, of whom `before` says."""
    untouched, sham = known.kinds == UNTOUCHED, known.kinds == SHAM
    real = ~untouched & ~sham
    rows = []
    for name, score in said[0].items():
        limit = np.quantile(before[0][name][quiet.kinds == UNTOUCHED], 1 - FALSE_ALARMS)
        called, right = score > limit, said[1][name] == known.classes
        judged = np.where(real, called, right & ~called)
        shares = [
            right[untouched], called[untouched], called[sham], called[real], judged[~sham],
            np.r_[judged[untouched].mean(), judged[real].mean()],
        ]  # fmt: skip
        rows.append([name, *(f"{100 * np.mean(share):.1f} %" for share in shares)])
    return markdown_table(
        ["decided by", "class right of untouched", "untouched called abnormal",
         "shams called abnormal", "changed called abnormal", "accuracy over 25",
         "mean of normal and abnormal"], rows,
    )  # fmt: skip


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_report_arguments(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder of single chromosomes")
    parser.add_argument("--cells", type=int, default=24, help="of unseen people (%(default)s)")
    parser.add_argument("--taught", type=int, default=120, help="training cells (%(default)s)")
    parser.add_argument("--steps", type=int, default=600, help="of training (%(default)s)")
    args = parser.parse_args()
    commit, bundle = begin(args), load_bundle(default_bundle())
    cv2.setNumThreads(1)
    records = records_of(args.data, settings(bundle).sources)

    def made(part: str, most: int, splicer: Splicer) -> Singles:
        cells = people_cells(records, bundle, part)
        order = np.random.default_rng(3).permutation(len(cells))[:most]
        return singles([cells[i] for i in order], splicer)

    teaching = made(TRAIN, args.taught, by_simulator)
    quiet = made(VALIDATION, args.cells // 2, by_pictures)
    known = made(TEST, args.cells, by_pictures)
    print(len(teaching.pictures), len(quiet.pictures), len(known.pictures), flush=True)
    found, words = by_baselines(teaching, (quiet, known), args.steps)
    before, after = (
        (shipped[0] | own[0], shipped[1] | own[1])
        for own, shipped in zip(found, (by_shipped(s, bundle) for s in (quiet, known)), strict=True)
    )
    body = "\n".join([
        "A picture is asked by itself: straightened, in one tone, no length, class unknown. The "
        f"baseline has {Ganomaly.new(0).parameters:,} parameters and was taught {args.steps} "
        f"steps of 64 pictures ({'; '.join(words)}; changed ones by the simulator). "
        f"“{NORMAL_ALONE}”: GANomaly with a head of 24 classes, taught untouched chromosomes; the "
        "distance of the two codes and of the picture. “"
        f"{SUPERVISED}”: CS-GANomaly, shams taught as normal, changed ones as the 25th class. "
        "Sums are of scores in spreads of untouched validation pictures. Test chromosomes are "
        "joined otherwise than any that taught.\n",
        f"## AUROC of {known.cells.max() + 1} cells of unseen people\n",
        "Against untouched chromosomes of these cells; in brackets 95 % intervals, cells drawn "
        "anew.\n",
        areas(known, after),
        f"\n## 24 classes and “abnormal”, {FALSE_ALARMS:.0%} of untouched validation pictures "
        "called abnormal\n",
        "“Accuracy over 25”: untouched ones by their class, changed ones as abnormal.\n",
        decisions(known, after, quiet, before),
        "\nPublished (Li et al. 2020): 94.07 % over 24 classes and “abnormal” on BioImLab, with "
        "abnormal chromosomes among those taught. Not the same pictures: no comparison.",
    ])  # fmt: skip
    title = "CS-GANomaly's idea against the reader of structure"
    write(args, "ganomaly.md", title, commit, bundle, args.data, body)


if __name__ == "__main__":
    main()

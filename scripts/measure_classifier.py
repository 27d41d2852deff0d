"""Measure a bundle's chromosome classifier: held-out patients per source, unseen source, pages.

    python scripts/measure_classifier.py --data DATA

Writes reports/classifier.md. Test patients trained nothing; the sources that the settings of the
build (--config) leave out trained nothing at all, so all their cells are measured. With and without
the relative length.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from measured_pages import add_page_arguments, pages_of
from report_header import begin, write
from sklearn.metrics import confusion_matrix

from screening.build.data import complete_cells, taught
from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME_INDEX
from screening.data.chromosomes import load_cell
from screening.evidence.in_cell import classes_in_cell
from screening.karyogram.locate import Locator
from screening.metrics import Proportion, calibration_error, markdown_table, proportion
from screening.predict.chromosomes import ChromosomeClassifier
from screening.predict.engine import engine_of
from screening.reading_settings import ReadingSettings
from screening.synthesis.metaphase import Metaphase
from screening.train.classifier_crops import Crops, plain_crops, varied_crops
from screening.train.classifier_pages import page_crops

HEADER = ("chromosomes", "n", "accuracy alone (95 %)", "precision", "sensitivity", "specificity",
          "F1", "without length", "its cell seen (95 %)", "rejected", "ECE",
          "accuracy at ≥ 80 % of votes (share)")  # fmt: skip

TIMED = 200


def table_of(
    name: str, crops: Crops, classifier: ChromosomeClassifier, settings: ReadingSettings
) -> tuple[tuple, np.ndarray]:
    """Return one line of the table, and the confusion matrix (24, 24) of the true chromosomes."""
    true = crops.labels != NOT_A_CHROMOSOME_INDEX
    images, labels, relative = crops.images[true], crops.labels[true], crops.relative[true]
    p, votes = probabilities(classifier, images, relative)
    best = p[:, :NOT_A_CHROMOSOME_INDEX].argmax(1)
    bare = classifier.quick(classifier.bands(images), np.full(len(labels), np.nan, np.float32))
    matrix = confusion_matrix(labels, best, labels=range(NOT_A_CHROMOSOME_INDEX))
    hit, out, said = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    sensitivity, precision = hit / np.maximum(out, 1), hit / np.maximum(said, 1)
    specificity = 1 - (said - hit) / np.maximum(len(labels) - out, 1)
    harmonic = 2 * sensitivity * precision / np.maximum(sensitivity + precision, 1e-9)
    sure = votes >= 0.8
    top = p.max(1)
    right = p.argmax(1) == labels
    line = (
        name,
        len(labels),
        str(proportion(int(hit.sum()), len(labels))),
        *(
            f"{100 * v[out > 0].mean():.2f}"
            for v in (precision, sensitivity, specificity, harmonic)
        ),
        f"{100 * np.mean(bare[:, :NOT_A_CHROMOSOME_INDEX].argmax(1) == labels):.2f}",
        str(_in_cells(crops, classifier, settings)),
        f"{100 * np.mean(p[:, NOT_A_CHROMOSOME_INDEX] > 0.5):.2f} %",
        f"{calibration_error(right.astype(int), top):.3f}",
        f"{100 * np.mean(best[sure] == labels[sure]):.2f} ({100 * sure.mean():.1f} %)",
    )
    return line, matrix


def _in_cells(
    crops: Crops, classifier: ChromosomeClassifier, settings: ReadingSettings
) -> Proportion:
    """Accuracy when all of a cell is classified together, as `screening classify` does."""
    right = total = 0
    for cell in np.unique(crops.cells):
        own = (crops.cells == cell) & (crops.labels != NOT_A_CHROMOSOME_INDEX)
        said = classifier.of_crops(crops.images[own], crops.relative[own], cell=True)
        p = classes_in_cell(said.p, settings)
        right += int((p[:, :NOT_A_CHROMOSOME_INDEX].argmax(1) == crops.labels[own]).sum())
        total += int(own.sum())
    return proportion(right, total)


def probabilities(
    classifier: ChromosomeClassifier, images: np.ndarray, relative: np.ndarray, batch: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Return p (n, 25) and votes (n,) through the MC dropout passes, batch by batch."""
    p, votes = [], []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        said = classifier.of_crops(part, relative[start : start + batch])
        p.append(said.p)
        votes.append(said.votes)
    return np.concatenate(p), np.concatenate(votes)


def rejection(crops: Crops, classifier: ChromosomeClassifier) -> str:
    """Return how much of what is not one chromosome is rejected."""
    other = crops.labels == NOT_A_CHROMOSOME_INDEX
    p, _ = probabilities(classifier, crops.images[other], crops.relative[other])
    return str(proportion(int((p[:, NOT_A_CHROMOSOME_INDEX] > 0.5).sum()), int(other.sum())))


def worst(matrix: np.ndarray, count: int = 8) -> str:
    """Return the most frequent confusions in words."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None)[:count]
    pairs = [divmod(int(k), NOT_A_CHROMOSOME_INDEX) for k in order]
    named = [
        f"{CHROMOSOMES[i]} as {CHROMOSOMES[j]}: {wrong[i, j]}" for i, j in pairs if wrong[i, j]
    ]
    return ", ".join(named)


def timed(classifier: ChromosomeClassifier, crops: Crops) -> str:
    """Return in words how long the first chromosomes take, one after another."""
    images, relative = crops.images[:TIMED], crops.relative[:TIMED]
    classifier.of_crops(images[:1], relative[:1])
    start = time.perf_counter()
    for i in range(len(images)):
        classifier.of_crops(images[i : i + 1], relative[i : i + 1])
    return f"{time.perf_counter() - start:.1f} s for {len(images)} chromosomes"


def _cells(records: Sequence, source: str) -> list[Metaphase]:
    return [load_cell(r) for r in records if r.source == source]


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_page_arguments(parser)
    args = parser.parse_args()
    commit, people = begin(args), pages_of(args)
    bundle, config, records = people.bundle, people.config, people.records
    sources = config.sources
    test = people.split.select(taught(records, sources), "test")
    classifier = ChromosomeClassifier(bundle, engine_of(bundle).engine, args.passes)
    rng = np.random.default_rng(7)
    locator = Locator.of(bundle)
    sets = {f"{s}, held-out patients": plain_crops(_cells(test, s))
            for s in sorted({r.source for r in test})}  # fmt: skip
    for source in sources.leave_out:
        sets[f"{source}, source never seen"] = plain_crops(_cells(records, source))
    whole = complete_cells(test, sources.pooled, config.crops.pooled, rng)
    sets["found on composed pages, test patients"] = page_crops(whole, rng, locator)
    for source in sources.leave_out:
        normal = [c for c in _cells(records, source) if len(c.chromosomes) == 46]
        sets[f"found on composed pages, {source}"] = page_crops(normal, rng, locator)
    lines, confusions = [], []
    for name, crops in sets.items():
        line, matrix = table_of(name, crops, classifier, bundle.info.reading)
        lines.append(line)
        confusions.append(f"- {name}: {worst(matrix)}")
        print(line, flush=True)
    varied = varied_crops(whole, rng, not_one=0.5)
    weights = bundle.info.files[bundle.info.parts["classifier"].weights]
    first = next(iter(sets.values()))
    text = [
        f"{args.passes} passes, weights sha256 {weights[:16]}, temperature "
        f"{classifier.temperature:.2f}. Accuracy is over 24 classes, per chromosome; precision, "
        "sensitivity, specificity (TN / (TN + FP)) and F1 are macro averages in percent. "
        "“Without length”: the same network, the relative length unknown. “Its cell seen”: the "
        "cell's chromosomes together, the normalisation adapted to them and no class forced into "
        "pairs; incomplete cells (of pooled sources) are left as they are.\n",
        markdown_table(HEADER, lines),
        f"\nRejected of what is not one chromosome (clusters, fragments, print): made ones "
        f"{rejection(varied, classifier)}, wrong cuttings and print of composed pages "
        f"{rejection(sets['found on composed pages, test patients'], classifier)}.\n",
        "Most frequent confusions:\n",
        *confusions,
        f"\n{timed(classifier, first)}, one after "
        f"another, with {args.passes} passes on this processor.\n",
        "Published, on 126,453 images of one source of its own (random split over images): 97.58 "
        "to 99.33 % for eight ImageNet-pretrained networks of 2 to 87 million parameters "
        "(ChromosomeNet, Lin et al. 2022). Not the same pictures: no comparison of methods.\n",
    ]
    title = "The 24-class chromosome classifier, measured"
    write(args, "classifier.md", title, commit, bundle, args.data, "\n".join(text))


if __name__ == "__main__":
    main()

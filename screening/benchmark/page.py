"""What a benchmark found: benchmark.md, benchmark.csv, classes.csv and figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from screening.atomic import replace_files
from screening.benchmark.anchors import ANCHORS, QUARTILES_PUBLISHED
from screening.benchmark.config import (
    BY_PATIENT,
    LABORATORY_OUT,
    PROTOCOLS,
    RANDOM,
    BenchmarkConfig,
    Row,
)
from screening.benchmark.dataset import Dataset
from screening.benchmark.figures import draw
from screening.benchmark.insight_figures import CAPTIONS, draw_insight
from screening.benchmark.measures import QUARTILES, Measures, confusion, confusions
from screening.benchmark.recipes_told import told
from screening.benchmark.runner import Result
from screening.classes import CHROMOSOMES
from screening.metrics import markdown_table
from screening.models.backbones import BACKBONES
from screening.words import counted

PAGE, TABLE, CLASSES, FIGURES = "benchmark.md", "benchmark.csv", "classes.csv", "figures"
_FACTS = ("train", "validation", "epochs", "training seconds", "parameters", "operations", "timed",
          "seconds one by one", "seconds batched", "processor seconds one by one",
          "processor seconds batched")  # fmt: skip
_FIGURES = ("accuracy", "low", "high", "precision", "sensitivity", "specificity",
            "specificity_printed", "f1")  # fmt: skip


def write(
    out: Path,
    rows: Sequence[Row],
    results: Sequence[Result],
    config: BenchmarkConfig,
    datasets: Mapping[str, Dataset],
) -> Path:
    """Write what is finished, name what is not, and return the page's path."""
    folder = out / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    figures = draw_all(results, datasets, folder)
    text = f"# 24-class benchmark\n\n{body(rows, results, config, datasets)}"
    text += "".join(shown(one, f"{FIGURES}/{one.name}") for one in figures)
    replace_files(out, {TABLE: _table(results), CLASSES: _class_table(results), PAGE: text})
    return out / PAGE


def draw_all(
    results: Sequence[Result], datasets: Mapping[str, Dataset], folder: Path
) -> list[Path]:
    """Write every figure of what is finished into `folder` and return their paths."""
    if not results:
        return []
    return [*draw(results, counts_of(datasets), folder), *draw_insight(results, folder)]


def shown(figure: Path, address: str) -> str:
    """Return the Markdown of a figure that the page finds at `address`."""
    caption = CAPTIONS.get(figure.stem, "")
    return f"\n![{figure.stem}]({address})\n" + (f"\n{caption}\n" if caption else "")


def counts_of(datasets: Mapping[str, Dataset]) -> dict[str, np.ndarray]:
    """Return, for every laboratory, the pictures of each class (24,) in all datasets."""
    found: dict[str, np.ndarray] = {}
    for dataset in datasets.values():
        if dataset.classes != CHROMOSOMES:
            continue
        of = np.array([record.source for record in dataset.records])
        for source in dataset.sources:
            own = np.bincount(dataset.labels[of == source], minlength=len(CHROMOSOMES))
            found[source] = np.maximum(found.get(source, 0), own)
    return found


def body(
    rows: Sequence[Row],
    results: Sequence[Result],
    config: BenchmarkConfig,
    datasets: Mapping[str, Dataset],
) -> str:
    """Return the page without its title and figures, as Markdown."""
    return "\n".join(
        [
            f"{len(results)} of the {counted(len(rows), 'row')} of the settings were run.\n",
            *_what(config, datasets),
            *_side_by_side(results),
            *_measured(results),
            *_by_class(results),
            *_costs(results),
            *_published(),
            *_not_run(rows, results),
        ]
    )


def _what(config: BenchmarkConfig, datasets: Mapping[str, Dataset]) -> list[str]:
    lines = []
    for dataset in datasets.values():
        of = [record.source for record in dataset.records]
        named = (f"{source} {of.count(source)}" for source in dataset.sources)
        people = len({(r.source, r.case) for r in dataset.records})
        what = f"{counted(len(of), 'chromosome')} of {people} people ({', '.join(named)})"
        if not of:
            lines += [f"- {dataset.name}: {note}" for note in dataset.notes]
            continue
        if dataset.classes != CHROMOSOMES:
            what = f"{counted(len(of), 'picture')} of {len(dataset.classes)} classes"
        lines.append(f"- {dataset.name}: {what}, content sha256 {dataset.hash[:16]}")
        lines += [f"  - {note}" for note in dataset.notes]
    train, validation, test = (f"{100 * share:.0f}" for share in config.shares)
    start = config.weights or "random"
    return [
        f"One chromosome at a time, {config.size} pixels square, no length given and no cell seen; "
        f"{start} weights at the start. A laboratory's chromosomes are scaled by one factor, from "
        "the median of their sizes, without their classes.\n",
        *lines,
        f"\n`{RANDOM}`: pictures shared out {train}/{validation}/{test} at random with equal "
        f"shares of the classes, as published figures are; `{BY_PATIENT}`: people shared out in "
        f"the same way, none on two sides; `{LABORATORY_OUT}`: trained on the people of the other "
        "laboratories, measured on all of the one left out. The epoch is chosen on the validation "
        "part, never on what is measured. Intervals: 95 %, whole people drawn anew "
        "(1,000 times).\n",
        *(f"- {told(recipe)}" for recipe in config.recipes),
        "",
    ]


def _side_by_side(results: Sequence[Result]) -> list[str]:
    """The finding: one laboratory's accuracy under the protocols, training by training."""
    found: dict[tuple[str, ...], dict[str, list[Measures]]] = {}
    for one in results:
        for source, own in one.by_source.items():
            key: tuple[str, ...] = (
                one.row.network,
                one.row.recipe.name,
                one.row.dataset.name,
                source,
            )
            found.setdefault(key, {}).setdefault(one.row.protocol, []).append(own)
    lines = []
    for key, measured in found.items():
        shown = [_over_seeds(measured.get(protocol, ())) for protocol in PROTOCOLS]
        lines.append((*key, *shown))
    header = ("network", "recipe", "dataset", "measured on", *PROTOCOLS)
    return [
        "## The same laboratory under the protocols\n",
        "Accuracy in percent with its interval, and how many chromosomes of how many people.\n",
        markdown_table(header, lines),
    ]


def _over_seeds(measured: Sequence[Measures]) -> str:
    if not measured:
        return "–"
    first = measured[0]
    if len(measured) == 1:
        return f"{_accuracy(first)}; {first.pictures} of {first.people}"
    values = [100 * one.accuracy for one in measured]
    return f"{np.mean(values):.1f} ({min(values):.1f}–{max(values):.1f}, {len(values)} seeds)"


def _accuracy(one: Measures) -> str:
    if np.isnan(one.low):
        return f"{100 * one.accuracy:.1f}"
    return f"{100 * one.accuracy:.1f} ({100 * one.low:.1f}–{100 * one.high:.1f})"


def _measured(results: Sequence[Result]) -> list[str]:
    header = ("row", "trained on", "measured on", "accuracy", "precision", "sensitivity",
              "specificity", "TN/(TP+TN)", "F1")  # fmt: skip
    lines = []
    for one in results:
        m = one.measures
        macro = (m.precision, m.sensitivity, m.specificity, m.specificity_printed, m.f1)
        lines.append(
            (one.row.name, one.facts["train"], m.pictures, _accuracy(m),
             *(f"{100 * value:.2f}" for value in macro))
        )  # fmt: skip
    return [
        "## Every row\n",
        "Percent; macro averages over the classes. Specificity is TN/(FP+TN); the column beside it "
        "is what ChromosomeNet prints under that name.\n",
        markdown_table(header, lines),
    ]


def _by_class(results: Sequence[Result]) -> list[str]:
    lines = [
        (one.row.name, *(f"{100 * value:.1f}" for value in one.measures.quartiles))
        for one in results
    ]
    said = [
        f"- {one.row.name}: "
        f"{confusions(confusion(one.labels, one.said, len(one.classes)), one.classes)}"
        for one in results
    ]
    return [
        "## Accuracy of the classes, percent\n",
        markdown_table(("row", *QUARTILES), lines),
        "\nMost frequent confusions, true class first:\n",
        *said,
        "",
    ]


def _costs(results: Sequence[Result]) -> list[str]:
    first = {(one.row.network, one.row.recipe.kind): one for one in reversed(results)}
    lines = []
    for (network, kind), one in reversed(first.items()):
        known, facts = BACKBONES[network].published, one.facts
        printed = "–" if known is None else f"{known.millions} M ({known.classes or 'no'} classes)"
        lines.append(
            (network, kind, f"{facts['parameters']:,}", printed,
             f"{facts['operations'] / 1e6:,.1f}", facts["timed"],
             f"{facts['processor seconds one by one']:.1f}",
             f"{facts['processor seconds batched']:.1f}")
        )  # fmt: skip
    header = ("network", "recipe", "parameters", "published", "MFLOP a picture", "timed",
              "one by one", "batched")  # fmt: skip
    return [
        "## What they cost\n",
        "Trainable parameters as built here for 24 classes; the published count has its own "
        "classes and size (screening/models/backbones.py names the source; a test builds it and "
        "compares every printed digit). One by one and batched: processor seconds for all that "
        "were timed, which other work on the machine hardly lengthens; benchmark.csv has the "
        "clock's as well.\n",
        markdown_table(header, lines),
        *_assumed(dict.fromkeys(network for network, *_ in lines)),
    ]


def _assumed(networks: Iterable[str]) -> list[str]:
    said = [f"- {name}: {BACKBONES[name].assumed}" for name in networks if BACKBONES[name].assumed]
    if not said:
        return []
    return ["\nNot in the texts that describe these networks, and chosen here:\n", *said, ""]


def _published() -> list[str]:
    def text(value: float | None) -> str:
        return "–" if value is None else f"{value:g}"

    lines = [
        (a.network, f"{a.accuracy:.2f}", *map(text, (a.precision, a.f1, a.sensitivity,
         a.specificity, a.seconds)), a.source)
        for a in ANCHORS
    ]  # fmt: skip
    header = ("published", "accuracy", "precision", "F1", "sensitivity", "specificity",
              "seconds, 1,000 pictures", "source")  # fmt: skip
    return [
        "## Published, on other pictures\n",
        "Nothing in this table was measured here; other pictures and splits, mostly pretrained "
        "networks: no comparison of methods. ChromosomeNet prints as specificity TN/(TP+TN).\n",
        markdown_table(header, lines),
        "\nAccuracy of the classes, percent, in ChromosomeNet's Table 4:\n",
        markdown_table(
            ("published", *QUARTILES),
            [(name, *(f"{value:.2f}" for value in six)) for name, *six in QUARTILES_PUBLISHED],
        ),
    ]


def _not_run(rows: Sequence[Row], results: Sequence[Result]) -> list[str]:
    done = {one.row.name for one in results}
    left = [row for row in rows if row.name not in done]
    if not left:
        return []
    named = []
    for network in dict.fromkeys(row.network for row in left):
        own = [row.name for row in left if row.network == network]
        whole = len(own) == sum(row.network == network for row in rows)
        named += [f"{network}: all of its {counted(len(own), 'row')}"] if whole else own
    lines = "\n".join(f"- {name}" for name in named)
    return [f"## Not run\n\n{len(left)} of {counted(len(rows), 'row')}:\n\n{lines}\n"]


def _table(results: Sequence[Result]) -> str:
    head = ("row", "network", "recipe", "dataset", "protocol", "left out", "seed", "measured on",
            "pictures", "people", *_FIGURES, *QUARTILES, *_FACTS)  # fmt: skip
    lines = []
    for one in results:
        row = one.row
        names = (row.name, row.network, row.recipe.name, row.dataset.name, row.protocol,
                 row.left_out, row.seed)  # fmt: skip
        for where, m in (("all", one.measures), *one.by_source.items()):
            figures = (getattr(m, name) for name in _FIGURES)
            lines.append(
                (*names, where, m.pictures, m.people, *figures, *m.quartiles,
                 *(one.facts[name] for name in _FACTS))
            )  # fmt: skip
    return _csv(head, lines)


def _class_table(results: Sequence[Result]) -> str:
    known = (one for one in results if one.classes == CHROMOSOMES)
    lines = [(one.row.name, *one.measures.classes) for one in known]
    return _csv(("row", *CHROMOSOMES), lines)


def _csv(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    for line in lines:
        empty = ("" if isinstance(v, float) and np.isnan(v) else v for v in line)
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in empty])
    return buffer.getvalue()

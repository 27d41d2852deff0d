"""The report of `reproduce_thesis.py`: tables and figures from its results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from screening.metrics import markdown_table
from screening.train import figures
from screening.train.choice import measured
from screening.train.training_run import confusion_of

PICTURES, PEOPLE = ARMS = ("pictures", "people")
COLOURS = dict(zip(ARMS, ("tab:red", "tab:blue"), strict=True))

ROWS = (
    ("original data, VGG16", (0.83, 0.83, 0.56, 0.79), "original-vgg16", 0),
    ("original data, InceptionV3", (0.77, 0.58, 0.78, 0.86), "original-inceptionv3", 0),
    ("augmented, VGG16", (0.97, 0.98, 0.95, 0.99), "vgg16", 0),
    ("augmented, InceptionV3", (0.94, 0.98, 0.86, 0.99), "inceptionv3", 0),
    ("VGG16, last block trained", (0.97, 0.98, 0.96, 0.99), "vgg16", 1),
    ("VGG16, last two blocks", (0.98, 0.93, 0.96, 0.99), "vgg16", 2),
    ("InceptionV3, whole", (0.95, 1.00, 0.89, 0.99), "inceptionv3", 1),
)
"""The thesis' rows: label, (accuracy, precision, recall, AUC) there, family and stage here."""

TITLES = {
    "original-vgg16": "original, VGG16",
    "original-inceptionv3": "original, InceptionV3",
    "vgg16": "augmented, VGG16",
    "inceptionv3": "augmented, InceptionV3",
}
LEARNT = 0.8
"""AUC on the training part from which a network counts as having learnt it."""
STAGES = {"vgg16": ("head", "last block", "last two blocks"), "inceptionv3": ("head", "whole")}


TEXT = """Chu (KTH 2020) split after augmentation. The same pool of composed karyograms is split
here over **pictures**, as there, and over **people**; each model is then scored on other people,
who are in no pool.

Pictures: composed from real single chromosomes in random looks, 46 chromosomes or one known
numerical abnormality, the thesis' numbers: 105 + 41, augmented (brightness, noise, blur) to
376 + 316; 64/16/20; network input {size} × {size}. VGG16 starts from the base of the shipped
bundle, InceptionV3 from {taught}. Nobody of the pool or of the other people taught either.

Thesis: ImageNet weights, real karyograms, 150 × 150. Absolute values are therefore not comparable
with the thesis; the two splits are comparable with one another, and so are the two views: *plain*,
the karyogram as the thesis' networks saw it, and *compact*, what was found on it laid out without
gaps, captions and margins (reports/compact.md).

Test part of each split, mean over the seeds (the last column counts them); in brackets the lowest
and the highest. Accuracy, precision and recall are at p ≥ 0.5 after training with class weights,
not at a threshold fitted to anything: where a model has learnt nothing, nearly all its scores may
lie on one side of 0.5 and these three say little; read the AUC. Of the leak, AUC. *Claimed*: on
the test part of the split. *True*: the very same models on people in no pool. *Leak*: claimed minus
true.

Read single cells with care: a test part holds few people, its AUC moves by ±0.1 from seed to seed,
and all models of a seed share one split. The rows on original data leak only where two cells of one
person stand on both sides.

Figures: ROC curves of the test parts and of other people, the scores of all seeds pooled; loss and
AUC by epoch, first seed (thin lines mark where a deeper stage begins); confusion matrices at 0.5,
test parts of all seeds added up; AUC by stage of unfreezing (every stage starts from the best epoch
of the one before, by validation AUC, and hands that on where none of its own is better: two stages
are then equal).
"""

VIEW = """
## The seven rows, {view} pictures

{table}

### The size of the leak, {view} pictures

{sizes}

{leak}

{found}{unlearnt}

![ROC]({stem}_roc.png)

![training curves]({stem}_curves.png)

![confusion matrices]({stem}_confusion.png)

![AUC by stage]({stem}_stages.png)
"""

Results = dict[tuple[str, str, int], dict[str, Any]]


def thesis_report(folders: Mapping[str, Path], size: int, taught: str, reports: Path) -> str:
    """Return the text of reports/thesis.md from all results in the folder of each view, "" without
    any; its figures are written. `taught`: in words, from what InceptionV3 started."""
    parts = []
    for view, folder in folders.items():
        results: Results = {}
        for path in sorted(folder.glob("*.json")):
            name, arm, seed = path.stem.rsplit("_", 2)
            results[name, arm, int(seed)] = json.loads(path.read_text())
        if results:
            stem = f"thesis_{view}"
            _figures(results, reports, stem)
            parts.append(VIEW.format(
                view=view, stem=stem,
                table=_table(results), leak=_leak_table(results), sizes=_sizes(results),
                found=_found(results), unlearnt=_unlearnt(results),
            ))  # fmt: skip
    return TEXT.format(size=size, taught=taught) + "".join(parts) if parts else ""


def _seeds(results: Results, name: str, arm: str, stage: int = 0) -> list[dict[str, Any]]:
    """Return the results of all seeds that have come to this stage."""
    return [
        content
        for (n, a, _), content in sorted(results.items())
        if (n, a) == (name, arm) and len(content["stages"]) > stage
    ]


def _each_row(results: Results) -> list[tuple[str, tuple[float, ...], str, int]]:
    """Return the rows for which there is any result, in the thesis' order."""
    return [row for row in ROWS if any(_seeds(results, row[2], arm, row[3]) for arm in ARMS)]


def _values(contents: list[dict[str, Any]], stage: int, of: str) -> list[dict[str, float]]:
    found = []
    for content in contents:
        scores = content["stages"][stage][of]
        found.append(measured(np.array(scores["labels"]), np.array(scores["p"]), 0.95))
    return found


def _spread(values: Sequence[float]) -> str:
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return "–"
    if len(known) == 1:
        return f"{known[0]:.2f}"
    return f"{np.mean(known):.2f} ({min(known):.2f}–{max(known):.2f})"


def _table(results: Results) -> str:
    rows = []
    for label, thesis, name, stage in _each_row(results):
        rows.append((label, "thesis", *(f"{value:.2f}" for value in thesis), ""))
        for arm in ARMS:
            found = _values(_seeds(results, name, arm, stage), stage, "test")
            keys = ("accuracy", "precision", "recall", "auc")
            rows.append(
                (
                    "",
                    f"over {arm}",
                    *(_spread([one[key] for one in found]) for key in keys),
                    len(found),
                )
            )
    header = ("model", "split", "accuracy", "precision", "recall", "AUC", "seeds")
    return markdown_table(header, rows)


def _leak_table(results: Results) -> str:
    rows = []
    for label, _, name, stage in _each_row(results):
        cells: list[str] = [label]
        for arm in ARMS:
            contents = _seeds(results, name, arm, stage)
            claimed = [one["auc"] for one in _values(contents, stage, "test")]
            true = [one["auc"] for one in _values(contents, stage, "fresh")]
            leak = [a - b for a, b in zip(claimed, true, strict=True)]
            cells += [_spread(claimed), _spread(true), _signed(leak)]
        rows.append(tuple(cells))
    header = ["model"]
    for arm in ARMS:
        header += [f"over {arm}: claimed", "true", "leak"]
    return markdown_table(tuple(header), rows)


def _found(results: Results) -> str:
    """Return what the augmented rows say together, and which rows have no result."""
    means = {}
    for arm in ARMS:
        leaks = []
        for _, _, name, stage in _each_row(results):
            contents = _seeds(results, name, arm, stage) if name in STAGES else []
            claimed, true = (_values(contents, stage, of) for of in ("test", "fresh"))
            leaks += [a["auc"] - b["auc"] for a, b in zip(claimed, true, strict=True)]
        if leaks:
            means[arm] = f"{np.mean(leaks):+.2f} over {arm} ({len(leaks)} trainings)"
    shown = _each_row(results)
    missing = [row[0] for row in ROWS if row not in shown]
    not_run = f" Not run: {'; '.join(missing)}." if missing else ""
    leak = f"Mean leak of the augmented rows: {', '.join(means.values())}." if means else ""
    return f"{leak}{not_run}".strip()


def _unlearnt(results: Results) -> str:
    """Return a warning about rows whose networks did not even learn their training part."""
    shown = []
    for label, _, name, stage in _each_row(results):
        last = STAGES.get(name, ("head",))
        if stage != len(last) - 1 or stage == 0:
            continue
        contents = _seeds(results, name, PICTURES, stage)
        reached = [max(row["auc"] for row in content["history"]) for content in contents]
        if reached and np.mean(reached) < LEARNT:
            shown.append(f"{label} ({np.mean(reached):.2f})")
    if not shown:
        return ""
    return (
        " A network that has not learnt its own training part has nothing to leak: the best AUC on "
        f"the training part stays below {LEARNT} over pictures for {', '.join(shown)}; its rows "
        "say nothing about the split."
    )


def _signed(values: Sequence[float]) -> str:
    known = [value for value in values if not np.isnan(value)]
    return f"**{np.mean(known):+.2f}**" if known else "–"


def _sizes(results: Results) -> str:
    def first(arm: str) -> dict[str, Any] | None:
        augmented_runs = [r for (n, a, _), r in results.items() if a == arm and "orig" not in n]
        return augmented_runs[0] if augmented_runs else None

    said = []
    for arm in ARMS:
        one = first(arm)
        if one is not None:
            said.append(
                f"Split over {arm}, augmented: {one['originals_on_both_sides']} of the "
                f"{one['test_originals']} originals behind the test part are also behind the "
                f"training part ({one['people_on_both_sides']} people on both sides)."
            )
    any_one = next(iter(results.values()))
    labels = any_one["stages"][0]["fresh"]["labels"]
    seeds = len({seed for _, _, seed in results})
    said.append(
        f"Other people: {any_one['fresh_people']}, {len(labels)} pictures, {sum(labels)} abnormal. "
        f"Seeds: {seeds}."
    )
    return " ".join(said)


def _figures(results: Results, folder: Path, stem: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = _each_row(results)
    figure = Figure(figsize=(10.5, 10.5), layout="constrained")
    shown = [
        (arm, of, f"over {arm}: {word}")
        for arm in ARMS
        for of, word in (("test", "claimed"), ("fresh", "true"))
    ]
    for axes, (arm, of, title) in zip(figure.subplots(2, 2).flat, shown, strict=True):
        figures.roc_into(axes, {label: _joined(_seeds(results, name, arm, stage), stage, of)
                                for label, _, name, stage in rows
                                if _seeds(results, name, arm, stage)})  # fmt: skip
        axes.set_title(title)
    figure.savefig(folder / f"{stem}_roc.png", dpi=90)
    matrices = {}
    for label, _, name, stage in rows:
        for arm in ARMS:
            contents = _seeds(results, name, arm, stage)
            if contents:
                matrices[f"{label}\nover {arm}"] = confusion_of(*_joined(contents, stage, "test"))
    figures.confusion(matrices, folder / f"{stem}_confusion.png")
    _curves(results, folder / f"{stem}_curves.png")
    _by_stage(results, folder / f"{stem}_stages.png")


def _joined(contents: list[dict[str, Any]], stage: int, of: str) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and p of all seeds together."""
    scores = [content["stages"][stage][of] for content in contents]
    return tuple(np.concatenate([one[key] for one in scores]) for key in ("labels", "p"))


def _curves(results: Results, path: Path) -> None:
    names = list(dict.fromkeys(name for name, _, _ in results))
    names = [name for name in TITLES if name in names]
    figure = Figure(figsize=(3.9 * len(names), 6.2), layout="constrained")
    places = figure.subplots(2, len(names), squeeze=False)
    for column, name in enumerate(names):
        for arm in ARMS:
            contents = _seeds(results, name, arm)
            if not contents:
                continue
            history, colour = contents[0]["history"], COLOURS[arm]
            x = np.arange(1, len(history) + 1)
            stages = [r["stage"] for r in history]
            turns = [n for n in range(1, len(stages)) if stages[n] != stages[n - 1]]
            for axes, key in zip(places[:, column], ("loss", "auc"), strict=True):
                axes.plot(x, [r[key] for r in history], color=colour, linestyle=":",
                          label=f"over {arm}: train")  # fmt: skip
                axes.plot(x, [r[f"val_{key}"] for r in history], color=colour,
                          label=f"over {arm}: validation")  # fmt: skip
                for turn in turns:  # a deeper stage begins
                    axes.axvline(turn + 0.5, color=colour, linewidth=0.8, alpha=0.5)
        for axes, title, limits in zip(places[:, column], ("loss", "AUC"), ((0, 1.6), (0.2, 1.02)),
                                       strict=True):  # fmt: skip
            axes.set(title=f"{TITLES[name]}: {title}", xlabel="epoch", ylim=limits)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    lines, labels = places[0, 0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=4, fontsize=9)
    figure.savefig(path, dpi=80)


def _by_stage(results: Results, path: Path) -> None:
    names = [name for name in STAGES if any(_seeds(results, name, arm) for arm in ARMS)]
    if not names:
        return
    figure = Figure(figsize=(max(6.0, 4.5 * len(names)), 4.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for arm in ARMS:
            reached = [
                (stage, contents)
                for number, stage in enumerate(STAGES[name])
                if (contents := _seeds(results, name, arm, number))
            ]
            for of, style, word in (("test", "-", "claimed"), ("fresh", "--", "true")):
                means = [
                    np.mean([one["auc"] for one in _values(contents, number, of)])
                    for number, (_, contents) in enumerate(reached)
                ]
                axes.plot([stage for stage, _ in reached], means, style, color=COLOURS[arm],
                          marker="o", label=f"over {arm}: {word}")  # fmt: skip
                for number, (stage, contents) in enumerate(reached):
                    each = [one["auc"] for one in _values(contents, number, of)]
                    axes.plot([stage] * len(each), each, ".", color=COLOURS[arm], alpha=0.35)
        axes.axhline(0.5, color="0.8", linewidth=1)
        axes.set(title=TITLES[name], ylabel="AUC (points: seeds)", ylim=(0.25, 1.02))
    lines, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(path, dpi=90)

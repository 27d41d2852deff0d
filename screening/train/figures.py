"""Figures of a training or a search as PNG files, and one page that shows them all."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_curve

from screening import words
from screening.languages.spoken import speak_in

CURVES = {"loss": "loss", "auc": "AUC", "precision": "precision", "recall": "recall"}
OBJECTIVES = {"val_auc": "validation AUC", "val_loss": "validation loss"}


def curves(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw loss, AUC, precision and recall of train and validation over all epochs."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    x = np.arange(1, len(history) + 1)
    stages = [row["stage"] for row in history]
    begins = [0, *(n for n in range(1, len(stages)) if stages[n] != stages[n - 1])]
    marker = "o" if len(history) < 15 else None
    for axes, (name, title) in zip(figure.subplots(2, 2).flat, CURVES.items(), strict=True):
        axes.plot(x, [row[name] for row in history], marker=marker, label="train")
        axes.plot(x, [row[f"val_{name}"] for row in history], marker=marker, label="validation")
        for begin in begins:
            if begin:
                axes.axvline(begin + 0.5, color="0.8", linewidth=1)
            axes.annotate(
                stages[begin].replace("_", " "), (begin + 0.6, 1), (0, 2), fontsize=8, color="0.4",
                xycoords=("data", "axes fraction"), textcoords="offset points",
            )  # fmt: skip
        axes.set_title(title, pad=16)
        axes.set(xlabel="epoch", xlim=(0.5, len(history) + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if name != "loss":
            axes.set_ylim(-0.02, 1.02)
    figure.axes[0].legend()
    figure.savefig(path, dpi=110)


def confusion(counts: Mapping[str, np.ndarray], path: Path) -> None:
    """Draw one confusion matrix per title, [[TN, FP], [FN, TP]], true labels as rows."""
    columns = min(4, len(counts))
    rows = -(-len(counts) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.7 * rows), layout="constrained")
    places = np.atleast_1d(figure.subplots(rows, columns)).flat
    # The places come last: zip would take one too many from the first of its arguments.
    for (title, matrix), axes in zip(counts.items(), places, strict=False):
        axes.imshow(matrix, cmap="Blues", vmin=0)
        for (i, j), count in np.ndenumerate(matrix):
            dark = count > matrix.max() / 2
            axes.text(j, i, str(count), ha="center", va="center", color="w" if dark else "k")
        axes.set(xticks=(0, 1), yticks=(0, 1), xlabel="predicted", ylabel="true")
        axes.set_xticklabels(("normal", "abn."))
        axes.set_yticklabels(("normal", "abn."))
        axes.set_title(title, fontsize=8)
    for axes in list(places):
        axes.axis("off")
    figure.savefig(path, dpi=110)


def roc(models: Mapping[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Draw the ROC curves of name -> (labels 0/1, p(abnormal)) into one figure."""
    figure = Figure(figsize=(5.5, 5.5), layout="constrained")
    axes = figure.subplots()
    roc_into(axes, models)
    figure.savefig(path, dpi=110)


def roc_into(axes: Axes, models: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Draw the ROC curves of name -> (labels 0/1, p(abnormal)) into `axes`."""
    for name, (labels, p) in models.items():
        if len(np.unique(labels)) == 2:
            false, true, _ = roc_curve(labels, p)
            axes.plot(false, true, label=name, linewidth=1.2)
    axes.plot((0, 1), (0, 1), color="0.7", linewidth=1)
    axes.set(xlabel="1 - specificity", ylabel="recall", aspect="equal")
    axes.legend(fontsize=7, loc="lower right")


def search_scatter(trials: Sequence[Mapping[str, Any]], objective: str, folder: Path) -> list[Path]:
    """Draw the objective against each searched value, one file each; return the files.

    `trials` have `values` and `score` (None: failed), as in `search.trials.json`; these are the
    thesis' Figures 3.3 and 3.4.
    """
    done = [trial for trial in trials if trial["score"] is not None]
    files = []
    for name in sorted({name for trial in done for name in trial["values"]}):
        figure = Figure(figsize=(5, 3.5), layout="constrained")
        axes = figure.subplots()
        x = [trial["values"][name] for trial in done]
        y = [trial["score"] for trial in done]
        axes.scatter(x, y, s=24, label="trial")
        best = int(np.argmin(y) if objective == "val_loss" else np.argmax(y))
        axes.scatter(x[best], y[best], s=90, marker="*", color="tab:red", label="best")
        if name == "learning_rate":
            axes.set_xscale("log")
        elif name == "batch_size":
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted(set(x)), map(str, sorted(set(x))))
        axes.set(xlabel=name.replace("_", " "), ylabel=OBJECTIVES.get(objective, objective))
        axes.legend(fontsize=8)
        files.append(folder / f"search_{name}.png")
        figure.savefig(files[-1], dpi=110)
    return files


def page(
    path: Path,
    title: str,
    lines: Sequence[str],
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    pictures: Sequence[Path],
) -> None:
    """Write one self-contained HTML page: text lines, a table, and the PNG files."""
    # The template of the package's pages, by its place: the code that fills the others ranks above.
    loader = jinja2.PackageLoader("screening", "report")
    environment = jinja2.Environment(loader=loader, autoescape=True)
    speak_in(environment)
    template = environment.get_template("figures.html.jinja")
    embedded = [(_heading(p), base64.b64encode(p.read_bytes()).decode()) for p in pictures]
    text = template.render(
        title=title, research=words.RESEARCH_USE, lines=lines, header=header, rows=rows,
        pictures=embedded,
    )  # fmt: skip
    path.write_text(text, "utf-8")


def _heading(figure: Path) -> str:
    known = {"roc": "ROC", "confusion": "Confusion matrices"}
    return known.get(figure.stem, figure.stem.replace("_", " ").capitalize())

"""Figures of a benchmark: accuracies of the classes by row and by class, confusions, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from screening.benchmark.measures import confusion
from screening.benchmark.runner import Result
from screening.classes import CHROMOSOMES

_MOST = 30
"""Confusion matrices in one figure; benchmark.csv and the rows' predictions have the others."""


def draw(results: Sequence[Result], counts: Mapping[str, np.ndarray], folder: Path) -> list[Path]:
    """Write the figures as PNG and return their paths; `counts`: source → pictures by class."""
    by_row = [np.array(result.measures.classes) for result in results]
    by_class = [one for one in by_row if len(one) == len(CHROMOSOMES)]
    names = [result.row.name for result in results]
    files = [folder / "rows.png", folder / "confusion.png"]
    _boxes(files[0], names, by_row, "accuracy of the classes", upright=False)
    _confusions(files[1], results)
    if by_class:
        files.append(folder / "classes.png")
        columns = list(np.array(by_class).T)
        _boxes(files[-1], CHROMOSOMES, columns, "accuracy in the rows", upright=True)
    if counts:
        files.append(folder / "counts.png")
        _counts(files[-1], counts)
    return files


def _counts(path: Path, counts: Mapping[str, np.ndarray]) -> None:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes, bottom = figure.subplots(), np.zeros(len(CHROMOSOMES))
    for source, own in counts.items():
        axes.bar(CHROMOSOMES, own, bottom=bottom, label=source)
        bottom = bottom + own
    axes.set(xlabel="class", ylabel="pictures")
    axes.legend(fontsize=8)
    _save(figure, path)


def _boxes(
    path: Path, names: Sequence[str], values: Sequence[np.ndarray], what: str, upright: bool
) -> None:
    """Minimum to maximum, quartiles and median of each of `values`, nan left out."""
    known = [100 * one[~np.isnan(one)] for one in values]
    size = (9, 3.6) if upright else (9, 1 + 0.34 * len(names))
    figure = Figure(figsize=size, layout="constrained")
    axes: Axes = figure.subplots()
    axes.boxplot(
        known,
        whis=(0, 100),
        orientation="vertical" if upright else "horizontal",
        tick_labels=list(names),
        widths=0.6,
        medianprops={"color": "#b00020"},
    )
    if upright:
        axes.set(xlabel="class", ylabel=f"{what}, %")
    else:
        axes.invert_yaxis()
        axes.set(xlabel=f"{what}, %")
        axes.tick_params(axis="y", labelsize=8)
    axes.grid(alpha=0.25)
    _save(figure, path)


def _confusions(path: Path, results: Sequence[Result]) -> None:
    results = results[:_MOST]
    columns = min(3, len(results))
    lines = -(-len(results) // columns)
    figure = Figure(figsize=(4 * columns, 4.3 * lines), layout="constrained")
    places = list(np.atleast_1d(figure.subplots(lines, columns)).flat)
    for axes in places:
        axes.axis("off")
    for axes, result in zip(places, results, strict=False):
        names = result.classes
        matrix = confusion(result.labels, result.said, len(names))
        shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        axes.axis("on")
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        ticks = range(len(names))
        axes.set_xticks(ticks, names, fontsize=6)
        axes.set_yticks(ticks, names, fontsize=6)
        axes.set_title(result.row.name.replace("_", " "), fontsize=7)
        axes.set(xlabel="said", ylabel="true")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    # No version inside: the same numbers give the same file.
    figure.savefig(path, dpi=100, metadata={"Software": None})

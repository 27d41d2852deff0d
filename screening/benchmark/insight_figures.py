"""Figures of what the rows' networks see: t-SNE, class-activation maps, outputs of layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from screening.benchmark.insight import MOST_OF_A_CLASS, SHOWN, STAGES
from screening.benchmark.runner import Result

CAPTIONS = {
    "tsne": "What the classes are read from, before and after the training, as a t-SNE: at most "
    f"{MOST_OF_A_CLASS} measured pictures of a class.",
    "activation": f"Where the network looked for the class that it says, of {SHOWN} measured "
    "pictures (Grad-CAM of the last map): red where most speaks for it.",
    "layers": "The first of these pictures, and nine channels each of the first convolution, the "
    "first two poolings (without poolings, the first layers of half the side) and the last map.",
}
MOST = 12
"""Rows in one figure; the others' arrays lie in their folders."""


def draw_insight(results: Sequence[Result], folder: Path) -> list[Path]:
    """Write the figures of the first rows that have what is drawn, and return their paths."""
    written = []
    for name, draw, needed in (
        ("tsne", _points, "after"),
        ("activation", _heat, "heat"),
        ("layers", _layers, "layer_names"),
    ):
        drawn = [one for one in results if needed in one.insight][:MOST]
        if drawn:
            figure = draw(drawn)
            figure.savefig(folder / f"{name}.png", dpi=100, metadata={"Software": None})
            written.append(folder / f"{name}.png")
    return written


def _points(results: Sequence[Result]) -> Figure:
    """Before on the left, after on the right, one colour a class."""
    figure = Figure(figsize=(9, 4.1 * len(results)))
    for line, result in zip(_lines(figure, len(results), 2), results, strict=True):
        colours = colormaps["nipy_spectral"](np.linspace(0.02, 0.96, len(result.classes)))
        labels = result.insight["point_labels"]
        for axes, when in zip(line, ("before", "after"), strict=True):
            points = result.insight[when]
            axes.scatter(points[:, 0], points[:, 1], s=7, c=colours[labels])
            for name in np.unique(labels):
                own = points[labels == name]
                # At one of the points: between two laboratories' clusters there may be none.
                middle = own[np.linalg.norm(own - np.median(own, axis=0), axis=1).argmin()]
                axes.annotate(result.classes[name], middle, fontsize=8, weight="bold", ha="center")
            axes.set_xlabel(f"{when} training", fontsize=8)
        _name(line[0], result)
    return figure


def _heat(results: Sequence[Result]) -> Figure:
    """The pictures with the map over them; true class, and in red what was said for another."""
    figure = Figure(figsize=(1.25 * SHOWN, 1.75 * len(results)))
    for line, result in zip(_lines(figure, len(results), SHOWN), results, strict=True):
        kept = [result.insight[key] for key in ("shown", "heat", "shown_labels", "shown_said")]
        for axes, picture, heat, true, said in zip(line, *kept, strict=False):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
            large = cv2.resize(heat, picture.shape[::-1], interpolation=cv2.INTER_LINEAR)
            axes.imshow(large, cmap="jet", vmin=0, vmax=255, alpha=0.4)
            wrong = "" if true == said else f", said {result.classes[said]}"
            colour = "black" if true == said else "#b00020"
            axes.set_xlabel(f"{result.classes[true]}{wrong}", fontsize=8, color=colour)
        _name(line[0], result)
    return figure


def _layers(results: Sequence[Result]) -> Figure:
    """The picture, and nine channels of the layer at each stage; empty where there is none."""
    columns = 1 + len(STAGES)
    figure = Figure(figsize=(2 * columns, 2.5 * len(results)))
    for line, result in zip(_lines(figure, len(results), columns), results, strict=True):
        named = dict(text.split(": ") for text in result.insight["layer_names"])
        line[0].imshow(result.insight["shown"][0], cmap="gray", vmin=0, vmax=255)
        _name(line[0], result)
        for axes, stage in zip(line[1:], STAGES, strict=True):
            if stage in named:
                axes.imshow(result.insight[f"layer_{stage}"], cmap="gray")
            axes.set_xlabel(f"{stage}: {named.get(stage, 'none')}", fontsize=7)
    return figure


def _lines(figure: Figure, lines: int, columns: int) -> list[list[Axes]]:
    figure.set_layout_engine("constrained", h_pad=0.14)  # room for the names
    places = figure.subplots(lines, columns, squeeze=False)
    for axes in places.flat:
        axes.set(xticks=(), yticks=())
        axes.set_frame_on(False)
    return [list(line) for line in places]


def _name(axes: Axes, result: Result) -> None:
    """The row's name above its first picture, over the others, which keep their places."""
    name = result.row.name.replace("_", " ")
    axes.text(0, 1.05, name, fontsize=8, transform=axes.transAxes).set_in_layout(False)

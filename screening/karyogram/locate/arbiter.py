"""How probable it is that two touching regions belong to one chromosome: a bundle's small network.

Fitted on composed karyograms of training patients. It sees numbers relative to the page's typical
chromosome width and to what stands beside the regions in their row, so that neither resolution nor
laboratory matter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from screening.karyogram.locate.regions import DARK, INK, MEETS, TOUCH, XX, XY, YY, Graph, N, X, Y
from screening.karyogram.locate.segments import WORK_WIDTH

FEATURES = (
    "touch", "border", "least_border", "most_border", "neck", "neck_of_peak", "gap", "dark",
    "log_small", "log_large", "touch_of_small", "touch_of_large", "end_on_small", "end_on_large",
    "parallel", "width", "elongation", "width_gain", "beside", "above", "known", "whole_expected",
    "small_expected", "large_expected",
)  # fmt: skip
"""Names of the numbers that the arbiter sees, in order."""


def features(graph: Graph, expected: np.ndarray) -> np.ndarray:
    """Return float (e, len(FEATURES)) of a graph's contacts; `expected` (r,): area in pixels of a
    chromosome that stands where a region is, nan when unknown."""
    first, second = graph.pair.T
    swap = graph.sums[first, N] > graph.sums[second, N]
    small, large = np.where(swap, second, first), np.where(swap, first, second)
    shape = _Shape.of(graph.sums)
    whole_sums = graph.sums[small] + graph.sums[large]
    whole = _Shape.of(whole_sums)
    apart = shape.centre[large] - shape.centre[small]
    apart /= np.maximum(np.hypot(*apart.T), 1e-6)[:, None]
    touch = graph.contact[:, TOUCH]
    per_touch = 1 / np.maximum(touch, 1)
    darkness = graph.sums[:, INK] / graph.sums[:, N]
    lighter = np.minimum(darkness[small], darkness[large])
    a, b = graph.box[small], graph.box[large]
    overlap = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    overlap /= np.minimum(a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2])
    area = np.log(graph.sums[:, N] / WORK_WIDTH**2)
    here = np.fmax(expected[small], expected[large])
    known = np.isfinite(here)
    usual = np.where(known, np.log(np.where(known, here, 1.0) / WORK_WIDTH**2), 0.0)
    both = np.log(whole_sums[:, N] / WORK_WIDTH**2)

    def end_on(which: np.ndarray) -> np.ndarray:
        return np.abs((apart * shape.axis[which]).sum(1)) * shape.elongation[which]

    columns = (
        touch / WORK_WIDTH,
        graph.contact[:, MEETS] * per_touch,
        graph.least,
        graph.most,
        graph.neck / WORK_WIDTH * 2,
        graph.neck / np.maximum(np.minimum(graph.peak[small], graph.peak[large]), 0.5),
        graph.gap / WORK_WIDTH * 2,
        graph.contact[:, DARK] * per_touch / np.maximum(lighter, 1e-3),
        area[small],
        area[large],
        touch / np.maximum(shape.width[small], 1),
        touch / np.maximum(shape.width[large], 1),
        end_on(small),
        end_on(large),
        np.abs((shape.axis[small] * shape.axis[large]).sum(1))
        * shape.elongation[small] * shape.elongation[large],
        whole.width / WORK_WIDTH,
        whole.elongation,
        whole.width / np.maximum(np.maximum(shape.width[small], shape.width[large]), 1),
        overlap[:, 1],
        overlap[:, 0],
        known,
        np.where(known, both - usual, 0),
        np.where(known, area[small] - usual, 0),
        np.where(known, area[large] - usual, 0),
    )  # fmt: skip
    return np.stack(columns, 1)


@dataclass(frozen=True, eq=False)
class Arbiter:
    """A perceptron over `FEATURES`: `mean`, `spread` (24,) of the features, `layers` of (weight
    (a, b), bias (b,))."""

    mean: np.ndarray
    spread: np.ndarray
    layers: Sequence[tuple[np.ndarray, np.ndarray]]

    @staticmethod
    def from_json(text: str | bytes) -> Arbiter:
        """Return the arbiter that a bundle holds; ValueError when its features are others."""
        stored = json.loads(text)
        if tuple(stored["features"]) != FEATURES:
            raise ValueError("the arbiter was fitted to other features: build the bundle again")
        layers = [
            (np.array(layer["weight"]), np.array(layer["bias"])) for layer in stored["layers"]
        ]
        return Arbiter(np.array(stored["mean"]), np.array(stored["spread"]), layers)

    def log_odds(self, graph: Graph, expected: np.ndarray) -> np.ndarray:
        """Return float (e,): log odds that the two regions of each contact are one chromosome."""
        if not len(graph.pair):
            return np.zeros(0)
        x = np.clip((features(graph, expected) - self.mean) / self.spread, -6, 6)
        for weight, bias in self.layers[:-1]:
            x = np.maximum(x @ weight + bias, 0)
        weight, bias = self.layers[-1]
        return (x @ weight + bias)[:, 0]


class _Shape:
    """Second moments as an ellipse: `centre` (r, 2), `axis` (r, 2) its long direction, `width`
    (r,) across it, `elongation` (r,) 0 round to 1 a line."""

    def __init__(self, centre: np.ndarray, axis: np.ndarray, width: np.ndarray, long: np.ndarray):
        self.centre, self.axis, self.width = centre, axis, width
        self.elongation = 1 - width / np.maximum(long, 1e-6)

    @classmethod
    def of(cls, sums: np.ndarray) -> _Shape:
        n = sums[:, N]
        x, y = sums[:, X] / n, sums[:, Y] / n
        xx = sums[:, XX] / n - x * x + 1 / 12
        xy = sums[:, XY] / n - x * y
        yy = sums[:, YY] / n - y * y + 1 / 12
        middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        angle = np.arctan2(2 * xy, xx - yy) / 2
        short = np.sqrt(np.maximum(middle - half, 1e-6))
        axis = np.stack([np.cos(angle), np.sin(angle)], 1)
        return cls(np.stack([x, y], 1), axis, 4 * short, 4 * np.sqrt(middle + half))

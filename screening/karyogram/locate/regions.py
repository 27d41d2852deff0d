"""Regions of ink, surely of one chromosome each, and where they touch: the graph to be joined.

Regions are too many rather than too few: a chromosome with a thin centromere is two. Everything
known of regions and contacts is additive, so that joining regions is adding rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from skimage.segmentation import watershed

from screening.images.ink import ink_window
from screening.karyogram.locate.masks import grown
from screening.karyogram.locate.segments import Segments

_CORES = (2.5, 1.5, 0.5)  # px from the edge of a core, the thickest parts first
_GAPS = (2.0, 4.0)  # px of paper between regions that may still be one chromosome
_NEAR = 5  # px: a satellite stands no further from its chromosome
_FLAT, _ENOUGH = 0.045, 15  # of the mean darkness; px inside that tell it
_SMALL = 60  # px of ink: what may be a satellite
N, X, Y, XX, XY, YY, INK = range(7)
"""Columns of `Graph.sums`: pixels, first and second moments of place, ink."""
TOUCH, MEETS, DARK = range(3)
"""Columns of `Graph.contact`: pairs of pixels, sum of `border`, sum of ink."""


@dataclass(frozen=True, eq=False)
class Graph:
    """`sums` float (r, 7), `peak` (r,) greatest depth, `box` (r, 4) x0, y0, x1, y1 of r regions;
    `pair` int (e, 2) of touching regions, `contact` float (e, 3), `least`, `most` (e,) of `border`
    along the contact, `neck` (e,) greatest depth on it, `gap` (e,) pixels of paper between."""

    sums: np.ndarray
    peak: np.ndarray
    box: np.ndarray
    pair: np.ndarray
    contact: np.ndarray
    least: np.ndarray
    most: np.ndarray
    neck: np.ndarray
    gap: np.ndarray

    def joined(self, part: np.ndarray) -> Graph:
        """Return the graph whose region k is all regions with `part` int (r,) == k."""
        n = int(part.max(initial=-1)) + 1
        sums = np.stack([np.bincount(part, column, n) for column in self.sums.T], 1)
        peak = np.zeros(n)
        np.maximum.at(peak, part, self.peak)
        box = np.full((n, 4), np.inf)
        np.minimum.at(box, part, self.box * _SIGNS)
        pair = np.sort(part[self.pair], 1)
        kept = pair[:, 0] != pair[:, 1]
        key, edge = np.unique(pair[kept] @ [n, 1], return_inverse=True)
        m = len(key)
        values = {"least": self.least, "most": -self.most, "neck": -self.neck, "gap": self.gap}
        low = {}
        for name, value in values.items():
            low[name] = np.full(m, np.inf)
            np.minimum.at(low[name], edge, value[kept])
        contact = np.stack([np.bincount(edge, c, m) for c in self.contact[kept].T], 1)
        return Graph(
            sums, peak, box * _SIGNS, np.stack(np.divmod(key, max(n, 1)), 1),
            contact.reshape(m, 3), low["least"], -low["most"], -low["neck"], low["gap"],
        )  # fmt: skip

    def among(self, label: np.ndarray) -> Graph:
        """Return the graph of two regions 0 and 1 that touch, joined from those with `label` 0 and
        1; others have -1."""
        kept = label >= 0
        place = np.cumsum(kept) - 1
        pair = self.pair[kept[self.pair].all(1)]
        edge = kept[self.pair].all(1)
        inner = Graph(
            self.sums[kept], self.peak[kept], self.box[kept], place[pair], self.contact[edge],
            self.least[edge], self.most[edge], self.neck[edge], self.gap[edge],
        )  # fmt: skip
        return inner.joined(label[kept])


_SIGNS = np.array([1, 1, -1, -1])


def stacked(graphs: Sequence[Graph]) -> Graph:
    """Return all graphs as one without contacts between them."""
    if not graphs:
        none = np.zeros(0)
        return Graph(np.zeros((0, 7)), none, np.zeros((0, 4)), np.zeros((0, 2), np.int64),
                     np.zeros((0, 3)), none, none, none, none)  # fmt: skip
    first = np.cumsum([0, *(len(graph.peak) for graph in graphs)])
    pair = [graph.pair + start for graph, start in zip(graphs, first[:-1], strict=True)]
    fields = ("sums", "peak", "box", "contact", "least", "most", "neck", "gap")
    all_ = {name: np.concatenate([getattr(graph, name) for graph in graphs]) for name in fields}
    return Graph(pair=np.concatenate(pair), **all_)


def regions(found: Segments) -> tuple[np.ndarray, Graph]:
    """Return (labels int32 (h, w), 0 outside, k + 1 region k; their graph)."""
    calm = (found.inside & (found.border < 0.5)).astype(np.uint8)
    depth = cv2.distanceTransform(calm, cv2.DIST_L2, 3)
    seeds = _seeds(depth)
    height = (found.border * 200 - np.minimum(depth, 3)).astype(np.int16)
    labels = _flooded(height, seeds, found.inside)
    return labels, _graph(labels, depth, found)


def drawn_in(labels: np.ndarray, part: np.ndarray, found: Segments) -> np.ndarray:
    """Return bool (parts,): whether a part is an arrow's head: of one tone, and hanging on print.

    Chromosomes have bands: of 4,632, none varied by less than 0.051 of its mean darkness inside.
    """
    ink = found.ink
    near = cv2.dilate(found.printed.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    hangs = np.bincount(part[labels[near & (labels > 0)] - 1], minlength=part.max(initial=-1) + 1)
    core = cv2.erode((labels > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    at, value = part[labels[core] - 1], ink[core].astype(np.float64)
    count = int(part.max(initial=-1)) + 1
    n = np.maximum(np.bincount(at, minlength=count), 1)
    mean = np.bincount(at, value, count) / n
    spread = np.sqrt(np.maximum(np.bincount(at, value**2, count) / n - mean**2, 0))
    return (hangs > 1) & (n > _ENOUGH) & (spread < _FLAT * mean)


def _seeds(depth: np.ndarray) -> np.ndarray:
    seeds = np.zeros(depth.shape, np.int32)
    count = 0
    for level in _CORES:
        number, labels, stats, _ = cv2.connectedComponentsWithStats(
            (depth > level).astype(np.uint8), connectivity=4
        )
        has = np.zeros(number, bool)
        has[labels[seeds > 0]] = True
        has[0] = True
        if level < 1:  # crumbs along an edge are no regions
            has |= stats[:, cv2.CC_STAT_AREA] < 4
        fresh = np.where(has, 0, np.cumsum(~has) + count)
        count += int(np.count_nonzero(~has))
        seeds += fresh[labels].astype(np.int32)
    return seeds


def _flooded(height: np.ndarray, seeds: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the seeds grown over all ink they can reach; numbers stay."""
    labels = np.zeros(seeds.shape, np.int32)
    window = ink_window(inside)
    if window is not None:
        labels[window] = watershed(height[window], seeds[window], mask=inside[window])
    return labels


def _graph(labels: np.ndarray, depth: np.ndarray, found: Segments) -> Graph:
    n = int(labels.max(initial=0))
    ys, xs = np.nonzero(labels)
    at = labels[ys, xs] - 1
    x, y = xs.astype(np.float64), ys.astype(np.float64)
    columns = (None, x, y, x * x, x * y, y * y, found.ink[ys, xs])
    sums = np.stack([np.bincount(at, column, n) for column in columns], 1)
    peak = np.zeros(n)
    np.maximum.at(peak, at, depth[ys, xs])
    box = np.full((n, 4), np.inf)
    for column, value in enumerate((x, y, -x - 1, -y - 1)):
        np.minimum.at(box[:, column], at, value)
    box = box * _SIGNS
    parts = [_contacts(labels, depth, found, 0.0)]
    wide = labels
    for gap in _GAPS:  # homologs, and chromatids that stand a little apart
        wide = grown(wide, wide > 0, 1)
        parts.append(_contacts(wide, depth, found, gap))
    pair = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    # A contact over a gap counts only where none is closer.
    _, edge = np.unique(np.sort(pair, 1) @ [n, 1], return_inverse=True)
    closest = np.full(len(pair), np.inf)
    np.minimum.at(closest, edge, values[:, 3])
    kept = values[:, 3] <= closest[edge]
    pair, values = pair[kept], values[kept]
    meets, dark, neck, gap = values.T
    contact = np.stack([np.ones(len(pair)), meets, dark], 1)
    raw = Graph(sums, peak, box, pair, contact, meets, meets, neck, gap)
    return _with_satellites(raw.joined(np.arange(n)), labels)


def _contacts(
    labels: np.ndarray, depth: np.ndarray, found: Segments, gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return neighbouring pixels of different regions: (pair int (m, 2), float (m, 4): border,
    ink, depth, gap)."""
    one, two = [], []
    for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        rows, columns = np.nonzero((a != b) & (a > 0) & (b > 0))
        one.append((rows, columns))
        two.append((rows + labels.shape[0] - a.shape[0], columns + labels.shape[1] - a.shape[1]))
    first = tuple(np.concatenate([f[i] for f in one]) for i in (0, 1))
    second = tuple(np.concatenate([s[i] for s in two]) for i in (0, 1))
    pair = np.stack([labels[first], labels[second]], 1) - 1
    meets = np.maximum(found.border[first], found.border[second])
    dark = np.minimum(found.ink[first], found.ink[second])
    neck = np.maximum(depth[first], depth[second])
    values = np.stack([meets, dark, neck, np.full(len(pair), gap)], 1).astype(np.float64)
    return pair, values


def _with_satellites(graph: Graph, labels: np.ndarray) -> Graph:
    """Return the graph with a contact from each small region that stands alone to the nearest."""
    n = len(graph.peak)
    alone = np.ones(n, bool)
    alone[graph.pair.ravel()] = False
    pairs, gaps = [], []
    for k in np.flatnonzero(alone & (graph.sums[:, N] < _SMALL)):
        x0, y0, x1, y1 = (int(v) for v in graph.box[k])
        x0, y0 = max(0, x0 - _NEAR), max(0, y0 - _NEAR)
        window = labels[y0 : y1 + _NEAR, x0 : x1 + _NEAR]
        others = (window > 0) & (window != k + 1)
        if not others.any():
            continue
        far = cv2.distanceTransform((window != k + 1).astype(np.uint8), cv2.DIST_L2, 3)
        far = np.where(others, far, np.inf)
        place = int(far.argmin())
        if far.flat[place] <= _NEAR:
            pairs.append(sorted((int(k), int(window.flat[place]) - 1)))
            gaps.append(float(far.flat[place]))
    if not pairs:
        return graph
    pair, first = np.unique(np.array(pairs), axis=0, return_index=True)
    m = len(pair)
    zero = np.zeros(m)
    return Graph(
        graph.sums, graph.peak, graph.box, np.concatenate([graph.pair, pair]),
        np.concatenate([graph.contact, np.zeros((m, 3))]), np.concatenate([graph.least, zero]),
        np.concatenate([graph.most, zero]), np.concatenate([graph.neck, zero]),
        np.concatenate([graph.gap, np.array(gaps)[first]]),
    )  # fmt: skip

"""Clusters of chromosomes on a page: how their members meet, and what was found of them.

Truth is each chromosome's own ink, as the composer laid it: where two lie on one another a pixel
belongs to both. What was found is judged by masks alone. A `Blob` is either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.cluster.hierarchy import DisjointSet
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import confusion_matrix

INSTANCE, TOUCHING, OVERLAPPING, BOTH = TYPES = (
    "instance", "touching", "overlapping", "touching-overlapping",
)  # fmt: skip
"""Lin et al. 2021: one chromosome; ink that adjoins; ink that lies on other ink; some of each."""
NOTHING = "nothing"
"""What is told of a cluster of which no chromosome was found."""

STAGES = ("as found", "completed by hull", "completed by a rim")
"""What is judged for whom an overlap belongs to: the pieces, and two rules on top of them."""

THIN = 0.15
"""Of a chromosome's typical width: shared ink that is nowhere thicker is the two soft rims, and
the chromosomes touch."""
FOUND = 0.5
"""IoU from which a found piece is said to be the chromosome."""
NEAR = 0.1
"""Of a chromosome's typical width: found pieces that come as near may meet: their outlines end
where the ink is pale."""
PALE, DARK = 0.35, 0.65
"""Darkness from which two pieces are told to touch, and to overlap: the best on pages of the
validation people, as `measure_clusters.py --part validation --count 5` prints them."""


@dataclass(frozen=True, eq=False)
class Blob:
    """Ink of one chromosome: its left and top on the page and a mask bool (h, w)."""

    x: int
    y: int
    mask: np.ndarray

    @cached_property
    def area(self) -> int:
        """Return the number of pixels of ink."""
        return int(np.count_nonzero(self.mask))

    def near(self, other: Blob, reach: int = 0) -> bool:
        """Return whether the boxes come within `reach` pixels."""
        (h, w), (k, v) = self.mask.shape, other.mask.shape
        apart_x = max(self.x, other.x) - min(self.x + w, other.x + v)
        apart_y = max(self.y, other.y) - min(self.y + h, other.y + k)
        return max(apart_x, apart_y) <= reach

    def within(self, window: tuple[int, int, int, int]) -> np.ndarray:
        """Return the mask, uint8, in a window x0, y0, x1, y1 of the page."""
        x0, y0, x1, y1 = window
        out = np.zeros((y1 - y0, x1 - x0), np.uint8)
        h, w = self.mask.shape
        left, top = max(self.x, x0), max(self.y, y0)
        right, bottom = min(self.x + w, x1), min(self.y + h, y1)
        if right > left and bottom > top:
            part = self.mask[top - self.y : bottom - self.y, left - self.x : right - self.x]
            out[top - y0 : bottom - y0, left - x0 : right - x0] = part
        return out


def window_of(blobs: Sequence[Blob], margin: int = 0) -> tuple[int, int, int, int]:
    """Return the window x0, y0, x1, y1 around some blobs; it may reach beyond the page."""
    return (
        min(b.x for b in blobs) - margin, min(b.y for b in blobs) - margin,
        max(b.x + b.mask.shape[1] for b in blobs) + margin,
        max(b.y + b.mask.shape[0] for b in blobs) + margin,
    )  # fmt: skip


def _grown(mask: np.ndarray, reach: int) -> np.ndarray:
    return cv2.dilate(mask, np.ones((2 * reach + 1,) * 2, np.uint8))


def shared(one: Blob, other: Blob) -> int:
    """Return how many pixels belong to both."""
    if not one.near(other):
        return 0
    window = window_of([one])
    return int(np.count_nonzero(one.within(window) & other.within(window)))


def meeting(one: Blob, other: Blob, unit: float) -> str:
    """Return TOUCHING, OVERLAPPING or "" for two chromosomes by their own ink; `unit`: the typical
    width of one on the page, in pixels."""
    if not one.near(other, 1):
        return ""
    window = window_of([one], 1)
    a, b = one.within(window), other.within(window)
    if not np.any(_grown(a, 1) & b):
        return ""
    common = np.pad(a & b, 1)
    thick = 2 * float(cv2.distanceTransform(common, cv2.DIST_L2, 5).max())
    return OVERLAPPING if thick > max(2.0, THIN * unit) else TOUCHING


Meetings = Mapping[tuple[int, int], str]
"""(i, j), i < j -> TOUCHING or OVERLAPPING, of those that meet."""


def meetings(blobs: Sequence[Blob], unit: float) -> dict[tuple[int, int], str]:
    """Return how true chromosomes meet."""
    kinds = {
        (i, j): meeting(blobs[i], blobs[j], unit)
        for j in range(len(blobs))
        for i in range(j)
    }  # fmt: skip
    return {pair: kind for pair, kind in kinds.items() if kind}


def clusters(count: int, pairs: Meetings) -> list[tuple[int, ...]]:
    """Return the members of each cluster, in the order of their first."""
    sets = DisjointSet(range(count))
    for pair in pairs:
        sets.merge(*pair)
    return sorted(tuple(sorted(members)) for members in sets.subsets())


def type_of(members: Sequence[int], pairs: Meetings) -> str:
    """Return the type of a cluster: by every meeting in which one of its members takes part."""
    if not members:
        return NOTHING
    own = set(members)
    kinds = {kind for pair, kind in pairs.items() if own & {*pair}}
    if kinds == {TOUCHING, OVERLAPPING}:
        return BOTH
    return kinds.pop() if kinds else INSTANCE


def darkness(one: Blob, other: Blob, paper: np.ndarray, unit: float) -> float:
    """Return how dark it is where two found pieces meet, nan where they do not come near.

    Found pieces are disjoint, so that their ink cannot tell how they meet; but rims that touch are
    pale, and where chromosomes overlap light has passed through both. The mean ink within NEAR of
    the other piece, over that of both pieces.
    """
    reach = max(1, round(NEAR * unit))
    if not one.near(other, reach):
        return float("nan")
    x0, y0, x1, y1 = window_of([one, other])
    a, b = one.within((x0, y0, x1, y1)), other.within((x0, y0, x1, y1))
    zone = (a & _grown(b, reach)) | (b & _grown(a, reach))
    if not zone.any():
        return float("nan")
    ink = 255.0 - paper[y0:y1, x0:x1]
    return float(ink[zone > 0].mean() / max(ink[(a | b) > 0].mean(), 1.0))


def kind_of(there: float, pale: float = PALE, dark: float = DARK) -> str:
    """Return how two found pieces meet by the `darkness` there: TOUCHING, OVERLAPPING or "" for
    pieces that only come near."""
    if not there >= pale:  # nor nan
        return ""
    return OVERLAPPING if there >= dark else TOUCHING


def best_limits(pairs: Sequence[tuple[str, float]]) -> tuple[float, float]:
    """Return the (pale, dark) by which pairs (true kind, darkness) are told best: the mean over the
    kinds of the share told rightly."""
    there = np.array([value for _, value in pairs])
    own = {true: there[[kind == true for kind, _ in pairs]] for true, _ in pairs}

    def right(limits: tuple[float, float]) -> float:
        told = (np.mean([kind_of(v, *limits) == true for v in some]) for true, some in own.items())
        return float(np.mean([*told]))

    steps = np.arange(1, 30) / 20
    return max(((p, d) for p in steps.tolist() for d in steps.tolist() if p < d), key=right)


def completed(pieces: Sequence[Blob], pairs: Meetings, way: Way) -> list[Blob]:
    """Return found pieces so that overlaps belong to both: of each two that overlap, either gets
    that of the other's ink which the `way` gives it for its own mask, uint8 (h, w)."""
    made = list(pieces)
    for (i, j), kind in pairs.items():
        if kind != OVERLAPPING:
            continue
        for own, other in ((i, j), (j, i)):
            window = window_of([made[own], pieces[other]])
            mask = made[own].within(window)
            more = way(pieces[own].within(window)) & pieces[other].within(window)
            made[own] = Blob(window[0], window[1], (mask | more).astype(bool))
    return made


Way = Callable[[np.ndarray], np.ndarray]


def hull(mask: np.ndarray) -> np.ndarray:
    """Return the convex hull of a mask that is not empty, uint8 (h, w)."""
    ys, xs = np.nonzero(mask)
    around = cv2.convexHull(np.stack([xs, ys], 1).astype(np.int32))
    return cv2.fillConvexPoly(np.zeros_like(mask), around, 1)


def rim(unit: float) -> Way:
    """Return the way that grows a mask by NEAR of a width."""
    return lambda mask: _grown(mask, max(1, round(NEAR * unit)))


def overlaps(true: Sequence[Blob], found: Sequence[Blob | None], pair: tuple[int, int]) -> tuple[
    int, int, int, int
]:  # fmt: skip
    """Return how many pixels of two chromosomes' shared ink are in both, in one and in neither of
    the pieces found for them, and how many are in both pieces and not truly shared."""
    i, j = pair
    window = window_of([true[i], true[j]])
    truly = true[i].within(window) & true[j].within(window)
    masks = [np.zeros_like(truly) if f is None else f.within(window) for f in (found[i], found[j])]
    times = (masks[0] + masks[1])[truly > 0]
    two, one, none = (int(np.count_nonzero(times == n)) for n in (2, 1, 0))
    return two, one, none, int(np.count_nonzero(masks[0] & masks[1] & ~truly & 1))


def owners(found: Sequence[Blob], true: Sequence[Blob]) -> list[int]:
    """Return which chromosome holds most of each found piece, -1 if all of them less than half of
    it: print, or a speck."""
    said = []
    for piece in found:
        common = [shared(piece, one) for one in true]
        best = int(np.argmax(common)) if common else -1
        said.append(best if best >= 0 and 2 * common[best] >= piece.area else -1)
    return said


def matched(true: Sequence[Blob], found: Sequence[Blob]) -> tuple[np.ndarray, np.ndarray]:
    """Return for each true chromosome the piece that is its own, -1 for none, such that the sum of
    the intersections over unions (IoU) is greatest; and its IoU, 0 for none."""
    iou = np.zeros((len(true), len(found)))
    for i, one in enumerate(true):
        for j, piece in enumerate(found):
            if common := shared(piece, one):
                iou[i, j] = common / (one.area + piece.area - common)
    rows, columns = linear_sum_assignment(-iou)
    own, how = np.full(len(true), -1), np.zeros(len(true))
    hit = iou[rows, columns] > 0
    own[rows[hit]] = columns[hit]
    how[rows[hit]] = iou[rows, columns][hit]
    return own, how


@dataclass(frozen=True)
class Member:
    """A true chromosome: for each of STAGES the IoU of the piece that is its own, 0 for none; and
    the piece's length along its axis over the true one, nan for none."""

    ious: tuple[float, ...]
    length: float

    @property
    def iou(self) -> float:
        """Return the IoU as found."""
        return self.ious[0]


@dataclass(frozen=True)
class Cluster:
    """A true cluster: its type, the one told, its chromosomes and how many pieces of it were found
    before and after the classifier chose."""

    true: str
    told: str
    members: tuple[Member, ...]
    before: int
    after: int

    @property
    def cut(self) -> bool:
        """Return whether each chromosome, and nothing else, was found."""
        every = all(each.iou >= FOUND for each in self.members)
        return every and self.after == len(self.members)


@dataclass(frozen=True)
class Shown:
    """What was measured on a page of a laboratory, a person and a look: clusters; of each true
    overlap, for each of STAGES, the pixels in both pieces, in one, in neither and wrongly in both;
    of each two pieces that come near how they truly meet and how dark it is there; `refused`: by
    the gate."""

    source: str
    person: str
    look: str
    clusters: tuple[Cluster, ...]
    overlaps: tuple[tuple[tuple[int, ...], ...], ...]
    meetings: tuple[tuple[str, float], ...]
    refused: bool


def confusion(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Return int (4, 5): of each type of TYPES how many were told to be each of TYPES, NOTHING."""
    if not pairs:
        return np.zeros((len(TYPES), len(TYPES) + 1), np.int64)
    true, told = zip(*pairs, strict=True)
    return confusion_matrix(true, told, labels=(*TYPES, NOTHING))[: len(TYPES)]

"""Measure how well a bent chromosome is straightened: its length and its bands against its own.

    python scripts/measure_straightening.py --data DATA [--count 1500]

Writes reports/straightening.md. Straight chromosomes of people whom the bundle never saw are bent
along hooks, Cs and Ss (as composed karyograms are), so that the truth about each is itself. Three
ways make a strip of it: along the medial axis of this program, along the longest way through the
skeleton of scikit-image, as published methods go, and not at all (the upright picture, row by row).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from report_header import add_report_arguments, begin, write
from scipy.ndimage import binary_fill_holes, gaussian_filter1d
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from skimage.measure import label
from skimage.morphology import skeletonize

from screening.bundle import default_bundle, load_bundle
from screening.data.chromosomes import load_cell
from screening.images.foreground import INK
from screening.karyogram.axis import MedialAxis, arc_of, medial_axis
from screening.karyogram.strip import strip
from screening.metrics import markdown_table
from screening.synthesis.warp import centre_line, curl, random_hinges

ROWS, COLUMNS = 96, 24
KINDS = ("straight", "to 45 degrees", "to 90 degrees", "beyond")
WAYS = ("medial axis", "skeleton", "not straightened")
_SHORT = 1.6  # length : width under which nothing bends


@dataclass(frozen=True)
class Judged:
    """A bent chromosome: how far it turns, in degrees, and for each of WAYS its length over the
    true one and the correlation of its band profile with its own before it was bent."""

    turn: float
    length: tuple[float, ...]
    bands: tuple[float, ...]

    @property
    def kind(self) -> str:
        """Return which of KINDS this is."""
        return KINDS[int(np.searchsorted([1, 45, 90], self.turn))]


def profile(image: np.ndarray, mask: np.ndarray, axis: MedialAxis) -> np.ndarray:
    """Return the mean ink along an axis, float (ROWS,), in its middle third alone."""
    straight = 255.0 - strip(image, mask, axis, ROWS, COLUMNS, float(np.median(axis.width)) / 16)
    return straight[:, COLUMNS // 2 - 3 : COLUMNS // 2 + 3].mean(1)


def upright(mask: np.ndarray) -> MedialAxis:
    """Return the middle column of a mask as if it were its axis: nothing is straightened."""
    h, w = mask.shape
    points = np.stack([np.full(h, (w - 1) / 2), np.arange(h)], 1).astype(np.float32)
    width = np.maximum(mask.sum(1), 1).astype(np.float32)
    return replace(medial_axis(mask), points=points, width=width, length=float(h - 1))


def skeleton(mask: np.ndarray) -> MedialAxis:
    """Return the longest way through the skeleton of a mask, smoothed and led on to its rim."""
    pieces = label(binary_fill_holes(mask))
    ys, xs = np.nonzero(skeletonize(pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()))
    own = medial_axis(mask)
    half = 0.5 * float(np.median(own.width))
    if len(ys) < 3:
        return upright(mask)
    dy, dx = ys[:, None] - ys, xs[:, None] - xs
    near = (np.maximum(abs(dy), abs(dx)) == 1).nonzero()
    graph = coo_array((np.hypot(dy, dx)[near], near), shape=(len(ys), len(ys))).tocsr()
    from_any = dijkstra(graph, indices=0)
    first = int(np.where(np.isfinite(from_any), from_any, -1).argmax())
    reached, before = dijkstra(graph, indices=first, return_predecessors=True)
    at = int(np.where(np.isfinite(reached), reached, -1).argmax())
    way = [at]
    while way[-1] != first:
        way.append(int(before[way[-1]]))
    line = xs[way] + 1j * ys[way]
    line = line if line[0].imag <= line[-1].imag else line[::-1]
    line = gaussian_filter1d(line.real, half) + 1j * gaussian_filter1d(line.imag, half)
    near_end = max(2, round(half))
    ends = [_to_rim(line[:near_end][::-1], mask), _to_rim(line[-near_end:], mask)]
    line = np.concatenate([[ends[0]], line, [ends[1]]])
    arc = arc_of(line)
    even = np.interp(np.arange(0, arc[-1], 1.0), arc, line)
    points = np.stack([even.real, even.imag], 1).astype(np.float32)
    width = np.full(len(points), np.median(own.width), np.float32)
    return replace(own, points=points, width=width, length=float(arc[-1]))


def _to_rim(line: np.ndarray, mask: np.ndarray) -> complex:
    """The last point of the mask straight ahead of a line: a skeleton stops before it."""
    ahead = line[-1] - line[0]
    ahead /= max(abs(ahead), 1e-6)
    far = 0
    while True:
        at = line[-1] + (far + 1) * ahead
        y, x = round(at.imag), round(at.real)
        if not (0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x]):
            return complex(line[-1] + far * ahead)
        far += 1


def judged(image: np.ndarray, turn: float, bent: np.ndarray) -> Judged:
    """Return what the three ways make of `bent`, which was the straight `image` before."""
    mask = image < INK
    own = upright(mask)
    true, length = profile(image, mask, medial_axis(mask)), medial_axis(mask).length
    lengths, bands = [], []
    inked = bent < INK
    for way in (medial_axis, skeleton, upright):
        axis = way(inked) if way is not medial_axis else medial_axis(inked, bent)
        lengths.append(axis.length / (own.length if way is upright else length))
        said = profile(bent, inked, axis)
        bands.append(float(max(_alike(true, said), _alike(true, said[::-1]))))
    return Judged(turn, tuple(lengths), tuple(bands))


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    spread = one.std() * other.std()
    return float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread else 0.0


def bent_ones(
    images: Iterator[np.ndarray], count: int, rng: np.random.Generator
) -> Iterator[Judged]:
    """Yield `count` chromosomes judged, one in four of them left straight."""
    for image in images:
        mask = image < INK
        slender = image.shape[0] / max(float(np.median(mask.sum(1))), 1.0)
        if slender < _SHORT or centre_line(image) is None:
            continue
        hinges = () if rng.random() < 0.25 else random_hinges(rng, slender)
        turn = sum(abs(hinge.turn) for hinge in hinges)
        bent = curl(image, hinges, angle=float(rng.normal(0, 4)))
        yield judged(image, turn, bent)
        count -= 1
        if not count:
            return


def chromosomes(data: Path, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the chromosomes of normal cells of people whom the bundle never saw, in any order."""
    from measure_structure import settings
    from measured_pages import split_apart

    from screening.build.data import records_of
    from screening.data.split import TEST

    bundle = load_bundle(default_bundle())
    config = settings(bundle)
    records = records_of(data, config.sources)
    test = split_apart(records, config, bundle).select(records, TEST)
    for at in rng.permutation(len(test)):
        yield from (one.image for one in load_cell(test[at]).chromosomes)


def table(found: list[Judged]) -> str:
    """Return the report's table: a line for each kind and way."""
    lines: list[tuple[object, ...]] = []
    for kind in KINDS:
        own = [one for one in found if one.kind == kind]
        for place, way in enumerate(WAYS):
            off = np.array([abs(one.length[place] - 1) for one in own])
            alike = np.array([one.bands[place] for one in own])
            if len(own):
                lines.append((
                    kind, len(own), way, f"{100 * np.median(off):.1f} %",
                    f"{100 * np.percentile(off, 90):.1f} %", f"{np.median(alike):.3f}",
                    f"{np.percentile(alike, 10):.3f}",
                ))  # fmt: skip
    return markdown_table(
        ("bent", "n", "way", "length off, median", "length off, 90 %", "bands alike, median",
         "bands alike, 10 %"), lines,
    )  # fmt: skip


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_report_arguments(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder of single chromosomes")
    parser.add_argument("--count", type=int, default=1500, help="chromosomes that are bent")
    args = parser.parse_args()
    commit, rng = begin(args), np.random.default_rng(0)
    found = list(bent_ones(chromosomes(args.data, rng), args.count, rng))
    body = "\n".join([
        "“Length off”: how far the length along the axis is from that of the same chromosome "
        "before it was bent (from its height, for what is not straightened). “Bands alike”: "
        "correlation of the ink along the two axes' middle thirds. Turns are those of all bends "
        "together, in degrees. The bends are this project's own; real ones also fold over "
        "themselves.\n",
        table(found),
    ])  # fmt: skip
    title = "Straightening, judged by what was bent"
    write(args, "straightening.md", title, commit, "no network is asked", args.data, body)


if __name__ == "__main__":
    main()

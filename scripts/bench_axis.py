"""Time and check the medial axis against the two older ones, side by side in one run.

    python scripts/bench_axis.py [--count 92] [--repeats 5]

Draws chromosomes, bends half of them along known hinges, and prints for each axis the milliseconds
a chromosome takes on one core (processor time) and its ratio to the gate's, how far the axis lies
from the true centre line (widths of the chromosome), and the error of its length. Writes nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from unittest import mock

import cv2
import numpy as np
from scipy.spatial import cKDTree

from screening.karyogram.axis import medial_axis
from screening.karyogram.body import axis_of, joined, shrunk_mask
from screening.karyogram.locate.axis import medial_axis as gate_axis
from screening.karyogram.whole import ink_mask
from screening.synthesis.drawn import draw_chromosome, random_preparation
from screening.synthesis.warp import centre_line, curl, random_hinges

NAMES = ("1", "3", "6", "9", "12", "15", "18", "21", "X")
Axis = Callable[[np.ndarray, float], np.ndarray]
Case = tuple[np.ndarray, np.ndarray, float, float]


def crops_axis(mask: np.ndarray, width: float) -> np.ndarray:
    """Return the axis (k, 2) that the classifier's crops are sampled along."""
    small, factor = shrunk_mask(mask.astype(np.uint8))
    axis, _ = axis_of(joined(small))
    return (axis + 0.5) * factor - 0.5


AXES: dict[str, Axis] = {
    "axis": lambda mask, width: medial_axis(mask).points,
    "locate.axis": lambda mask, width: gate_axis(mask, width)[0],
    "body": crops_axis,
}


def tight(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Return pictures of one shape, cropped to the ink of the first."""
    ink = ink_mask(pictures[0])
    window = np.ix_(ink.any(1), ink.any(0))
    return [np.ascontiguousarray(picture[window]) for picture in pictures]


def drawn_case(rng: np.random.Generator, name: str, bent: bool) -> Case | None:
    """Return (mask, true line (n, 2), length, width) of one drawn chromosome, None when the one
    drawn was not straight enough to have a known line.

    The line is carried through the bending as two pictures: how far along and how far aside.
    """
    straight = draw_chromosome(name, random_preparation(rng), rng)
    middle = centre_line(straight)
    if middle is None:
        return None
    ink = straight < 245
    h, w = straight.shape
    side = np.arange(w)[None] - middle[:, None]
    along = np.where(ink, np.linspace(0, 200, h)[:, None], 255).astype(np.uint8)
    aside = np.where(ink, np.clip(100 + 3 * side, 0, 240), 255).astype(np.uint8)
    pictures = [straight, along, aside]
    length = float(np.ptp(np.flatnonzero(ink_mask(straight).any(1))) + 1)
    if bent:
        hinges = random_hinges(rng, h / max(1.0, float(np.median(ink.sum(1)))))
        # Each would be cropped to its own ink, and no longer lie over the others.
        with mock.patch("screening.synthesis.warp.crop", lambda picture: picture):
            pictures = [curl(picture, hinges) for picture in pictures]
    picture, along, aside = tight(pictures)
    mask = ink_mask(picture)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ys, xs = np.nonzero(inside & (np.abs(aside.astype(int) - 100) <= 3))
    if ys.size < 10:
        return None
    place = along[ys, xs] / 200 * h
    at = np.arange(place.min(), place.max())
    near = np.exp(-0.5 * ((at[:, None] - place) / 1.2) ** 2)
    line = near @ np.stack([xs, ys], 1) / near.sum(1, keepdims=True)
    return mask, line, length, np.count_nonzero(mask) / length


def errors(axis: np.ndarray, case: Case) -> tuple[float, float]:
    """Return the mean distance of the true line from the axis, in widths, and the length error."""
    _, line, length, width = case
    arc = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(axis, axis=0).T))])
    at = np.linspace(0, arc[-1], 4 * int(arc[-1]) + 2)
    dense = np.stack([np.interp(at, arc, axis[:, k]) for k in (0, 1)], 1)
    return float(cKDTree(dense).query(line)[0].mean() / width), float(arc[-1] / length - 1)


def milliseconds(axis: Axis, cases: list[Case], repeats: int) -> float:
    """Return the least processor time a chromosome over the repeats."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        for mask, _, _, width in cases:
            axis(mask, width)
        spent.append(time.process_time() - start)
    return 1e3 * min(spent) / len(cases)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=92, help="chromosomes drawn")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    drawn: dict[str, list[Case]] = {"straight": [], "bent": []}
    for number in range(20 * options.count):
        kind = "bent" if number % 2 else "straight"
        case = drawn_case(rng, NAMES[number // 2 % len(NAMES)], kind == "bent")
        if case is not None and len(drawn[kind]) < options.count // 2:
            drawn[kind].append(case)
    for kind, cases in drawn.items():
        shape = np.median([mask.shape for mask, *_ in cases], 0)
        print(f"{len(cases)} {kind} chromosomes, median {shape[0]:.0f} x {shape[1]:.0f} pixels")
        spent = {name: milliseconds(axis, cases, options.repeats) for name, axis in AXES.items()}
        for name, axis in AXES.items():
            found = np.array([errors(axis(case[0], case[3]), case) for case in cases])
            print(
                f"  {name:12s} {spent[name]:5.2f} ms ({spent[name] / spent['locate.axis']:.2f} x "
                f"the gate's), off the line {found[:, 0].mean():.3f} widths (95 %: "
                f"{np.quantile(found[:, 0], 0.95):.3f}), length {np.median(found[:, 1]):+.1%}, "
                f"error {np.abs(found[:, 1]).mean():.1%}"
            )


if __name__ == "__main__":
    main()

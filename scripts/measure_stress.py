"""What happens to recall, calibration and the review share when the pictures get worse.

    python scripts/measure_stress.py --data DATA [--limit 8] [--only blur noise]

Every labelled karyogram of a part of pages is changed in graded steps (stain and contrast,
magnification, blur, JPEG, noise, uneven light) and goes through the whole of `screen`'s pipeline
again. Writes
reports/stress.md: per step the share of abnormal cases not low-priority, of normal ones
low-priority, of cases for review, refused pictures, AUROC, calibration error, and whether the drift
check warned.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from measured_pages import add_page_arguments, pages_of
from report_header import begin, write

from screening.assess.certification import Terms
from screening.assess.labelled import LabelledPicture, read_pictures, score_pictures, units_of
from screening.assess.measurement import records
from screening.build.pages import MANIFEST
from screening.bundle import Bundle, sha256_of
from screening.images.read import read_image
from screening.metrics import (
    auroc,
    calibration_error,
    markdown_table,
    proportion,
    routing_summary,
)
from screening.triage.rule import Rule
from screening.uncertainty.calibration import from_json
from screening.uncertainty.shift import drift_from
from screening.worklist.scorer import BundleScorer

Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def contrast(grey: np.ndarray, grade: float, rng: np.random.Generator) -> np.ndarray:
    """Return the picture with its ink `grade` times as dark: below 1 a faint stain."""
    return np.clip(255 - (255 - grey.astype(np.float32)) * grade, 0, 255).astype(np.uint8)


def stain(grey: np.ndarray, grade: float, rng: np.random.Generator) -> np.ndarray:
    """Return the picture with ink to the power `grade`: above 1 bands harder, below 1 flatter."""
    ink = (255 - grey.astype(np.float32)) / 255
    return (255 - 255 * ink**grade).round().astype(np.uint8)


def magnification(grey: np.ndarray, grade: float, rng: np.random.Generator) -> np.ndarray:
    """Return the picture `grade` times as large, detail lost when smaller."""
    way = cv2.INTER_AREA if grade < 1 else cv2.INTER_CUBIC
    return cv2.resize(grey, None, fx=grade, fy=grade, interpolation=way)


def blur(grey: np.ndarray, grade: float, rng: np.random.Generator) -> np.ndarray:
    """Return the picture out of focus: a Gaussian of `grade` thousandths of its width."""
    return cv2.GaussianBlur(grey, (0, 0), max(0.05, grade * grey.shape[1] / 1000))


def jpeg(grey: np.ndarray, grade: float, rng: np.random.Generator) -> np.ndarray:
    """Return the picture after JPEG of quality `grade`."""
    data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, int(grade)])[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def noise(grey: np.ndarray, grade: float, rng: np.random.Generator) -> np.ndarray:
    """Return the picture with Gaussian noise of `grade` grey levels."""
    noisy = grey + rng.normal(0, grade, grey.shape).astype(np.float32)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def light(grey: np.ndarray, grade: float, rng: np.random.Generator) -> np.ndarray:
    """Return the picture lit unevenly: darker by `grade` grey levels from one side to the other."""
    slope = np.linspace(0, grade, grey.shape[1], dtype=np.float32)
    return np.clip(grey - slope[None], 0, 255).astype(np.uint8)


CORRUPTIONS: dict[str, tuple[Change, tuple[float, ...]]] = {
    "contrast": (contrast, (0.7, 0.5, 0.3)),
    "stain": (stain, (0.5, 0.7, 1.5, 2.0)),
    "magnification": (magnification, (0.75, 0.5, 0.35, 1.5)),
    "blur": (blur, (0.5, 1.0, 2.0, 3.0)),
    "JPEG": (jpeg, (50, 25, 10)),
    "noise": (noise, (5, 10, 20)),
    "uneven light": (light, (30, 60, 100)),
}


def changed(
    pictures: Sequence[LabelledPicture], change: Change, grade: float, folder: Path, seed: int
) -> list[LabelledPicture]:
    """Return the pictures, changed and written to `folder` as PNG files."""
    found = []
    for number, picture in enumerate(pictures):
        rng = np.random.default_rng([seed, number])
        path = folder / f"{number:05d}.png"
        cv2.imwrite(str(path), change(read_image(picture.path, frame=picture.frame), grade, rng))
        found.append(replace(picture, path=path, frame=1, sha256=sha256_of(path)))
    return found


def steps(only: Sequence[str]) -> Iterator[tuple[str, Change, float]]:
    """Yield every corruption and grade; the first leaves the picture as it is."""
    yield "as it is", contrast, 1.0
    for name, (change, grades) in CORRUPTIONS.items():
        if not only or name in only:
            yield from ((name, change, grade) for grade in grades)


def measure(
    pictures: Sequence[LabelledPicture],
    bundle: Bundle,
    scorer: BundleScorer,
    args: argparse.Namespace,
) -> tuple[object, ...]:
    """Return the figures of one step."""
    units = units_of(pictures)
    with tempfile.TemporaryDirectory() as folder:
        terms = Terms(args.data, passes=args.passes, seed=args.seed, workers=args.workers)
        results = score_pictures(pictures, bundle, scorer, Path(folder), terms)
    shown, cases = records(units, results, Rule.of(bundle.info))
    summary = routing_summary([int(c.abnormal) for c in cases], [c.route for c in cases])[0]
    judged = [picture for picture in shown if len(picture.p)]
    labels = [int(picture.abnormal) for picture in judged]
    scores = np.array([picture.p.mean() for picture in judged])
    unread = len(shown) - len(judged)
    area = error = float("nan")
    warned = "no calibration"
    reference = bundle.info.calibration
    if judged:
        area = auroc(labels, scores)
        scaled = from_json(reference.scaling).apply(scores) if reference else scores
        error = calibration_error(labels, scaled)
    if judged and reference:
        spread = [picture.p.std() for picture in judged]
        found = drift_from(reference, scores, spread, len(shown))
        warned = "yes" if any(drift.shifted for drift in found) else "no"
    missed = summary.missed
    return (
        proportion(missed.total - missed.successes, missed.total), summary.low_priority,
        summary.reviewed, proportion(unread, len(shown)), area, error, warned,
    )  # fmt: skip


def main() -> None:
    """Measure every step and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_page_arguments(parser)
    parser.add_argument("--part", default="test-plain", help="of pages (%(default)s)")
    parser.add_argument("--only", nargs="*", default=[], choices=list(CORRUPTIONS))
    parser.add_argument("--limit", type=int, help="pictures of each label, evenly spaced")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    commit, pages = begin(args), pages_of(args)
    bundle = pages.bundle
    scorer = BundleScorer(bundle, args.passes, args.seed)
    pictures = _some(read_pictures(pages.folder(args.part) / MANIFEST), args.limit)
    rows = []
    for name, change, grade in steps(args.only):
        with tempfile.TemporaryDirectory() as folder:
            made = changed(pictures, change, grade, Path(folder), args.seed)
            rows.append((name, f"{grade:g}", *measure(made, bundle, scorer, args)))
        print(*rows[-1], flush=True)
    table = markdown_table(
        ("change", "grade", "abnormal not low-priority", "normal low-priority", "to review",
         "pictures not judged", "AUROC", "ECE", "drift warned"), rows,
    )  # fmt: skip
    grades = "\n".join(
        f"- {name}: {(change.__doc__ or '').removeprefix('Return the picture ')}"
        for name, (change, _) in CORRUPTIONS.items()
    )
    body = (
        f"{pages.said()} {len(pictures)} pictures of the part {args.part}, seed {args.seed}.\n\n"
        f"{table}\nGrades:\n\n{grades}\n\n"
        "Another laboratory's pictures: reports/fused.md and selective.md.\n"
    )
    write(args, "stress.md", "When the pictures get worse", commit, bundle, args.data, body)


def _some(pictures: Sequence[LabelledPicture], limit: int | None) -> list[LabelledPicture]:
    if limit is None:
        return list(pictures)
    chosen: list[LabelledPicture] = []
    for abnormal in (False, True):
        group = [picture for picture in pictures if picture.abnormal == abnormal]
        chosen += group[:: max(1, -(-len(group) // limit))]
    return chosen


if __name__ == "__main__":
    main()

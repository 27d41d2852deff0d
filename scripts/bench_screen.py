"""Time the whole of `screen` against the network alone on the same tensors, in one run.

    python scripts/bench_screen.py [--bundle B] [--images 48]

Draws karyograms into a temporary folder, screens them end to end (reading, chromosomes, ledger,
page), then runs the bundle's network once forward on the very tensors that the run made, and prints
where the time of one picture goes. Memory: peak resident size after a run and after a run of four
times as many pictures. Writes reports/screen.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import numpy as np
from PIL import Image
from report_header import add_report_arguments, begin, write

from screening.bundle import default_bundle, load_bundle
from screening.evidence.witness import hear
from screening.images.normalise import crop_margins, letterbox, normalise
from screening.images.page import Page
from screening.images.quality import assess
from screening.images.read import read_image
from screening.karyogram.locate import Locator
from screening.metrics import markdown_table
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import clinical_style
from screening.worklist.reader import reader_of, sight_of
from screening.worklist.run import Settings, screen_folder
from screening.worklist.scorer import BundleScorer

ROOT = Path(__file__).resolve().parents[1]
BATCH = 8
FIND, CLASSIFY = "find and cut chromosomes", "classify them, 100 passes"


def draw(folder: Path, count: int) -> None:
    """Write `count` clinical-looking drawn karyograms as PNG files."""
    rng = np.random.default_rng(0)
    for i in range(count):
        cell = draw_cell(rng, "XX" if i % 2 else "XY")
        picture = compose(cell, clinical_style(rng), rng).image
        Image.fromarray(picture).save(folder / f"k{i:05d}.png")


def peak_mib() -> float:
    """Return the peak resident size of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tensors_of(paths: list[Path], size: int) -> np.ndarray:
    """Return what the network sees of the pictures."""
    return np.stack([letterbox(crop_margins(normalise(read_image(path))), size) for path in paths])


def seconds_of_stages(paths: list[Path], size: int, bundle_folder: Path) -> dict[str, float]:
    """Return median seconds a picture of each step but the network, on one core.

    To be called in a process of its own: pins itself to one core before TensorFlow starts.
    """
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    bundle = load_bundle(bundle_folder)
    reader, locator, settings = reader_of(bundle), Locator.of(bundle), bundle.info.reading
    spent: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        spent.setdefault(name, []).append(time.perf_counter() - start)
        return result

    for number, path in enumerate(paths):
        if number == 2:  # what loads or compiles once is not counted
            spent.clear()
        grey = timed("read", lambda path=path: read_image(path))
        page = timed("normalise", lambda grey=grey: Page.of(grey))
        timed("quality gate", lambda page=page: assess(page))
        timed("letterbox", lambda page=page: letterbox(page.cropped, size))
        located = timed(FIND, lambda page=page: locator.locate(page))
        if reader is not None:
            chosen, said = timed(
                CLASSIFY,
                lambda located=located, page=page: reader.classifier.read(located, page.paper),
            )
            sight = timed(
                "reading of the cell",
                lambda page=page, chosen=chosen, said=said: sight_of(page, chosen, said, settings),
            )
            timed("witnesses", lambda sight=sight: hear(reader.witnesses, sight, settings))
    return {name: float(np.median(seconds)) for name, seconds in spent.items()}


def main() -> None:
    """Run the benchmark and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--images", type=int, default=48)
    add_report_arguments(parser)
    args = parser.parse_args()
    commit = begin(args)
    bundle = load_bundle(args.bundle)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "in"
        folder.mkdir()
        draw(folder, args.images)
        paths = sorted(folder.iterdir())
        scorer = BundleScorer(bundle, passes=100, batch_size=BATCH)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            stages = alone.submit(seconds_of_stages, paths, scorer.size, bundle.folder).result()
        tensors = tensors_of(paths, scorer.size)
        reader = reader_of(bundle)
        rgb = np.repeat(tensors[..., None].astype(np.float32), 3, axis=-1)
        model = bundle.load_model("screener")
        groups = [rgb[i : i + BATCH] for i in range(0, len(rgb), BATCH)]
        model.predict_on_batch(groups[0])
        scorer.score(list(tensors[:BATCH]), list(range(BATCH)))  # compile outside the clock

        def screen(out: str) -> float:
            settings = Settings(
                folder=folder,
                out=Path(scratch) / out,
                bundle_hash=bundle.hash,
                bundle_name=bundle.info.name,
                quiet=True,
                batch_size=BATCH,
            )
            return screen_folder(settings, scorer, Locator.of(bundle), reader).seconds

        forward, whole = [], []
        for turn in range(3):  # alternately, so that other work on the machine hits both
            start = time.perf_counter()
            for group in groups:
                model.predict_on_batch(group)
            forward.append(time.perf_counter() - start)
            whole.append(screen(f"run{turn}"))
        before = peak_mib()
        for path in paths:
            for copy in range(3):
                os.link(path, folder / f"copy{copy}-{path.name}")
        screen("four times")
        after = peak_mib()
    title = "`screen` against the network alone"
    body = report(args.images, scorer.size, stages, forward, whole, (before, after))
    write(args, "screen.md", title, commit, bundle, "drawn karyograms", body)


def report(
    images: int,
    size: int,
    stages: dict[str, float],
    forward: list[float],
    whole: list[float],
    memory: tuple[float, float],
) -> str:
    """Return the tables of reports/screen.md."""
    ratio = float(np.median(np.array(whole) / np.array(forward)))
    speeds = [
        ("network, one forward, tensors ready", f"{images / np.median(forward):.2f}"),
        ("`screen`, files to report, 100 passes", f"{images / np.median(whole):.2f}"),
        ("time of `screen` over the network alone", f"{ratio:.2f} ×"),
    ]
    steps = [(name, f"{1000 * seconds:.1f}") for name, seconds in stages.items()]
    both = 1000 * (stages[FIND] + stages.get(CLASSIFY, 0.0))
    steps.append(("finding and classifying together", f"{both:.0f}"))
    return f"""{images} drawn karyograms, network input {size} × {size}, 100 dropout passes, batch
{BATCH}; medians of three alternating turns.

{markdown_table(("what", "images/s"), speeds)}
{markdown_table(("step beside the network, one core", "ms a picture (median)"), steps)}
Peak memory: {memory[0]:.0f} MiB after runs of {images}, {memory[1]:.0f} MiB after a run of
{4 * images}.
"""


if __name__ == "__main__":
    main()

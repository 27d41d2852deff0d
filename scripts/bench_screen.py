"""Time the whole of `screen` against the network alone on the same tensors, in one run.

    python scripts/bench_screen.py [--bundle B] [--images 48] [--engine E] [--against CHECKOUT]

Draws karyograms into a temporary folder, screens them end to end (reading, chromosomes, ledger,
page; pictures are found in processes of their own, as by the command), then runs the bundle's
network in the same engine with a single pass on the very tensors that the run made, and prints
where the time of one picture goes. Seconds hang on what else the machine does; processor seconds,
taken beside them, hardly do. Memory: peak resident size after a run and after a run of four times
as many pictures. From command to result: help, one picture and all of them in processes of their
own, Python compiled as after any first start, with --against in turns with those of another
checkout (such as `git worktree add` makes), since only then the ratio hangs on no other work of the
machine. Writes reports/screen.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
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
from screening.classes import ENGINES
from screening.evidence.witness import hear
from screening.images.normalise import crop_margins, letterbox, normalise
from screening.images.page import Page
from screening.images.quality import assess
from screening.images.read import read_image
from screening.karyogram.locate import Locator
from screening.metrics import markdown_table
from screening.predict.engine import engine_of
from screening.synthesis.compose import compose
from screening.synthesis.drawn import draw_cell
from screening.synthesis.style import clinical_style
from screening.worklist.pairs import compare_homologs
from screening.worklist.reader import STRUCTURE, reader_of, sight_of
from screening.worklist.run import Settings, screen_folder
from screening.worklist.scorer import BundleScorer

ROOT = Path(__file__).resolve().parents[1]
BATCH, LIMIT = 8, 60.0  # as `screen` has them
FIND, CLASSIFY = "find and cut chromosomes", "classify them, 100 passes"


def draw(folder: Path, count: int) -> None:
    """Write `count` clinical-looking drawn karyograms as PNG files."""
    rng = np.random.default_rng(0)
    for i in range(count):
        cell = draw_cell(rng, "XX" if i % 2 else "XY")
        picture = compose(cell, clinical_style(rng), rng).image
        Image.fromarray(picture).save(folder / f"k{i:05d}.png")


def peak_mib(whose: int = resource.RUSAGE_SELF) -> float:
    """Return the peak resident size of this process, or of the largest of those that it started,
    in MiB."""
    return resource.getrusage(whose).ru_maxrss / 1024


def processor_seconds() -> float:
    """Return what this process has used, and those that it started and that have ended."""
    used = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def timed_command(checkout: Path, *words: str) -> tuple[float, float, float]:
    """Return seconds, processor seconds and peak MiB of a Python process of `checkout`."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(words)} ended with status {process.returncode}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def commands(scratch: Path, paths: list[Path], checkouts: list[Path], turns: int) -> str:
    """Return the table of what a user waits for, from the command to its end, with the ratio of
    the first checkout to the last where there are two."""
    one = scratch / "one"
    one.mkdir()
    os.link(paths[0], one / paths[0].name)
    screen = ("-m", "screening", "screen")
    asked = {
        "`screening --help`": ("-m", "screening", "--help"),
        "`import tensorflow` alone": ("-c", "import tensorflow"),
        "`screen`, one picture": (*screen, str(one)),
        f"`screen`, {len(paths)} pictures": (*screen, str(paths[0].parent)),
    }
    rows = []
    for name, words in asked.items():
        spent: list[list[tuple[float, float, float]]] = [[] for _ in checkouts]
        for turn in range(1 + turns):
            for number, checkout in enumerate(checkouts):
                out = ("--out", str(scratch / f"c{number}-{turn}-{len(rows)}"), "--quiet")
                said = (*words, *out) if "screen" in words else words
                spent[number].append(timed_command(checkout, *said))
        medians = np.median(np.array(spent)[:, 1:], axis=1)  # the first one compiles
        # A process begins with the peak of the one that started it: less is not seen.
        under = "under " if medians[0, 2] <= 1.1 * peak_mib() else ""
        row = [name, f"{medians[0, 0]:.2f}", f"{medians[0, 1]:.2f}", f"{under}{medians[0, 2]:.0f}"]
        if len(checkouts) > 1:
            row += [f"{ratio:.2f}" for ratio in medians[0] / medians[-1]]
        rows.append(tuple(row))
    columns = ["from command to result", "s", "processor s", "peak MiB"]
    if len(checkouts) > 1:
        columns += ["s, ratio", "processor s, ratio", "peak, ratio"]
    return markdown_table(tuple(columns), rows)


def clocked(work: Callable[[], None]) -> tuple[float, float]:
    """Return seconds and processor seconds of the work."""
    start = time.perf_counter(), processor_seconds()
    work()
    return time.perf_counter() - start[0], processor_seconds() - start[1]


def tensors_of(paths: list[Path], size: int) -> np.ndarray:
    """Return what the network sees of the pictures."""
    return np.stack([letterbox(crop_margins(normalise(read_image(path))), size) for path in paths])


def seconds_of_stages(
    paths: list[Path], size: int, bundle_folder: Path, engine: str
) -> dict[str, float]:
    """Return median processor seconds a picture of each step but the network, on one core.

    To be called in a process of its own: pins itself to one core before the engine starts.
    """
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    bundle = load_bundle(bundle_folder)
    reader, locator = reader_of(bundle, device="cpu", engine=engine), Locator.of(bundle)
    settings = bundle.info.reading
    spent: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = work()
        spent.setdefault(name, []).append(time.process_time() - start)
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
            if STRUCTURE in bundle.info.parts and sight.reading.whole:
                timed(
                    "compare homologs, 100 passes",
                    lambda sight=sight, chosen=chosen, page=page: compare_homologs(
                        reader.structure, sight.reading, chosen.chromosomes, page.paper,
                        settings.structure,
                    ),
                )  # fmt: skip
            timed("witnesses", lambda sight=sight: hear(reader.witnesses, sight, settings))
    return {name: float(np.median(seconds)) for name, seconds in spent.items()}


def main() -> None:
    """Run the benchmark and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--against", type=Path, help="another checkout, for the ratios")
    parser.add_argument("--turns", type=int, default=3)
    add_report_arguments(parser)
    args = parser.parse_args()
    commit = begin(args)
    bundle = load_bundle(args.bundle)
    checkouts = [ROOT, args.against.resolve()] if args.against else [ROOT]
    with tempfile.TemporaryDirectory() as scratch:
        # As where Python may keep what it has compiled, whatever this environment says.
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(scratch) / "compiled")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        folder = Path(scratch) / "in"
        folder.mkdir()
        draw(folder, args.images)
        paths = sorted(folder.iterdir())
        waited = commands(Path(scratch), paths, checkouts, args.turns)
        scorer = BundleScorer(bundle, passes=100, batch_size=BATCH, engine=args.engine)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            asked = (paths, scorer.size, bundle.folder, args.engine)
            stages = alone.submit(seconds_of_stages, *asked).result()
        tensors = tensors_of(paths, scorer.size)
        reader = reader_of(bundle, engine=args.engine)
        rgb = np.repeat(tensors[..., None].astype(np.float32), 3, axis=-1)
        scorer.score(
            list(tensors[:BATCH]), range(len(tensors[:BATCH]))
        )  # compile outside the clock
        engine = engine_of(bundle, args.engine).engine
        network, at_once = engine.screener(passes=1, seed=0), engine.at_once(BATCH)
        groups = [rgb[i : i + at_once] for i in range(0, len(rgb), at_once)]
        network.predict(groups[0], [0] * len(groups[0]))

        def screen(out: str) -> None:
            settings = Settings(
                folder=folder,
                out=Path(scratch) / out,
                bundle_hash=bundle.hash,
                bundle_name=bundle.info.name,
                quiet=True,
                batch_size=BATCH,
                time_limit=LIMIT,
            )
            screen_folder(settings, scorer, Locator.of(bundle), reader)

        def bare() -> None:
            for group in groups:
                network.predict(group, [0] * len(group))

        forward, whole = [], []
        for turn in range(args.turns):  # alternately, so that other work on the machine hits both
            forward.append(clocked(bare))
            whole.append(clocked(lambda turn=turn: screen(f"run{turn}")))
        before = peak_mib()
        for path in paths:
            for copy in range(3):
                os.link(path, folder / f"copy{copy}-{path.name}")
        screen("four times")
        after = peak_mib(), peak_mib(resource.RUSAGE_CHILDREN)
    title = "`screen` against the network alone"
    ran = scorer.engine
    body = report(args.images, scorer.size, stages, forward, whole, (before, *after), waited, ran)
    if args.against:
        git = ["git", "rev-parse", "--short=12", "HEAD"]
        other = subprocess.run(git, cwd=checkouts[1], capture_output=True, text=True, check=True)
        body += f"\nRatios: this commit over {other.stdout.strip()}, in turns.\n"
    write(args, "screen.md", title, commit, bundle, "drawn karyograms", body)


def report(
    images: int,
    size: int,
    stages: dict[str, float],
    forward: list[tuple[float, float]],
    whole: list[tuple[float, float]],
    memory: tuple[float, float, float],
    waited: str,
    engine: str,
) -> str:
    """Return the tables of reports/screen.md."""
    ratios = np.median(np.array(whole) / np.array(forward), axis=0)
    medians = (np.median(each, axis=0) for each in (forward, whole))
    rows = zip(
        ("network, one forward, tensors ready", "`screen`, files to report, 100 passes"), medians,
        strict=True,
    )  # fmt: skip
    speeds = [(name, f"{images / s:.2f}", f"{cpu / images:.3f}") for name, (s, cpu) in rows]
    speeds.append(("`screen` over the network alone", *(f"{ratio:.2f} ×" for ratio in ratios)))
    steps = [(name, f"{1000 * seconds:.1f}") for name, seconds in stages.items()]
    both = 1000 * (stages[FIND] + stages.get(CLASSIFY, 0.0))
    steps.append(("finding and classifying together", f"{both:.0f}"))
    return f"""{images} drawn karyograms, network input {size} × {size}, 100 dropout passes, batch
{BATCH}, engine {engine}; medians of alternating turns.

{waited}
{markdown_table(("what", "images/s, ratio of the times", "processor s a picture"), speeds)}
{markdown_table(("step beside the network, one core", "processor ms a picture (median)"), steps)}
Peak memory: {memory[0]:.0f} MiB after runs of {images}, {memory[1]:.0f} MiB after a run of
{4 * images}; {memory[2]:.0f} MiB is the most of any process that was started for it.
"""


if __name__ == "__main__":
    main()

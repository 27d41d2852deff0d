"""Time the whole of `screen` against the network alone on the same tensors, in one run.

    python scripts/bench_screen.py [--bundle B] [--images 48]

Draws karyograms into a temporary folder, screens them end to end (reading, quality gate, ledger,
page), then runs the bundle's network once forward on the very tensors that the run made, and prints
where the time of one picture goes. Memory: peak resident size after a run and after a run of four
times as many pictures. Writes reports/screen.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from PIL import Image

from screening.bundle import default_bundle, load_bundle
from screening.images.normalise import crop_margins, letterbox, normalise
from screening.images.read import read_image
from screening.karyogram.compose import compose
from screening.karyogram.drawn import draw_cell
from screening.karyogram.gate import inspect
from screening.karyogram.style import clinical_style
from screening.worklist.run import Settings, screen_folder
from screening.worklist.scorer import BundleScorer

ROOT = Path(__file__).resolve().parents[1]
BATCH = 8


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


def seconds_of_stages(paths: list[Path], size: int) -> tuple[dict[str, float], np.ndarray]:
    """Return mean seconds a picture of each step before the network, and the tensors."""
    spent = dict.fromkeys(("read", "normalise", "gate, chromosomes found", "letterbox"), 0.0)
    tensors = []
    for path in paths:
        clock = [time.perf_counter()]
        grey = read_image(path)
        clock.append(time.perf_counter())
        paper = normalise(grey)
        clock.append(time.perf_counter())
        inspect(paper)
        clock.append(time.perf_counter())
        tensors.append(letterbox(crop_margins(paper), size))
        clock.append(time.perf_counter())
        for name, seconds in zip(spent, np.diff(clock), strict=True):
            spent[name] += float(seconds) / len(paths)
    return spent, np.stack(tensors)


def main() -> None:
    """Run the benchmark and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--images", type=int, default=48)
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "in"
        folder.mkdir()
        draw(folder, args.images)
        paths = sorted(folder.iterdir())
        scorer = BundleScorer(bundle, passes=100, batch_size=BATCH)
        stages, tensors = seconds_of_stages(paths, scorer.size)
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
            return screen_folder(settings, scorer).seconds

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
    write(args.images, scorer.size, bundle.hash, stages, forward, whole, (before, after))


def write(
    images: int,
    size: int,
    bundle: str,
    stages: dict[str, float],
    forward: list[float],
    whole: list[float],
    memory: tuple[float, float],
) -> None:
    """Print the table and write it to reports/screen.md."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    ratio = float(np.median(np.array(whole) / np.array(forward)))
    lines = [
        "# `screen` against the network alone",
        "",
        f"Command: `python {' '.join(['scripts/bench_screen.py', *sys.argv[1:]])}`; "
        f"commit {commit}; "
        f"bundle {bundle[:12]}; {os.cpu_count()} cores, {platform.machine()}.",
        "",
        f"{images} drawn karyograms, network input {size} × {size}, 100 dropout passes, "
        f"batch {BATCH}; medians of three alternating turns.",
        "",
        "| what | images/s |",
        "| --- | --- |",
        f"| network, one forward, tensors ready | {images / np.median(forward):.2f} |",
        f"| `screen`, files to report, 100 passes | {images / np.median(whole):.2f} |",
        f"| time of `screen` over the network alone | {ratio:.2f} × |",
        "",
        "| step before the network, one core | ms a picture |",
        "| --- | --- |",
        *[f"| {name} | {1000 * seconds:.1f} |" for name, seconds in stages.items()],
        "",
        f"Peak memory: {memory[0]:.0f} MiB after runs of {images}, {memory[1]:.0f} MiB after a run "
        f"of {4 * images}.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "reports").mkdir(exist_ok=True)
    (ROOT / "reports" / "screen.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()

"""Run the shipped 24-class benchmark and report it: three protocols side by side.

    python scripts/measure_benchmark.py --data DATA [--minutes 30]

Writes reports/benchmark24.md and its figures. Rows that runs/benchmark24 holds are kept; after
`--minutes` no further row is begun, and the report names those that were not run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from PIL import Image
from report_header import ROOT, add_report_arguments, begin, write

from screening.benchmark.config import read_benchmark, rows_of
from screening.benchmark.dataset import check_rows, read_datasets
from screening.benchmark.page import body, draw_all, shown
from screening.benchmark.runner import results_in, run_rows
from screening.build.progress import BuildProgress
from screening.models.backbones import BACKBONES

WHY_NO_BUNDLE = "the benchmark trains its own networks"


def main() -> None:
    """Run what is left, within the time, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_report_arguments(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder of single chromosomes")
    parser.add_argument("--minutes", type=float, default=30, help="begin no row after so many")
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "benchmark24")
    args = parser.parse_args()
    commit, clock = begin(args), time.monotonic()
    config = read_benchmark(ROOT / "configs" / "benchmark24.yaml", BACKBONES)
    datasets = read_datasets(args.data, config.datasets, config.protocols, config.size)
    rows = rows_of(config, {name: one.sources for name, one in datasets.items()})
    check_rows(rows, datasets, config.shares)
    args.run.mkdir(parents=True, exist_ok=True)
    for _ in run_rows(rows, config, datasets, args.run, BuildProgress(args.run / "benchmark.log")):
        if time.monotonic() - clock > 60 * args.minutes:
            break
    results = results_in(rows, config, datasets, args.run)
    text = body(rows, results, config, datasets)
    for path in draw_all(results, datasets, args.run):
        with Image.open(path) as drawn:  # a third of the bytes, and nothing to be seen of it
            few = drawn.convert("RGB").quantize(96)
        few.save(args.reports / f"benchmark24_{path.name}", optimize=True)
        text += shown(path, f"benchmark24_{path.name}")
    title = "The 24-class benchmark: three protocols side by side"
    write(args, "benchmark24.md", title, commit, WHY_NO_BUNDLE, args.data, text)


if __name__ == "__main__":
    main()

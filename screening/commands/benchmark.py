"""`screening benchmark`: 24-class networks trained and measured under honest splits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from screening.errors import ScreeningError
from screening.native_log import native_log_filtered

if TYPE_CHECKING:
    from screening.benchmark.config import BenchmarkConfig

DRAWN = "drawn"
"""Folder of a trial's chromosomes in RUN."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file of settings")
    parser.add_argument(
        "--data", type=Path, metavar="DATA",
        help="single chromosomes: a folder with chromosomes.csv, a CSV (path, class, case), 24 "
        "folders 0…23 or 1…22, X, Y, or the folder of CIR-Net or BioImLab as published",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="RUN",
        help="folder of the rows; a finished one is not trained again",
    )  # fmt: skip
    parser.add_argument(
        "--shard", metavar="N/M",
        help="only every M-th row from the N-th on, for one of M machines; the page shows all "
        "rows that RUN holds",
    )  # fmt: skip
    parser.add_argument(
        "--smoke", action="store_true",
        help="a few small pictures, one epoch each: does every row run? Without --data, drawn "
        "chromosomes",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="only errors")


def run(args: argparse.Namespace) -> int:
    """Train and measure; return 0. Every mistake of settings and data is named before it begins."""
    config = _settings(args)
    from screening.benchmark.config import rows_of, shard_of
    from screening.benchmark.dataset import check_rows, read_datasets
    from screening.build.progress import BuildProgress

    shard_of([], args.shard)
    drawn = args.data is None and any(one.keras is None for one in config.datasets)
    data = _drawn(args.out) if drawn else args.data
    datasets = read_datasets(data, config.datasets, config.protocols, config.size)
    rows = rows_of(config, {name: one.sources for name, one in datasets.items()})
    check_rows(rows, datasets, config.shares)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScreeningError(f"cannot create the folder {args.out} ({error.strerror})") from error
    with native_log_filtered():
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # its hints on retracing are about loops we do not have
    from screening.benchmark.page import write
    from screening.benchmark.runner import results_in, run_rows

    progress = BuildProgress(args.out / "benchmark.log", args.quiet)
    for dataset in datasets.values():
        for note in dataset.notes:
            progress.say(f"{dataset.name}: {note}")
    for _ in run_rows(shard_of(rows, args.shard), config, datasets, args.out, progress):
        # After every row: whatever stops the run leaves a page of what it has.
        page = write(args.out, rows, results_in(rows, config, datasets, args.out), config, datasets)
    if not args.quiet:
        print(f"Page: {page}")
    return 0


def _settings(args: argparse.Namespace) -> BenchmarkConfig:
    """Return the settings of the command line; ConfigError names all mistakes."""
    from screening.benchmark.config import read_benchmark
    from screening.models.backbones import BACKBONES

    if args.out.exists() and not args.out.is_dir():
        raise ScreeningError(f"--out expects a folder, {args.out} is a file")
    config = read_benchmark(args.config, BACKBONES)
    ours = any(one.keras is None for one in config.datasets)
    if args.data is None and ours and not args.smoke:
        raise ScreeningError(
            "expected --data DATA with single chromosomes, or --smoke for a trial on drawn ones"
        )
    if args.smoke:
        smallest = max(BACKBONES[name].min_size for name in config.networks)
        config = config.smoke(max(32, smallest))
    return config.on_everything() if args.data is None and ours else config


def _drawn(out: Path) -> Path:
    """Return a folder of drawn chromosomes of two laboratories, made unless it is there."""
    from screening.build.config import DrawnConfig
    from screening.build.data import draw_data

    return draw_data(out / DRAWN, DrawnConfig(cases=8, left_out=4, abnormal=0))

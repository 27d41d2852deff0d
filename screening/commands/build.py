"""`screening build`: every stage from single chromosomes to a certified bundle."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from screening.errors import ScreeningError
from screening.native_log import native_log_filtered

if TYPE_CHECKING:
    from screening.build.config import BuildConfig

NEW = ("finder", "classifier", "structure", "screener")
"""What --new takes, the same as `build.given.NEW` without loading it."""
DRAWN = "drawn"
"""Folder of a trial's chromosomes in RUN."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file of settings")
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="single chromosomes, with chromosomes.csv"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="RUN",
        help="folder of the stages; what is done there is not done again",
    )  # fmt: skip
    parser.add_argument(
        "--parts", type=Path, metavar="BUNDLE",
        help="take networks and reading from this bundle, and fit score, threshold and certificate "
        "anew on people whom it never saw; only a reader of structure that it lacks is trained",
    )  # fmt: skip
    parser.add_argument(
        "--leave-out", nargs="+", default=[], metavar="SOURCE",
        help="sources of the data that teach nothing, whatever CONFIG says: what the bundle does "
        "on them is what another laboratory may expect",
    )  # fmt: skip
    parser.add_argument(
        "--keep-score", action="store_true",
        help="with --parts: keep that bundle's score, threshold, confidences and certificate; only "
        "the reader of structure and its limits are new, which never make a picture less urgent",
    )  # fmt: skip
    parser.add_argument(
        "--new", nargs="+", default=[], choices=NEW, metavar="PART",
        help="with --parts: teach these anew, too: finder, classifier, structure, screener (the "
        "network that sees the whole karyogram, from where it is, or, on another base, from "
        "nothing)",
    )  # fmt: skip
    parser.add_argument(
        "--smoke", action="store_true",
        help="the settings of a trial: does every stage work? Without --data, drawn chromosomes",
    )  # fmt: skip
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="STAGE", help="these stages and no others"
    )
    parser.add_argument("--until", metavar="STAGE", help="no stage behind this one")
    parser.add_argument(
        "--redo", action="append", default=[], metavar="STAGE",
        help="do this stage anew, and what reads it; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1,
        help="processes that compose and cut pictures (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="only errors")


def run(args: argparse.Namespace) -> int:
    """Build; return 0. Every mistake of the settings or the data is named before it begins."""
    _check(args)
    config = _settings(args)
    from screening.build.data import draw_data, listing_hash, records_of
    from screening.bundle import load_bundle

    given = load_bundle(args.parts) if args.parts else None
    if args.data is not None:
        records_of(args.data, config.sources)
    with native_log_filtered():
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # its hints on retracing are about loops we do not have
        from screening.build.bundles import publish
        from screening.build.progress import BuildProgress
        from screening.build.runner import Runner
        from screening.build.stages import LAST, STAGES, stages_of
    stages = (
        STAGES if given is None else stages_of(given, args.keep_score, args.new, config.screener)
    )
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScreeningError(f"cannot create the folder {args.out} ({error.strerror})") from error
    progress = BuildProgress(args.out / "build.log", args.quiet)
    if given is not None and any(stage.name == "base" for stage in stages):
        progress.say(f"the screener is another than that of {args.parts}: it begins from nothing")
    data = args.data
    if data is None:
        progress.say("a trial: the chromosomes are drawn")
        data = draw_data(args.out / DRAWN, config.drawn)
    runner = Runner(stages, args.out, config, data, listing_hash(data), progress, args.workers)
    runner.run(args.only, args.until, args.redo)
    if runner.is_done(LAST):
        bundle = publish(runner.folder(LAST), args.out / "bundle")
        if not args.quiet:
            print(f"Bundle: {bundle}")
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.data is None and not args.smoke:
        raise ScreeningError(
            "expected --data FOLDER with chromosomes.csv, or --smoke for a trial on drawn ones"
        )
    if args.out.exists() and not args.out.is_dir():
        raise ScreeningError(f"--out expects a folder, {args.out} is a file")
    if args.keep_score and args.parts is None:
        raise ScreeningError("--keep-score keeps the score of a bundle: name it by --parts BUNDLE")
    if args.new and (args.parts is None or args.keep_score):
        raise ScreeningError(
            "--new goes with --parts BUNDLE and without --keep-score: what is seen anew is judged "
            "anew"
        )
    if args.workers < 1:
        raise ScreeningError(f"--workers expects 1 or more, received {args.workers}")


def _settings(args: argparse.Namespace) -> BuildConfig:
    """Return the settings of the command line; ConfigError names all mistakes."""
    from screening.build.config import read_build
    from screening.models.backbones import known_depths

    config = read_build(args.config, known_depths())
    if args.leave_out:
        config = config.leaving_out(args.leave_out)
    return config.for_smoke(drawn=args.data is None) if args.smoke else config

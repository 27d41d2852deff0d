"""`screening verdicts`: the verdicts of the reading room as labels, told, or taken over."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument("run", type=Path, metavar="OUT", help="what `screening screen` wrote")
    parser.add_argument(
        "--out", type=Path, help="CSV of labels to write, for evaluate, tune and train"
    )
    parser.add_argument(
        "--all", type=Path, metavar="CSV", help="CSV of every verdict that was ever given to write"
    )
    parser.add_argument(
        "--add", type=Path, metavar="CSV", help="take over verdicts from another --all"
    )
    parser.add_argument(
        "--chromosomes",
        type=Path,
        metavar="FOLDER",
        help="new folder for the chromosomes of cells that readers judged, for build",
    )
    parser.add_argument(
        "--pictures", type=Path, help="where the pictures are, if they were moved since"
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Return 0 when what was asked for is written.

    Raises ScreeningError for an output folder or a table of verdicts that cannot be read.
    """
    from screening.review.exchange import Settings, exchange

    said = exchange(
        Settings(args.run, args.out, args.all, args.add, args.pictures, args.chromosomes)
    )
    if not args.quiet:
        print("\n".join(said))
    return 0

"""`screening review`: the reading room of a finished run, in the browser of this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from screening.commands.page_language import add_language
from screening.languages.spoken import speaking


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument("out", type=Path, metavar="OUT", help="what `screening screen` wrote")
    parser.add_argument(
        "--pictures", type=Path, help="where the pictures are, if they were moved since"
    )
    parser.add_argument(
        "--blind", action="store_true", help="each reader sees only the own verdicts"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port on this machine (default: any that is free)"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address and open nothing"
    )
    add_language(parser, "the reading room")


def run(args: argparse.Namespace) -> int:
    """Return 0 when the reading room was closed.

    Raises ScreeningError for an output folder that cannot be read, one that another reading room
    is open on, or a port that is taken.
    """
    from screening.review.serving import Settings, serve

    settings = Settings(args.out, args.pictures, args.blind, args.port, not args.no_browser)
    with speaking(args.language):  # the server's threads take it over
        serve(settings)
    return 0

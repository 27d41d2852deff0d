"""`screening report`: the outputs of a run written again from its ledger."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument("out", type=Path, help="the --out of a run of `screening screen`")
    parser.add_argument(
        "--pictures", action="store_true",
        help="also WebP copies of all pictures, in OUT/pictures: the page leads to them",
    )  # fmt: skip
    parser.add_argument(
        "--pdf", action="store_true",
        help="also report.pdf: a line for each case, a page for those to look at (Chromium)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no summary")


def run(args: argparse.Namespace) -> int:
    """Return 0: every picture was scored, 3: some rejected or failed, 1: none could be read.

    Raises ScreeningError when the folder holds no results, or those of another version.
    """
    from screening.commands.screen import show
    from screening.worklist.rebuild import rebuild

    paper = None
    if args.pdf:
        from screening.report.pdf import browser, write_pdf

        browser()  # before the work, not after it
        paper = partial(write_pdf, target=args.out / "report.pdf")
    summary, rule = rebuild(args.out, copies=args.pictures, paper=paper)
    if not args.quiet:
        show(summary, rule, args.out)
    return summary.exit_status

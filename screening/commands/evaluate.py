"""`screening evaluate`: what a bundle does on labelled cases that it never saw."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from screening.commands.scoring_arguments import (
    add_rule,
    add_scoring_arguments,
    check_passes,
    chosen_bundle,
)

if TYPE_CHECKING:
    from screening.assess.evaluation import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument(
        "--bundle", type=Path, help="trained model to measure (default: the one that ships with it)"
    )
    add_scoring_arguments(parser)
    add_rule(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--prevalence",
        type=float,
        default=0.1,
        help="share of abnormal cases where the tool is to be used (%(default)s)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        nargs=2,
        default=(20.0, 10.0),
        metavar=("FIRST", "LAST"),
        help="your minutes for a case opened first, and for a low-priority one (20 10)",
    )
    parser.add_argument(
        "--by", nargs="*", metavar="COLUMN", help="columns of the manifest to group by"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="measure although the bundle has seen some of the cases; every page says so",
    )


def run(args: argparse.Namespace) -> int:
    """Return 0 when the pages are written.

    Raises ScreeningError for wrong values, an unusable bundle or manifest, or cases seen before.
    """
    check(args)
    from screening.assess.measurement import Settings, measure

    settings = Settings(**{name: getattr(args, name) for name in Settings.__dataclass_fields__})
    evaluation = measure(chosen_bundle(args.bundle), settings)
    if not args.quiet:
        show(evaluation, args.out)
    return 0


def check(args: argparse.Namespace) -> None:
    """Raise one ScreeningError that names every value out of range."""
    problems = []
    if not 0 < args.prevalence < 1:
        problems.append(f"--prevalence expects 0 to 1, received {args.prevalence}")
    first, last = args.minutes
    if not 0 <= last <= first:
        problems.append(f"--minutes expects FIRST >= LAST >= 0, received {first} {last}")
    if args.out.exists() and not args.out.is_dir():
        problems.append(f"--out expects a folder, {args.out} is a file")
    check_passes(args, *problems)


def show(evaluation: Evaluation, out: Path) -> None:
    """Print the two shares that matter and where the page lies."""
    from screening.assess.evaluation_page import seen_words

    here = evaluation.here
    print(f"Abnormal cases not low-priority: {here.recall}")
    print(f"Normal cases low-priority: {here.low_priority}")
    print(f"{seen_words(evaluation)}.")
    print(f"Page: {out / 'evaluation.html'}")

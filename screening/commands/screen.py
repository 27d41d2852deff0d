"""`screening screen`: triage a folder of karyograms."""

from __future__ import annotations

import argparse
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from screening import words
from screening.classes import FAILED, REJECTED, ROUTES
from screening.commands.scoring_arguments import add_rule, chosen_bundle
from screening.errors import ScreeningError

if TYPE_CHECKING:
    from screening.worklist.run import Settings, Summary

_DEVICE = re.compile(r"auto|cpu|gpu(:\d+)?")


class Interrupted(ScreeningError):
    """Says that the user stopped the run and how to go on."""

    exit_status = 130  # what shells expect after Ctrl-C


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument(
        "folder",
        type=Path,
        help="folder of karyograms, sub-folders too; each "
        "frame of a TIFF, DICOM, GIF, WebP or PNG is one, name#2 from the second on",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--bundle", type=Path, help="trained model to use (default: the one that ships with it)"
    )
    parser.add_argument(
        "--passes",
        type=int,
        default=100,
        help="Monte Carlo dropout passes per picture (%(default)s)",
    )
    parser.add_argument(
        "--min-confidence",
        type=float,
        help="below this vote share a picture goes to review, 0.5 to 1 (default: the bundle's)",
    )
    add_rule(parser)
    parser.add_argument(
        "--case-from",
        metavar="parent|stem|REGEX",
        help="what names the case: the sub-folder, the file name without suffix, or a pattern "
        "found in the relative name (default: the sub-folder, else the file name)",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on with earlier results in --out, if any"
    )
    again.add_argument("--overwrite", action="store_true", help="replace earlier results in --out")
    parser.add_argument(
        "--batch-size", type=int, default=8, help="pictures per model call (%(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, help="threads that read pictures (default: up to 4, one per core)"
    )
    parser.add_argument(
        "--save-chromosomes",
        action="store_true",
        help="also save each chromosome and the cell re-laid in order, in OUT/chromosomes",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or gpu:N (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the passes (%(default)s)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def run(args: argparse.Namespace) -> int:
    """Return 0: every picture scored, 3: some rejected or failed, 1: none could be read.

    Raises ScreeningError for wrong values, an unusable bundle or folder, or an interruption.
    """
    check(args)
    from screening.karyogram.locate import Locator
    from screening.triage.rule import Rule
    from screening.worklist.reader import reader_of
    from screening.worklist.run import Settings, screen_folder
    from screening.worklist.scorer import BundleScorer

    bundle = chosen_bundle(args.bundle)
    rule = Rule.of(bundle.info, args.min_confidence, args.rule)
    scorer = BundleScorer(bundle, args.passes, args.seed, args.device, args.batch_size)
    reader = reader_of(bundle, args.passes, args.seed)
    settings = Settings(
        folder=args.folder,
        out=args.out,
        bundle_hash=bundle.hash,
        bundle_name=bundle.info.name,
        rule=rule,
        info=bundle.info,
        case_from=args.case_from,
        resume=args.resume,
        overwrite=args.overwrite,
        batch_size=args.batch_size,
        workers=args.workers or min(4, os.cpu_count() or 1),
        seed=args.seed,
        device=args.device,
        quiet=args.quiet,
        save_chromosomes=args.save_chromosomes,
    )
    try:
        summary = screen_folder(settings, scorer, Locator.of(bundle), reader)
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped; what is done is kept in {args.out}: the same command with --resume goes on"
        ) from None
    if not args.quiet:
        show(summary, settings)
    return summary.exit_status


def check(args: argparse.Namespace) -> None:
    """Raise one ScreeningError that names every value out of range."""
    problems = []
    for name in ("passes", "batch_size", "workers"):
        value = getattr(args, name)
        if value is not None and value < 1:
            problems.append(f"--{name.replace('_', '-')} expects 1 or more, received {value}")
    confidence = args.min_confidence
    if confidence is not None and not (math.isfinite(confidence) and 0.5 <= confidence <= 1):
        problems.append(f"--min-confidence expects 0.5 to 1, received {confidence}")
    if not 0 <= args.seed < 2**31:
        problems.append(f"--seed expects 0 to {2**31 - 1}, received {args.seed}")
    if not _DEVICE.fullmatch(args.device):
        problems.append(f"--device expects auto, cpu, gpu or gpu:N, received {args.device!r}")
    if problems:
        raise ScreeningError("; ".join(problems))


def show(summary: Summary, settings: Settings) -> None:
    """Print the counts and where the page lies."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False)
    for route, colour in zip(ROUTES, ("red", "yellow", "green"), strict=True):
        count = words.counted(summary.routes.get(route, 0), "picture")
        table.add_row(
            f"[{colour}]{route}[/]", f"[bold]{count}[/]", words.meaning(route, settings.rule.scope)
        )
    console.print(table)
    for warning in summary.warnings:
        console.print(f"[bold red]Warning:[/] {escape(warning)}")
    for status in (REJECTED, FAILED):
        if summary.statuses.get(status):
            console.print(f"{summary.statuses[status]} {status}: see the reasons in the page")
    if summary.left_out:
        console.print(escape(words.left_out(summary.left_out)))
    console.print(f"Work list: [bold]{escape(str(settings.out / 'report.html'))}[/]")
    console.print(words.RESEARCH_USE)

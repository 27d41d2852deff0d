"""`screening screen`: triage a folder of karyograms."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from screening import words
from screening.classes import FAILED, REJECTED, ROUTES
from screening.commands.dicom_output import add_dicom, check_dicom, with_dicom
from screening.commands.page_language import add_language
from screening.commands.scoring_arguments import (
    add_pass_arguments,
    add_rule,
    check_passes,
    chosen_bundle,
)
from screening.errors import ScreeningError
from screening.languages.spoken import speaking
from screening.worklist.remote import RemoteFolder, place_of

if TYPE_CHECKING:
    from screening.karyogram.locate import Locator
    from screening.triage.rule import Rule
    from screening.worklist.parted import Crew
    from screening.worklist.reader import BundleReader
    from screening.worklist.run import Settings, Summary
    from screening.worklist.scorer import BundleScorer


class Interrupted(ScreeningError):
    """Says that the user stopped the run and how to go on."""

    exit_status = 130  # what shells expect after Ctrl-C


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument(
        "folder",
        type=place_of,
        help="folder of karyograms, sub-folders too, or an address such as "
        "s3://bucket/folder; each frame of a TIFF, DICOM, GIF, WebP or PNG is one, name#2 from the "
        "second on",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on with earlier results in --out, if any"
    )
    again.add_argument("--overwrite", action="store_true", help="replace earlier results in --out")
    parser.add_argument(
        "--shard",
        metavar="N/M",
        help="screen only the Nth of M parts, whole cases each, into an --out of its own; "
        "`screening report` joins them",
    )
    parser.add_argument(
        "--cluster",
        type=_cluster_address,
        metavar="ADDRESS",
        help="let the workers of a Ray cluster read and score the pictures, each with --workers "
        "processors: auto (the cluster of this machine) or HOST:PORT of its head",
    )
    add_run_arguments(parser)
    add_dicom(parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `screen` and `watch` ask for alike."""
    parser.add_argument("--out", type=place_of, required=True, help="folder for the results")
    parser.add_argument(
        "--bundle", type=Path, help="trained model to use (default: the one that ships with it)"
    )
    add_rule(parser)
    parser.add_argument(
        "--case-from",
        metavar="parent|stem|REGEX",
        help="what names the case: the sub-folder, the file name without suffix, or a pattern "
        "found in the relative name (default: the sub-folder, else the file name)",
    )
    parser.add_argument(
        "--cells-together",
        action="store_true",
        help="the pictures of a case are cells of one person: whether homologs differ is judged "
        "by all of them together, and no longer by the most suspicious one",
    )
    parser.add_argument(
        "--save-chromosomes",
        action="store_true",
        help="also save each chromosome and the cell re-laid in order, in OUT/chromosomes",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="a picture whose chromosomes are not found by then fails, the others go on; 0: "
        "none, and what crashes a decoder ends the run (%(default)g)",
    )
    parser.add_argument(
        "--printed",
        action="store_true",
        help="also read what is written on each picture, and tell where a karyotype printed there "
        "is another than the one read; it changes no route (needs the extra ocr)",
    )
    add_language(parser, "report.html")
    add_pass_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Return 0: every picture scored, 3: some rejected or failed, 1: none could be read.

    Raises ScreeningError for wrong values, an unusable bundle or folder, or an interruption.
    """
    check_dicom(args)
    check_out(args, args.out)
    _check_cluster(args)
    settings, scorer, locator, reader = prepared(args)
    from screening.worklist.remote_out import worked_on
    from screening.worklist.run import screen_folder

    with worked_on(args.out, args.resume, args.overwrite) as out:
        settings = replace(settings, out=out)
        try:
            with _crew(args, settings, scorer) as crew, speaking(args.language):
                summary = screen_folder(settings, scorer, locator, reader, crew=crew)
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped; what is done is kept in {out}: the same command with --resume goes on"
            ) from None
        summary = with_dicom(args, out, summary)
    if not args.quiet:
        show(summary, settings.rule, args.out)
    return summary.exit_status


def prepared(
    args: argparse.Namespace,
) -> tuple[Settings, BundleScorer, Locator, BundleReader | None]:
    """Return the run that is asked for, and what scores, finds and reads in it; ScreeningError for
    wrong values or an unusable bundle."""
    limit = f"--time-limit expects 1 to 86400 seconds, or 0, received {args.time_limit:g}"
    check_passes(args, *([] if args.time_limit == 0 or 1 <= args.time_limit <= 86_400 else [limit]))
    from screening.images.lettering import check_installed
    from screening.karyogram.locate import Locator
    from screening.triage.rule import Rule
    from screening.worklist.reader import reader_of
    from screening.worklist.run import Settings
    from screening.worklist.scorer import BundleScorer
    from screening.worklist.shard import Shard

    if args.printed:
        check_installed()
    shard = Shard.of(args.shard) if args.shard is not None else None
    bundle = chosen_bundle(args.bundle)
    scorer = BundleScorer(bundle, args.passes, args.seed, args.device, args.batch_size, args.engine)
    settings = Settings(
        folder=args.folder,
        out=args.out,
        bundle_hash=bundle.hash,
        bundle_name=bundle.info.name,
        rule=Rule.of(bundle.info, args.min_confidence, args.rule, args.cells_together),
        info=bundle.info,
        case_from=args.case_from,
        resume=args.resume,
        overwrite=args.overwrite,
        batch_size=args.batch_size,
        workers=args.workers or min(4, os.cpu_count() or 1),
        seed=args.seed,
        device=args.device,
        engine=args.engine,
        quiet=args.quiet,
        save_chromosomes=args.save_chromosomes,
        shard=shard,
        time_limit=args.time_limit,
        printed=args.printed,
        cluster=args.cluster or "",
        published=args.out if isinstance(args.out, RemoteFolder) else None,
    )
    reader = reader_of(bundle, args.passes, args.seed, args.device, args.engine)
    return settings, scorer, Locator.of(bundle), reader


def _cluster_address(text: str) -> str:
    if not re.fullmatch(r"auto|([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", text):
        raise argparse.ArgumentTypeError(f"expected auto or HOST:PORT, received {text!r}")
    return text


def _check_cluster(args: argparse.Namespace) -> None:
    """Raise ScreeningError when something is asked for that the workers of a cluster cannot do."""
    if args.cluster and args.save_chromosomes:
        raise ScreeningError(
            "--save-chromosomes expects a run on this machine: leave it or --cluster out"
        )
    if args.cluster and args.device.startswith("gpu"):
        raise ScreeningError(
            f"--cluster computes on processors: expected --device auto or cpu, received "
            f"{args.device}"
        )


def _crew(
    args: argparse.Namespace, settings: Settings, scorer: BundleScorer
) -> AbstractContextManager[Crew | None]:
    """Who scores the pictures; None: this machine."""
    if not args.cluster:
        return nullcontext(None)
    from screening.worklist.cluster import Recipe, cluster

    recipe = Recipe.of(
        scorer.bundle, settings.folder, passes=args.passes, seed=args.seed, engine=args.engine,
        batch_size=args.batch_size, time_limit=args.time_limit, printed=args.printed,
    )  # fmt: skip
    return cluster(args.cluster, recipe, args.workers)


def check_out(args: argparse.Namespace, out: Path | RemoteFolder) -> None:
    """Raise ScreeningError when what is asked for cannot be written to an address."""
    asked = [
        name for name in ("dicom", "save_chromosomes", "pictures") if getattr(args, name, None)
    ]
    if asked and isinstance(out, RemoteFolder):
        raise ScreeningError(
            f"--{asked[0].replace('_', '-')} expects results on this machine, received {out}: use "
            "a folder, and copy it there"
        )


def show(summary: Summary, rule: Rule, out: Path | RemoteFolder) -> None:
    """Print the counts and where the page lies."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False)
    for route, colour in zip(ROUTES, ("red", "yellow", "green"), strict=True):
        count = words.counted(summary.routes.get(route, 0), "picture")
        table.add_row(
            f"[{colour}]{route}[/]",
            f"[bold]{count}[/]",
            words.meaning(route, rule.scope, rule.covers),
        )
    console.print(table)
    for warning in summary.warnings:
        console.print(f"[bold red]Warning:[/] {escape(warning)}")
    for status in (REJECTED, FAILED):
        if summary.statuses.get(status):
            console.print(f"{summary.statuses[status]} {status}: see the reasons in the page")
    if summary.left_out:
        console.print(escape(words.left_out(summary.left_out)))
    if isinstance(out, Path):
        console.print(f"Work list: [bold]{escape(str(out / 'report.html'))}[/]")
        review = f"{_called()} review {shlex.quote(str(out))}"
        console.print(f"Case by case in the browser, with verdicts: {escape(review)}")
    else:
        console.print(f"Work list: [bold]{escape(f'{out}/report.html')}[/]")
        console.print("To read it case by case, with verdicts: copy the folder to this machine")
    console.print(words.RESEARCH_USE)


def _called() -> str:
    """How this program is called from here: as it was, when no shell finds it by its name."""
    asked = sys.argv[0]
    found = shutil.which("screening") or Path(asked).name != "screening"
    return "screening" if found else shlex.quote(asked)

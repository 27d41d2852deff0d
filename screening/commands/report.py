"""`screening report`: the outputs of a run written again from its ledger, or of all its parts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from screening.commands.dicom_output import add_dicom, check_dicom, with_dicom
from screening.commands.page_language import add_language
from screening.errors import ScreeningError
from screening.languages.spoken import speaking
from screening.worklist.remote import RemoteFolder, place_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument(
        "runs",
        type=place_of,
        nargs="+",
        metavar="out",
        help="the --out of a run of `screening screen`, or those of all its parts (--shard)",
    )
    parser.add_argument(
        "--out",
        type=place_of,
        help="folder for the one list of all parts, as a run without --shard would have written "
        "it; saved chromosomes stay where they are",
    )
    parser.add_argument(
        "--fhir",
        type=Path,
        metavar="FILE",
        help="also write HL7 FHIR R4 as JSON: a preliminary DiagnosticReport per case",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is in --out")
    parser.add_argument(
        "--pictures", action="store_true",
        help="also WebP copies of all pictures, in OUT/pictures: the page leads to them",
    )  # fmt: skip
    parser.add_argument(
        "--pdf", action="store_true",
        help="also report.pdf: a line for each case, a page for those to look at (Chromium)",
    )  # fmt: skip
    add_dicom(parser)
    add_language(parser, "report.html and report.pdf")
    parser.add_argument("--quiet", action="store_true", help="no summary")


def run(args: argparse.Namespace) -> int:
    """Return 0: every picture was scored, 3: some rejected or failed, 1: none could be read.

    Raises ScreeningError when a folder holds no results, those of another version, or not all parts
    of a run.
    """
    if args.out is None and len(args.runs) > 1:
        raise ScreeningError("several runs expect --out, the folder for the list of them all")
    check_dicom(args)
    from screening.commands.screen import check_out, show
    from screening.worklist.rebuild import rebuild

    place = args.out or args.runs[0]
    check_out(args, place)
    if args.pdf:
        from screening.report.pdf import browser

        browser()  # before the work, not after it
    with _joined(args) as out, speaking(args.language):
        paper = None
        if args.pdf:
            from screening.report.pdf import write_pdf

            paper = partial(write_pdf, target=out / "report.pdf")
        summary, rule = rebuild(out, copies=args.pictures, paper=paper)
        if args.fhir is not None:
            _write_fhir(out, args.fhir)
        summary = with_dicom(args, out, summary)
    if not args.quiet:
        show(summary, rule, place)
    return summary.exit_status


@contextmanager
def _joined(args: argparse.Namespace) -> Iterator[Path]:
    """The folder of this machine with the ledger of the one run, or that of all parts."""
    from screening.worklist.join import join
    from screening.worklist.remote_out import fetched, worked_on

    if args.out is None:
        with worked_on(args.runs[0], resume=True) as out:
            yield out
        return
    published = str(args.out) if isinstance(args.out, RemoteFolder) else ""
    with ExitStack() as stack:
        parts = [stack.enter_context(fetched(run)) for run in args.runs]
        out = stack.enter_context(worked_on(args.out, overwrite=args.overwrite))
        join(parts, out, args.overwrite, published)
        yield out


def _write_fhir(out: Path, path: Path) -> None:
    from screening.atomic import replace_files
    from screening.worklist.fhir import fhir_text
    from screening.worklist.kept import read_run

    text = fhir_text(read_run(out))
    try:
        replace_files(path.parent, {path.name: text})
    except OSError as error:
        raise ScreeningError(
            f"cannot write --fhir {path} ({error.strerror}): choose another file"
        ) from error

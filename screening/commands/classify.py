"""`screening classify`: name the pictures of single chromosomes in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from screening.commands.scoring_arguments import add_engine, chosen_bundle
from screening.errors import ScreeningError

FILE_NAME = "chromosomes.csv"
STRUCTURE = "structure"
DESCRIPTION = """Names pictures of single chromosomes and, with a bundle that reads structure,
tells which ones look rearranged. In chromosomes.csv: p_changed, the
probability (0-1) that a chromosome is rearranged, for a folder in which about
one in four is; from 0.5 on change (del, dup, inv, t, or empty when its bands
do not tell) and where: the bands (q22 to q34), of t the class of the other
chromosome (22). All three are empty for a bundle without a reader of
structure.
"""


class NothingClassified(ScreeningError):
    """Says that not one picture could be read."""

    exit_status = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("folder", type=Path, help="folder of pictures of one chromosome each, p arm up")
    add("--out", type=Path, required=True, help="folder for chromosomes.csv")
    add("--bundle", type=Path, help="trained model to use (default: the one that ships with it)")
    add("--passes", type=int, default=100, help="dropout passes per chromosome (%(default)s)")
    add(
        "--case-from",
        metavar="parent|stem|REGEX",
        help="what names the cell a chromosome belongs to (default: its sub-folder)",
    )
    add(
        "--no-cells",
        action="store_true",
        help="the pictures of a case are not one cell at one scale: judge each by itself",
    )
    add_engine(parser)
    add("--seed", type=int, default=0, help="seed of the passes (%(default)s)")
    add("--overwrite", action="store_true", help="replace an earlier chromosomes.csv")
    add("--quiet", action="store_true", help="no progress bar, no summary")


def run(args: argparse.Namespace) -> int:
    """Return 0: every picture classified, 3: some could not be read, 1: none could.

    Raises ScreeningError for wrong values, an unusable folder or a bundle without a classifier.
    """
    if args.passes < 1:
        raise ScreeningError(f"--passes expects 1 or more, received {args.passes}")
    target = args.out / FILE_NAME
    if target.exists() and not args.overwrite:
        raise ScreeningError(f"{target} exists: use --overwrite to replace it, or another --out")
    from screening.atomic import replace_files
    from screening.images.kinds import SUPPORTED_SUFFIXES
    from screening.predict.chromosomes import ChromosomeClassifier
    from screening.predict.engine import engine_of
    from screening.predict.structure import StructureReader
    from screening.worklist.discover import discover
    from screening.worklist.progress import RunProgress
    from screening.worklist.singles import COLUMNS, name_singles
    from screening.worklist.tables import csv_text

    bundle = chosen_bundle(args.bundle)
    found = discover(args.folder, SUPPORTED_SUFFIXES, args.case_from, args.out)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScreeningError(
            f"cannot create the output folder {args.out} ({error.strerror}): choose another --out"
        ) from error
    engine = engine_of(bundle, args.engine).engine
    classifier = ChromosomeClassifier(bundle, engine, args.passes, args.seed)
    structure = None
    if STRUCTURE in bundle.info.parts:
        structure = StructureReader(engine, passes=1, seed=args.seed)  # only pairs take passes
    rows = []
    named = name_singles(
        found.images, classifier, bundle.info.reading, not args.no_cells, structure
    )
    with RunProgress(len(found.images), args.quiet) as progress:
        for row in named:
            rows.append(row)
            progress.advance(1)
    rows.sort(key=lambda row: row.image)
    replace_files(args.out, {FILE_NAME: csv_text(COLUMNS, [row.cells() for row in rows])})
    failed = sum(bool(row.problem) for row in rows)
    if not args.quiet:
        print(f"{len(rows) - failed} of {len(rows)} pictures classified: {target}")
    if failed == len(rows):
        raise NothingClassified(f"none of the {failed} pictures could be read; see {target}")
    return 3 if failed else 0

"""`screening tune`: a threshold with a guarantee, into the bundle."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from screening.classes import CALIBRATED
from screening.commands.scoring_arguments import add_rule, add_scoring_arguments
from screening.commands.screen import check as check_scoring
from screening.errors import ScreeningError

NOT_CERTIFIED = 3
"""Exit status when nothing could be promised; the bundle stays as it was."""
OWN = "own"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument("bundle", type=Path, help="bundle, or the folder of a run that holds one")
    add_scoring_arguments(parser)
    add_rule(parser, CALIBRATED)
    parser.add_argument(
        "--recall",
        type=float,
        default=0.99,
        help="least share of abnormal cases not to be put last (%(default)s)",
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.95,
        help="certainty of that promise (%(default)s)",
    )
    parser.add_argument(
        "--max-false-flags",
        type=float,
        help="also certify a threshold for flag: most normal cases flagged, e.g. 0.05 (takes half "
        "of the allowed error)",
    )
    parser.add_argument(
        "--at-most",
        type=_limit,
        default=1.0,
        metavar="THRESHOLD",
        help="choose no threshold above this one, or above the bundle's (own), whatever the "
        "promise would allow: calibration cases may lack an abnormality that yours have "
        "(default: no limit)",
    )
    parser.add_argument(
        "--cluster",
        choices=("bet", "mean", "any"),
        default="bet",
        help="how several abnormal cases of a patient count: by the share missed (bet; mean: a "
        "simpler bound), or as missed when any is (%(default)s)",
    )
    parser.add_argument("--out", type=Path, help="folder for the tuned bundle (default: in place)")
    parser.add_argument(
        "--keep", type=Path, help="folder that keeps what was scored, for another --recall"
    )


def run(args: argparse.Namespace) -> int:
    """Return 0 when certified and written, 3 when nothing could be certified.

    Raises ScreeningError for wrong values, an unusable bundle, or data that cannot calibrate it.
    """
    check(args)
    from screening.assess.certification import Terms, earned, write_tuned
    from screening.bundle import load_bundle

    bundle = load_bundle(find_bundle(args.bundle))
    terms = Terms(**{name: getattr(args, name) for name in Terms.__dataclass_fields__})
    with tempfile.TemporaryDirectory() as scratch:
        info, words = earned(bundle, terms, args.keep or Path(scratch))
    if info is None:
        say(args, words)
        return NOT_CERTIFIED
    folder = write_tuned(bundle, info, args.out or bundle.folder)
    say(args, f"{words}\nThreshold {info.threshold:.4f} written to {folder}")
    return 0


def check(args: argparse.Namespace) -> None:
    """Raise one ScreeningError that names every value out of range."""
    problems = []
    for name in ("recall", "confidence", "max_false_flags", "at_most"):
        value = getattr(args, name)
        if value in (None, OWN) or (name, value) == ("at_most", 1):
            continue
        if not 0 < value < 1:
            problems.append(f"--{name.replace('_', '-')} expects 0 to 1, received {value}")
    try:
        check_scoring(args)
    except ScreeningError as error:
        problems.append(str(error))
    if problems:
        raise ScreeningError("; ".join(problems))


def _limit(text: str) -> float | str:
    return OWN if text == OWN else float(text)


def find_bundle(folder: Path) -> Path:
    """Return the bundle's folder: `folder` itself, or `bundle` inside the folder of a run."""
    inside = folder / "bundle"
    return inside if not (folder / "bundle.json").exists() and inside.is_dir() else folder


def say(args: argparse.Namespace, text: str) -> None:
    """Print the outcome unless --quiet."""
    if not args.quiet:
        print(text)

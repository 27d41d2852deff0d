"""`screening tune`: a threshold with a guarantee, into a new bundle."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from screening.classes import CALIBRATED
from screening.commands.scoring_arguments import (
    add_rule,
    add_scoring_arguments,
    check_passes,
    chosen_bundle,
)
from screening.errors import ScreeningError

if TYPE_CHECKING:
    from screening.assess.recognise import Sighting
    from screening.assess.rerouting import Rerouted
    from screening.bundle_schema import BundleInfo
    from screening.triage.rule import Rule

NOT_CERTIFIED = 3
"""Exit status when nothing could be promised; no bundle is written."""
OWN = "own"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    parser.add_argument(
        "bundle",
        type=Path,
        nargs="?",
        help="bundle, or the folder of a run that holds one (default: the one that ships with it)",
    )
    add_scoring_arguments(parser)
    add_rule(parser, CALIBRATED)
    parser.add_argument(
        "--recall",
        type=float,
        default=0.99,
        help="least share of abnormal cases not to be low-priority (%(default)s)",
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
        help="also certify a threshold for flag, which replaces the bundle's: most normal cases "
        "flagged, e.g. 0.05 (takes half of the allowed error)",
    )
    parser.add_argument(
        "--at-most",
        type=_limit,
        default=OWN,
        metavar="THRESHOLD",
        help="highest threshold to choose (default: own, the bundle's, so that no picture becomes "
        "less urgent). A higher number lets it rise as far as the promise allows, never above the "
        "one for flag: pictures that were reviewed are then low-priority, among them abnormalities "
        "that your calibration cases lack",
    )
    parser.add_argument(
        "--recalibrate",
        action="store_true",
        help="also take the confidences from these cases instead of those that calibrated the "
        "bundle; routes may become less urgent (done anyway where the bundle has none)",
    )
    parser.add_argument(
        "--cluster",
        choices=("bet", "mean", "any"),
        default="bet",
        help="how several abnormal cases of a patient count: by the share missed (bet; mean: a "
        "simpler bound), or as missed when any is (%(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="new folder for the tuned bundle (default: BUNDLE-tuned, beside it)",
    )
    parser.add_argument(
        "--keep", type=Path, help="folder that keeps what was scored, for another --recall"
    )


def run(args: argparse.Namespace) -> int:
    """Return 0 when certified and written, 3 when nothing could be certified.

    Raises ScreeningError for wrong values, an unusable bundle, or data that cannot calibrate it.
    """
    check(args)
    from screening.assess.certification import Terms, earned, write_tuned
    from screening.assess.rerouting import looser, reroute
    from screening.triage.rule import Rule

    bundle = chosen_bundle(find_bundle(args.bundle) if args.bundle else None)
    out = new_folder(args, bundle.folder)
    terms = Terms(**{name: getattr(args, name) for name in Terms.__dataclass_fields__})
    with tempfile.TemporaryDirectory() as scratch:
        found = earned(bundle, terms, args.keep or Path(scratch))
    show_known(args, bundle.info, found.sightings)
    if found.info is None:
        say(args, found.words)
        return NOT_CERTIFIED
    before, after = Rule.of(bundle.info), Rule.of(found.info)
    cases = reroute(found.units, found.results, before, after)
    say(args, found.words)
    show_routes(args, cases, looser(before, after))
    new_folder(args, bundle.folder)
    write_tuned(bundle, found.info, out, card_section(cases, before, after))
    was = f"{bundle.info.threshold:.4f}"
    say(args, f"Threshold {found.info.threshold:.4f} (before: {was}) written to {out}")
    return 0


def new_folder(args: argparse.Namespace, bundle: Path) -> Path:
    """Return where the tuned bundle goes; ScreeningError when something is there, or when it would
    lie inside the bundle or the package."""
    home = bundle.resolve()
    if args.out is None and args.bundle is None:
        raise ScreeningError("expected --out FOLDER: the bundle that ships with it stays as it is")
    out = args.out or home.with_name(f"{home.name}-tuned")
    if out.exists() or out.is_symlink():
        raise ScreeningError(
            f"expected a new folder for the tuned bundle, {out} exists: give another --out; a "
            "bundle is never written over"
        )
    if out.resolve().is_relative_to(home):
        raise ScreeningError(f"expected --out outside the bundle {bundle}, received {out}")
    return out


def check(args: argparse.Namespace) -> None:
    """Raise one ScreeningError that names every value out of range."""
    problems = []
    for name in ("recall", "confidence", "max_false_flags", "at_most"):
        value = getattr(args, name)
        if value in (None, OWN) or (name, value) == ("at_most", 1):
            continue
        if not 0 < value < 1:
            problems.append(f"--{name.replace('_', '-')} expects 0 to 1, received {value}")
    check_passes(args, *problems)


def _limit(text: str) -> float | str:
    try:
        return OWN if text == OWN else float(text)
    except ValueError:
        said = f"expected {OWN} or a number from 0 to 1, received {text!r}"
        raise argparse.ArgumentTypeError(said) from None


def find_bundle(folder: Path) -> Path:
    """Return the bundle's folder: `folder` itself, or `bundle` inside the folder of a run."""
    inside = folder / "bundle"
    return inside if not (folder / "bundle.json").exists() and inside.is_dir() else folder


def show_known(args: argparse.Namespace, info: BundleInfo, sightings: Sequence[Sighting]) -> None:
    """Print which cases had calibrated the bundle before, or with what they were compared."""
    from screening.assess.recognise import compared, told

    if sightings:
        say(args, f"Looked at again: {told(sightings)}.")
    else:
        say(args, f"None of these pictures is known to the bundle; {compared(info)}.")


def show_routes(
    args: argparse.Namespace, cases: Sequence[Rerouted], reasons: Sequence[str]
) -> None:
    """Print the routes of the same cases before and after, and what becomes less urgent.

    The latter also with --quiet, to the standard error: it is never done without saying so.
    """
    from rich.console import Console
    from rich.table import Table

    from screening.assess.rerouting import counts, less_urgent_words

    later = any(case.less_urgent for case in cases)
    console = Console(stderr=args.quiet, highlight=False, soft_wrap=True)
    if not args.quiet:
        table = Table("cases of the data", "route", "before", "after", title="What changes")
        for label, route, first, then in counts(cases):
            table.add_row(label, route, str(first), str(then))
        console.print(table)
    if later or not args.quiet:
        console.print(less_urgent_words(cases), markup=False)
    if reasons:
        console.print(
            f"Other pictures may become less urgent as well: {'; '.join(reasons)}.", markup=False
        )
    elif not args.quiet:
        console.print("No other picture can become less urgent: the rule is only more cautious.")


def card_section(cases: Sequence[Rerouted], before: Rule, after: Rule) -> str:
    """Return the same counts for the model card, in markdown."""
    from screening.assess.rerouting import counts
    from screening.metrics import markdown_table

    tuned = f"Tuned: threshold {after.threshold:.4f}, before {before.threshold:.4f}."
    header = ("cases that earned it", "route", "before", "after")
    return f"\n{tuned}\n\n{markdown_table(header, counts(cases))}"


def say(args: argparse.Namespace, text: str) -> None:
    """Print the outcome unless --quiet."""
    if not args.quiet:
        print(text)

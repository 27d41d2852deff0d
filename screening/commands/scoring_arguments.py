"""What commands ask for alike: the bundle, labelled karyograms and how they are scored."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from screening.classes import RULES

if TYPE_CHECKING:
    from screening.bundle import Bundle

UNITS = ("auto", "case", "picture")


def add_scoring_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the manifest and the options of the passes, with their defaults in the help text."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="MANIFEST",
        help="CSV with path, label, case (also source, patient, kind), or a folder with normal/ "
        "and abnormal/",
    )
    parser.add_argument(
        "--unit",
        choices=UNITS,
        default="auto",
        help="what is put first or last: a case, or a picture where pictures were made from one "
        "patient's chromosomes (auto: by the manifest's column kind)",
    )
    parser.add_argument(
        "--passes", type=int, default=100, help="dropout passes per picture (%(default)s)"
    )
    parser.add_argument(
        "--min-confidence", type=float, help="vote share, 0.5 to 1 (default: the bundle's)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=8, help="pictures per model call (%(default)s)"
    )
    parser.add_argument("--workers", type=int, help="threads that read pictures (up to 4)")
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or gpu:N (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the passes (%(default)s)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def chosen_bundle(folder: Path | None) -> Bundle:
    """Return the bundle at `folder` (None: the shipped one); that of a trial is told of, loudly."""
    from screening.bundle import default_bundle, load_bundle

    bundle = load_bundle(folder or default_bundle())
    if bundle.info.trial_warning:
        print(f"screening: WARNING: {bundle.info.trial_warning}", file=sys.stderr)
    return bundle


def add_rule(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add --rule; without a default the bundle's own is used."""
    parser.add_argument(
        "--rule",
        choices=RULES,
        default=default,
        help="whose confidence is told and decides what is flagged: by the calibration cases, or "
        f"the share of votes, as in the thesis ({default or 'default: that of the bundle'})",
    )

"""What commands ask for alike: the bundle, labelled karyograms and how they are scored."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from screening.classes import ENGINES, RULES
from screening.errors import ScreeningError

if TYPE_CHECKING:
    from screening.bundle import Bundle

_DEVICE = re.compile(r"auto|cpu|gpu(:\d+)?")
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
    add_pass_arguments(parser)


def add_pass_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the passes, which `screen` has too."""
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
    parser.add_argument(
        "--batch-size", type=int, default=8, help="pictures scored and kept together (%(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, help="pictures read at once (default: up to 4, one per core)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, gpu or gpu:N (%(default)s)")
    add_engine(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the passes (%(default)s)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine."""
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="what runs the networks: onnxruntime starts at once, tensorflow can use a GPU; both "
        "say the same; int8 is onnxruntime with networks in eight bits, in a third to two "
        "thirds of their time (%(default)s: int8 if the bundle says how, else onnxruntime, "
        "where they give the known answers of every network of the bundle)",
    )


def check_passes(args: argparse.Namespace, *problems: str) -> None:
    """Raise one ScreeningError that names the `problems` and every such option out of range."""
    found = list(problems)
    for name in ("passes", "batch_size", "workers"):
        value = getattr(args, name)
        if value is not None and value < 1:
            found.append(f"--{name.replace('_', '-')} expects 1 or more, received {value}")
    confidence = args.min_confidence
    if confidence is not None and not 0.5 <= confidence <= 1:
        found.append(f"--min-confidence expects 0.5 to 1, received {confidence}")
    if not 0 <= args.seed < 2**31:
        found.append(f"--seed expects 0 to {2**31 - 1}, received {args.seed}")
    if not _DEVICE.fullmatch(args.device):
        found.append(f"--device expects auto, cpu, gpu or gpu:N, received {args.device!r}")
    if found:
        raise ScreeningError("; ".join(found))


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

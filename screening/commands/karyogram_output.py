"""What `compose` and `simulate` share: their arguments, where cells come from, what is said."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from screening.errors import ScreeningError

if TYPE_CHECKING:
    from screening.data.chromosomes import CellRecord
    from screening.data.composed import Made

DRAWN = "drawn"


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that both commands have."""
    parser.add_argument(
        "source",
        help="folder of single-chromosome pictures (with chromosomes.csv, or 24 folders named 0…23 "
        "or 1…22, X, Y), a CSV of them, or the word drawn: then chromosomes are drawn from the "
        "band table and no data is needed",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures and truth")
    parser.add_argument(
        "--seed", type=int, default=0, help="same seed, same pictures (%(default)s)"
    )
    parser.add_argument(
        "--style",
        choices=("clinical", "random"),
        default="clinical",
        help="clinical: a common laboratory printout; random: the looks of many laboratories "
        "(%(default)s)",
    )
    parser.add_argument(
        "--sources",
        nargs="+",
        metavar="NAME",
        help="use only these sources of a data folder (default: all G-banded ones)",
    )
    parser.add_argument("--format", choices=("png", "jpg"), default="png", help="(%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results in --out")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def check_shared(args: argparse.Namespace) -> None:
    """Raise one ScreeningError that names every value out of range."""
    problems = []
    if args.count is not None and args.count < 1:
        problems.append(f"--count expects 1 or more, received {args.count}")
    if not 0 <= args.seed < 2**31:
        problems.append(f"--seed expects 0 to {2**31 - 1}, received {args.seed}")
    if args.out.exists() and not args.out.is_dir():
        problems.append(f"--out expects a folder, {args.out} is a file")
    elif (args.out / "manifest.csv").exists() and not args.overwrite:
        problems.append(
            f"{args.out} already holds a manifest.csv: choose another folder or pass --overwrite"
        )
    if problems:
        raise ScreeningError("; ".join(problems))


def read_source(args: argparse.Namespace) -> list[CellRecord] | None:
    """Return the complete cells of the source folder, or None when chromosomes are to be drawn."""
    if args.source == DRAWN and not Path(DRAWN).exists():
        return None
    from screening.data.composed import complete_cells

    return complete_cells(args.source, args.sources)


def write_all(args: argparse.Namespace, count: int, make: Callable[[int], Made]) -> None:
    """Write `count` pictures made by `make(index)`, with a progress bar, and say what came."""
    from rich.console import Console
    from rich.progress import track

    from screening.data.composed import write_karyograms

    told = Console(stderr=True)
    indices = track(range(count), "Composing", console=told, disable=args.quiet)
    labels = write_karyograms(args.out, map(make, indices), args.seed, args.format)
    if args.quiet:
        return
    parts = ", ".join(f"{number} {label}" for label, number in labels.items())
    Console(highlight=False, soft_wrap=True).print(
        f"{count} karyograms ({parts}) with manifest.csv and truth.jsonl in {args.out}",
        markup=False,
    )

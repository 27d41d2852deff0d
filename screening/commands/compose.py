"""`screening compose`: karyograms from single chromosomes, as they are."""

from __future__ import annotations

import argparse

from screening.commands.karyogram_output import (
    add_shared_arguments,
    check_shared,
    read_source,
    write_all,
)

DRAWN_COUNT = 10
"""How many drawn karyograms are made when nobody says."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
    add_shared_arguments(parser)
    parser.add_argument(
        "--count",
        type=int,
        help=f"how many karyograms; more than there are cells: again in another look "
        f"(default: one of each cell; {DRAWN_COUNT} drawn ones)",
    )


def run(args: argparse.Namespace) -> int:
    """Return 0. Raises ScreeningError for wrong values or an unusable source."""
    check_shared(args)
    import numpy as np

    from screening.data.chromosomes import load_cell
    from screening.data.composed import Made, drawn_cell
    from screening.synthesis.compose import compose
    from screening.synthesis.style import STYLES

    records = read_source(args)
    count = args.count or (DRAWN_COUNT if records is None else len(records))

    def make(index: int) -> Made:
        rng = np.random.default_rng([args.seed, index])
        if records is None:
            cell = drawn_cell(rng, args.seed, index + 1)
        else:
            cell = load_cell(records[index % len(records)])
        return Made(compose(cell, STYLES[args.style](rng), rng), cell, "composed")

    write_all(args, count, make)
    return 0

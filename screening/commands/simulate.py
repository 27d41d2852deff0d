"""`screening simulate`: karyograms with known numerical abnormalities, and honest normals."""

from __future__ import annotations

import argparse

from screening.commands.karyogram_output import (
    Made,
    add_shared_arguments,
    check_shared,
    draw,
    read_source,
    write_all,
)
from screening.errors import ScreeningError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command, with their defaults in the help text."""
    add_shared_arguments(parser)
    parser.add_argument("--count", type=int, default=100, help="how many karyograms (%(default)s)")
    parser.add_argument(
        "--abnormal-fraction",
        type=float,
        default=0.5,
        help="share of abnormal ones, 0 to 1; the others are normal (%(default)s)",
    )
    parser.add_argument(
        "--abnormality",
        nargs="+",
        default=[],
        metavar="NAME",
        help='only these, such as "+21" "45,X" "-7" "69,XXY" "+mar" (default: any, the frequent '
        "ones more often)",
    )


def run(args: argparse.Namespace) -> int:
    """The exit status, 0. Raises ScreeningError for wrong values or an unusable source."""
    check_shared(args)
    if not 0 <= args.abnormal_fraction <= 1:
        raise ScreeningError(
            f"--abnormal-fraction expects 0 to 1, received {args.abnormal_fraction}"
        )
    import numpy as np

    from screening.data.chromosomes import load_cell
    from screening.karyogram.abnormalities import possible_sexes, random_abnormality
    from screening.karyogram.compose import compose
    from screening.karyogram.simulate import sham, simulate
    from screening.karyogram.style import STYLES

    # Normal cells come from the same sexes, or the sex would tell the labels apart.
    sexes = possible_sexes(args.abnormality)
    records = read_source(args)
    if records is not None:
        records = [r for r in records if not r.reserved and r.sex_chromosomes in sexes]
        if not records:
            raise ScreeningError(
                f"expected normal {' or '.join(sexes)} cells in {args.source}, received none"
            )
    order = np.random.default_rng(args.seed)
    abnormal = order.permutation(args.count) < round(args.count * args.abnormal_fraction)
    chosen = order.permutation(len(records)) if records else np.zeros(1, int)

    def make(index: int) -> Made:
        rng = np.random.default_rng([args.seed, index])
        donors = []
        if records is None:
            cell = draw(rng, index + 1, sexes[int(rng.integers(len(sexes)))])
        else:
            record = records[chosen[index % len(records)]]
            cell = load_cell(record)
            # Donors of the same person only: whoever splits by case afterwards leaks nothing.
            same = [r for r in records if (r.source, r.case) == (record.source, record.case)]
            others = [r for r in same if r.cell != record.cell]
            if others:
                donors = [load_cell(others[int(rng.integers(len(others)))])]
        name = random_abnormality(rng, cell.sex, args.abnormality)
        if abnormal[index]:
            changed = simulate(cell, name, rng, donors)
        else:
            changed = sham(cell, rng, donors, name)
        karyogram = compose(changed, STYLES[args.style](rng), rng)
        return Made(karyogram, changed, "simulated" if abnormal[index] else "sham", name)

    write_all(args, args.count, make)
    return 0

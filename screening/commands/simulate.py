"""`screening simulate`: karyograms with known abnormalities, and honest normals."""

from __future__ import annotations

import argparse

from screening.commands.karyogram_output import (
    add_shared_arguments,
    check_shared,
    read_source,
    write_all,
)
from screening.errors import ScreeningError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command, with their defaults in the help text."""
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
        help='only these, such as "+21" "45,X" "69,XXY" "+mar", or structural ones by their ISCN '
        'name, "t(9;22)(q34;q11.2)" "del(5)(q13q33)" "i(17)(q10)" (default: any number of '
        "chromosomes, the frequent abnormalities more often)",
    )
    parser.add_argument(
        "--structural",
        type=float,
        metavar="FRACTION",
        help="share of structural abnormalities, 0 to 1, among the abnormal karyograms; as many "
        "normal ones are cut and joined without a change (default: 0, or the share of structural "
        "names in --abnormality)",
    )


def run(args: argparse.Namespace) -> int:
    """Return 0. Raises ScreeningError for wrong values or an unusable source."""
    check_shared(args)
    if not 0 <= args.abnormal_fraction <= 1:
        raise ScreeningError(
            f"--abnormal-fraction expects 0 to 1, received {args.abnormal_fraction}"
        )
    numerical, rearranged, share = _wanted(args)
    import numpy as np

    from screening.data.chromosomes import load_cell
    from screening.data.composed import Made, drawn_cell
    from screening.synthesis.abnormalities import possible_sexes, random_abnormality
    from screening.synthesis.compose import compose
    from screening.synthesis.random_structural import random_structural
    from screening.synthesis.rearrangements import structural_sexes
    from screening.synthesis.simulate import sham, simulate
    from screening.synthesis.structural import structural, structural_sham
    from screening.synthesis.style import STYLES

    # Normal cells come from the same sexes, or the sex would tell the labels apart.
    allowed = structural_sexes(rearranged)
    sexes = tuple(s for s in possible_sexes(numerical) if s in allowed)
    if not sexes:
        raise ScreeningError(
            f"no cell can have one of {', '.join(numerical)} and one of {', '.join(rearranged)}: "
            "the former need other sex chromosomes than the latter; simulate them separately"
        )
    records = read_source(args)
    if records is not None:
        records = [r for r in records if not r.reserved and r.sex_chromosomes in sexes]
        if not records:
            raise ScreeningError(
                f"expected normal {' or '.join(sexes)} cells in {args.source}, received none"
            )
    # Not default_rng(seed), which draws the same numbers as [seed, 0], the first karyogram's.
    order = np.random.default_rng([args.seed, 2**32 - 1])
    abnormal = order.permutation(args.count) < round(args.count * args.abnormal_fraction)
    chosen = order.permutation(len(records)) if records else np.zeros(1, int)
    exchanged = np.zeros(args.count, bool)
    for label in (True, False):
        same_label = order.permutation(np.flatnonzero(abnormal == label))
        exchanged[same_label[: round(share * len(same_label))]] = True

    def make(index: int) -> Made:
        rng = np.random.default_rng([args.seed, index])
        donors = []
        if records is None:
            cell = drawn_cell(rng, args.seed, index + 1, sexes)
        else:
            record = records[chosen[index % len(records)]]
            cell = load_cell(record)
        kind = "simulated" if abnormal[index] else "sham"
        if exchanged[index]:
            name = random_structural(rng, cell.sex, rearranged)
            changed = (structural if abnormal[index] else structural_sham)(cell, name, rng)
            return Made(compose(changed, STYLES[args.style](rng), rng), changed, kind, name)
        if records is not None:
            # Donors of the same person only: whoever splits by case afterwards leaks nothing.
            same = [r for r in records if (r.source, r.case) == (record.source, record.case)]
            others = [r for r in same if r.cell != record.cell]
            if others:
                donors = [load_cell(others[int(rng.integers(len(others)))])]
        name = random_abnormality(rng, cell.sex, numerical)
        if abnormal[index]:
            changed = simulate(cell, name, rng, donors)
        else:
            changed = sham(cell, rng, donors, name)
        karyogram = compose(changed, STYLES[args.style](rng), rng)
        return Made(karyogram, changed, kind, name)

    write_all(args, args.count, make)
    return 0


def _wanted(args: argparse.Namespace) -> tuple[list[str], list[str], float]:
    """The numerical and the structural names asked for, and the share of structural ones."""
    from screening.synthesis.rearrangements import is_structural

    rearranged = [name for name in args.abnormality if is_structural(name)]
    numerical = [name for name in args.abnormality if not is_structural(name)]
    share = len(rearranged) / max(1, len(args.abnormality))
    if args.structural is None:
        return numerical, rearranged, share
    if not 0 <= args.structural <= 1:
        raise ScreeningError(f"--structural expects 0 to 1, received {args.structural}")
    if args.abnormality and not (numerical or args.structural == 1):
        raise ScreeningError(
            f"--structural {args.structural} also asks for numerical abnormalities, --abnormality "
            "names none; name some or leave --structural out"
        )
    if args.abnormality and not (rearranged or args.structural == 0):
        raise ScreeningError(
            f"--structural {args.structural} asks for structural abnormalities, --abnormality "
            'names none; name some, such as "t(9;22)(q34;q11.2)", or leave --structural out'
        )
    return numerical, rearranged, args.structural

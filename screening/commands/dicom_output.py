"""What `screen` and `report` share: the options that ask for DICOM files, and their writing."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screening.worklist.run import Summary

_BY_CASE, _IDENTIFIED = "by case", "identified"


def add_dicom(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--dicom",
        action="store_const",
        const=_BY_CASE,
        help="also DICOM files in OUT/dicom, of each picture a Structured Report and "
        "its karyogram with boxes, under the name of the case alone",
    )
    group.add_argument(
        "--dicom-identified",
        action="store_const",
        const=_IDENTIFIED,
        dest="dicom",
        help="the same, in patient and study of the pictures that came as DICOM",
    )


def check_dicom(args: argparse.Namespace) -> None:
    """Raise ScreeningError when DICOM files are asked for and cannot be made here."""
    if args.dicom:
        from screening.worklist.dicom import check_installed

        check_installed()


def with_dicom(args: argparse.Namespace, out: Path, summary: Summary) -> Summary:
    """Return the summary of the run in `out`, whose DICOM files are written if they are asked for,
    with what is to be said of them."""
    if not args.dicom:
        return summary
    from screening.worklist.dicom import write_dicom
    from screening.worklist.kept import read_run

    said = write_dicom(read_run(out), identified=args.dicom == _IDENTIFIED)
    return replace(summary, warnings=summary.warnings + said)

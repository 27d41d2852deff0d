"""A finished run as DICOM, in OUT/dicom: of each picture a report and its karyogram with boxes.

Names as of the other outputs. Without being asked nothing of the headers of DICOM pictures goes
there, nor of a page anything but the chromosomes found, for names may be printed on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from screening import words
from screening.atomic import replaced_folder
from screening.classes import FAILED
from screening.errors import ScreeningError, not_installed
from screening.images.read import read_image
from screening.record import Case, Picture
from screening.report.boxed import boxed, has_boxes
from screening.report.glossary import ONLY_FOUND
from screening.worklist.chromosome_files import picture_folder
from screening.worklist.discover import DICOM_FOLDER
from screening.worklist.kept import KeptRun
from screening.worklist.links import unchanged
from screening.worklist.remote import RemoteFolder

if TYPE_CHECKING:
    from pydicom import Dataset


class DicomNotWritten(ScreeningError):
    """Says that there are no DICOM files of a run, and what to do."""

    exit_status = 1


def check_installed() -> None:
    """Raise DicomNotWritten unless what writes DICOM is there."""
    if find_spec("highdicom") is None:
        raise DicomNotWritten(not_installed("--dicom", "highdicom", "dicom-out"))


def write_dicom(run: KeptRun, identified: bool = False) -> tuple[str, ...]:
    """Write the DICOM files of a finished run in place of earlier ones; return what is to be said
    of pictures that are not where they were.

    `identified`: of pictures that came as DICOM the patient and study are kept, and the whole
    picture is shown. Raises DicomNotWritten when the disk takes none.
    """
    check_installed()
    missing: list[str] = []
    cases = {case.case: case for case in run.cases}
    folder = run.out / DICOM_FOLDER
    try:
        with replaced_folder(folder) as fresh:
            for number, line in enumerate(run.lines, start=1):
                target, case = picture_folder(fresh, line["image"]), cases[line["case"]]
                for kind, made in _objects(run, number, case, identified, missing):
                    made.save_as(target.with_name(f"{target.name}.{kind}.dcm"))
    except OSError as error:
        raise DicomNotWritten(
            f"cannot write {folder} ({error.strerror}): free some space or close the files, then "
            "use `screening report` with --dicom"
        ) from error
    return (_said_of(missing, run.folder),) if missing else ()


def _said_of(missing: Sequence[str], folder: Path | RemoteFolder) -> str:
    """That the reports of pictures show none."""
    return (
        f"DICOM reports of {words.counted(len(missing), 'picture')} are without a karyogram and "
        f"under the name of the case alone, not found as screened in {folder}: "
        f"{words.first_of(missing, 3)}"
    )


def _objects(
    run: KeptRun, number: int, case: Case, identified: bool, missing: list[str]
) -> Iterator[tuple[str, Dataset]]:
    """The objects of the picture at a place of the work list, counted from 1, by their kind; one
    that is not where it was is put to `missing`."""
    line = run.lines[number - 1]
    from screening.worklist.dicom_objects import About, capture, report
    from screening.worklist.dicom_subject import case_subject, source_of, source_subject

    picture = run.pictures([line["image"]])[0].picture
    header = source = grey = None
    frame = 1
    try:
        with unchanged(picture, run.folder) as (path, frame):
            header, source = source_of(path) if identified else (None, None)
            if header is not None or has_boxes(picture.reading):
                grey = read_image(path, frame=frame)
    except (OSError, ScreeningError):
        if picture.status != FAILED:
            missing.append(picture.image)
    whole = header is not None
    subject = source_subject(header) if header is not None else case_subject(run, picture.case)
    about = About(run, picture, line, case, number, subject, source, frame)
    image = None
    if grey is not None:
        image = capture(about, _drawn(picture, line["karyotype"], grey, whole))
        yield "sc", image
    yield "sr", report(about, image)


def _drawn(picture: Picture, karyotype: str, grey: np.ndarray, whole: bool) -> np.ndarray:
    verdict = picture.judged
    named = f"Suggested karyotype: {karyotype}" if karyotype else ""
    above = (f"Route: {verdict.route}", *filter(None, (named, *verdict.reasons)))
    below = (*(() if whole else (ONLY_FOUND,)), words.RESEARCH_USE)
    return boxed(grey, picture.reading, above, below, only_found=not whole)

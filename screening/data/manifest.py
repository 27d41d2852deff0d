"""Labelled whole karyograms on disk: a CSV (path, label, case) or normal/ and abnormal/."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from screening.classes import LABELS
from screening.data.tables import Problems, read_table
from screening.errors import ImageError, ManifestError
from screening.images.kinds import SUPPORTED_SUFFIXES
from screening.images.read import read_image


@dataclass(frozen=True, slots=True)
class ManifestPicture:
    """One labelled karyogram: `id` as listed (relative, with /), `label` normal or abnormal,
    `frame` of the file (from 1)."""

    id: str
    path: Path
    label: str
    case: str
    frame: int = 1


def read_manifest(location: Path | str) -> list[ManifestPicture]:
    """Return the labelled karyograms of a CSV or of a folder with normal/ and abnormal/.

    A CSV has the columns path (relative to the CSV), label and case; the first frame of a file is
    read unless the path ends with another's number, `x.tif#2`. In folders the case is the
    sub-folder (normal/case/image.png), else the file stem: then give a CSV if a person has several
    images, since splits can keep together only what is named alike.
    Raises ManifestError with all problems: missing files, unknown labels, duplicates, no image.
    """
    location = Path(location)
    if location.is_file():
        return _from_table(location)
    if location.is_dir():
        return _from_folders(location)
    raise ManifestError(f"expected a manifest (CSV) or a folder, {location} does not exist")


def verify(items: Sequence[ManifestPicture], threads: int = 4) -> None:
    """Raise ManifestError that lists every item whose image cannot be read.

    Opens each file once: call it before a long training, which a bad file would end midway.
    """

    def problem(item: ManifestPicture) -> str | None:
        try:
            read_image(item.path, frame=item.frame)
        except ImageError as error:
            return str(error)
        return None

    problems = Problems("the images")
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(problem, items):
            if found is not None:
                problems.add(found)
    problems.raise_if_any()


def _from_table(table: Path) -> list[ManifestPicture]:
    problems = Problems(str(table))
    items: list[ManifestPicture] = []
    seen: dict[tuple[Path, int], int] = {}
    for line, row in read_table(table, required=("path", "label", "case")):
        path, frame = file_and_frame(table.parent / row["path"])
        if row["label"] not in LABELS:
            problems.add(
                f"line {line}: expected the label {' or '.join(LABELS)}, received {row['label']!r}"
            )
        if not os.path.isfile(path):  # never raises, whatever a path may hold
            problems.add(
                f"line {line}: the file {row['path']} does not exist, seen from the table's folder"
            )
            continue
        first = seen.setdefault((path.resolve(), frame), line)
        if first != line:
            problems.add(f"line {line}: {row['path']} is listed twice, first in line {first}")
        items.append(
            ManifestPicture(Path(row["path"]).as_posix(), path, row["label"], row["case"], frame)
        )
    if not items and not problems.found:
        problems.add("it lists no image")
    problems.raise_if_any()
    return items


def file_and_frame(path: Path) -> tuple[Path, int]:
    """Return `x.tif#2` as x.tif and 2, unless there is a file of that very name."""
    name, _, number = path.name.rpartition("#")
    if not name or not re.fullmatch(r"[1-9][0-9]{0,8}", number) or os.path.isfile(path):
        return path, 1
    return path.with_name(name), int(number)


def _from_folders(folder: Path) -> list[ManifestPicture]:
    problems = Problems(str(folder))
    items: list[ManifestPicture] = []
    for label in LABELS:
        if not (folder / label).is_dir():
            problems.add(f"expected a folder {label}/ with images")
            continue
        files = sorted(path for path in (folder / label).rglob("*") if path.is_file())
        files = [path for path in files if path.suffix.lower() in SUPPORTED_SUFFIXES]
        if not files:
            problems.add(f"the folder {label}/ holds no image")
        for path in files:
            inside = path.relative_to(folder / label)
            case = inside.parts[0] if len(inside.parts) > 1 else path.stem
            items.append(ManifestPicture(path.relative_to(folder).as_posix(), path, label, case))
    problems.raise_if_any()
    return items

"""Where the page leads to the original of each picture, and copies that travel with the page.

A copy has in its name what it was made of: of a picture that changed since there is none.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from screening.atomic import replaced_file
from screening.classes import FAILED
from screening.errors import ScreeningError
from screening.images.read import read_image
from screening.record import Picture
from screening.worklist.chromosome_files import picture_folder
from screening.worklist.content import content_hash
from screening.worklist.discover import COPIES, PictureFile

QUALITY = 80
MOST_SIDE = 16_383  # px, what WebP can hold


def addresses(pictures: Iterable[Picture], folder: Path | None, out: Path) -> dict[str, str]:
    """Return where a page in `out` leads for each picture, by its name: to its copy there, else to
    its file in `folder` (None: unknown), relative where one disk holds both."""
    found, here = {}, out.resolve()
    for picture in pictures:
        copy = _copy(out, picture)
        if copy.is_file():
            found[picture.image] = quote(f"{COPIES}/{copy.name}")
        elif folder is not None and (place := _place(folder, picture.image)) is not None:
            found[picture.image] = _address(place[0], here)
    return found


def write_copies(pictures: Iterable[Picture], folder: Path, out: Path) -> tuple[str, ...]:
    """Write each picture as WebP, grey and in full size, into `out`; return the names of those that
    are not in `folder` any more as they were screened."""
    (out / COPIES).mkdir(exist_ok=True)
    missing = []
    for picture in pictures:
        target = _copy(out, picture)
        if target.is_file() or picture.status == FAILED:
            continue
        try:
            path, frame = unchanged(picture, folder)
            copy = Image.fromarray(read_image(path, frame=frame))
        except (OSError, ScreeningError):
            missing.append(picture.image)
            continue
        copy.thumbnail((MOST_SIDE, MOST_SIDE))
        with replaced_file(target) as path:
            copy.save(path, "WEBP", quality=QUALITY)
    return tuple(missing)


def unchanged(picture: Picture, folder: Path) -> tuple[Path, int]:
    """Return the file of a picture and its frame; OSError when it is not in `folder` any more as it
    was screened."""
    place = _place(folder, picture.image)
    if place is None:
        raise FileNotFoundError
    path, frame = place
    file = PictureFile(picture.image, path, "", frame=frame, frames=frame)
    if content_hash(file) != picture.sha256:
        raise FileNotFoundError
    return path, frame


def _copy(out: Path, picture: Picture) -> Path:
    made_of = hashlib.sha256(picture.sha256.encode("ascii", "replace")).hexdigest()[:10]
    named = picture_folder(out / COPIES, picture.image)
    return named.with_name(f"{named.name}-{made_of}.webp")


def _place(folder: Path, image: str) -> tuple[Path, int] | None:
    """The file of a picture and its frame; None for a name that a work list had to escape, and for
    one that leads out of the folder."""
    if "\\" in image or any(part in ("", ".", "..") for part in image.split("/")):
        return None
    path = folder / image
    frame = re.search(r"(.)#([1-9]\d{0,5})(?: \([1-9]\d*\))?$", path.name)
    if frame is None or path.is_file():
        return path, 1
    return path.with_name(path.name[: frame.start() + 1]), int(frame[2])


def _address(path: Path, out: Path) -> str:
    try:
        return quote(Path(os.path.relpath(path, out)).as_posix())
    except ValueError:  # two disks of Windows
        return path.absolute().as_uri()

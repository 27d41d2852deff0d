"""The chromosomes of a picture as files: OUT/chromosomes/PICTURE/, one PNG each and all re-laid.

Homologs that differ are beside them, as the page shows them.

A picture's folder appears complete or not at all, so a run that is killed leaves no half folder
that a later one would take for whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from screening.atomic import replaced_folder
from screening.classes import MARKER, NOT_A_CHROMOSOME
from screening.errors import ScreeningError
from screening.images.page import Page
from screening.karyogram.locate import FoundChromosome
from screening.record import Picture
from screening.report.relay import NamedCrop, relay

FOLDER_NAME = "chromosomes"
KARYOGRAM = "karyogram.png"
_LONGEST_STEM = 60


class ChromosomesNotWritten(ScreeningError):
    """Says that chromosomes could not be saved, and what to do."""

    exit_status = 1


def picture_folder(folder: Path, image: str) -> Path:
    """Return where the chromosomes of the picture `image` (its name in the work list) belong.

    The file's stem, as far as every file system takes it, and a hash of the whole name, since
    pictures of different sub-folders may share a stem.
    """
    stem = image.rpartition("/")[2].rpartition(".")[0] or image
    plain = re.sub(r"[^\w.-]+", "_", stem, flags=re.ASCII).strip("._")[:_LONGEST_STEM]
    digest = hashlib.sha256(image.encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return folder / f"{plain or 'picture'}-{digest}"


def is_saved(folder: Path, image: str) -> bool:
    """Return whether the chromosomes of `image` lie in `folder` (OUT/chromosomes)."""
    return (picture_folder(folder, image) / KARYOGRAM).is_file()


def save_chromosomes(
    folder: Path,
    image: str,
    crops: Sequence[NamedCrop | tuple],
    figures: Mapping[str, bytes] | None = None,
) -> Path:
    """Save the chromosomes of `image` below `folder` (OUT/chromosomes); return their folder.

    `crops`: (name, probability, uint8 (h, w) dark on white[, doubtful]) of each chromosome in
    reading order, saved as 01_chr21_p0.98.png and so on; `karyogram.png` shows them re-laid.
    `figures`: JPEG of homologs that differ, by their class, saved as pair_9.png. Earlier
    files of the same picture are replaced. Raises ChromosomesNotWritten.
    """
    named = [NamedCrop(*each) for each in crops]
    files = {_file_name(i, each): _png(each.crop) for i, each in enumerate(named, start=1)}
    files[KARYOGRAM] = _png(cv2.cvtColor(relay(named), cv2.COLOR_RGB2BGR))
    for name, content in (figures or {}).items():
        files[f"pair_{name}.png"] = _png(_decoded(content))
    final = picture_folder(folder, image)
    try:
        with replaced_folder(final) as fresh:
            for name, content in files.items():
                (fresh / name).write_bytes(content)
    except OSError as error:
        raise ChromosomesNotWritten(
            f"cannot save the chromosomes of {image} into {final} ({error.strerror}): free some "
            "space or check the permissions, then use --resume, or leave out --save-chromosomes"
        ) from error
    return final


def keep_chromosomes(
    folder: Path, picture: Picture, page: Page, found: Sequence[FoundChromosome]
) -> None:
    """Save the chromosomes of a picture that was read, as cut, below `folder`; see
    `save_chromosomes`."""
    if picture.reading is not None:
        named = [
            NamedCrop(one.name, one.probability, piece.crop(page.paper), one.doubtful)
            for one, piece in zip(picture.reading.chromosomes, found, strict=True)
        ]
        save_chromosomes(folder, picture.image, named, _figures(picture))


def kept(out: Path, read: set[str]) -> Callable[[str], bool]:
    """Return a test of whether a picture's earlier result will do when chromosomes are saved.

    `read`: names of the pictures whose chromosomes were read. Of those, one without its files below
    `out` (the run's output folder) must be read again.
    """
    folder = out / FOLDER_NAME
    return lambda image: image not in read or is_saved(folder, image)


def _file_name(number: int, chromosome: NamedCrop) -> str:
    other = {NOT_A_CHROMOSOME: "unnamed", MARKER: "marker"}
    name = other.get(chromosome.name, f"chr{chromosome.name}")
    return f"{number:02d}_{name}_p{chromosome.probability:.2f}.png"


def _figures(picture: Picture) -> dict[str, bytes]:
    """The pictures of homologs that differ by their class."""
    structure = picture.reading.structure if picture.reading is not None else None
    if structure is None or not picture.pairs:
        return {}
    return {
        pair.name: content
        for pair, (_, content) in zip(structure.pairs, picture.pairs, strict=True)
    }


def _decoded(jpeg: bytes) -> np.ndarray:
    """The picture, uint8 BGR (h, w, 3); ValueError for what is none."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"expected a JPEG of a pair, received {len(jpeg)} bytes of something else")
    return picture


def _png(picture: np.ndarray) -> bytes:
    done, content = cv2.imencode(".png", picture)
    if not done:
        raise ValueError(f"expected a picture that PNG can hold, received {picture.shape}")
    return content.tobytes()

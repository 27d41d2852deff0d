"""Reads a karyogram chromosome by chromosome with a bundle: found, named, counted, explained."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from screening.bundle import Bundle
from screening.evidence.homologs import compare_homologs
from screening.evidence.reading import CellReading, Read, read_cell
from screening.evidence.record import PictureEvidence
from screening.evidence.slots import Page
from screening.images.normalise import margins
from screening.karyogram.locate import FoundChromosome, Located
from screening.karyogram.marks import toned_marks
from screening.native_log import native_log_filtered
from screening.reading_settings import ReadingSettings
from screening.worklist.chromosome_files import save_chromosomes

if TYPE_CHECKING:
    from screening.predict.chromosomes import ChromosomeClassifier, Classified

PART = "classifier"
CROP_HEIGHT = 72
"""Tallest crop kept for the page, px."""
_JPEG_QUALITY = 60
_MOST_CROPS = 12


class BundleReader:
    """Reads pictures with a bundle's chromosome classifier: `passes` dropout passes per chromosome.

    `chromosomes`: folder into which every chromosome is saved (see `worklist.chromosome_files`),
    None for nowhere. The classifier, and TensorFlow with it, loads with the first picture.
    """

    def __init__(
        self, bundle: Bundle, passes: int = 100, seed: int = 0, chromosomes: Path | None = None
    ) -> None:
        self.bundle, self.passes, self.seed, self.chromosomes = bundle, passes, seed, chromosomes
        self._classifier: ChromosomeClassifier | None = None

    def read(self, paper: np.ndarray, located: Located, image: str) -> PictureEvidence:
        """Return what was read of the normalised page `paper`, and save it if that is asked for."""
        chosen, classified = self.classifier.read(located, paper)
        page = page_of(chosen, len(toned_marks(paper, chosen)))
        reading = reading_of(page, classified, self.bundle.info.reading)
        found = chosen.chromosomes
        evidence = reading.evidence(_fractions(found, paper))
        pictures = [piece.crop(paper) for piece in found]
        if self.chromosomes is not None:
            named = [
                (one.name, one.probability, picture, one.doubtful)
                for one, picture in zip(reading.chromosomes, pictures, strict=True)
            ]
            save_chromosomes(self.chromosomes, image, named)
        return replace(evidence, crops=_crops(reading, pictures))

    @property
    def classifier(self) -> ChromosomeClassifier:
        """The bundle's classifier, loaded."""
        if self._classifier is None:
            with native_log_filtered():
                from screening.predict.chromosomes import ChromosomeClassifier

                self._classifier = ChromosomeClassifier(self.bundle, self.passes, self.seed)
        return self._classifier


def reader_of(
    bundle: Bundle, passes: int = 100, seed: int = 0, chromosomes: Path | None = None
) -> BundleReader | None:
    """Return the reader of a bundle, None when the bundle has no classifier."""
    return BundleReader(bundle, passes, seed, chromosomes) if PART in bundle.info.parts else None


def page_of(located: Located, marks: int = 0) -> Page:
    """Return where the chromosomes of a page stand; `marks` as in `karyogram.marks`."""
    found = located.chromosomes
    return Page(
        np.array([piece.box for piece in found], np.float64).reshape(-1, 4),
        np.array([piece.row for piece in found], np.int64),
        np.array([piece.group for piece in found], np.int64),
        np.array([piece.area for piece in found], np.float64),
        marks,
    )


def reading_of(page: Page, classified: Classified, settings: ReadingSettings) -> CellReading:
    """Return the reading of a page whose chromosomes are found and classified."""
    homologs = compare_homologs(
        classified.p, classified.relative, classified.crops, settings.homologs
    )
    reading = read_cell(classified.p, page, classified.relative, settings, homologs.feature)
    return replace(reading, notes=(*reading.notes, *([homologs.note] if homologs.note else [])))


def _fractions(found: Sequence[FoundChromosome], paper: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) as fractions of the page without its margins, as thumbnails show it."""
    left, top, width, height = margins(paper)
    boxes = np.array([piece.box for piece in found], np.float64).reshape(-1, 4)
    boxes[:, :2] -= (left, top)
    return boxes / (width, height, width, height)


def _crops(reading: CellReading, pictures: Sequence[np.ndarray]) -> tuple[tuple[str, str], ...]:
    """Crops worth a look: of classes gained or lost, doubtful and missorted ones."""
    changed = {change[1:] for change in reading.gains_and_losses}
    ranked = sorted(
        (_rank(one, changed), i) for i, one in enumerate(reading.chromosomes)
    )  # fmt: skip
    kept = []
    for rank, i in ranked[:_MOST_CROPS]:
        if rank < _PLAIN:
            kept.append((_caption(reading.chromosomes[i]), _jpeg(pictures[i])))
    return tuple(kept)


_PLAIN = 9.0


def _rank(one: Read, changed: set[str]) -> float:
    if one.name in changed:
        return 0.0
    if one.missorted:
        return 1.0
    return 2.0 + one.probability if one.doubtful else _PLAIN


def _caption(one: Read) -> str:
    where = f", in slot {one.slot}" if one.slot and one.slot != one.name else ""
    name = "not one chromosome" if one.name == "?" else one.name
    return f"{name} ({one.probability:.2f}){where}"


def _jpeg(picture: np.ndarray) -> str:
    scale = min(1.0, CROP_HEIGHT / picture.shape[0])
    if scale < 1:
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return base64.b64encode(content.tobytes()).decode("ascii")

"""Reads a karyogram chromosome by chromosome with a bundle: found, named, counted, heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from screening.bundle import Bundle
from screening.evidence.banding import banding_of, unseen_bands
from screening.evidence.reading import read_passes
from screening.evidence.slots import Page as Places
from screening.evidence.witness import Sight, Testimony, hear
from screening.evidence.witnesses import witnesses_of
from screening.images.page import Page
from screening.karyogram.locate import FoundChromosome, Located
from screening.karyogram.marks import toned_marks
from screening.karyogram.softness import softness
from screening.predict.engine import AUTO, engine_of
from screening.reading_settings import ReadingSettings
from screening.record import Reading
from screening.worklist.outlines import placed
from screening.worklist.pairs import compare_homologs

if TYPE_CHECKING:
    from screening.predict.chromosomes import ChromosomeClassifier, Classified
    from screening.predict.networks import Engine
    from screening.predict.structure import StructureReader

PART, STRUCTURE = "classifier", "structure"


@dataclass(frozen=True, eq=False)
class ReadCell:
    """A cell that was read: what goes into the record, and the chromosomes themselves with masks
    and axes, one for each of the reading, for the outputs that draw them. `pairs`: (caption, JPEG)
    of homologs that differ."""

    reading: Reading
    testimony: Testimony
    found: tuple[FoundChromosome, ...]
    pairs: tuple[tuple[str, bytes], ...] = ()


class BundleReader:
    """Reads pictures with a bundle's chromosome classifier: `passes` dropout passes per chromosome.

    The networks load with the first picture, or before by `load`, by `engine` (auto, tensorflow or
    onnxruntime) on `device`. BundleError when the bundle names a witness that this version does
    not know.
    """

    def __init__(
        self,
        bundle: Bundle,
        passes: int = 100,
        seed: int = 0,
        device: str = AUTO,
        engine: str = AUTO,
    ) -> None:
        self.bundle, self.passes, self.seed = bundle, passes, seed
        self.device, self.engine = device, engine
        self.witnesses = witnesses_of(bundle.info.witnesses)

    def load(self) -> None:
        """Make the networks ready, where they are not yet."""
        _ = self.classifier
        if STRUCTURE in self.bundle.info.parts:
            _ = self.structure

    def read(
        self, page: Page, located: Located, p: np.ndarray, changed: float | None = None
    ) -> ReadCell:
        """Return what was read of a page; `p` (passes,): what the network says of it, `changed`:
        log-odds that any position is, by the network (None: it does not say)."""
        chosen, classified = self.classifier.read(located, page.paper)
        settings = self.bundle.info.reading
        sight = replace(sight_of(page, chosen, classified, settings, p), changed=changed)
        reading = sight.reading
        assert reading is not None
        pairs: tuple[tuple[str, bytes], ...] = ()
        unseen = unseen_bands(reading.banding, settings.bands)
        if STRUCTURE in self.bundle.info.parts and reading.whole and not unseen:
            compared = compare_homologs(
                self.structure, reading, chosen.chromosomes, page.paper, settings.structure
            )
            pairs = compared.figures
            reading = replace(reading, structure=compared.structure)
            sight = replace(sight, reading=reading)
        assert sight.page is not None
        reading = replace(
            reading,
            chromosomes=placed(reading.chromosomes, page, chosen.chromosomes, classified),
            marks=sight.page.marks,
        )
        heard = hear(self.witnesses, sight, settings)
        return ReadCell(reading, heard, chosen.chromosomes, pairs)

    @cached_property
    def structure(self) -> StructureReader:
        """Return the bundle's reader of structure, loaded."""
        from screening.predict.structure import StructureReader

        return StructureReader(self._chosen, self.passes, self.seed)

    @cached_property
    def classifier(self) -> ChromosomeClassifier:
        """Return the bundle's classifier, loaded."""
        from screening.predict.chromosomes import ChromosomeClassifier

        return ChromosomeClassifier(self.bundle, self._chosen, self.passes, self.seed)

    @property
    def _chosen(self) -> Engine:
        return engine_of(self.bundle, self.engine, self.device).engine


def reader_of(
    bundle: Bundle, passes: int = 100, seed: int = 0, device: str = AUTO, engine: str = AUTO
) -> BundleReader | None:
    """Return the reader of a bundle, None when the bundle has no classifier."""
    if PART not in bundle.info.parts:
        return None
    return BundleReader(bundle, passes, seed, device, engine)


def sight_of(
    page: Page,
    chosen: Located,
    classified: Classified,
    settings: ReadingSettings,
    p: np.ndarray | None = None,
) -> Sight:
    """Return what witnesses look at of a page whose chromosomes are found and classified."""
    places = places_of(chosen, len(toned_marks(page.paper, chosen, settings.marks)))
    reading, odds = read_passes(
        classified.p, classified.each, places, classified.relative, settings
    )
    names = [one.name for one in reading.chromosomes]
    banding = banding_of(classified.crops, names, settings.bands)
    banding = replace(banding, softness=softness(page.paper, chosen))
    reading = replace(reading, banding=banding)
    return Sight(
        p, reading, places, classified.p, classified.relative, classified.crops,
        tuple(np.round(odds, 6).tolist()),
    )  # fmt: skip


def places_of(located: Located, marks: int = 0) -> Places:
    """Return where the chromosomes of a page stand; `marks` as in `karyogram.marks`."""
    found = located.chromosomes
    return Places(
        _boxes(found),
        np.array([piece.row for piece in found], np.int64),
        np.array([piece.group for piece in found], np.int64),
        np.array([piece.area for piece in found], np.float64),
        marks,
    )


def _boxes(found: Sequence[FoundChromosome]) -> np.ndarray:
    return np.array([piece.box for piece in found], np.float64).reshape(-1, 4)

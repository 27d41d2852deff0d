"""A bundle that reads pictures one by one, the way of `screening screen`: the same decoding, gate,
networks, reading and rule, so that bundle, file, passes and seed alone decide every number.

The networks load with the first picture that needs them.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, overload

import numpy as np

from screening.api.checks import check
from screening.api.results import ChromosomeResult, PictureResult
from screening.bundle import default_bundle, load_bundle
from screening.classes import ENGINES, FAILED, RULES
from screening.data.manifest import file_and_frame
from screening.errors import ImageError
from screening.images.page import Page
from screening.images.read import open_picture, read_array
from screening.karyogram.locate import FoundChromosome, Locator
from screening.record import Picture
from screening.triage.rule import Rule
from screening.worklist.discover import PictureFile
from screening.worklist.guard import reason_of
from screening.worklist.outputs import judged
from screening.worklist.pipeline import (
    CellReader,
    OutOfMemory,
    Prepared,
    Scorer,
    inspected,
    prepare,
    score,
)  # fmt: skip
from screening.worklist.printable import printable
from screening.worklist.reader import reader_of
from screening.worklist.scorer import BundleScorer

Source: TypeAlias = str | os.PathLike[str] | np.ndarray
"""One picture: a file, or an array as `screening.images.read.read_array` takes it."""


class Model:
    """A bundle, ready to read pictures; see `load`. One thread at a time."""

    def __init__(
        self, scorer: Scorer, locator: Locator, reader: CellReader | None, rule: Rule
    ) -> None:
        self.rule = rule
        self._scorer, self._locator, self._reader = scorer, locator, reader

    @overload
    def read(self, source: Source) -> PictureResult: ...  # type: ignore[overload-overlap]

    @overload
    def read(self, source: Iterable[Source]) -> Iterator[PictureResult]: ...

    def read(self, source: Source | Iterable[Source]) -> PictureResult | Iterator[PictureResult]:
        """Return what is said of a picture; of many, yield it picture by picture as each is read.

        `source`: a file (PNG, JPEG, TIFF, BMP, GIF, WebP or DICOM; its first frame, "x.tif#2" the
        second), an array uint8 (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA, or a list, generator …
        of these. The dropout masks hang on the content: of a file on its bytes, of an array on its
        pixels, so that the two differ in their votes as two seeds do. A picture that cannot be read
        or judged, or that is none, is a result with its reason, never an exception. TypeError for
        anything else than the above; ScreeningError, with the first picture, for a device that is
        not there.
        """
        if isinstance(source, str | os.PathLike | np.ndarray):
            return self._read(source, 1)
        if isinstance(source, Iterable) and not isinstance(source, bytes | bytearray | memoryview):
            return (self._read(one, number) for number, one in enumerate(source, start=1))
        raise TypeError(f"expected a path, an array or several of them, received {type(source)}")

    def _read(self, source: object, number: int) -> PictureResult:
        found: list[ChromosomeResult] = []

        def keep(picture: Picture, page: Page, pieces: Iterable[FoundChromosome]) -> None:
            assert picture.reading is not None
            for one, piece in zip(picture.reading.chromosomes, pieces, strict=True):
                found.append(ChromosomeResult(
                    one.name, one.probability, piece.box, one.position, one.doubtful,
                    one.misplaced, piece.crop(page.paper), piece.mask,
                ))  # fmt: skip

        prepared = self._prepared(source, number)
        picture = prepared.picture
        if prepared.tensor is not None:
            try:
                (picture,) = score([prepared], self._scorer, self._reader, keep)
            except OutOfMemory as error:
                reason = reason_of(MemoryError(str(error)))
                picture = replace(picture, status=FAILED, reason=reason)
        picture = judged(picture, self.rule)
        return PictureResult(picture, self.rule, () if picture.reading is None else tuple(found))

    def _prepared(self, source: object, number: int) -> Prepared:
        if isinstance(source, str | os.PathLike):
            path, frame = file_and_frame(Path(os.fsdecode(source)))
            name = printable(path.name) or str(path)
            case, suffix = Path(name).stem or name, f"#{frame}" if frame > 1 else ""
            file = PictureFile(name + suffix, path, case, _problem(path), frame, frame)
            return prepare(file, self._scorer.size, {}, self._locator, self._scorer.view)
        blank = Picture(f"array-{number}", f"array-{number}")
        try:
            if not isinstance(source, np.ndarray):
                kind = type(source).__name__
                raise ImageError(blank.image, f"expected a path or an array, received {kind}")
            grey = read_array(source, blank.image)
            content = hashlib.sha256(f"{grey.shape}".encode() + grey.tobytes())
            blank = replace(blank, sha256=content.hexdigest())
            return inspected(grey, blank, self._scorer.size, self._locator, self._scorer.view)
        except Exception as error:
            return Prepared(replace(blank, reason=reason_of(error)))


def load(
    bundle: str | os.PathLike[str] | None = None,
    *,
    passes: int = 100,
    seed: int = 0,
    device: str = "auto",
    engine: str = "auto",
    min_confidence: float | None = None,
    rule: str | None = None,
) -> Model:
    """Return the model of a bundle's folder (None: the one that ships with the package).

    `passes`: Monte Carlo dropout passes, 1 or more; `seed`: 0 to 2**31 - 1; `device`: "auto",
    "cpu", "gpu" or "gpu:N"; `engine`: "auto", "tensorflow", "onnxruntime" or "int8";
    `min_confidence`, 0.5 to 1, and `rule`, "calibrated" or "votes", are the bundle's own where
    None. The defaults are
    those of `screening screen`. Warns of a bundle that comes from a trial. ScreeningError for a bad
    value, BundleError for a bundle that is missing, incomplete or altered. What needs TensorFlow,
    and finds none, says so with the first picture.
    """
    check(
        (passes >= 1, f"passes of 1 or more, received {passes}"),
        (0 <= seed < 2**31, f"seed of 0 to {2**31 - 1}, received {seed}"),
        (
            min_confidence is None or 0.5 <= min_confidence <= 1,
            f"min_confidence of 0.5 to 1, received {min_confidence}",
        ),
        (rule is None or rule in RULES, f"rule of {' or '.join(RULES)}, received {rule!r}"),
        (
            device in ("auto", "cpu", "gpu")
            or (device.startswith("gpu:") and device[4:].isdecimal()),
            f"device of auto, cpu, gpu or gpu:N, received {device!r}",
        ),
        (engine in ENGINES, f"engine of {', '.join(ENGINES)}, received {engine!r}"),
    )
    loaded = load_bundle(Path(bundle) if bundle is not None else default_bundle())
    if loaded.info.trial_warning:
        warnings.warn(loaded.info.trial_warning, stacklevel=2)
    return Model(
        BundleScorer(loaded, passes, seed, device, engine=engine),
        Locator.of(loaded),
        reader_of(loaded, passes, seed, device, engine),
        Rule.of(loaded.info, min_confidence, rule),
    )


def _problem(path: Path) -> str:
    """Why a path is no file, in words: a pipe would be waited for without end."""
    try:
        if path.is_dir():
            return "a folder, not a picture: read the files in it"
        if not path.is_file():
            open_picture(path).close()
    except ImageError as error:
        return error.reason
    return ""

"""The pictures of a run where they lie: only those of its list, only from its folder, unchanged."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from screening.errors import ScreeningError
from screening.images.kinds import SUPPORTED_SUFFIXES
from screening.images.page import Page
from screening.images.read import read_image

if TYPE_CHECKING:
    from screening.worklist.discover import PictureFile

_MOST_KEPT = 6
_MOST_KEPT_PIXELS = 80_000_000


class OriginalNotFound(ScreeningError):
    """Says why the original of a picture cannot be shown, and what to do."""

    exit_status = 1


@dataclass(frozen=True, eq=False)
class Original:
    """A picture as it was screened: `grey` uint8 (h, w) and its normalised `page`."""

    grey: np.ndarray
    page: Page

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Return what the boxes of a record are fractions of, x, y, w, h as fractions (0–1, or
        beyond) of the whole picture."""
        x, y, w, h = self.page.margins
        height, width = self.grey.shape
        return x / width, y / height, w / width, h / height


class Originals:
    """Finds and decodes the pictures of a run; keeps the last few. Any thread may ask."""

    def __init__(self, folder: Path, hashes: Mapping[str, str]) -> None:
        self.folder, self.hashes = folder, hashes
        self._kept: OrderedDict[str, Original] = OrderedDict()
        self._found: dict[str, PictureFile] | None = None
        self._lock = threading.Lock()

    def original(self, image: str) -> Original:
        """Return the picture `image` (its name in the work list); OriginalNotFound or ImageError
        say why it cannot be shown."""
        with self._lock:
            if image in self._kept:
                self._kept.move_to_end(image)
                return self._kept[image]
            found = self._checked(image)
            grey = read_image(found.path, frame=found.frame)
            page = Page.of(grey)
            page.drop_objects()
            self._kept[image] = made = Original(grey, page)
            while len(self._kept) > 1 and (
                len(self._kept) > _MOST_KEPT
                or sum(each.grey.size for each in self._kept.values()) > _MOST_KEPT_PIXELS
            ):
                self._kept.popitem(last=False)
            return made

    def path(self, image: str) -> Path | None:
        """Return where a picture lies, with its frame as manifests name it; None where it is not
        found or not the one that was screened."""
        try:
            with self._lock:
                found = self._checked(image)
        except ScreeningError:
            return None
        suffix = f"#{found.frame}" if found.frame > 1 else ""
        return found.path.with_name(found.path.name + suffix)

    def written(self, image: str) -> float | None:
        """Return when the file of a picture was last written, seconds since 1970, if it is there
        under its plain name."""
        try:
            return self._place(image)[0].stat().st_mtime
        except (OSError, ValueError, ScreeningError):
            return None

    def _checked(self, image: str) -> PictureFile:
        # Slow to import, and not for the first page.
        from screening.worklist.content import content_hash
        from screening.worklist.discover import PictureFile

        if image not in self.hashes:
            raise OriginalNotFound(f"{image!r} is no picture of this run")
        path, frame = self._place(image)
        found = PictureFile(image, path, "", frame=frame, frames=frame)
        if not found.path.is_file():
            found = self._listed().get(image, found)
        try:
            inside = self.folder.resolve(strict=True)
            real = found.path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise OriginalNotFound(
                f"{image} is not in {self.folder} any more: say with --pictures where the pictures "
                "are now"
            ) from error
        if not real.is_relative_to(inside):
            raise OriginalNotFound(
                f"{image} is a link that leads out of {self.folder}, which is not followed: say "
                "with --pictures where the pictures are"
            )
        try:
            same = content_hash(found) == self.hashes[image]
        except OSError as error:
            raise OriginalNotFound(f"{image} cannot be read ({error.strerror})") from error
        if not same:
            raise OriginalNotFound(
                f"{image} is another picture than the one that was screened: screen it again, with "
                "--resume"
            )
        return found

    def _place(self, image: str) -> tuple[Path, int]:
        """The file of that very name and 1; for x.tif#2, unless it is a file, x.tif and 2."""
        if "\0" in image or any(part in ("", ".", "..") for part in image.split("/")):
            raise OriginalNotFound(f"{image!r} leads out of {self.folder}")
        path = self.folder / image
        if not path.is_relative_to(self.folder):
            raise OriginalNotFound(f"{image!r} leads out of {self.folder}")
        frame = re.search(r"#([1-9]\d{0,5})$", path.name)
        if frame is None or not path.name[: frame.start()] or path.is_file():
            return path, 1
        return path.with_name(path.name[: frame.start()]), int(frame[1])

    def _listed(self) -> dict[str, PictureFile]:
        """All files of the folder by the names they have in a work list: some are escaped there."""
        from screening.worklist.discover import discover

        if self._found is None:
            try:
                found = discover(self.folder, SUPPORTED_SUFFIXES, frames=True).images
            except ScreeningError:
                found = ()
            self._found = {each.name: each for each in found}
        return self._found


def png(picture: np.ndarray) -> bytes:
    """Return a PNG of uint8 grey (h, w) or RGB (h, w, 3), quick rather than small."""
    shown = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(".png", shown, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError(f"expected a picture that PNG can hold, received {picture.shape}")
    return content.tobytes()

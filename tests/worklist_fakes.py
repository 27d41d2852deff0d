"""Stand-ins for the model: deterministic from the pictures alone, and instrumented."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from screening.images.page import Page
from screening.images.quality import Quality
from screening.images.read import read_image
from screening.karyogram.gate import Inspection
from screening.karyogram.locate import Located
from screening.worklist.reader import ReadCell


class FakeScorer:
    """p(abnormal) drawn from the key of each picture, so from its content and nothing else.

    `delay` seconds a batch; `fail_above` raises MemoryError for larger batches.
    """

    size = 64
    device = engine = "fake"
    view = "plain"
    looked = None

    def __init__(self, passes: int = 20, delay: float = 0.0, fail_above: int | None = None) -> None:
        self.passes, self.delay, self.fail_above = passes, delay, fail_above
        self.batches: list[int] = []
        self.keys: list[int] = []

    def load(self) -> None:
        """Nothing to load."""

    def score(self, images: Sequence[np.ndarray], keys: Sequence[int]) -> list[np.ndarray]:
        if self.fail_above is not None and len(images) > self.fail_above:
            raise MemoryError
        for image in images:
            assert image.shape == (self.size, self.size) and image.dtype == np.uint8
        self.batches.append(len(images))
        self.keys.extend(keys)
        time.sleep(self.delay)
        return [self._passes(key) for key in keys]

    def _passes(self, key: int) -> np.ndarray:
        rng = np.random.default_rng(key)
        centre = rng.choice([0.03, 0.2, 0.5, 0.97])
        return np.clip(rng.normal(centre, 0.1, self.passes), 0, 1).astype(np.float32)


@dataclass
class FakeReader:
    """Answers for every page with `usual`, and with `odd` for the page that looks like the file
    `odd_one`; what is an error is raised. Keeps the papers that it was shown."""

    usual: ReadCell | Exception
    odd: ReadCell | Exception | None = None
    odd_one: Path | None = None
    papers: list[np.ndarray] = field(default_factory=list)

    def load(self) -> None:
        """Nothing to load."""

    def read(self, page: Page, located: Located, p: np.ndarray, changed: float | None) -> ReadCell:
        self.papers.append(page.paper)
        odd = self.odd_one is not None and np.array_equal(page.paper, paper_of(self.odd_one))
        answer = self.odd if odd and self.odd is not None else self.usual
        if isinstance(answer, Exception):
            raise answer
        return answer


@cache
def paper_of(path: Path) -> np.ndarray:
    """The paper of the page that a file shows."""
    return Page.of(read_image(path)).paper


def accepted_with(located: Located) -> Callable[[Page, object], Inspection]:
    """A quality gate that calls every page perfect and finds the same on each, without looking."""
    return lambda page, locator: Inspection(Quality(True, "", 46, ()), located)


def karyogram(seed: int) -> Image.Image:
    """A print of four rows of dark, banded bars in pairs, as a karyogram looks from afar."""
    rng = np.random.default_rng(seed)
    picture = Image.new("L", (480, 400), 255)
    draw = ImageDraw.Draw(picture)
    rows = ((5, 80), (7, 65), (6, 50), (5, 40))
    for row, (pairs, length) in enumerate(rows):
        bottom = 95 * (row + 1)
        for pair in range(pairs):
            left = 15 + pair * 450 // pairs
            for homolog in (0, 14):
                top = bottom - length - int(rng.integers(0, 6))
                x = left + homolog + int(rng.integers(0, 3))
                draw.rounded_rectangle((x, top, x + 8, bottom), 4, fill=90)
                for y in range(top + 6, bottom - 6, 12):
                    draw.rectangle((x + 1, y, x + 7, y + 3), fill=int(rng.integers(40, 150)))
    return picture


def write_karyograms(folder: Path, count: int) -> list[Path]:
    """`count` different karyograms as PNG files, two of each case."""
    paths = [folder / f"case{i // 2:03d}" / f"k{i:03d}.png" for i in range(count)]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        karyogram(i).save(path)
    return paths

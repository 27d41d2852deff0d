"""The page as one HTML text that opens from disk and asks nobody for anything."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from screening.classes import OK, ROUTES
from screening.record import Case, Picture
from screening.report.counts import count_groups
from screening.report.figures import confidence_bar, histogram, share_bar, signed_bar
from screening.report.overlay import overlay

MOST_THUMBNAILS = 2000
"""Low-priority pictures after this many rows come without a thumbnail, so that the page of a very
large run still opens (about 8 kB a picture, up to 60 kB where its chromosomes were read)."""
MOST_CROPS = 12
CROP_BYTES = 18_000  # JPEG, all crops of one picture: a page of 1,000 pictures still opens
MOST_KARYOTYPES = 5
HISTOGRAM_BINS = 20
_LEAST_SHOWN = 0.05
"""Log-odds under which a contribution is not worth a bar."""

LIMITS = (
    "balanced rearrangements (balanced translocations, inversions) and any change of structure: "
    "this version was trained on gains and losses of whole chromosomes",
    "changes smaller than a band (about 5–10 million bases), such as microdeletions",
    "mosaicism: each picture is one cell; other cells of the same person may differ",
    "what a poor, crowded or wrongly arranged karyogram hides",
    "whole-chromosome changes that it misses: see how often in the model card",
)


@dataclass(frozen=True)
class WorkList:
    """What the page shows: judged `pictures` in the order of the work list, and their `cases`.

    `facts` are (name, value) pairs about the run and the bundle; `warnings` stand at the top;
    `labels`: what people call each feature of the witnesses. `prevalence`: confidences are
    calibrated where that share is abnormal (None: they are shares of votes).
    """

    title: str
    pictures: tuple[Picture, ...]
    cases: tuple[Case, ...]
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    threshold: float
    min_confidence: float
    certificate: str = ""
    warnings: tuple[str, ...] = ()
    prevalence: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def count(self, route: str) -> int:
        """Return the number of pictures with this route."""
        return sum(picture.judged.route == route for picture in self.pictures)

    def any_read(self) -> bool:
        """Return whether the chromosomes of any picture were read one by one."""
        return any(picture.reading is not None for picture in self.pictures)

    def unjudged(self) -> int:
        """Return how many pictures were rejected or failed."""
        return sum(picture.status != OK for picture in self.pictures)

    def contributions(self, picture: Picture) -> list[tuple[str, float]]:
        """Return what each kind of evidence adds to the log-odds of abnormal, in words."""
        return [
            (self.labels.get(name, name.replace("_", " ")), value)
            for name, value in picture.judged.contributions.items()
            if abs(value) >= _LEAST_SHOWN
        ]


def render(work_list: WorkList) -> str:
    """Return the page, UTF-8 text; the same work list gives the same text."""
    return _template().render(
        view=work_list,
        limits=LIMITS,
        histogram=histogram,
        passes_histogram=passes_histogram,
        confidence_bar=confidence_bar,
        count_groups=count_groups,
        crops_shown=crops_shown,
        overlay=overlay,
        share_bar=share_bar,
        signed_bar=signed_bar,
        size_of=size_of,
        routes=ROUTES,
        most_thumbnails=MOST_THUMBNAILS,
        most_karyotypes=MOST_KARYOTYPES,
    )


def passes_histogram(p: np.ndarray) -> list[int]:
    """Return how many passes fall into each of 20 equal bins of p(abnormal) from 0 to 1."""
    return np.histogram(p, bins=HISTOGRAM_BINS, range=(0, 1))[0].tolist() if len(p) else []


def crops_shown(picture: Picture) -> tuple[tuple[str, bytes], ...]:
    """Return the (caption, JPEG) for which the page has room, in the order given."""
    shown, size = [], 0
    for caption, jpeg in picture.crops[:MOST_CROPS]:
        size += len(jpeg)
        if size > CROP_BYTES:
            break
        shown.append((caption, jpeg))
    return tuple(shown)


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Return width and height in px from the header alone; (0, 0) when there is no picture."""
    if not jpeg:
        return 0, 0
    with Image.open(io.BytesIO(jpeg)) as picture:
        return picture.size


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("screening", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["probability"] = _probability
    environment.filters["data_uri"] = lambda jpeg: (
        "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
    )
    return environment.get_template("page.html.jinja")


def _percent(value: float) -> str:
    """Never rounded up: 99.6 % is not 100 %."""
    return f"{math.floor(100 * value + 1e-9)} %"


def _probability(value: float) -> str:
    """Never 0.00 or 1.00: the reading is not that sure of anything."""
    if value < 0.005:
        return "<0.01"
    return ">0.99" if value >= 0.995 else f"{value:.2f}"

"""The page as one HTML text that opens from disk and asks nobody for anything."""

from __future__ import annotations

import base64
import math
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from screening.classes import ROUTES
from screening.report.figures import confidence_bar, histogram, share_bar, signed_bar
from screening.report.overlay import overlay
from screening.report.view import ReportView

MOST_THUMBNAILS = 2000
"""Low-priority pictures after this many rows come without a thumbnail, so that the page of a very
large run still opens (about 8 kB a picture, up to 60 kB where its chromosomes were read)."""

LIMITS = (
    "balanced rearrangements (balanced translocations, inversions) and any change of structure: "
    "this version was trained on gains and losses of whole chromosomes",
    "changes smaller than a band (about 5–10 million bases), such as microdeletions",
    "mosaicism: each picture is one cell; other cells of the same person may differ",
    "what a poor, crowded or wrongly arranged karyogram hides",
    "whole-chromosome changes that it misses: see how often in the model card",
)


def render(view: ReportView) -> str:
    """Return the page, UTF-8 text; the same view gives the same text."""
    return _template().render(
        view=view,
        limits=LIMITS,
        histogram=histogram,
        confidence_bar=confidence_bar,
        overlay=overlay,
        share_bar=share_bar,
        signed_bar=signed_bar,
        routes=ROUTES,
        most_thumbnails=MOST_THUMBNAILS,
    )


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

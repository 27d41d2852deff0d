"""The band pattern of each human chromosome: hg38 cytobands with their Giemsa stain intensities.

Source: UCSC's cytoBand table of hg38 (ISCN bands at 850 resolution), as packaged in bioframe.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from screening.classes import CHROMOSOMES
from screening.errors import ScreeningError

STAIN: dict[str, float] = {
    "gneg": 0.0, "gpos25": 0.3, "gpos50": 0.55, "gpos75": 0.8, "gpos100": 1.0,
    "acen": 0.6, "gvar": 0.55, "stalk": 0.05,
}  # fmt: skip
"""Darkness of each stain class under Giemsa, 0 the lightest band and 1 the darkest."""


@dataclass(frozen=True, eq=False)
class Bands:
    """One chromosome's bands from the short arm's end; positions are fractions of its length.

    `edges` float (n + 1,), `stains` tuple of n keys of `STAIN`, `names` of the n bands ("q34.11");
    `centromere` and `megabases`.
    """

    edges: np.ndarray
    stains: tuple[str, ...]
    centromere: float
    megabases: float
    names: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def band_table() -> dict[str, Bands]:
    """Return the bands of the 24 chromosomes by name; read from the installed package, offline."""
    # The table alone: bioframe itself takes half a second to import, with pandas and matplotlib.
    package = find_spec("bioframe")
    assert package is not None and package.origin is not None
    table = Path(package.origin).parent / "io" / "data" / "hg38.cytoband.tsv"
    with table.open(encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file, delimiter="\t"))
    found = {}
    for name in CHROMOSOMES:
        rows = [row for row in every if row["chrom"] == f"chr{name}"]
        rows.sort(key=lambda row: int(row["start"]))
        total = float(rows[-1]["end"])
        edges = np.array([*(float(row["start"]) for row in rows), total]) / total
        # Where the two centromeric bands meet: the end of the short arm's one.
        centromere = min(float(row["end"]) for row in rows if row["stain"] == "acen") / total
        stains, names = (tuple(row[column] for row in rows) for column in ("stain", "band"))
        found[name] = Bands(edges, stains, centromere, total / 1e6, names)
    return found


def band_span(name: str, band: str) -> tuple[float, float]:
    """Return where `band` of chromosome `name` starts and ends, as fractions of the length.

    A band may be named coarser than the table: "q11.2" spans q11.21 to q11.23, "q34" all of q34.
    "p10" and "q10" are the centromere. ScreeningError for a band the chromosome does not have.
    """
    bands = band_table()[name]
    if band in ("p10", "q10"):
        return bands.centromere, bands.centromere
    finer = f"{band}." if "." not in band else band
    inside = [i for i, full in enumerate(bands.names) if full == band or full.startswith(finer)]
    if not inside or band[-1:] == ".":
        raise ScreeningError(
            f"expected a band of chromosome {name}, {bands.names[0]} to {bands.names[-1]}, "
            f"received {band!r}; name it as ISCN does, such as q11.2"
        )
    return float(bands.edges[inside[0]]), float(bands.edges[inside[-1] + 1])


def bands_between(name: str, start: float, end: float) -> str:
    """Return the bands of chromosome `name` from `start` to `end`, fractions of its length, at
    about 400 bands: "q22 to q34", "p15", and "the whole of it"."""
    if end - start > 0.97:
        return "the whole of it"
    bands = band_table()[name]
    # What just touches a band does not concern it.
    inset = min(0.01, (end - start) / 3)
    at = np.clip([start + inset, end - inset], 0, 1 - 1e-9)
    places = np.searchsorted(bands.edges, at, side="right") - 1
    first, last = (bands.names[k].partition(".")[0] for k in places)
    return first if first == last else f"{first} to {last}"

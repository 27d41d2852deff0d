"""The band pattern of each human chromosome: hg38 cytobands with their Giemsa stain intensities.

Source: UCSC's cytoBand table of hg38 (ISCN bands at 850 resolution), as packaged in bioframe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from screening.classes import CHROMOSOMES

STAIN: dict[str, float] = {
    "gneg": 0.0, "gpos25": 0.3, "gpos50": 0.55, "gpos75": 0.8, "gpos100": 1.0,
    "acen": 0.6, "gvar": 0.55, "stalk": 0.05,
}  # fmt: skip
"""Darkness of each stain class under Giemsa, 0 the lightest band and 1 the darkest."""


@dataclass(frozen=True, eq=False)
class Bands:
    """One chromosome's bands from the short arm's end; positions are fractions of its length.

    `edges` float (n + 1,), `stains` tuple of n keys of `STAIN`; `centromere` and `megabases`.
    """

    edges: np.ndarray
    stains: tuple[str, ...]
    centromere: float
    megabases: float


@lru_cache(maxsize=1)
def band_table() -> dict[str, Bands]:
    """Return the bands of the 24 chromosomes by name; read from the installed package, offline."""
    # bioframe imports pandas: only those who draw chromosomes pay for it.
    import bioframe

    table = bioframe.assembly_info("hg38").cytobands
    found = {}
    for name in CHROMOSOMES:
        rows = table[table["chrom"] == f"chr{name}"].sort_values("start")
        total = float(rows["end"].max())
        edges = np.append(rows["start"].to_numpy(float), total) / total
        acen = rows[rows["stain"] == "acen"]
        # Where the two centromeric bands meet: the end of the short arm's one.
        centromere = float(acen["end"].min()) / total
        found[name] = Bands(edges, tuple(map(str, rows["stain"])), centromere, total / 1e6)
    return found

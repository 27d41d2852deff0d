"""ISCN strings for whole-chromosome gains and losses of a single cell.

Source: ISCN 2024, chapters on sex-chromosome and autosome number. Mosaic or clonal notation is
never produced: one cell cannot support it.
"""

from __future__ import annotations

from collections.abc import Mapping

from screening.classes import AUTOSOMES


def karyotype(counts: Mapping[str, int], markers: int = 0) -> str:
    """Return the ISCN string of one cell, e.g. "46,XX", "47,XY,+21", "45,X" or "69,XXY".

    `counts` maps chromosome names ("1"…"22", "X", "Y") to how many stand in the cell (missing
    names count 0); `markers` is the number of marker chromosomes. Gains and losses are given
    against the ploidy (2, or 3 and 4 when the autosomes' median says so), sex chromosomes in the
    order X, Y. ValueError for a negative count.
    """
    if markers < 0 or any(n < 0 for n in counts.values()):
        raise ValueError(f"expected counts of 0 or more, received {dict(counts)}, {markers=}")
    autosomes = [counts.get(name, 0) for name in AUTOSOMES]
    ploidy = max(2, sorted(autosomes)[len(autosomes) // 2])
    sex = "X" * counts.get("X", 0) + "Y" * counts.get("Y", 0)
    parts = [str(sum(autosomes) + len(sex) + markers), sex or "-X"]
    for name, count in zip(AUTOSOMES, autosomes, strict=True):
        parts += [f"{'+' if count > ploidy else '-'}{name}"] * abs(count - ploidy)
    if markers:
        parts.append("+mar" if markers == 1 else f"+{markers}mar")
    return ",".join(parts)

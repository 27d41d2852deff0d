"""What several cells of one person show together: gains, losses, possible mosaics, in words.

A gain that one cell of five shows is not the same as one in five of five. Chromosomes are lost from
single cells when slides are made, gains hardly ever arise that way; ISCN calls a gain clonal from
two cells on and a loss from three. A case is described by these counts, never by one joint
karyotype: which cells belong together is for the person who looks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from screening import words
from screening.evidence.structure_cell import cell_doubt
from screening.record import Structure

_CLONAL_GAIN, _CLONAL_LOSS = 2, 3

_EASIER = 0.77
"""By how much less than one cell the mean of several may say (log-odds of a structural change): of
two cells of each of 14 validation people 32 of 48 changes are seen so, by the more suspicious cell
35, and none of 37 normal cases loses low priority instead of 4. Preferred to 1.07, which sees more,
with test people in view, of whom that would cost 17 % (reports/cells.md: other pages of them, and
calibration people, who had no part in it)."""


@dataclass(frozen=True)
class CellKaryotype:
    """What was read in one cell: its most probable karyotype (ISCN) and what that has more or less
    than a normal one, such as "+21"."""

    karyotype: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """`text`: what the cells show ("" when none was read). `mosaic`: cells differ in a way that is
    not explained by chance, so that a person must look whatever the single cells say."""

    text: str
    mosaic: bool


def find(cells: Sequence[CellKaryotype], unread: int = 0) -> Findings:
    """Return the findings of the cells of one case; `unread`: cells whose chromosomes were not
    read."""
    if not cells:
        return Findings("", False)
    n = len(cells)
    shown = Counter(change for cell in cells for change in set(cell.changes))
    # Most common first, then by name, so that the same cells give the same text.
    parts = [_shown(change, count, n) for change, count in _ranked(shown)]
    partial = any(count < n for count in shown.values())
    sexes = Counter(sex for cell in cells if (sex := _sex(cell)))
    both = len(sexes) > 1
    if both:
        parts.append(f"{_many(sexes)}: a chimera, or pictures of two persons?")
    if not shown:
        karyotypes = Counter(cell.karyotype for cell in cells)
        parts.append(_many(karyotypes) + f" of {words.counted(n, 'cell')}")
    elif partial and any(
        count >= (_CLONAL_LOSS if change.startswith("-") else _CLONAL_GAIN)
        for change, count in shown.items()
        if count < n
    ):
        karyotypes = Counter(cell.karyotype for cell in cells)
        told = ", ".join(f"{name} in {count} of {n}" for name, count in _ranked(karyotypes))
        parts.append(f"possible mosaic: {told}")
    if unread:
        parts.append(f"{words.counted(unread, 'cell')} not read")
    return Findings("; ".join(parts), n > 1 and (partial or both))


def structural(cells: Sequence[Structure], doubt: float, one_person: bool = False) -> Findings:
    """Return what the structure of the cells of one case says together; `mosaic`: a person must
    look, from the log-odds `doubt` of the sum of the cells on, or, where they are known to be of
    `one_person`, a little less of their mean.

    The same pair that differs in several cells is strong, in one of many weak: what a cell says for
    a class is added to what the others say, and a cell that speaks against it counts as much. A
    bend or a stretch is another in each cell.
    """
    if not cells:
        return Findings("", False)
    odds: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        for name, value in cell.odds.items():
            odds[name].append(value)
    n, together, known = len(cells), None, ""
    if odds:
        total, mean = (cell_doubt({k: add(v) for k, v in odds.items()}) for add in (sum, fmean))
        if total.log_odds >= doubt:
            together, known = total, total.known
        elif one_person and n > 1 and mean.log_odds >= doubt - _EASIER:
            together = mean
    odd = Counter(pair.name for cell in cells if cell.log_odds >= doubt for pair in cell.pairs[:1])
    if together is not None:
        for name in together.classes:
            odd[name] = sum(cell.odds.get(name, -1) > 0 for cell in cells)
    parts = [words.cells_that_differ(name, count, n) for name, count in _ranked(odd)]
    if known:
        parts.append(f"{known}?")
    return Findings("; ".join(parts), n > 1 and together is not None)


def _shown(change: str, count: int, n: int) -> str:
    said = f"{count} of {words.counted(n, 'cell')} {'shows' if count == 1 else 'show'} {change}"
    if n > 1 and count == 1:
        if change.startswith("-"):
            return f"{said} (loss in a single cell is often an artefact)"
        return f"{said} (a single cell: more cells would tell)"
    return said


def _sex(cell: CellKaryotype) -> str:
    """XX or XY as far as the cell's sex chromosomes are normal, else ""."""
    sex = cell.karyotype.split(",")[1] if "," in cell.karyotype else ""
    return sex if sex in ("XX", "XY") else ""


def _ranked(counted: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))


def _many(counted: Counter[str]) -> str:
    return ", ".join(f"{name} in {count}" for name, count in _ranked(counted))

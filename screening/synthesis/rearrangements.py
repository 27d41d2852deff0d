"""Structural abnormalities as data: an ISCN name, and the pieces of chromosomes it joins.

Any translocation, deletion, inversion, duplication, isochromosome, Robertsonian translocation or
addition of one break per chromosome and arm can be named; breakpoints are the middles of the named
bands of the hg38 table. `KNOWN` holds those that laboratories meet; `random_structural` draws
new ones.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from screening.bands import band_span, band_table
from screening.classes import AUTOSOMES, CHROMOSOMES, RELATIVE_LENGTH
from screening.errors import ScreeningError
from screening.synthesis.abnormalities import SEXES

ACROCENTRIC = ("13", "14", "15", "21", "22")


@dataclass(frozen=True)
class Known:
    """One rearrangement that laboratories meet: relative weight, and its exact bands (`at`) where
    the usual name is coarser than what is known of the genes."""

    weight: float
    at: tuple[str, ...] = ()


KNOWN: Mapping[str, Known] = {
    "t(9;22)(q34;q11.2)": Known(10, ("q34.12", "q11.23")),
    "t(8;14)(q24;q32)": Known(3, ("q24.21", "q32.33")),
    "t(15;17)(q24;q21)": Known(4, ("q24.1", "q21.2")),
    "t(11;22)(q23;q11.2)": Known(4, ("q23.3", "q11.21")),
    "t(11;14)(q13;q32)": Known(2, ("q13.3", "q32.33")),
    "t(14;18)(q32;q21)": Known(2, ("q32.33", "q21.33")),
    "t(8;21)(q22;q22)": Known(3, ("q22.1", "q22.12")),
    "t(4;11)(q21;q23)": Known(1.5, ("q21.3", "q23.3")),
    "t(1;19)(q23;p13)": Known(1, ("q23.3", "p13.3")),
    "rob(13;14)(q10;q10)": Known(10),
    "rob(14;21)(q10;q10)": Known(5),
    "rob(13;15)(q10;q10)": Known(0.4),
    "rob(13;21)(q10;q10)": Known(0.7),
    "rob(14;15)(q10;q10)": Known(0.6),
    "rob(14;22)(q10;q10)": Known(0.4),
    "rob(15;21)(q10;q10)": Known(0.5),
    "rob(21;22)(q10;q10)": Known(0.4),
    "del(5)(q13q33)": Known(6),
    "del(5)(p14)": Known(4),
    "del(4)(p15)": Known(3),
    "del(7)(q22q34)": Known(3),
    "del(20)(q11.2q13.1)": Known(3),
    "del(11)(q14q23)": Known(1.5),
    "del(13)(q14q22)": Known(1.5),
    "del(18)(q21)": Known(2),
    "del(9)(p21)": Known(1),
    "del(X)(q22)": Known(1.5),
    "inv(16)(p13.1q22)": Known(2),
    "inv(3)(q21q26)": Known(1.5),
    # A variant that hardly any laboratory reports: simulated only when asked for.
    "inv(9)(p12q13)": Known(0),
    "dup(1)(q21q32)": Known(2),
    "i(17)(q10)": Known(4),
    "i(X)(q10)": Known(4),
    "i(7)(q10)": Known(1),
    "i(8)(q10)": Known(1),
}
"""ISCN name -> how often. Weights are rough: what prenatal, postnatal and blood cell laboratories
report, balanced Robertsonian translocations and t(9;22) first. t(12;21) and other exchanges of
alike ends are left out: no light microscope shows them."""

_NAME = re.compile(r"(t|del|inv|dup|i|rob|add)\(([^()]+)\)\(([^()]+)\)")
_LOOSE = re.compile(r"(t|del|inv|dup|i|rob|add)\(?([^()]+)\)?\(?([^()]+)\)?")
_BAND = re.compile(r"[pq]\d+(?:\.\d+)?")
_NEW_END = 0.03
"""Least part of the length that a sham takes off, and makes up for, where a deletion makes a new
end: the old one's rounding has to go."""


@dataclass(frozen=True)
class Piece:
    """A stretch of chromosome `name` from `start` to `end`, fractions of its length by the band
    table; turned over when `start` is the larger. `again`: from a re-sampled picture, as a segment
    that came from elsewhere. `whole`: stretched to the length of the whole chromosome."""

    name: str
    start: float
    end: float
    again: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Derivative:
    """A rearranged chromosome: the class `name` of its centromere, its ISCN name, its pieces from
    the upper end, and those of a sham, which are cut at the same place and give a normal one."""

    name: str
    iscn: str
    pieces: tuple[Piece, ...]
    sham: tuple[Piece, ...]


@dataclass(frozen=True)
class Rearrangement:
    """A structural abnormality: ISCN `name`, the classes of which it takes one homolog each
    (`uses`), what becomes of them, and the megabases of each segment concerned (`moved`)."""

    name: str
    uses: tuple[str, ...]
    derivatives: tuple[Derivative, ...]
    moved: tuple[float, ...]


def changed_part(name: str, pieces: Sequence[Piece]) -> float:
    """Return how much of chromosome `name` is lost or, where that is more, how much is there that
    does not belong or lies turned; in lengths of the chromosome."""
    whole = RELATIVE_LENGTH[name]
    total = sum(length_of(p) for p in pieces) / whole
    seen = np.zeros(1000, bool)
    for piece in pieces:
        if piece.name == name and piece.start < piece.end:
            seen[round(1000 * piece.start) : round(1000 * piece.end)] = True
    kept = float(seen.mean())
    return max(1 - kept, total - kept)


def length_of(piece: Piece) -> float:
    """Return the length of a piece in percent of the haploid autosomes."""
    return abs(piece.end - piece.start) * RELATIVE_LENGTH[piece.name]


def is_structural(name: str) -> bool:
    """Return whether `name` is written as a structural abnormality, "t(9;22)(q34;q11.2)"."""
    return "(" in name


def structural_sexes(names: Collection[str]) -> tuple[str, ...]:
    """Return which of "XX" and "XY" cells can have one of the structural abnormalities `names`;
    both for no names. ScreeningError for a name that is none."""
    possible = [_sexes_of(_parsed(name)[1]) for name in names]
    return tuple(s for s in SEXES if not names or any(s in sexes for sexes in possible))


def rearrangement(name: str) -> Rearrangement:
    """Return what the structural abnormality of that ISCN name does.

    ScreeningError for anything that is not one of t, rob, del, inv, dup, i and add, for a band that
    the chromosome does not have, and for breaks that would leave a piece without centromere alone;
    it names the nearest valid form where one is near.
    """
    try:
        return _made(name)
    except ScreeningError as error:
        near = nearest_valid(name)
        if not near:
            raise
        raise ScreeningError(f"{error}. Is {near} meant?") from None


def nearest_valid(name: str) -> str:
    """Return the ISCN name of a rearrangement that is nearest to `name`, which is none: chromosomes
    in ISCN's order, bands that they have; "" when nothing is near."""
    match = _LOOSE.fullmatch(name.replace(" ", "").replace(",", ";"))
    if not match:
        return ""
    kind, chromosomes, breaks = match.groups()
    names = chromosomes.upper().split(";")
    bands = _BAND.findall(breaks.lower())
    if not set(names) <= set(CHROMOSOMES) or not bands:
        return ""
    order = ["X", "Y", *AUTOSOMES]
    if len(names) == 2 and len(bands) == 2:
        both = sorted(zip(names, bands, strict=True), key=lambda pair: order.index(pair[0]))
        names, bands = [n for n, _ in both], [b for _, b in both]
    owners = names if len(names) == len(bands) else names[:1] * len(bands)
    if kind in ("rob", "i"):
        bands = [f"{band[0]}10" for band in bands]
    else:
        bands = [_known_band(n, band) for n, band in zip(owners, bands, strict=True)]
    if kind in ("del", "inv") and len(bands) == 2:
        bands = sorted(bands, key=lambda band: _outwards(names[0], band))
    between = ";" if kind in ("t", "rob") else ""
    near = f"{kind}({';'.join(names)})({between.join(bands)})"
    try:
        _made(near)
    except ScreeningError:
        return ""
    return near if near != name else ""


def _outwards(name: str, band: str) -> tuple[bool, float]:
    """How ISCN orders two breaks: the short arm's first, then the nearer to the centromere."""
    centre = band_table()[name].centromere
    return band[0] == "q", abs(_middle(name, band) - centre)


def _known_band(name: str, band: str) -> str:
    """The band of chromosome `name` that is written most like `band`, on the same arm."""
    fine = [b for b in band_table()[name].names if b[0] == band[0]]
    # "q11.21" is also called "q11.2", and "q11".
    coarser = [(b.partition(".")[0], b[:-1].rstrip(".")) for b in fine if "." in b]
    known = sorted({*fine, *(b for both in coarser for b in both)})
    if band in known:
        return band
    numbers = {b: float(b[1:]) for b in known}
    return min(known, key=lambda b: (abs(numbers[b] - float(band[1:])), len(b)))


def _made(name: str) -> Rearrangement:
    kind, names, bands = _parsed(name)
    exact = KNOWN[name].at if name in KNOWN and KNOWN[name].at else bands
    if kind in ("t", "rob"):
        at = [_middle(n, band) for n, band in zip(names, exact, strict=True)]
    else:
        at = [_middle(names[0], band) for band in exact]
    made = {"t": _exchange, "rob": _fusion, "i": _mirror, "add": _addition}.get(kind)
    if made is not None:
        return made(name, names, bands, at)
    return _within(kind, name, names[0], bands, at)


def _exchange(name: str, names: list[str], bands: list[str], at: list[float]) -> Rearrangement:
    """t(A;B): each keeps its centromere and takes the other's end."""
    ends = [1.0 if band[0] == "q" else 0.0 for band in bands]
    derivatives = []
    for i, j in ((0, 1), (1, 0)):
        foreign = Piece(names[j], at[j], ends[j], again=True)
        derivatives.append(_with_end(names[i], f"der({names[i]})", bands[i][0], at[i], foreign))
    moved = tuple(_megabases(n, a, e) for n, a, e in zip(names, at, ends, strict=True))
    return Rearrangement(name, tuple(names), tuple(derivatives), moved)


def _with_end(name: str, iscn: str, arm: str, at: float, outward: Piece) -> Derivative:
    """A chromosome whose arm goes on, from `at`, with the piece `outward` of another."""
    if arm == "q":
        kept = Piece(name, 0, at)
        return Derivative(name, iscn, (kept, outward), (kept, Piece(name, at, 1, again=True)))
    kept = Piece(name, at, 1)
    inward = Piece(outward.name, outward.end, outward.start, again=True)
    return Derivative(name, iscn, (inward, kept), (Piece(name, 0, at, again=True), kept))


def _fusion(name: str, names: list[str], bands: list[str], at: list[float]) -> Rearrangement:
    """rob(A;B): both long arms on one centromere, the longer one (A) down; short arms are lost."""
    first, second = names
    pieces = (Piece(second, 1, at[1], again=True), Piece(first, at[0], 1))
    sham = (Piece(first, 0, at[0], again=True), Piece(first, at[0], 1))
    return Rearrangement(name, (first, second), (Derivative(first, name, pieces, sham),), ())


def _mirror(name: str, names: list[str], bands: list[str], at: list[float]) -> Rearrangement:
    """i(A)(q10) or (p10): one arm twice, mirrored at the centromere."""
    (one,), centre = names, at[0]
    if bands[0][0] == "q":
        kept = Piece(one, centre, 1)
        pieces, sham = (Piece(one, 1, centre, True), kept), (Piece(one, 0, centre, True), kept)
    else:
        kept = Piece(one, 0, centre)
        pieces, sham = (kept, Piece(one, centre, 0, True)), (kept, Piece(one, centre, 1, True))
    return Rearrangement(name, (one,), (Derivative(one, name, pieces, sham),), ())


def _addition(name: str, names: list[str], bands: list[str], at: list[float]) -> Rearrangement:
    """add(A)(band): beyond the break stands material that nobody could name.

    Here an end of another chromosome, which one depends on the name: a third as long as the
    largest, at most.
    """
    one, index = names[0], CHROMOSOMES.index(names[0])
    donor = AUTOSOMES[(5 * index + int(100 * at[0])) % 12]
    donor = donor if donor != one else AUTOSOMES[(index + 1) % 12]
    share = 0.2 + 0.1 * ((7 * index + int(1000 * at[0])) % 10) / 10
    outward = Piece(donor, 1 - share, 1, again=True)
    made = _with_end(one, name, bands[0][0], at[0], outward)
    return Rearrangement(name, (one,), (made,), (_megabases(donor, 1 - share, 1),))


def _within(kind: str, name: str, one: str, bands: list[str], at: list[float]) -> Rearrangement:
    """Deletions, inversions and duplications: the segment of one chromosome is lost, turned, twice.

    A piece that has lost its place beside the centromere is taken from a re-sampled picture.
    """
    arms = {band[0] for band in bands}
    if kind == "del" and len(bands) == 1:
        if arms == {"q"}:
            kept, whole, end = Piece(one, 0, at[0]), Piece(one, 0, 1 - _NEW_END, whole=True), 1.0
        else:
            kept, whole, end = Piece(one, at[0], 1), Piece(one, _NEW_END, 1, whole=True), 0.0
        made = Derivative(one, name, (kept,), (whole,))
        return Rearrangement(name, (one,), (made,), (_megabases(one, at[0], end),))
    low, high = sorted(at)
    if kind in ("del", "inv") and bands != sorted(bands, key=lambda b: _outwards(one, b)):
        raise ScreeningError(
            f"expected the break of the short arm, or nearer to the centromere, first in {name}"
        )
    if kind != "inv" and len(arms) > 1:
        raise ScreeningError(
            f"expected both breaks of a {kind} in one arm, received {name}: the piece with the "
            "centromere would be lost or doubled; choose bands of one arm"
        )
    if low == high:
        raise ScreeningError(f"expected two different bands, received {name}")
    long = arms == {"q"}
    pieces: tuple[Piece, ...]
    sham: tuple[Piece, ...]
    if kind == "inv":
        ends = Piece(one, 0, low), Piece(one, high, 1)
        pieces = (ends[0], Piece(one, high, low, again=True), ends[1])
        sham = (ends[0], Piece(one, low, high, again=True), ends[1])
    else:
        # The upper part ends, and the lower one starts again, at these places.
        upper, lower = (low, high) if kind == "del" else (high, low)
        pieces = (Piece(one, 0, upper, again=not long), Piece(one, lower, 1, again=long))
        cut = upper if long else lower
        sham = (Piece(one, 0, cut, again=not long), Piece(one, cut, 1, again=long))
    made = Derivative(one, name, pieces, sham)
    return Rearrangement(name, (one,), (made,), (_megabases(one, low, high),))


def _parsed(name: str) -> tuple[str, list[str], list[str]]:
    """Kind, chromosomes and bands of an ISCN name, as many as the kind has."""
    match = _NAME.fullmatch(name)
    kind, chromosomes, breaks = match.groups() if match else ("", "", "")
    names, bands = chromosomes.split(";"), _BAND.findall(breaks)
    paired = kind in ("t", "rob")
    right = (
        all(n in CHROMOSOMES for n in names)
        and (";" if paired else "").join(bands) == breaks
        and len(names) == len(set(names)) == (2 if paired else 1)
        and len(bands) in {"del": (1, 2), "i": (1,), "add": (1,)}.get(kind, (2,))
    )
    if right and paired:
        order = ["X", "Y", *AUTOSOMES]
        right = order.index(names[0]) < order.index(names[1])
    if right and kind == "rob":
        right = set(names) <= set(ACROCENTRIC) and bands == ["q10", "q10"]
    if right and kind == "i":
        right = bands[0] in ("p10", "q10")
    if not right:
        raise ScreeningError(
            "expected a structural abnormality such as t(9;22)(q34;q11.2), rob(13;14)(q10;q10), "
            f"del(5)(q13q33), inv(3)(q21q26), dup(1)(q21q32), i(17)(q10) or add(7)(p22), received "
            f"{name!r}; name it as ISCN does"
        )
    return kind, names, bands


def _sexes_of(names: list[str]) -> tuple[str, ...]:
    """A rearranged X replaces one of two, or nothing normal would be left."""
    if "X" in names:
        return () if "Y" in names else ("XX",)
    return ("XY",) if "Y" in names else SEXES


def _middle(name: str, band: str) -> float:
    start, end = band_span(name, band)
    return (start + end) / 2


def _megabases(name: str, start: float, end: float) -> float:
    return abs(end - start) * band_table()[name].megabases

"""Structural abnormalities drawn: those that laboratories meet, and new ones of segments long
enough to be seen."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from screening.bands import band_span, band_table
from screening.classes import AUTOSOMES
from screening.errors import ScreeningError
from screening.synthesis.rearrangements import (
    ACROCENTRIC,
    KNOWN,
    rearrangement,
    structural_sexes,
)

LEAST_MEGABASES = 20.0
"""Shortest segment that a new rearrangement moves, loses, turns or doubles: 8 % of chromosome 1.
A good metaphase shows half of that to an expert; a printed page, as a rule, does not."""

KNOWN_SHARE = 0.5
"""Share of the drawn abnormalities that come from `KNOWN`; the others have new breakpoints."""

_NEW_KINDS = {"t": 50.0, "del": 20.0, "inv": 15.0, "dup": 7.0, "add": 8.0}
_NO_BREAK = ("acen", "gvar", "stalk")


def random_structural(
    rng: np.random.Generator, sex: str | None = None, names: Collection[str] = ()
) -> str:
    """Return the ISCN name of a structural abnormality that a cell of `sex` can have.

    One of `names` where given, all alike; else half of the time one of `KNOWN` by weight, and half
    of the time one with new breakpoints. ScreeningError when none of `names` is possible.
    """
    if names:
        left = [n for n in names if sex is None or sex in structural_sexes([n])]
        if not left:
            raise ScreeningError(f"none of {', '.join(names)} can be simulated in a {sex} cell")
        return left[int(rng.integers(len(left)))]
    if rng.random() < KNOWN_SHARE:
        left = [n for n in KNOWN if sex is None or sex in structural_sexes([n])]
        weights = np.array([KNOWN[name].weight for name in left])
        return left[int(rng.choice(len(left), p=weights / weights.sum()))]
    kinds = np.array(list(_NEW_KINDS.values()))
    kind = str(rng.choice(list(_NEW_KINDS), p=kinds / kinds.sum()))
    while True:
        name = _new(kind, rng, AUTOSOMES if sex != "XX" else (*AUTOSOMES, "X"))
        if name and all(size >= LEAST_MEGABASES for size in rearrangement(name).moved):
            return name


def _new(kind: str, rng: np.random.Generator, among: tuple[str, ...]) -> str:
    """A name with breaks at random bands; "" when the draw is not one of that kind."""
    count = 2 if kind == "t" else 1
    order = ["X", "Y", *AUTOSOMES]
    names = sorted(map(str, rng.choice(among, count, replace=False)), key=order.index)
    if kind == "t":
        return f"t({';'.join(names)})({';'.join(_break(n, rng) for n in names)})"
    (one,) = names
    if kind == "add":
        # Unknown material near an end: what it replaces is short.
        end = band_table()[one].names[0 if rng.random() < 0.5 else -1]
        near = end.partition(".")[0]
        return "" if one in ACROCENTRIC and near[0] == "p" else f"add({one})({near})"
    if kind == "del" and rng.random() < 0.5:
        return f"del({one})({_break(one, rng)})"
    centre = band_table()[one].centromere
    breaks = {_break(one, rng) for _ in "ab"}
    if len(breaks) < 2:
        return ""
    if {band[0] for band in breaks} == {"p", "q"}:
        return f"inv({one})({''.join(sorted(breaks))})" if kind == "inv" else ""
    # Within one arm the break nearer to the centromere is named first.
    near, far = sorted(breaks, key=lambda band: abs(sum(band_span(one, band)) / 2 - centre))
    return f"{kind}({one})({near}{far})"


def _break(name: str, rng: np.random.Generator) -> str:
    """A band of the chromosome, each alike, in which a break can be seen."""
    bands = band_table()[name]
    stained = zip(bands.names, bands.stains, strict=True)
    usual = [band for band, stain in stained if stain not in _NO_BREAK]
    if name in ACROCENTRIC:
        usual = [band for band in usual if band[0] == "q"]
    return _coarse(usual[int(rng.integers(len(usual)))])


def _coarse(band: str) -> str:
    """The band's name at 550 bands: one digit after the point."""
    whole, _, sub = band.partition(".")
    return f"{whole}.{sub[0]}" if sub else whole

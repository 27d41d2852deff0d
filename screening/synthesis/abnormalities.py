"""The numerical abnormalities that can be simulated: pure data, and a seeded choice among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from screening.classes import AUTOSOMES, MARKER
from screening.errors import ScreeningError

SEXES = ("XX", "XY")


@dataclass(frozen=True)
class Abnormality:
    """One abnormality: how often it is simulated and what it adds (+) or takes away (−).

    `recipes` maps the sex chromosomes of the normal cell it can be made from to {class: change};
    a class may be "mar". `weight` is relative to the other entries.
    """

    name: str
    group: str
    weight: float
    recipes: Mapping[str, Mapping[str, int]]


def _of_any_cell(recipe: Mapping[str, int]) -> dict[str, Mapping[str, int]]:
    return dict.fromkeys(SEXES, recipe)


_GAIN_WEIGHT = {
    "21": 30.0, "18": 10.0, "13": 6.0, "16": 2.5, "22": 2.0, "8": 2.0, "15": 1.5, "9": 1.5,
}  # fmt: skip
_LOSS_WEIGHT = {"21": 1.5, "7": 1.5, "22": 1.0, "18": 1.0}
_SET = dict.fromkeys(AUTOSOMES, 1)


def _table() -> dict[str, Abnormality]:
    entries = [
        Abnormality("45,X", "sex", 12, {"XX": {"X": -1}, "XY": {"Y": -1}}),
        Abnormality("47,XXX", "sex", 5, {"XX": {"X": 1}}),
        Abnormality("47,XXY", "sex", 8, {"XY": {"X": 1}}),
        Abnormality("47,XYY", "sex", 5, {"XY": {"Y": 1}}),
        Abnormality("48,XXYY", "sex", 0.5, {"XY": {"X": 1, "Y": 1}}),
        Abnormality("48,XXXX", "sex", 0.2, {"XX": {"X": 2}}),
        Abnormality("69,XXX", "ploidy", 2, {"XX": {**_SET, "X": 1}}),
        Abnormality("69,XXY", "ploidy", 3, {"XY": {**_SET, "X": 1}}),
        Abnormality("69,XYY", "ploidy", 0.5, {"XY": {**_SET, "Y": 1}}),
        Abnormality("+mar", "marker", 6, _of_any_cell({MARKER: 1})),
        Abnormality("+2mar", "marker", 0.5, _of_any_cell({MARKER: 2})),
        Abnormality("+18,+21", "double", 0.4, _of_any_cell({"18": 1, "21": 1})),
        Abnormality("+13,+21", "double", 0.3, _of_any_cell({"13": 1, "21": 1})),
        Abnormality("48,XXX,+21", "double", 0.3, {"XX": {"X": 1, "21": 1}}),
        Abnormality("48,XXY,+21", "double", 0.5, {"XY": {"X": 1, "21": 1}}),
        Abnormality("48,XXX,+18", "double", 0.3, {"XX": {"X": 1, "18": 1}}),
        Abnormality(
            "46,X,+21", "double", 0.2, {"XX": {"X": -1, "21": 1}, "XY": {"Y": -1, "21": 1}}
        ),
    ]
    for name in AUTOSOMES:
        gain, loss = _GAIN_WEIGHT.get(name, 0.7), _LOSS_WEIGHT.get(name, 0.4)
        entries.append(Abnormality(f"+{name}", "gain", gain, _of_any_cell({name: 1})))
        entries.append(Abnormality(f"-{name}", "loss", loss, _of_any_cell({name: -1})))
    return {entry.name: entry for entry in entries}


ABNORMALITIES: dict[str, Abnormality] = _table()
"""Name -> abnormality. Weights follow what laboratories meet before and after birth, roughly:
trisomies 21, 18, 13 and sex chromosomes first; rare gains and losses keep "any" possible."""


def recipe_for(name: str, sex: str) -> Mapping[str, int]:
    """Return {class: change} of the abnormality `name` in a cell with these sex chromosomes.

    ScreeningError for an unknown name or one that cannot be made from such a cell.
    """
    possible_sexes([name])
    recipes = ABNORMALITIES[name].recipes
    if sex not in recipes:
        raise ScreeningError(
            f"{name} can be simulated in a {' or '.join(recipes)} cell, received {sex or 'no'} "
            "sex chromosomes; choose another cell or abnormality"
        )
    return recipes[sex]


def possible_sexes(names: Collection[str]) -> tuple[str, ...]:
    """Return which of "XX" and "XY" cells can have one of the abnormalities; both for no names.

    ScreeningError that lists every unknown name.
    """
    unknown = [name for name in names if name not in ABNORMALITIES]
    if unknown:
        raise ScreeningError(
            f"expected abnormalities of {'  '.join(ABNORMALITIES)}, received {', '.join(unknown)}"
        )
    return tuple(s for s in SEXES if not names or any(s in ABNORMALITIES[n].recipes for n in names))


def random_abnormality(
    rng: np.random.Generator, sex: str | None = None, names: Collection[str] = ()
) -> str:
    """Return the name of an abnormality, drawn by weight.

    Only those that a cell of `sex` ("XX", "XY") can have, and only of `names` where given.
    ScreeningError when none is left.
    """
    possible_sexes(names)
    entries = [
        entry
        for entry in ABNORMALITIES.values()
        if (sex is None or sex in entry.recipes) and (not names or entry.name in names)
    ]
    if not entries:
        raise ScreeningError(f"none of {', '.join(names)} can be simulated in a {sex} cell")
    weights = np.array([entry.weight for entry in entries])
    return entries[rng.choice(len(entries), p=weights / weights.sum())].name

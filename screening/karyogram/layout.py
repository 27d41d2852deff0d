"""The layouts of a karyogram (which class stands in which row) and where centromeres are: data."""

from __future__ import annotations

from screening.classes import DENVER_GROUPS

_A, _B, _D, _E, _F = (DENVER_GROUPS[letter] for letter in "ABDEF")
_C = ("6", "7", "8", "9", "10", "11", "12")
_G = ("21", "22")
_SEX = ("X", "Y")

LAYOUTS: dict[str, tuple[tuple[tuple[str, ...], ...], ...]] = {
    "clinical": ((_A, _B), (_C,), (_D, _E), (_F, _G, _SEX)),
    "even": (((*_A, *_B),), (_C,), ((*_D, *_E),), ((*_F, *_G, *_SEX),)),
    "five": ((_A, _B), (_C,), (_D, _E), (_F, _G), (_SEX,)),
    "sex-with-c": ((_A, _B), ((*_C, *_SEX),), (_D, _E), (_F, _G)),
    "six": ((_A,), (_B, ("6", "7", "8")), (("9", "10", "11", "12"),), (_D, _E), (_F, _G), (_SEX,)),
}
"""Name -> rows -> blocks -> classes. Every layout holds each of the 24 classes once."""

CENTROMERE: dict[str, float] = {
    "1": 0.50, "2": 0.39, "3": 0.47, "4": 0.27, "5": 0.27, "6": 0.36, "7": 0.38, "8": 0.32,
    "9": 0.34, "10": 0.31, "11": 0.40, "12": 0.27, "13": 0.17, "14": 0.18, "15": 0.19, "16": 0.41,
    "17": 0.34, "18": 0.26, "19": 0.46, "20": 0.45, "21": 0.29, "22": 0.30, "X": 0.38, "Y": 0.26,
    "mar": 0.50,
}  # fmt: skip
"""Centromeric index: short arm as a fraction of the whole (Paris Conference 1971, rounded)."""

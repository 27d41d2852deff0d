"""The words of the tool, pure data: labels, routes, and the 24 chromosome classes with their sizes.

Relative lengths are the percentages of the haploid autosome length per chromosome of the Paris
Conference (1971) standard, as printed in every ISCN edition (X and Y against the same autosomes).
"""

from __future__ import annotations

from typing import Final

NORMAL = "normal"
ABNORMAL = "abnormal"
LABELS = (NORMAL, ABNORMAL)
"""Class 0 and class 1 of the screener: abnormal is the positive class."""

OK, REJECTED, FAILED = STATUSES = ("ok", "rejected", "failed")
"""What became of a picture: judged; read but no karyogram to be judged; not read at all."""
FLAG, REVIEW, LOW_PRIORITY = ROUTES = ("flag", "review", "low-priority")
"""Where a picture goes in the work list, most urgent first."""

ENGINES = ("auto", "tensorflow", "onnxruntime", "int8")
"""What may run the networks, see `predict.engine`."""

CALIBRATED, VOTES = RULES = ("calibrated", "votes")
"""Whose confidence decides, see `triage.rule`."""

NUMERICAL: Final = "numerical"
LABELLED: Final = "labelled"
"""What abnormal means: gains and losses of whole chromosomes, or whatever the labels called so."""

AUTOSOMES = tuple(str(n) for n in range(1, 23))
CHROMOSOMES = (*AUTOSOMES, "X", "Y")
MARKER = "mar"
"""ISCN's name for a structurally abnormal chromosome that cannot be identified."""

NOT_A_CHROMOSOME = "?"
"""Name of what reads as none of the classes: print, a cluster, a fragment."""
NOT_A_CHROMOSOME_INDEX = len(CHROMOSOMES)
"""Index of that answer behind the 24 classes of the classifier."""

DENVER_GROUPS: dict[str, tuple[str, ...]] = {
    "A": ("1", "2", "3"),
    "B": ("4", "5"),
    "C": ("6", "7", "8", "9", "10", "11", "12", "X"),
    "D": ("13", "14", "15"),
    "E": ("16", "17", "18"),
    "F": ("19", "20"),
    "G": ("21", "22", "Y"),
}

RELATIVE_LENGTH: dict[str, float] = {
    "1": 8.44, "2": 8.02, "3": 6.83, "4": 6.30, "5": 6.08, "6": 5.90, "7": 5.36, "8": 4.93,
    "9": 4.80, "10": 4.59, "11": 4.61, "12": 4.66, "13": 3.74, "14": 3.56, "15": 3.46,
    "16": 3.36, "17": 3.25, "18": 2.93, "19": 2.67, "20": 2.56, "21": 1.90, "22": 2.04,
    "X": 5.12, "Y": 2.15,
}  # fmt: skip
"""Length of each chromosome in percent of the summed length of the 22 autosomes."""

_INDEX = {name: index for index, name in enumerate(CHROMOSOMES)}


def class_index(name: str) -> int:
    """Return 0…23 for the chromosome `name` ("1"…"22", "X", "Y"); ValueError for another name."""
    if name not in _INDEX:
        raise ValueError(f"expected a chromosome name 1…22, X or Y, received {name!r}")
    return _INDEX[name]

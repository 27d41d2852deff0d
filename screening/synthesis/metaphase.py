"""A cell as a set of chromosome pictures: what is composed, simulated and drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from screening.classes import ABNORMAL, AUTOSOMES, CHROMOSOMES, MARKER, NORMAL, RELATIVE_LENGTH
from screening.iscn import karyotype


@dataclass(frozen=True, eq=False)
class Chromosome:
    """One chromosome: a cropped upright picture, its class and where the picture came from.

    `image`: uint8 (h, w), dark ink on white 255, p arm up. `name`: "1"…"22", "X", "Y" or "mar".
    `origin`: unique identifier of the original picture; a re-sampled one appends "~". `derived`:
    ISCN name of a rearranged chromosome, "der(9)" or "del(5)(q13q33)"; `name` is then the class of
    its centromere, under which it stands.
    """

    image: np.ndarray
    name: str
    origin: str
    derived: str = ""

    def __post_init__(self) -> None:
        if self.name not in CHROMOSOMES and self.name != MARKER:
            raise ValueError(f"expected a chromosome 1…22, X, Y or mar, received {self.name!r}")
        if self.image.ndim != 2 or self.image.dtype != np.uint8 or self.image.size == 0:
            raise ValueError(
                "expected a grey uint8 picture (h, w), received "
                f"{self.image.dtype} {self.image.shape} for {self.origin}"
            )

    @property
    def resampled(self) -> bool:
        """Return whether the picture was made from another one by `resample`."""
        return "~" in self.origin


@dataclass(frozen=True, eq=False)
class Metaphase:
    """The chromosomes of one metaphase with the source, case (person) and cell they belong to.

    `structural`: its structural abnormalities in ISCN, such as ("t(9;22)(q34;q11.2)",).
    """

    chromosomes: tuple[Chromosome, ...]
    source: str
    case: str
    cell: str
    structural: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Return how many chromosomes of each class (and of "mar") stand in the cell."""
        found = Counter(chromosome.name for chromosome in self.chromosomes)
        return {name: found.get(name, 0) for name in (*CHROMOSOMES, MARKER)}

    @property
    def sex(self) -> str:
        """Return the sex chromosomes, "XX", "XY", "X", "XXY"…"""
        counts = self.counts()
        return "X" * counts["X"] + "Y" * counts["Y"]

    @property
    def iscn(self) -> str:
        """Return the ISCN string of the counts and the structural abnormalities."""
        counts = self.counts()
        return karyotype(
            {name: counts[name] for name in CHROMOSOMES}, counts[MARKER], self.structural
        )

    @property
    def label(self) -> str:
        """Return "normal" for 46,XX and 46,XY without a structural abnormality, else "abnormal"."""
        counts = self.counts()
        two_each = all(counts[name] == 2 for name in AUTOSOMES) and not counts[MARKER]
        usual = two_each and self.sex in ("XX", "XY") and not self.structural
        return NORMAL if usual else ABNORMAL


def length_unit(chromosomes: Sequence[Chromosome]) -> float:
    """Return the cell's scale: pixels of height per percent of relative length (1.0 if unknown).

    The 70th percentile over the autosomes, since bends only ever shorten the height; one extra or
    missing chromosome hardly moves it.
    """
    known = [c for c in chromosomes if c.name in CHROMOSOMES]
    chosen = [c for c in known if c.name in AUTOSOMES] or known
    ratios = [c.image.shape[0] / RELATIVE_LENGTH[c.name] for c in chosen]
    return float(np.percentile(ratios, 70)) if ratios else 1.0

"""Pages of known chromosomes for the tests of the reading: boxes, rows, a classifier's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from screening.classes import AUTOSOMES, CHROMOSOMES, RELATIVE_LENGTH, class_index
from screening.evidence.slots import Page

ROWS = (
    (*AUTOSOMES[:5],), (*AUTOSOMES[5:12],), (*AUTOSOMES[12:18],), (*AUTOSOMES[18:], "X", "Y"),
)  # fmt: skip
C_ROWS = ((*AUTOSOMES[:5],), (*AUTOSOMES[5:12], "X"), (*AUTOSOMES[12:18],),
          (*AUTOSOMES[18:], "Y"))  # fmt: skip


def chromosomes(change: str = "", sex: str = "XX") -> list[str]:
    """The chromosomes of a cell in the order of their slots; `change` such as "+21 -7 +mar"."""
    names = [name for name in AUTOSOMES for _ in range(2)] + list(sex)
    for one in change.split():
        sign, name = one[0], one[1:]
        if sign == "+":
            names.append(name)
        else:
            names.remove(name)
    return names


@dataclass(frozen=True, eq=False)
class Drawn:
    """A page, its objects' names and lengths in percent; `slots`: where each of them stands."""

    page: Page
    names: tuple[str, ...]
    slots: tuple[str, ...]
    lengths: np.ndarray

    def part(self, keep: np.ndarray) -> Drawn:
        """The page with only the objects of the bool array."""
        groups = self.page.groups
        page = Page(
            self.page.boxes[keep],
            self.page.rows[keep],
            None if groups is None else groups[keep],
        )
        at = np.flatnonzero(keep)
        return Drawn(
            page,
            tuple(self.names[i] for i in at),
            tuple(self.slots[i] for i in at),
            self.lengths[keep],
        )


def draw(
    names: Sequence[str],
    rows: Sequence[Sequence[str]] = ROWS,
    slots: Sequence[str] | None = None,
    groups: bool = True,
) -> Drawn:
    """A page with each chromosome in its own slot, or in `slots`; markers after the last."""
    slots = list(slots or names)
    boxes, row_of, group_of, order = [], [], [], []
    for r, row in enumerate((*rows[:-1], (*rows[-1], "mar"))):
        x = 20.0
        for s, slot in enumerate(row):
            for i in [i for i, own in enumerate(slots) if own == slot]:
                height = 30 * RELATIVE_LENGTH.get(names[i], 1.5)
                boxes.append([x, 400 * (r + 1) - height, 30, height])
                order.append(i)
                row_of.append(r)
                group_of.append(100 * r + s)
                x += 38
            x += 60
    drawn = Page(
        np.array(boxes).reshape(-1, 4),
        np.array(row_of, int),
        np.array(group_of, int) if groups else None,
    )
    told = [names[i] for i in order]
    lengths = np.array([RELATIVE_LENGTH.get(name, 1.5) for name in told])
    return Drawn(drawn, tuple(told), tuple(slots[i] for i in order), lengths)


def say(names: Sequence[str], accuracy: float = 1.0, seed: int = 0) -> np.ndarray:
    """What a classifier says, (n, 25): sure of itself, right in a share `accuracy` of chromosomes.

    Errors are chromosomes of like length. What is no class is "not one chromosome".
    """
    rng = np.random.default_rng(seed)
    length = np.array([RELATIVE_LENGTH[name] for name in CHROMOSOMES])
    p = np.full((len(names), 25), 1e-3)
    wrong = set(rng.permutation(len(names))[: round((1 - accuracy) * len(names))])
    for i, name in enumerate(names):
        if name not in CHROMOSOMES:
            p[i, 24] = 1.0
            continue
        own = class_index(name)
        if i in wrong:
            near = np.exp(-np.abs(length - length[own]) / 0.4)
            near[own] = 0
            p[i, rng.choice(24, p=near / near.sum())] = 1.0
        else:
            p[i, own] = 1.0
    return p / p.sum(1, keepdims=True)

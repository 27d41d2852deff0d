"""Changes of single chromosomes inside their slots: small rotation, mirror, swap of homologs.

What Chu (KTH 2020) names as future work. Order and position carry meaning in a karyogram, so no
chromosome leaves its slot; which arm is up is part of a class, so none is turned upside down.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from screening.images.ink import ink_window
from screening.images.page import Page
from screening.karyogram.locate import Locator

PAPER = 255
INK = 235
"""Darker than this is ink."""


@dataclass(frozen=True)
class Placed:
    """One chromosome's tight box in pixels of the page, and the name of its slot."""

    x: int
    y: int
    w: int
    h: int
    slot: str

    def meets(self, other: Placed) -> bool:
        """Return whether the boxes overlap or touch."""
        apart_x = self.x + self.w < other.x or other.x + other.w < self.x
        apart_y = self.y + self.h < other.y or other.y + other.h < self.y
        return not (apart_x or apart_y)


@dataclass(frozen=True)
class SlotChanges:
    """How much is changed: largest `rotation` in degrees, shares that are mirrored and swapped."""

    rotation: float = 4.0
    mirror: float = 0.5
    swap: float = 0.5


def augment_slots(
    page: np.ndarray,
    placed: Sequence[Placed],
    rng: np.random.Generator,
    changes: SlotChanges = SlotChanges(),
) -> np.ndarray:
    """Return a changed copy of `page`, uint8 (h, w), dark chromosomes on paper 255.

    Chromosomes whose boxes meet another one's stay as they are: cutting them apart would draw
    outlines that no microscope shows. A change that would touch other ink is not made.
    """
    out = page.copy()
    alone = [one for one in placed if not any(one is not o and one.meets(o) for o in placed)]
    slots: dict[str, list[Placed]] = defaultdict(list)
    for one in alone:
        slots[one.slot].append(one)
    for slot in slots.values():
        pictures = [page[one.y : one.y + one.h, one.x : one.x + one.w].copy() for one in slot]
        places = list(range(len(slot)))
        if len(slot) > 1 and rng.random() < changes.swap:
            a, b = rng.choice(len(slot), 2, replace=False)
            places[a], places[b] = places[b], places[a]
        changed = [_changed(picture, rng, changes) for picture in pictures]
        _redraw(out, slot, pictures, changed, places)
    return out


def boxes_beside(manifest: Path) -> dict[str, list[Placed]]:
    """Return path in the manifest -> chromosomes, from the truth.jsonl of `compose` or `simulate`.

    Empty where there is no such file: the chromosomes must then be located.
    """
    folder = manifest if manifest.is_dir() else manifest.parent
    truth = folder / "truth.jsonl"
    if not truth.is_file():
        return {}
    found = {}
    for line in truth.read_text("utf-8").splitlines():
        row = json.loads(line)
        found[row["path"]] = [
            Placed(b["x"], b["y"], b["w"], b["h"], b["slot"]) for b in row["boxes"]
        ]
    return found


def located(paper: np.ndarray, locator: Locator) -> list[Placed]:
    """Return the chromosomes found on a normalised page, each group of neighbours as one slot."""
    return [
        Placed(f.x, f.y, f.w, f.h, str(f.group)) for f in locator.locate(Page(paper)).chromosomes
    ]


def _changed(picture: np.ndarray, rng: np.random.Generator, changes: SlotChanges) -> np.ndarray:
    angle = rng.uniform(-changes.rotation, changes.rotation)
    if rng.random() < changes.mirror:
        picture = np.ascontiguousarray(picture[:, ::-1])
    if abs(angle) < 0.25:  # less than a pixel at the ends: only blur
        return picture
    h, w = picture.shape
    turn = np.deg2rad(abs(angle))
    wide = int(np.ceil(w * np.cos(turn) + h * np.sin(turn)))
    high = int(np.ceil(h * np.cos(turn) + w * np.sin(turn)))
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), angle, 1.0)
    matrix[:, 2] += ((wide - w) / 2, (high - h) / 2)
    turned = cv2.warpAffine(
        picture, matrix, (wide, high), flags=cv2.INTER_LINEAR, borderValue=PAPER
    )
    window = ink_window(turned < INK)
    return picture if window is None else turned[window]


def _redraw(
    out: np.ndarray,
    slot: Sequence[Placed],
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
    places: Sequence[int],
) -> None:
    """Put the changed pictures at their new places, in place; all of them or none of a slot."""
    window = out.copy()
    for one in slot:
        window[one.y : one.y + one.h, one.x : one.x + one.w] = PAPER
    for source, picture in enumerate(after):
        target = slot[places[source]]
        h, w = picture.shape
        # Feet stay on their line, as they stand on it in print.
        top, left = target.y + target.h - h, round(target.x + (target.w - w) / 2)
        if top < 0 or left < 0 or top + h > out.shape[0] or left + w > out.shape[1]:
            return
        under = window[top : top + h, left : left + w]
        if np.any((under < INK) & (picture < INK)):
            return
        np.minimum(under, picture, out=under)
    out[:] = window

"""How strongly each object of a page speaks for each thing it can be: its looks times its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from screening.evidence.assignment import CLASSES, MARKER_INDEX, NOTHING, OPTIONS, PAIRS
from screening.evidence.likelihood import Likelihood, misplacement
from screening.evidence.slots import OUTSIDE, Page, Slots
from screening.reading_settings import Placement, Rates


def with_print(
    seen: Likelihood, p: np.ndarray, page: Page, rates: Rates, placement: Placement
) -> Likelihood:
    """Return the likelihoods with printed letters allowed for.

    Print comes in numbers: where several small objects read as "not one chromosome", such objects
    are common on this page. A single one may be a marker, so that nothing is concluded from it.
    """
    none = p[:, CLASSES] > p[:, :CLASSES].max(axis=1, initial=0.0)
    small = none & _small(page, placement)
    if small.sum() < placement.fewest_print:
        return seen
    return replace(
        seen,
        classes=np.where(small[:, None], placement.print_as_chromosome, 1.0) * seen.classes,
        other=np.where(small, 1 + small.sum() / rates.litter, 1.0) * seen.other,
    )


def _small(page: Page, placement: Placement) -> np.ndarray:
    """Bool (n,): boxes too small for a chromosome 21 or Y of this page."""
    area = page.boxes[:, 2] * page.boxes[:, 3]
    return area < placement.small * (np.median(area) if len(area) else 0)


def object_weights(
    seen: Likelihood, slots: Slots, rates: Rates, page: Page, placement: Placement
) -> np.ndarray:
    """Return the weights (…, n, 50) of the options of `assignment.OPTIONS`.

    The place counts as much as the page's layout is believed: on a page that does not follow the
    order of a karyogram the looks are alone.
    """
    around = slots.score * slots.around + (1 - slots.score) / (OUTSIDE + 1)
    inside, end = around[:, :OUTSIDE], around[:, OUTSIDE:]
    elsewhere = inside @ misplacement(rates.confusion).T + placement.stray_at_end * end
    weights = np.empty((*seen.other.shape, OPTIONS))
    weights[..., :CLASSES] = seen.classes * (
        (1 - rates.misplaced) * inside + rates.misplaced * elsewhere
    )
    at_end = placement.marker_at_end
    anywhere = (1 - at_end) / CLASSES * inside.sum(1) + at_end * end[:, 0]
    weights[..., MARKER_INDEX] = seen.marker * anywhere
    weights[..., NOTHING] = rates.litter / 46 * seen.other
    width = page.boxes[:, 2] / max(float(np.median(page.boxes[:, 2])), 1e-9) if len(inside) else 0
    merged = rates.merged * np.clip(
        placement.per_width ** (width - placement.wide), *placement.merged
    )
    weights[..., PAIRS:] = (merged * ~_small(page, placement) * seen.other)[..., None] * inside
    return weights + 1e-300


def held_to(weights: np.ndarray, held: Mapping[int, int]) -> np.ndarray:
    """Return weights (n, 50) in which the objects in `held` can be nothing but what a person says:
    the option, a column of `assignment.OPTIONS`, of each object's number."""
    if not held:
        return weights
    weights = weights.copy()
    for number, option in held.items():
        weights[number] = 1e-300
        weights[number, option] = 1.0
    return weights


def tilted(weights: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return what each object is, (n, 26): 24 classes, marker, nothing; rows of sum 1.

    The weights of the classes are scaled until their sums over the page are the `expected` counts
    (25,) (iterative proportional fitting), so that an object that looks alike two classes is taken
    for the one of which a chromosome is missing otherwise.
    """
    scale = np.ones(CLASSES + 1)
    q = np.zeros_like(weights)
    for _ in range(12):
        q[:] = weights
        q[:, : CLASSES + 1] *= scale
        q[:, PAIRS:] *= scale[:CLASSES] ** 2
        q /= q.sum(1, keepdims=True)
        total = q[:, : CLASSES + 1].sum(0)
        total[:CLASSES] += 2 * q[:, PAIRS:].sum(0)
        scale = np.clip(scale * (expected + 1e-3) / (total + 1e-3), 1e-6, 1e6)
    one = q[:, :PAIRS].copy()
    one[:, :CLASSES] += q[:, PAIRS:]
    return one

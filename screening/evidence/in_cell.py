"""The classes of one cell's chromosomes from their looks and company alone, without any page.

A cell has two of most classes: a chromosome that looks alike two classes is the one of which a
homolog is missing otherwise. All complements stay possible (`karyotypes`), so that a trisomy is not
forced into pairs.
"""

from __future__ import annotations

import numpy as np

from screening.evidence.assignment import CLASSES, MARKER_INDEX
from screening.evidence.likelihood import likelihood
from screening.evidence.reading import posterior_of
from screening.evidence.slots import OUTSIDE, UNORDERED, Page, Slots
from screening.evidence.weights import object_weights, tilted
from screening.reading_settings import ReadingSettings


def classes_in_cell(p: np.ndarray, settings: ReadingSettings) -> np.ndarray:
    """Return (n, 25) probabilities of the classes and of "not one chromosome", given the company.

    `p` (n, 25): what the classifier says of the n chromosomes of one cell. Returned unchanged when
    n cannot be a whole cell.
    """
    n = len(p)
    if not settings.conclusions.fewest <= n <= settings.conclusions.most:
        return np.asarray(p)
    flat = np.full((n, OUTSIDE + 1), 1 / (OUTSIDE + 1))
    page = Page(np.tile([0.0, 0.0, 1.0, 3.0], (n, 1)), np.zeros(n, np.int64))
    nowhere = Slots(flat, flat, 0.0, UNORDERED)
    seen = likelihood(p, settings.rates)
    weights = object_weights(seen, nowhere, settings.rates, page, settings.placement)
    counts, posterior = posterior_of(weights, settings)
    q = tilted(weights, posterior[:, 0] @ counts)
    return np.c_[q[:, :CLASSES], q[:, MARKER_INDEX:].sum(1)]

"""The scales of single chromosomes of which nobody says where they come from.

Pictures of one laboratory and microscope lie at one scale, a folder may hold those of several.
Where a chromosome's length over that of its class and its width form groups, each has a scale of
its own: a mixture of Gaussians, as many as the Bayesian information criterion asks for (Schwarz
1978).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from screening.classes import RELATIVE_LENGTH
from screening.karyogram.axis import MedialAxis
from screening.karyogram.axis_quality import median
from screening.karyogram.strip import scale_of

FEWEST = 20
MOST_SPREAD = 0.135
"""From so many pictures on, and up to so large a median deviation of the logarithms of their
lengths over those of their classes, a group is at one scale."""

_MOST_GROUPS = 6
_LOOKED_AT = 4000
"""So many pictures tell the groups; fitting more takes long and says the same."""

Scale = tuple[float, float]


def scales_of(names: Sequence[str], axes: Sequence[MedialAxis]) -> list[Scale | None]:
    """Return the scale, as `karyogram.strip.scale_of`, of each of n chromosomes: of class `name`
    with this axis. None where it is not known, since too few others are like it or they disagree.
    """
    from scipy.stats import median_abs_deviation  # slow: not for a first page

    found: list[Scale | None] = [None] * len(names)
    if len(names) < FEWEST:
        return found
    lengths = [np.log(a.length / RELATIVE_LENGTH[n]) for n, a in zip(names, axes, strict=True)]
    widths = [np.log(max(median(a.width), 0.5)) for a in axes]
    seen = np.column_stack([lengths, widths])
    groups = _groups(seen)
    for group in range(int(groups.max()) + 1):
        at = np.flatnonzero(groups == group)
        if len(at) < FEWEST or median_abs_deviation(seen[at, 0]) > MOST_SPREAD:
            continue
        scale = scale_of([names[i] for i in at.tolist()], [axes[i] for i in at.tolist()])
        for i in at.tolist():
            found[i] = scale
    return found


def _groups(seen: np.ndarray) -> np.ndarray:
    """The number of the group of each row of (n, 2)."""
    from sklearn.mixture import GaussianMixture  # slow: only where single pictures are compared

    rng = np.random.default_rng(0)
    some = seen if len(seen) <= _LOOKED_AT else rng.choice(seen, _LOOKED_AT, replace=False)
    # Copies of a picture make no group, and have no variance: hence the regularisation.
    most = min(_MOST_GROUPS, max(1, len(np.unique(some, axis=0)) // FEWEST))
    fitted = [
        GaussianMixture(count, n_init=3, random_state=0, reg_covar=1e-3).fit(some)
        for count in range(1, most + 1)
    ]
    best = min(fitted, key=lambda mixture: mixture.bic(some))
    return best.predict(seen)

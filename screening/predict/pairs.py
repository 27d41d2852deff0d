"""What the network of structure says of pairs of homologs; NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class PairsSaid:
    """What the network says of m pairs; log-odds of a change are natural logarithms.

    `each` float32 (passes, m): of either strip, by dropout pass; `single` (m, 2): of each strip by
    itself; `rows` (m, 2, steps): of each row; `places` float32 (m, 2, steps, 24, parts): log
    probabilities of the class and the place that a row shows; `inked` bool (m, 2, steps);
    `quality` (m, 2, QUALITY): the numbers beside each strip, see `karyogram.strip.CellStrips`.
    """

    each: np.ndarray
    single: np.ndarray
    rows: np.ndarray
    places: np.ndarray
    inked: np.ndarray
    quality: np.ndarray

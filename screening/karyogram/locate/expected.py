"""How large a chromosome is expected to be where a region stands: neighbours in a row are alike."""

from __future__ import annotations

import numpy as np

from screening.karyogram.locate.regions import Graph, N
from screening.karyogram.locate.segments import WORK_WIDTH

_REACH = 8.0 * WORK_WIDTH  # px: how far a neighbour's word carries


def expected_areas(graph: Graph, part: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Return float (r,): area in pixels of a chromosome at each region, nan without neighbours.

    `part` int (r,): the present pieces; `apart` int (r,): the object each region is part of. The
    weighted median of the pieces of other objects beside it in its row; near ones count more.
    """
    pieces = graph.joined(part)
    owner = np.zeros(len(pieces.peak), np.int64)
    owner[part] = apart
    box = pieces.box
    log_area = np.log(pieces.sums[:, N])
    order = np.argsort(log_area)
    box, log_area, owner = box[order], log_area[order], owner[order]
    middle = (box[:, 0] + box[:, 2]) / 2
    objects, index = np.unique(apart, return_inverse=True)
    whole = graph.joined(index).box
    out = np.full(len(objects), np.nan)
    for k, (x0, y0, x1, y1) in enumerate(whole):
        overlap = np.minimum(box[:, 3], y1) - np.maximum(box[:, 1], y0)
        beside = overlap > 0.5 * np.minimum(box[:, 3] - box[:, 1], y1 - y0)
        beside &= owner != objects[k]
        if beside.any():
            distance = np.abs(middle[beside] - (x0 + x1) / 2)
            total = np.cumsum(np.exp(-distance / _REACH))
            at = int(np.searchsorted(total, total[-1] / 2))
            out[k] = np.exp(log_area[beside][at])
    return out[index]

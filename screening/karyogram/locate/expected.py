"""How large a chromosome is expected to be where a piece stands: neighbours in a row are alike."""

from __future__ import annotations

import numpy as np

from screening.karyogram.locate.objects import Piece

_REACH = 8.0  # widths: how far a neighbour's word carries


def expected_areas(pieces: list[Piece], parts: list[list[Piece]], unit: float) -> np.ndarray:
    """Return float (n,): area in pixels of a chromosome at each piece, nan without neighbours.

    `parts`: each piece's present cutting. The weighted median of what other pieces beside it in
    its row are cut into; near ones count more.
    """
    flat = [(i, part) for i, own in enumerate(parts) for part in own]
    owner = np.array([i for i, _ in flat])
    x, y, w, h, area = np.array([(p.x, p.y, p.w, p.h, p.area) for _, p in flat], np.float64).T
    log_area = np.log(area)
    out = np.full(len(pieces), np.nan)
    for i, piece in enumerate(pieces):
        overlap = np.minimum(y + h, piece.y + piece.h) - np.maximum(y, piece.y)
        beside = (overlap > 0.5 * np.minimum(h, piece.h)) & (owner != i)
        if not beside.any():
            continue
        distance = np.abs(x[beside] + w[beside] / 2 - piece.x - piece.w / 2)
        weight = np.exp(-distance / (_REACH * unit))
        values = log_area[beside]
        order = np.argsort(values)
        total = np.cumsum(weight[order])
        out[i] = np.exp(values[order][int(np.searchsorted(total, total[-1] / 2))])
    return out

"""Where the ink of a picture lies, and the picture without the paper around it."""

from __future__ import annotations

import numpy as np


def ink_window(ink: np.ndarray) -> tuple[slice, slice] | None:
    """Return the rows and columns of the smallest window that holds all of a mask (h, w).

    None when the mask is empty.
    """
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not rows.size:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def crop_to_ink(grey: np.ndarray, paper: int) -> np.ndarray:
    """Return the smallest crop of uint8 (h, w) that holds every pixel darker than `paper`.

    A blank picture gives an array (0, 0). The result owns its memory, so that a small chromosome
    does not keep its large canvas alive.
    """
    window = ink_window(grey < paper)
    return np.empty((0, 0), np.uint8) if window is None else grey[window].copy()

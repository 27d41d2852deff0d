"""How soft a page's chromosomes are: what one more blur takes from their bands.

A sharp picture loses its fine steps to a small blur, one that was blurred before has none to lose
(the re-blurring idea of Crete et al. 2007, "The blur effect", SPIE 6492). Judged inside the
chromosomes, since their outline may be a publisher's mask, and at a width of a few pixels, so that
it is the same for every resolution of a page.
"""

from __future__ import annotations

import cv2
import numpy as np

from screening.karyogram.locate import Located

_WIDTH = 16
"""Pixels to which the chromosomes' width is brought."""
_BLUR = 1.0
"""Standard deviation of the blur, in those pixels."""
_RIM = 3
"""Pixels of them at the outline that are not judged."""


def softness(paper: np.ndarray, found: Located) -> float:
    """Return which part (about 0.5–1) of the steps along the chromosomes is left by one more blur.

    `paper`: uint8 (h, w), ink dark on 255; the chromosomes stand, as in a karyogram. 0 when none of
    them is thick enough.
    """
    if not found.chromosomes:
        return 0.0
    mask = np.zeros(paper.shape, np.uint8)
    for one in found.chromosomes:
        mask[one.y : one.y + one.h, one.x : one.x + one.w][one.mask] = 1
    scale = _WIDTH / max(found.chromosome_width, 1.0)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(paper, None, fx=scale, fy=scale, interpolation=how).astype(np.float32)
    mask = cv2.resize(mask, small.shape[::-1], interpolation=cv2.INTER_NEAREST)
    side = 2 * _RIM + 1
    inside = cv2.erode(mask, np.ones((side, side), np.uint8), borderValue=0)[1:] > 0
    before, after = (
        float(np.abs(np.diff(grey, axis=0))[inside].sum())
        for grey in (small, cv2.GaussianBlur(small, (0, 0), _BLUR))
    )
    return after / before if before else 0.0

"""How probable it is that a possible cut runs between two chromosomes: a stored logistic model.

Fitted on composed karyograms of training patients (`scripts/measure_locate.py --fit`). It sees
only numbers relative to the page's typical chromosome width and to what stands beside the piece in
its row, so that neither resolution nor laboratory matter.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

import numpy as np

from screening.karyogram.locate.cuts import SHAPE, Cut

FEATURES = (*SHAPE, "log_least", "log_whole", "whole_of_expected", "least_of_expected",
            "most_of_expected")  # fmt: skip
_LOGARITHMIC = 2  # the first two of SHAPE


def features(cut: Cut, unit: float, expected: float) -> np.ndarray:
    """Return float (len(FEATURES),) of a cut; `expected`: area in pixels of a chromosome that
    stands here, nan when unknown."""
    shape = cut.shape.copy()
    shape[:_LOGARITHMIC] = np.log(shape[:_LOGARITHMIC] + 0.05)
    areas = sorted((cut.first.area, cut.second.area))
    whole = sum(areas)
    size = np.log([areas[0] / unit**2, whole / unit**2])
    relative = np.log(np.array([whole, areas[0], areas[1]]) / expected)
    return np.concatenate([shape, size, np.nan_to_num(relative)])


def log_odds(cuts: list[Cut], unit: float, expected: float) -> np.ndarray:
    """Return float (n,): log odds that each cut runs between two chromosomes."""
    if not cuts:
        return np.zeros(0)
    weights, intercept = _model(np.isfinite(expected))
    return np.stack([features(cut, unit, expected) for cut in cuts]) @ weights + intercept


@lru_cache(maxsize=2)
def _model(with_area: bool) -> tuple[np.ndarray, float]:
    text = files("screening.karyogram.locate").joinpath("arbiter.json").read_text("utf-8")
    stored = json.loads(text)["with area" if with_area else "shape alone"]
    weights = np.array([stored["weights"].get(name, 0.0) for name in FEATURES])
    return weights, float(stored["intercept"])

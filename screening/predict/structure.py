"""The bundle's reader of structure: what it says of the pairs of one cell, and of single ones.

The rows are read once; the head that judges a pair, where the dropout is, repeats (Gal & Ghahramani
2016).
"""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.special import log_softmax

from screening.classes import CHROMOSOMES
from screening.karyogram.strip import QUALITY, CellStrips
from screening.models.structure_outputs import DENSE, PAIR, PARTS, ROW, SINGLE, STEPS
from screening.predict.networks import Engine
from screening.predict.pairs import PairsSaid

_AT_ONCE = 24
"""Pairs of a run of the network: one shape, one compilation."""
_INKED = 20
"""Ink (0–255) from which a row of a strip shows a chromosome."""


class StructureReader:
    """A bundle's reader of structure, which `engine` runs, with `passes` Monte Carlo dropout
    passes.

    Same seed, bundle and strips: same answers. BundleError when the bundle has none.
    """

    def __init__(self, engine: Engine, passes: int = 100, seed: int = 0) -> None:
        self.passes = passes
        self._network = engine.structure(passes, seed)

    def read(self, strips: CellStrips, pairs: np.ndarray, classes: np.ndarray) -> PairsSaid:
        """Return what is said of the pairs int (m, 2) of places in `strips`; `classes` int (n,):
        index of the class of each strip, both of a pair the same. A single one makes a pair with
        itself."""
        count = len(pairs)
        found: dict[str, list[np.ndarray]] = {name: [] for name in (DENSE, ROW, SINGLE)}
        heard: list[np.ndarray] = []
        for first in range(0, count, _AT_ONCE):
            own = pairs[first : first + _AT_ONCE]
            padded = np.vstack([own, np.repeat(own[:1], _AT_ONCE - len(own), 0)])
            inputs = {
                "strips": strips.strips[padded].astype(np.float32),
                "quality": strips.quality[padded],
                "classes": classes[padded[:, 0]].astype(np.int32),
            }
            made = self._network.body(inputs)
            keys = [hashlib.sha256(strips.strips[two].tobytes()).digest() for two in own]
            heard.append(self._network.head.predict([made[PAIR][: len(own)]], keys))
            for name, kept in found.items():
                kept.append(made[name][: len(own)])
        if not count:
            none = np.zeros((0, 2, STEPS), np.float32)
            places = np.zeros((0, 2, STEPS, len(CHROMOSOMES), PARTS), np.float32)
            blank = np.zeros((self.passes, 0), np.float32)
            return PairsSaid(
                blank, none[..., 0], none, places, none > 0, np.zeros((0, 2, QUALITY), np.float32)
            )
        joined = {name: np.concatenate(parts) for name, parts in found.items()}
        inked = strips.strips[pairs].reshape(count, 2, STEPS, -1).max(-1) > _INKED
        places = log_softmax(joined[DENSE], -1)
        return PairsSaid(
            each=np.concatenate(heard).T,
            single=joined[SINGLE],
            rows=joined[ROW],
            places=places.reshape(count, 2, STEPS, len(CHROMOSOMES), PARTS),
            inked=inked,
            quality=strips.quality[pairs],
        )

"""What a bundle's networks do, whichever engine runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from screening.predict.attention import Attention


class Repeated(Protocol):
    """A network, or its head, in dropout passes."""

    def predict(
        self, given: Sequence[np.ndarray], keys: Sequence[int | str | bytes], /
    ) -> np.ndarray:
        """Return float32 (n, passes), or (n, passes, classes) for many outputs, for the `given`
        inputs (n, …); `keys`: one of each of the n, what its masks hang on."""
        ...


class ScreenerSaid(NamedTuple):
    """`p` of each pass, float32 (n, passes); `features` (n, m, m, c): the last map, which the head
    reads; `slots` (n, m, m, 3): logits of what is under each cell of it, see
    `models.screener.with_slots` (None: of a screener without)."""

    p: np.ndarray
    features: np.ndarray
    slots: np.ndarray | None


@dataclass(frozen=True)
class ScreenerNetwork:
    """The screener: `predict` takes images float32 (n, size, size, 3) and the key of each, and
    gives what it says of them; `attention` tells from the last map where it looked (None: its head
    is another than ours)."""

    predict: Callable[[np.ndarray, Sequence[int | str | bytes]], ScreenerSaid]
    attention: Attention | None


@dataclass(frozen=True)
class ClassifierNetwork:
    """The classifier in parts: `bands` and, for the pieces of one cell, `bands_in_cell` say what
    the convolutions see in images float32 (n, h, w, 1), (n, `width`); `quick` gives logits (n, 25)
    from those and the lengths without dropout, `head` in passes."""

    width: int
    bands: Callable[[np.ndarray], np.ndarray]
    bands_in_cell: Callable[[np.ndarray], np.ndarray]
    quick: Callable[[np.ndarray, np.ndarray], np.ndarray]
    head: Repeated


@dataclass(frozen=True)
class StructureNetwork:
    """The reader of structure in parts: `body` takes strips, quality and classes by name and gives
    its outputs by name, of which PAIR is what `head` reads, in passes."""

    body: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
    head: Repeated


class Engine(Protocol):
    """What runs a bundle's networks: its `name` and `version`, and the `device` in use, in words.
    `at_once`: pictures of a run of the screener, of those that come together."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def device(self) -> str: ...

    def at_once(self, batch_size: int) -> int: ...

    def screener(self, passes: int, seed: int) -> ScreenerNetwork: ...

    def classifier(self, passes: int, seed: int) -> ClassifierNetwork: ...

    def structure(self, passes: int, seed: int) -> StructureNetwork: ...

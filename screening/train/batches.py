"""Which pictures stand in which batch: a function of (seed, epoch) only.

Every batch has exactly the global size, so that each replica gets the same number of rows: the last
one is filled up with pictures from the start of the epoch, which weigh nothing in the loss. Empty
or uneven shards crash or bend BatchNormalization; filling up with real pictures does neither, and
the result does not hang on the number of replicas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Batch:
    """One global batch: `rows` of the pictures, `variants` (0: plain), `real` 1 or 0 (filler)."""

    rows: np.ndarray
    variants: np.ndarray
    real: np.ndarray


def epoch_batches(
    labels: np.ndarray,
    batch: int,
    seed: int,
    epoch: int,
    mode: str = "none",
    variants: int = 1,
    oversample: bool = False,
) -> list[Batch]:
    """Return the batches of one training epoch.

    `mode` and `variants` as in `config.AugmentationConfig`. `oversample` repeats pictures of the
    rarer class, other ones in every epoch, until both are equally many.
    """
    rng = np.random.default_rng([seed, epoch])
    rows = _balanced(labels, rng) if oversample else np.arange(len(labels))
    if mode == "offline":
        order = np.repeat(rows, max(1, variants))
        which = np.tile(np.arange(max(1, variants)), len(rows))
    elif mode == "online":
        order = rows
        which = (epoch + rows) % variants if variants else np.full(len(rows), 1 + epoch)
    else:
        order, which = rows, np.zeros(len(rows), int)
    shuffled = rng.permutation(len(order))
    return list(_filled(order[shuffled], which[shuffled], batch))


def plain_batches(count: int, batch: int) -> list[Batch]:
    """Return the batches that go once through `count` plain pictures in their order."""
    return list(_filled(np.arange(count), np.zeros(count, int), batch))


def _filled(rows: np.ndarray, variants: np.ndarray, batch: int) -> Iterator[Batch]:
    for start in range(0, len(rows), batch):
        at = np.arange(start, start + batch)
        real = (at < len(rows)).astype(np.float32)
        at %= len(rows)
        yield Batch(rows[at], variants[at], real)


def _balanced(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    groups = [np.flatnonzero(np.asarray(labels) == label) for label in (0, 1)]
    most = max(map(len, groups))
    chosen = []
    for group in groups:
        whole, rest = divmod(most, max(1, len(group)))
        chosen += [np.repeat(group, whole), rng.choice(group, rest, replace=False)]
    return np.concatenate(chosen)

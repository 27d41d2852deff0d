"""Sum over all assignments of a page's objects to classes, by the complement that each amounts to.

Every object is one of several things (a class, two homologs found as one, a marker, no chromosome)
with a weight each. The weight of a complement is the sum over all assignments that have its counts:
a permanent, summed here object by object over states that are the counts so far. States of equal
counts are merged, so nothing is counted twice and nothing forced into pairs; the sum is exact until
more than `Assignment.states` counts are alive, from where on the lightest are dropped.

Other weights of the same objects, those of single dropout passes, are summed over the very
assignments that are followed for the first: one search serves all passes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screening.evidence.karyotypes import COLUMNS
from screening.reading_settings import Assignment

CLASSES = len(COLUMNS) - 1
"""Options of an object in the columns of its weights: 24 classes, marker, nothing, 24 pairs."""
MARKER_INDEX, NOTHING, PAIRS = CLASSES, CLASSES + 1, CLASSES + 2
OPTIONS = PAIRS + CLASSES

_INCREMENTS = np.zeros((OPTIONS, len(COLUMNS)), np.int8)
_INCREMENTS[: CLASSES + 1] = np.eye(len(COLUMNS), dtype=np.int8)
_INCREMENTS[PAIRS:, :CLASSES] = 2 * np.eye(CLASSES, dtype=np.int8)
# Counts are told apart by one random integer per class: sums that collide are practically unknown.
_CLASS_KEYS = np.random.default_rng(3).integers(-(2**40), 2**40, len(COLUMNS))
_KEYS = _INCREMENTS.astype(np.int64) @ _CLASS_KEYS
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class Sums:
    """`counts` int (m, 25) of the complements reached, `log_weight` (m, 1 + k) their sums: first by
    the weights that were followed, by which the heaviest comes first, then by each of the k others.
    """

    counts: np.ndarray
    log_weight: np.ndarray


def assignment_sums(
    weights: np.ndarray, limits: Assignment, others: np.ndarray | None = None
) -> Sums:
    """Return the complements that n objects of weights (n, 50) can be, with their weights.

    Columns: see `OPTIONS`. `others` (k, n, 50): further weights, for the sums alone. An object
    without any weight is refused with ValueError.
    """
    weights = np.asarray(weights, np.float64)
    if weights.ndim != 2 or weights.shape[1] != OPTIONS:
        raise ValueError(f"expected weights (n, {OPTIONS}), received {weights.shape}")
    layers = weights[None] if others is None else np.concatenate([weights[None], others])
    top = layers.max(axis=2, initial=0.0)
    if not (top > 0).all():
        raise ValueError("expected at least one possible option per object")
    relative = np.ascontiguousarray(np.moveaxis(layers / top[:, :, None], 0, 2))
    chosen = _options(relative[:, :, 0], limits)
    # What is certain adds to every state alike; what is not comes in reading order, so that swaps
    # of neighbours fall together soon.
    certain = np.array([len(options) == 1 for options in chosen], bool)
    only = np.array([options[0] for options, c in zip(chosen, certain, strict=True) if c], np.int64)
    counts = _INCREMENTS[only].sum(axis=0, dtype=np.int16)[None].astype(np.int8)
    keys, weight = np.zeros(1, np.int64), np.ones((1, len(layers)))
    lost = np.log(top).sum(axis=1) + np.log(relative[certain, only]).sum(axis=0)
    for i in np.flatnonzero(~certain):
        options = chosen[i]
        counts, keys, weight = _add(counts, keys, weight, options, relative[i, options], limits)
        total = np.maximum(weight.max(axis=0), _LEAST)
        weight, lost = weight / total, lost + np.log(total)
    order = np.argsort(-weight[:, 0], kind="stable")
    return Sums(counts[order].astype(np.int64), np.log(np.maximum(weight[order], _LEAST)) + lost)


def merged_counts(counts: np.ndarray, log_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each complement of int (m, 25) once, with the logs (·, k) of its weights' sums."""
    key = counts @ _CLASS_KEYS
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.concatenate([[True], np.diff(key[order]) != 0]))
    return counts[order[first]], np.logaddexp.reduceat(log_weight[order], first)


def _options(relative: np.ndarray, limits: Assignment) -> list[np.ndarray]:
    """Columns worth following for each object, the heaviest first."""
    rank = relative.copy()
    rank[:, NOTHING] *= limits.normal_bonus
    rank[:, PAIRS:] *= limits.normal_bonus
    best = np.argsort(-rank, axis=1, kind="stable")[:, : limits.per_object]
    enough = np.take_along_axis(rank, best, axis=1) >= limits.negligible
    return [row[keep] for row, keep in zip(best, enough, strict=True)]


def _add(
    counts: np.ndarray,
    keys: np.ndarray,
    weight: np.ndarray,
    options: np.ndarray,
    relative: np.ndarray,
    limits: Assignment,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One more object: every state with every option, equal counts merged, the heaviest kept."""
    followed = np.outer(weight[:, 0], relative[:, 0]).ravel()
    # Before the sort: it is what costs the time.
    order = np.flatnonzero(followed >= followed.max() * limits.forgotten)
    parent, option = np.divmod(order, len(options))
    key = keys[parent] + _KEYS[options[option]]
    order = np.argsort(key)
    key, parent, option = key[order], parent[order], option[order]
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    together = _sums_between(np.append(first, len(key)), weight[parent] * relative[option])
    key, parent, option = key[first], parent[first], options[option[first]]
    if len(key) > limits.states:
        keep = np.argpartition(-together[:, 0], limits.states)[: limits.states]
        together, key, parent, option = together[keep], key[keep], parent[keep], option[keep]
    return counts[parent] + _INCREMENTS[option], key, together


def _sums_between(bounds: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The sum of the rows from each bound to the next; four times as fast as np.add.reduceat."""
    from scipy.sparse import csr_array  # slow: not for a first page

    ones, at = np.ones(len(rows)), np.arange(len(rows))
    return csr_array((ones, at, bounds), shape=(len(bounds) - 1, len(rows))) @ rows

"""The path of a chromosome's rows through the places of all chromosomes: what was joined to what.

Each row of a strip gives every class and place a probability (`models.structure`, dense). A normal
chromosome runs through its own class from end to end; the best path that may also jump, turn and
switch to another class is held against that. No list of kinds is needed: a deletion is a jump, a
duplication a repeat, an inversion a falling run, a translocation a switch, an isochromosome a
mirror. Dynamic programming after Viterbi 1967.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from screening.errors import ScreeningError

_FINE = 2
"""Places to a part of the dense reading."""

JUMP = 6.0
"""Cost, in nats, of a jump, a turn or a switch, and of an end that is not the chromosome's."""

_WHOLE = 3.0
"""Most that a lost end costs a chromosome read as normal, in jumps."""

_SHOWN = 0.1
"""Least probability of a class in some row for a path to lead through it."""

_STEPS = (0.0, 0.0, 0.4)
"""Cost of going on by so many places from one row to the next."""


@dataclass(frozen=True)
class Segment:
    """Rows `first` to before `last` show class index `index` from `start` to `end`, fractions of
    its length; falling when it lies turned."""

    index: int
    start: float
    end: float
    first: int
    last: int


@dataclass(frozen=True)
class Path:
    """How much better (nats, 0 or more) the best free path explains the rows than the class alone
    from end to end, and the stretches of that path from the upper end."""

    gain: float
    segments: tuple[Segment, ...]


def read_path(log_p: np.ndarray, index: int, jump: float = JUMP) -> Path:
    """Return the path of one chromosome of class `index`.

    `log_p` (rows, classes, parts): log probabilities of the rows that show ink, from the upper end.
    ScreeningError for fewer than two rows.
    """
    if log_p.ndim != 3 or len(log_p) < 2:
        raise ScreeningError(
            f"expected log probabilities (rows, classes, parts) of at least two rows, received "
            f"shape {log_p.shape}: leave out what has no ink"
        )
    # Near nothing is impossible: one row misread must not cost more than a few do.
    fine = np.repeat(np.maximum(log_p, -jump), _FINE, axis=2)
    # Classes that no row shows cannot be on the path; without them it takes a tenth of the time.
    shown = np.exp(log_p).sum(2).max(0) > _SHOWN
    shown[index] = True
    classes = np.flatnonzero(shown)
    own = _alone(fine[:, index], jump)
    best, segments = _free(fine[:, classes], jump)
    named = tuple(replace(s, index=int(classes[s.index])) for s in segments)
    return Path(max(0.0, best - own), named)


def _ends(count: int, jump: float, most: float) -> np.ndarray:
    """Cost of starting at each place of a rising run: none near the end, then more, `most`."""
    return np.minimum(np.maximum(np.arange(count) - _FINE, 0) * 0.5 * jump / _FINE, most)


def _gone_on(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best score of coming to each place (last axis) from it or the ones below, and by
    how many places."""
    come = np.full((len(_STEPS), *score.shape), -np.inf)
    for step, cost in enumerate(_STEPS):
        come[step, ..., step:] = score[..., : score.shape[-1] - step] - cost
    taken = come.argmax(0)
    return np.take_along_axis(come, taken[None], 0)[0], taken


def _alone(fine: np.ndarray, jump: float) -> float:
    """The score of the best rising run through one class (rows, places)."""
    ends = _ends(fine.shape[1], jump, _WHOLE * jump)
    score = fine[0] - ends
    for row in fine[1:]:
        score = _gone_on(score)[0] + row
    return float((score - ends[::-1]).max())


def _free(fine: np.ndarray, jump: float) -> tuple[float, tuple[Segment, ...]]:
    """The score of the best path with jumps, and its stretches; states are (turned, class, place),
    places counted backwards where turned."""
    rows, _, count = fine.shape
    both = np.stack([fine, fine[..., ::-1]], 1)
    ends = _ends(count, jump, jump)
    score = both[0] - ends
    back = np.zeros((rows, *score.shape), np.int64)
    for row in range(1, rows):
        there, taken = _gone_on(score)
        best = int(score.argmax())
        leap = score.ravel()[best] - jump
        back[row] = np.where(there >= leap, taken, -1 - best)
        score = np.maximum(there, leap) + both[row]
    score = score - ends[::-1]
    at = int(score.argmax())
    total, segments, last, end = float(score.ravel()[at]), [], rows, at
    for row in range(rows - 1, -1, -1):
        move = back[row].ravel()[at] if row else -1
        if move >= 0:
            at -= int(move)
            continue
        segments.append(_segment(at, end, row, last, score.shape))
        last, at = row, -1 - int(move)
        end = at
    return total, tuple(segments[::-1])


def _segment(start: int, end: int, first: int, last: int, shape: tuple[int, ...]) -> Segment:
    turned, index, low = np.unravel_index(start, shape)
    high = np.unravel_index(end, shape)[2]
    places = (low / shape[2], (high + 1) / shape[2])
    if turned:
        places = (1 - places[0], 1 - places[1])
    return Segment(int(index), float(places[0]), float(places[1]), first, last)

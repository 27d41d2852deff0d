"""Which class's slot each chromosome stands in, read from the page alone and in any layout.

The objects in reading order are a sequence; the slots of a karyogram come in the order of their
numbers, with the sex chromosomes at the end or among the C group, and rows may break anywhere but
rather between Denver groups. A hidden Markov model (states: slot and how many already stand in it)
aligns one with the other: forward–backward, Rabiner 1989. The classifier's likelihoods are the
emissions, gaps and groups say where one slot ends, and no pixel coordinate is built in. Mirrored
and upside-down readings compete, so that a page whose order is wrong is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from screening.classes import CHROMOSOMES, class_index
from screening.evidence.likelihood import Likelihood, misplacement
from screening.reading_settings import Gaps, Layout, Rates

OUTSIDE = len(CHROMOSOMES)
"""Column of the slot arrays for "after the last slot", where markers stand."""

UPRIGHT, MIRRORED, UPSIDE_DOWN, UNORDERED = READINGS = (
    "upright", "mirrored", "upside-down", "unordered",
)  # fmt: skip

_DEPTH = 4
"""How many in a slot are told apart; all beyond are as the last."""


@dataclass(frozen=True, eq=False)
class Page:
    """Where the objects stand: `boxes` (n, 4) x, y, w, h; `rows` (n,) numbered from the top;
    `groups` (n,) numbers of neighbours that stand together, `areas` (n,) pixels of ink (None when
    unknown); `marks`: how many marks taken for print may be small chromosomes."""

    boxes: np.ndarray
    rows: np.ndarray
    groups: np.ndarray | None = None
    areas: np.ndarray | None = None
    marks: int = 0

    def __post_init__(self) -> None:
        n = len(self.rows)
        if np.shape(self.boxes) != (n, 4) or (self.groups is not None and len(self.groups) != n):
            raise ValueError(
                f"expected boxes (n, 4), rows (n,) and groups (n,) of the same n, received "
                f"{np.shape(self.boxes)}, {n} and "
                f"{None if self.groups is None else len(self.groups)}"
            )


@dataclass(frozen=True, eq=False)
class Slots:
    """`slot` (n, 25): probability of each slot for each object, everything considered; `around`
    (n, 25): the same without the object's own looks, so that it may be weighed against them.
    `score` 0–1: how well the page follows the order of a karyogram. `orientation`: which of
    READINGS fits best. The last column is "after the last slot"."""

    slot: np.ndarray
    around: np.ndarray
    score: float
    orientation: str


def align_best(
    candidates: Sequence[Likelihood],
    log_prior: np.ndarray,
    page: Page,
    rates: Rates,
    layout: Layout,
) -> tuple[int, Slots]:
    """Return which of several likelihoods of the same objects the page fits best, and its slots.

    The candidates differ in how far the classifier is believed; `log_prior` (candidates,) is what
    is known of that beforehand. The page decides by its marginal likelihood.
    """
    n = len(page.rows)
    flat = np.full((n, OUTSIDE + 1), 1 / (OUTSIDE + 1))
    if not 2 <= n <= layout.most_objects:
        return int(np.argmax(log_prior)), Slots(flat, flat, 0.0, UPRIGHT)
    rows = np.asarray(page.rows)
    centre = page.boxes[:, 0] + page.boxes[:, 2] / 2
    orders = [np.lexsort((centre, rows)), np.lexsort((-centre, rows)), np.lexsort((-centre, -rows))]
    together = [_together(page, order, layout.gaps) for order in orders]
    emission = [_emissions(seen, rates, layout) for seen in candidates]
    litter = [rates.litter / 46 * seen.other for seen in candidates]
    each = [(c, r) for c in range(len(candidates)) for r in range(len(orders))]
    log_z, forward = _forward(
        np.stack([emission[c][orders[r]] for c, r in each]),
        np.stack([litter[c][orders[r]] for c, r in each]),
        np.stack([together[r] for _, r in each]),
        layout,
    )
    ordered = np.logaddexp.reduce(log_z, axis=1).reshape(len(candidates), len(orders))
    unordered = [
        np.log(seen.classes.mean(1) + stray).sum()
        for seen, stray in zip(candidates, litter, strict=True)
    ]
    known = np.hstack([ordered, np.array(unordered)[:, None]]) + np.log(layout.orientation)
    chosen = int(np.argmax(np.logaddexp.reduce(known, axis=1) + log_prior))
    slot, around = np.empty_like(flat), np.empty_like(flat)
    at = each.index((chosen, 0))
    first = orders[0]
    slot[first], around[first] = _read(
        emission[chosen][first], litter[chosen][first], together[0], log_z[at], forward[at], layout
    )
    upright = float(np.exp(known[chosen, 0] - np.logaddexp.reduce(known[chosen])))
    gain = (known[chosen, 0] - known[chosen, -1]) / n
    taken = float(np.mean(1 - np.prod(1 - slot[:, :22], axis=0)))
    fit = np.clip(gain / layout.full_gain, 0, 1)
    fit *= np.clip((taken - layout.taken) / layout.taken_span, 0, 1)
    return chosen, Slots(
        slot, around, upright * float(fit), READINGS[int(np.argmax(known[chosen]))]
    )


def _emissions(seen: Likelihood, rates: Rates, layout: Layout) -> np.ndarray:
    """Likelihood of each object in each slot (n, 25)."""
    own = seen.classes * (1 - rates.misplaced)
    slots = own + rates.misplaced * seen.classes @ misplacement(rates.confusion)
    return np.hstack([slots, layout.marker_outside * seen.marker[:, None]])


def _together(page: Page, order: np.ndarray, how: Gaps) -> np.ndarray:
    """Log-odds that each object shares the slot of the one before it, (n,); nan: a new row.

    Gaps are compared with the page's own: two clusters of gaps, within slots and between them.
    """
    boxes, rows = np.asarray(page.boxes, np.float64)[order], np.asarray(page.rows)[order]
    same_row = np.concatenate([[False], rows[1:] == rows[:-1]])
    left = np.minimum(boxes[1:, 0], boxes[:-1, 0])
    right = np.maximum(boxes[1:, 0] + boxes[1:, 2], boxes[:-1, 0] + boxes[:-1, 2])
    gap = np.concatenate([[0.0], right - left - boxes[1:, 2] - boxes[:-1, 2]])
    odds = np.full(len(order), np.nan)
    if same_row.sum() >= how.fewest:
        gaps = np.clip(gap[same_row] / float(np.median(boxes[:, 2])), *how.widths)
        low, high = np.quantile(gaps, (how.within, how.between))
        for _ in range(8):
            middle = (low + high) / 2
            near, far = gaps[gaps <= middle], gaps[gaps > middle]
            low, high = near.mean(), far.mean() if len(far) else high
            if (low + high) / 2 == middle:
                break
        unit = max(how.unit, (high - low) / how.units)
        odds[same_row] = np.clip(((low + high) / 2 - gaps) / unit, -how.most_odds, how.most_odds)
    else:
        odds[same_row] = 0.0
    if page.groups is not None:
        groups = np.asarray(page.groups)[order]
        odds += np.where(np.r_[False, groups[1:] == groups[:-1]], how.group, -how.group)
    return odds


@lru_cache(maxsize=8)
def _model(
    layout: Layout,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each order: slot at each place (o, 25), leaving rates (o, 25, 4), moves within a row and
    to a new row (o, 25, 25), start (o, 25) and end (o, 25) by place."""
    count, places = len(layout.orders), OUTSIDE + 1
    columns = np.full((count, places), OUTSIDE)
    leave = np.empty((count, places, _DEPTH))
    within, across = np.zeros((2, count, places, places))
    start, end = np.zeros((2, count, places))
    empty = {"X": layout.empty_x, "Y": layout.empty_y}
    last = {"X": layout.last_x, "Y": layout.last_y}
    starts = dict(layout.row_starts)
    for o, names in enumerate(order.names for order in layout.orders):
        columns[o, :OUTSIDE] = [class_index(name) for name in names]
        skip = np.array([*(empty.get(n, layout.empty) for n in names), layout.no_markers])
        leave[o] = [*(last.get(n, layout.last) for n in names), layout.last_marker]
        begins = np.array([starts.get(n, layout.row_start) for n in (*names, "")])
        for place in range(places):
            passed = np.cumprod(np.r_[1.0, skip[place + 1 :]])
            reach = passed[:-1] * (1 - skip[place + 1 :])
            within[o, place, place + 1 :] = reach * (1 - begins[place + 1 :])
            across[o, place, place + 1 :] = reach * begins[place + 1 :]
            end[o, place] = passed[-1]
        passed = np.cumprod(np.r_[1.0, skip])
        start[o] = passed[:-1] * (1 - skip)
    return columns, leave, within, across, start, end


def _forward(
    emission: np.ndarray, litter: np.ndarray, together: np.ndarray, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Log evidence (r, o) of each reading and order of slots, prior of the order included, and the
    forward states (r, n, o, 25, 4); all given by reading position: (r, n, 25), (r, n), (r, n)."""
    columns, leave, within, across, start, end = _model(layout)
    readings, n = litter.shape
    states = np.zeros((n, readings, len(layout.orders), OUTSIDE + 1, _DEPTH))
    log_z = np.log([order.prior for order in layout.orders])[None].repeat(readings, 0)
    moves = (leave, within, across, layout.stay_across_rows)
    for i in range(n):
        looks = emission[:, i][:, columns]
        stray = litter[:, i, None, None, None]
        if i == 0:
            now = states[0].copy()
            # Litter before the first chromosome: nothing is gained by a state for it.
            now[..., 0] = start * (looks + stray[..., 0])
        else:
            now = _step(states[i - 1], together[:, i], *moves)
            now *= looks[..., None]
            now += stray * states[i - 1]
        total = np.maximum(now.sum((2, 3)), 1e-300)
        np.divide(now, total[..., None, None], out=states[i])
        log_z += np.log(total)
    log_z += np.log(np.maximum(((states[-1] * leave).sum(-1) * end).sum(-1), 1e-300))
    return log_z, states.transpose(1, 0, 2, 3, 4)


def _step(
    before: np.ndarray,
    odds: np.ndarray,
    leave: np.ndarray,
    within: np.ndarray,
    across: np.ndarray,
    stay_across: float,
) -> np.ndarray:
    """One transition of (r, o, 25, 4), without what is seen; the odds (r,) as of `_together`."""
    new_row = np.isnan(odds)
    share = 1 / (1 + np.exp(-np.where(new_row, 0.0, odds)))
    stay = np.where(new_row, stay_across, 2 * share)[:, None, None, None]
    go = np.where(new_row, 1.0, 2 * (1 - share))[:, None, None]
    leaving = (before * leave).sum(-1) * go
    moved = np.empty_like(leaving)
    for rows, table in ((new_row, across), (~new_row, within)):
        if rows.any():
            moved[rows] = np.matmul(leaving[rows].transpose(1, 0, 2), table).transpose(1, 0, 2)
    after = np.empty_like(before)
    after[..., 0] = moved
    staying = before * (1 - leave) * stay
    after[..., 1:] = staying[..., :-1]
    after[..., -1] += staying[..., -1]
    return after


def _read(
    emission: np.ndarray,
    litter: np.ndarray,
    together: np.ndarray,
    log_z: np.ndarray,
    forward: np.ndarray,
    layout: Layout,
) -> tuple[np.ndarray, np.ndarray]:
    """Slot (n, 25) and slot without own looks (n, 25) of one reading, by reading position."""
    columns, leave, within, across, start, end = _model(layout)
    moves = (leave, within, across, layout.stay_across_rows)
    n, count = len(litter), len(layout.orders)
    weight = np.exp(log_z - np.logaddexp.reduce(log_z))
    slot, around = np.zeros((2, n, OUTSIDE + 1))
    after = leave * end[..., None]
    each = np.arange(count)[:, None]
    for i in range(n - 1, -1, -1):
        looks, stray = emission[i][columns], litter[i]
        if i:
            expected = _step(forward[i - 1][None], together[i : i + 1], *moves)[0]
        else:
            expected = np.zeros_like(after)
            expected[..., 0] = start
        placed = (expected * after).sum(-1)
        total = placed * looks
        if i:
            total = total + stray * (forward[i - 1] * after).sum(-1)
        by_slot = np.zeros((2, count, OUTSIDE + 1))
        by_slot[0, each, columns], by_slot[1, each, columns] = total, placed
        by_slot /= np.maximum(by_slot.sum(-1, keepdims=True), 1e-300)
        slot[i], around[i] = weight @ by_slot
        if i:
            after = _step_back(after, looks, stray, together[i], *moves)
            after /= np.maximum(after.max((1, 2), keepdims=True), 1e-300)
    return slot, around


def _step_back(
    after: np.ndarray,
    looks: np.ndarray,
    stray: float,
    odds: float,
    leave: np.ndarray,
    within: np.ndarray,
    across: np.ndarray,
    stay_across: float,
) -> np.ndarray:
    """The transpose of `_step` with what is seen, (o, 25, 4)."""
    seen = after * looks[..., None]
    if np.isnan(odds):
        stay, go, moves = stay_across, 1.0, across
    else:
        share = 1 / (1 + np.exp(-odds))
        stay, go, moves = 2 * share, 2 * (1 - share), within
    entered = np.einsum("opq,oq->op", moves, seen[..., 0]) * go
    further = np.concatenate([seen[..., 1:], seen[..., -1:]], axis=-1)
    return leave * entered[..., None] + (1 - leave) * stay * further + stray * after

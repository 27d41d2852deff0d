"""What a page's chromosomes amount to: probable karyotypes, counts, and each chromosome's class.

Looks (the classifier's probabilities) and places (the slots of the page) are joined for each
object, summed over all assignments (`assignment`) and weighed with how common the complements are
(`karyotypes`). Nothing is forced into pairs. How far the looks are believed is estimated on the
page itself, so that a laboratory whose bands the classifier cannot read is carried by the count of
chromosomes and by where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from iscn_authenticator import validate_karyotype
from numpy.typing import ArrayLike

from screening.classes import CHROMOSOMES, NOT_A_CHROMOSOME, RELATIVE_LENGTH
from screening.evidence.assignment import (
    CLASSES,
    MARKER_INDEX,
    NOTHING,
    assignment_sums,
    merged_counts,
)
from screening.evidence.karyotypes import (
    COLUMNS,
    gains_and_losses,
    is_normal,
    iscn_of,
    log_prior,
    normal_complements,
)
from screening.evidence.likelihood import likelihood
from screening.evidence.slots import OUTSIDE, Page, Slots, align_best
from screening.evidence.weights import held_to, object_weights, tilted, with_print
from screening.reading_settings import Conclusions, ReadingSettings
from screening.record import Chromosome, Reading

_NAMES = (*COLUMNS, NOT_A_CHROMOSOME)


def read_cell(
    p: np.ndarray,
    page: Page,
    relative: np.ndarray | None,
    settings: ReadingSettings,
    held: Mapping[int, int] | None = None,
) -> Reading:
    """Return the reading of the n objects of a page.

    `p` (n, 25): probabilities of the classes of `classes.CHROMOSOMES` and of "not one chromosome";
    `page`: where the objects stand; `relative` (n,): lengths in percent of the haploid autosomes,
    nan when unknown; `held`: what a person says that objects are, see `weights.held_to`.
    ValueError for shapes that do not fit each other.
    """
    none = np.zeros((0, len(page.rows), CLASSES + 1))
    return read_passes(p, none, page, relative, settings, held)[0]


def read_passes(
    p: np.ndarray,
    each: np.ndarray,
    page: Page,
    relative: np.ndarray | None,
    settings: ReadingSettings,
    held: Mapping[int, int] | None = None,
) -> tuple[Reading, np.ndarray]:
    """Return the reading of a page by `p`, see `read_cell`, and the log-odds of an abnormal
    complement in each dropout pass, (passes,).

    `each` (passes, n, 25): the classes of each pass, p their mean. In a pass only the classes are
    other ones: how far they are believed, where the objects stand and which assignments are
    possible stay those of the mean. Nothing is concluded, (0,), of what cannot be one cell.
    """
    n, rates, looks, limits = len(page.rows), settings.rates, settings.looks, settings.conclusions
    p = np.asarray(p, np.float64).reshape(-1, CLASSES + 1) if n == 0 else np.asarray(p)
    lengths = np.full(n, np.nan) if relative is None else np.asarray(relative, np.float64)
    if len(p) != n or lengths.shape != (n,):
        raise ValueError(f"expected {n} objects, received {len(p)} and lengths {lengths.shape}")
    choices = [rates.of_page(rate, looks.unreadable * rate) for rate in looks.misread]
    place = settings.placement
    seen = [with_print(likelihood(p, choice), p, page, rates, place) for choice in choices]
    chosen, slots = align_best(seen, np.log(looks.prior), page, rates, settings.layout)
    misread = looks.misread[chosen]
    weights = held_to(object_weights(seen[chosen], slots, choices[chosen], page, place), held or {})
    one = p[:, CLASSES] < limits.not_one
    disorder = _disorder(np.where(one, lengths, np.nan), slots, limits)
    if not limits.fewest <= n <= limits.most:
        q = tilted(weights, normal_complements().mean(0))
        return _not_a_cell(q, slots, disorder, settings), np.zeros(0)
    of_pass = with_print(likelihood(each, choices[chosen]), p, page, rates, place)
    others = object_weights(of_pass, slots, choices[chosen], page, place)
    counts, posteriors = posterior_of(weights, settings, others)
    posterior = posteriors[:, 0]
    best = counts[0]
    q = tilted(weights, posterior @ counts)
    poor = misread >= looks.poor
    objects = _objects(q, best, slots, None if poor else seen[chosen].classes, limits)
    normal = posteriors[is_normal(counts)].sum(0)
    changes = gains_and_losses(best)
    karyotypes = _named(counts, posterior, limits)
    first, p_first = karyotypes[0] if karyotypes else ("", 0.0)
    good = slots.score >= settings.doubts.good_layout
    sure = p_first >= limits.sure_iscn and good and validate_karyotype(first).valid
    reading = Reading(
        chromosomes=objects,
        karyotypes=karyotypes,
        p_normal=float(normal[0]),
        margin=float(log_ratio(posterior[0], posterior[1:2].sum(), limits)),
        counts={name: int(number) for name, number in zip(COLUMNS, best, strict=True) if number},
        gains_and_losses=changes if len(changes) <= limits.most_changes else (),
        layout_score=slots.score,
        orientation=slots.orientation,
        disorder=disorder,
        misread_rate=misread,
        iscn=first if sure else "",
    )
    return reading, log_ratio(1 - normal[1:], normal[1:], limits)


def posterior_of(
    weights: np.ndarray, settings: ReadingSettings, others: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return complements (m, 25) and their posteriors (m, 1 + k), for weights (n, 50) and for each
    of `others` (k, n, 50), see `assignment_sums`.

    Most probable by `weights` first; a complement may have one chromosome more than was found.
    """
    sums = assignment_sums(weights, settings.assignment, others)
    few = sums.counts[: settings.assignment.completed]
    more = few[:, None] + np.eye(len(COLUMNS), dtype=np.int64)[None, :CLASSES]
    missed = np.log(settings.rates.missed * (few[:, :CLASSES] + 1))
    lost = sums.log_weight[: len(few), None] + missed[:, :, None]
    both = np.vstack([sums.counts, more.reshape(-1, len(COLUMNS))])
    counts, log_weight = merged_counts(both, np.vstack([sums.log_weight, *lost]))
    log_weight += log_prior(counts, settings.prior)[:, None]
    posterior = np.exp(log_weight - np.logaddexp.reduce(log_weight))
    order = np.argsort(-posterior[:, 0], kind="stable")
    return counts[order], posterior[order]


def _named(
    counts: np.ndarray, posterior: np.ndarray, limits: Conclusions
) -> tuple[tuple[str, float], ...]:
    """ISCN strings with their probabilities, equal strings added; none for endless changes."""
    named: dict[str, float] = {}
    for complement, probability in zip(counts[: 2 * limits.named], posterior, strict=False):
        if len(gains_and_losses(complement)) > limits.most_changes:
            continue
        iscn = iscn_of(complement)
        named[iscn] = named.get(iscn, 0.0) + float(probability)
    ranked = sorted(named.items(), key=lambda pair: -pair[1])
    return tuple((iscn, min(1.0, value)) for iscn, value in ranked[: limits.named] if value >= 1e-6)


def _objects(
    q: np.ndarray,
    complement: np.ndarray,
    slots: Slots,
    looks: np.ndarray | None,
    limits: Conclusions,
) -> tuple[Chromosome, ...]:
    """Each object's class, such that all of them together are the complement; `looks` (n, 24), None
    when they are too poor to say that chromosomes were exchanged."""
    from scipy.optimize import (
        linear_sum_assignment,
    )  # slow: not for a first page

    n = len(q)
    columns = np.r_[np.repeat(np.arange(CLASSES + 1), complement), np.full(n, NOTHING)]
    rows, taken = linear_sum_assignment(-np.log(np.maximum(q[:, columns], 1e-12)))
    what = np.full(n, NOTHING)
    what[rows] = columns[taken]
    p = q[np.arange(n), what]
    for i, j, swapped in [] if looks is None else _swaps(what, looks, slots, limits):
        what[[i, j]] = what[[j, i]]
        p[[i, j]] = swapped
    return tuple(_read(p[i], int(what[i]), slots.slot[i] * slots.score, limits) for i in range(n))


def _swaps(
    what: np.ndarray, looks: np.ndarray, slots: Slots, limits: Conclusions
) -> list[tuple[int, int, float]]:
    """Pairs of objects that look as if they stood in each other's slots, with the probability.

    One exchange explains both looks, which the independent weights of two objects cannot say.
    """
    inside = np.flatnonzero((what < MARKER_INDEX) & (slots.slot.argmax(1) == what))
    own = np.log(looks[inside, what[inside]] + 1e-12)
    gain = np.log(looks[inside][:, what[inside]] + 1e-12) - own[:, None]
    odds = np.triu(gain + gain.T, 1) + np.log(limits.exchanged)
    odds[what[inside][:, None] == what[inside][None]] = -np.inf
    found: list[tuple[int, int, float]] = []
    taken: set[int] = set()
    for k in np.argsort(-odds, axis=None)[: len(inside)]:
        i, j = divmod(int(k), max(len(inside), 1))
        if odds[i, j] <= 0 or i >= j:
            break
        if not taken & {i, j}:
            taken |= {i, j}
            p = float(1 / (1 + np.exp(-odds[i, j])))
            found.append((int(inside[i]), int(inside[j]), p))
    return found


def _read(p: float, what: int, slot: np.ndarray, limits: Conclusions) -> Chromosome:
    place = int(np.argmax(slot))
    known = place != OUTSIDE and slot[place] >= limits.known_slot
    p = float(min(1.0, p))
    return Chromosome(
        name=_NAMES[what],
        probability=p,
        position=CHROMOSOMES[place] if known else "",
        doubtful=p < limits.doubtful,
        misplaced=bool(
            what < MARKER_INDEX and known and place != what and min(p, slot[place]) >= limits.sure
        ),
    )


def _not_a_cell(q: np.ndarray, slots: Slots, disorder: float, settings: ReadingSettings) -> Reading:
    """Too few or too many objects for one cell: each is read for itself, nothing is concluded."""
    limits = settings.conclusions
    objects = tuple(
        _read(one.max(), int(np.argmax(one)), slot * slots.score, limits)
        for one, slot in zip(q, slots.slot, strict=True)
    )
    return Reading(
        chromosomes=objects,
        layout_score=slots.score,
        orientation=slots.orientation,
        disorder=disorder,
        whole=False,
    )


def _disorder(relative: np.ndarray, slots: Slots, limits: Conclusions) -> float:
    """0 when the lengths fall as the slots say, 1 when they have nothing to do with them, up to 2.

    1 − Pearson's correlation of the measured lengths with those of the slots by the other objects;
    0 when too few lengths are known.
    """
    known = np.isfinite(relative)
    if known.sum() < limits.fewest or slots.score == 0:
        return 0.0
    table = np.array([RELATIVE_LENGTH[name] for name in CHROMOSOMES])
    expected = slots.around[known, :OUTSIDE] @ table
    if np.ptp(expected) < 1e-6 or np.ptp(relative[known]) < 1e-6:
        return 1.0
    return float(1 - np.corrcoef(expected, relative[known])[0, 1])


def log_ratio(up: ArrayLike, down: ArrayLike, limits: Conclusions) -> np.ndarray:
    """Return the logs of ratios of probabilities, within the limits."""
    ratio = np.log(np.maximum(up, 1e-9)) - np.log(np.maximum(down, 1e-9))
    return np.clip(ratio, -limits.most_log_odds, limits.most_log_odds)

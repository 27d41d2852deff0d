"""Which thresholds keep a promised recall, with a stated certainty, on cases that tuned nothing.

Learn then test (Angelopoulos, Bates, Candès, Jordan & Lei 2021): for every threshold of a list
fixed beforehand, the null hypothesis is "more than the allowed share of abnormal cases is put at
the end of the work list". Thresholds are tested from the most cautious on and testing stops at the
first that is not rejected, so no correction for their number is needed (fixed-sequence testing): a
threshold whose risk is too high is certified with a probability of at most 1 - confidence.

One case per patient: the number of missed cases is binomial, and the exact tail is used; that is
the one-sided bound of Clopper & Pearson 1934. Several cases of one patient are not independent, so
a patient counts once, in one of three ways, to be chosen before the data is seen. `BET` and `MEAN`:
by the share of the patient's cases that is missed, which promises for a random abnormality of a
random patient. `BET` is a fixed bet against the hypothesis (Waudby-Smith & Ramdas 2024): a patient
missed by a fifth costs little, one missed altogether much. `MEAN` is the Hoeffding–Bentkus tail,
which holds for any mean of independent values in 0–1 and uses nothing but the mean. `ANY`: a
patient with one missed case counts as missed, exact binomial again, a stricter promise. None makes
do with fewer patients than one abnormality each takes: without a miss the exact tail and that of
MEAN and ANY are (1 - risk) ** patients, that of BET is a little above.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

from screening.words import rounded_down

BET, MEAN, ANY = CLUSTERINGS = ("bet", "mean", "any")
EXACT = "exact binomial"
METHODS = {
    BET: "share missed per patient, betting",
    MEAN: "share missed per patient, Hoeffding–Bentkus",
    ANY: "patients with any miss, exact binomial",
}
_STAKE = 0.95
"""Share of the largest bet that cannot lose everything; at 1 one missed patient ends it."""


@dataclass(frozen=True)
class Promise:
    """What is to be certified: a recall of at least `recall`, wrong in at most 1 - `confidence` of
    all calibration sets that could have been drawn. ValueError unless both lie inside 0–1."""

    recall: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.recall < 1 or not 0 < self.confidence < 1:
            raise ValueError(
                "expected recall and confidence between 0 and 1, "
                f"received {self.recall} and {self.confidence}"
            )

    @property
    def risk(self) -> float:
        """Return the allowed share of missed cases."""
        return 1 - self.recall

    @property
    def delta(self) -> float:
        """Return the allowed probability that the promise is false."""
        return 1 - self.confidence


@dataclass(frozen=True)
class Certificate:
    """The least cautious threshold that keeps the promise.

    `index` of it among the thresholds; `missed`: cases missed there (with `BET` and `MEAN` the sum
    of the patients' shares); `units` tested: patients, or cases where each is a patient's only one;
    `bound`: lower confidence bound of the recall there, taken alone.
    """

    promise: Promise
    index: int
    threshold: float
    missed: float
    units: int
    cases: int
    bound: float
    method: str


@dataclass(frozen=True)
class NotCertified:
    """No threshold keeps the promise: a normal result.

    `missed` at the most cautious threshold; `best`: the highest recall that can be certified there;
    `needed`: units that would do if none were missed.
    """

    promise: Promise
    missed: float
    units: int
    cases: int
    best: float
    needed: int
    method: str

    def __str__(self) -> str:
        """Return the result in words."""
        noun = "abnormal cases" if self.units == self.cases else "patients with abnormal cases"
        missed = "" if not self.missed else f", {self.missed:g} of them missed even so"
        return (
            f"cannot certify {self.promise.recall:g} with {self.units} {noun}{missed}; the best "
            f"that can be certified is {rounded_down(self.best)}; {self.needed} without a miss "
            f"would be needed (confidence {self.promise.confidence:g})"
        )


def certify(
    missed: np.ndarray,
    thresholds: Sequence[float],
    promise: Promise,
    patients: Sequence[Hashable] | None = None,
    clustering: str = BET,
) -> Certificate | NotCertified:
    """Return the least cautious threshold that keeps `promise`, or why there is none.

    `missed`: bool (cases, thresholds), what the whole rule does to each abnormal case; thresholds
    in their fixed order, most cautious first. `patients`: whose case each is (None: all of
    different patients); `clustering` says how several cases of one patient count. ValueError for
    another shape or no case.
    """
    losses, method = losses_per_unit(missed, patients, clustering)
    if losses.shape[1] != len(thresholds):
        raise ValueError(
            f"expected a column for each of {len(thresholds)} thresholds, "
            f"received {losses.shape[1]}"
        )
    units, cases = len(losses), len(missed)
    passed = fixed_sequence(p_values(losses, promise.risk, method), promise.delta)
    column = max(passed - 1, 0)
    total = float(losses[:, column].sum())
    bound = 1 - upper_bound(losses[:, column], promise.delta, method)
    if not passed:
        needed = needed_units(promise, method=method)
        return NotCertified(promise, total, units, cases, bound, needed, method)
    return Certificate(
        promise, column, float(thresholds[column]), total, units, cases, bound, method
    )


def certify_pair(
    missed: np.ndarray,
    false_flags: np.ndarray,
    thresholds: Sequence[float],
    promise: Promise,
    most_false_flags: float,
    patients: tuple[Sequence[Hashable] | None, Sequence[Hashable] | None] = (None, None),
    clustering: str = BET,
) -> tuple[Certificate | NotCertified, Certificate | NotCertified]:
    """Return the certificates of two thresholds that hold together with `promise.confidence`.

    First that of low-priority, as `certify`; second that of flag: at most `most_false_flags` of the
    normal cases are flagged. `false_flags`: bool (normal cases, thresholds) with the columns of
    `missed`; it is tested from the highest threshold down, and the one certified is never below
    that of low-priority. Each claim gets half of the allowed error probability (Bonferroni).
    `patients`: of the abnormal and of the normal cases.
    """
    half = 1 - promise.delta / 2
    low = certify(missed, thresholds, Promise(promise.recall, half), patients[0], clustering)
    flag = certify(
        np.asarray(false_flags)[:, ::-1],
        list(thresholds)[::-1],
        Promise(1 - most_false_flags, half),
        patients[1],
        clustering,
    )
    if isinstance(low, Certificate) and isinstance(flag, Certificate):
        floor = len(thresholds) - 1 - low.index
        if flag.index > floor:
            losses, method = losses_per_unit(
                np.asarray(false_flags)[:, [low.index]], patients[1], clustering
            )
            bound = 1 - upper_bound(losses[:, 0], flag.promise.delta, method)
            flag = Certificate(
                flag.promise, floor, low.threshold, float(losses.sum()), flag.units, flag.cases,
                bound, method,
            )  # fmt: skip
    return low, flag


def losses_per_unit(
    missed: np.ndarray, patients: Sequence[Hashable] | None = None, clustering: str = BET
) -> tuple[np.ndarray, str]:
    """Return the losses of independent units in 0–1, (units, thresholds), and the tail to use.

    Arguments and errors as in `certify`.
    """
    missed = np.asarray(missed, np.float64)
    if missed.ndim != 2 or not len(missed):
        raise ValueError(f"expected (cases, thresholds) with a case, received {missed.shape}")
    if clustering not in CLUSTERINGS:
        raise ValueError(f"expected a clustering of {CLUSTERINGS}, received {clustering!r}")
    if patients is None:
        return missed, EXACT
    if len(patients) != len(missed):
        raise ValueError(f"expected {len(missed)} patients, received {len(patients)}")
    names = list(dict.fromkeys(patients))
    if len(names) == len(missed):
        return missed, EXACT
    number = {name: i for i, name in enumerate(names)}
    row = np.array([number[name] for name in patients])
    order = np.argsort(row, kind="stable")
    starts = np.searchsorted(row[order], np.arange(len(names)))
    sums = np.add.reduceat(missed[order], starts, axis=0)
    if clustering == ANY:
        return (sums > 0).astype(np.float64), METHODS[ANY]
    return sums / np.bincount(row)[:, None], METHODS[clustering]


def p_values(losses: np.ndarray, risk: float, method: str = EXACT) -> np.ndarray:
    """Return the p-value of "the risk is above `risk`" for each column of losses (units, n)."""
    losses = np.asarray(losses, np.float64)
    if method != METHODS[BET]:
        return tail(losses.sum(axis=0), len(losses), risk, method)
    # The wealth of a gambler who stakes the same on every unit having a loss below `risk`: its
    # expectation is at most 1 when the mean loss is above, so Markov's inequality bounds it.
    wealth = np.log1p(_STAKE / (1 - risk) * (risk - losses)).sum(axis=0)
    return np.exp(np.minimum(0.0, -wealth))


def tail(total: np.ndarray | float, units: int, risk: float, method: str = EXACT) -> np.ndarray:
    """Return the p-value of "the risk is above `risk`" for a sum of losses over `units`.

    Exact binomial for 0/1 losses; for `METHODS[MEAN]` the smaller of Hoeffding's and Bentkus' tail
    (Bates et al. 2021), which hold for independent losses in 0–1.
    """
    total = np.asarray(total, np.float64)
    if method != METHODS[MEAN]:
        return binom.cdf(np.rint(total), units, risk)
    bentkus = math.e * binom.cdf(np.ceil(total - 1e-9), units, risk)
    return np.minimum(1.0, np.minimum(bentkus, _hoeffding(total / units, units, risk)))


def fixed_sequence(p_values: np.ndarray, delta: float) -> int:
    """Return how many leading hypotheses are rejected before the first that is not."""
    above = np.asarray(p_values) > delta
    return int(np.argmax(above)) if above.any() else len(above)


def upper_bound(losses: np.ndarray, delta: float, method: str = EXACT) -> float:
    """Return the smallest risk that losses (units,) reject at `delta`: upper confidence bound."""
    losses = np.asarray(losses, np.float64)

    def excess(risk: float) -> float:
        return float(p_values(losses[:, None], risk, method)[0]) - delta

    # The p-value is large up to about the observed mean and falls from there: one crossing.
    low, high = float(losses.mean()), 1 - 1e-9
    return 1.0 if low >= high or excess(high) > 0 else float(brentq(excess, low, high, xtol=1e-12))


def needed_units(promise: Promise, misses: int = 0, method: str = EXACT) -> int:
    """Return how many independent units certify `promise` when `misses` of them are missed."""
    least = max(math.ceil(math.log(promise.delta) / math.log(promise.recall) - 1e-9), misses)

    def enough(units: int) -> bool:
        losses = (np.arange(units) < misses).astype(float)[:, None]
        return bool(p_values(losses, promise.risk, method)[0] <= promise.delta * (1 + 1e-9))

    while not enough(least):
        least += 1
    return least


def _hoeffding(mean: np.ndarray, units: int, risk: float) -> np.ndarray:
    mean = np.minimum(mean, risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(mean > 0, mean * np.log(mean / risk), 0.0)
    return np.exp(-units * (first + (1 - mean) * np.log((1 - mean) / (1 - risk))))

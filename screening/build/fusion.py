"""How a bundle joins what its witnesses say, fitted on validation patients alone.

A logistic model whose weights cannot be negative (every feature is made to speak for abnormal or
for nothing) joins the features; `choose` then takes the voting threshold. What threshold keeps a
promise is for the certificate to say, on other patients.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from screening.build.config import FusionConfig
from screening.classes import FLAG, LOW_PRIORITY, OK
from screening.errors import ScreeningError
from screening.evidence.fusion import Fusion, bounded
from screening.record import Picture
from screening.triage.rule import Rule, judge

NETWORK = "network"


def features_of(
    pictures: Sequence[Picture], abnormal: Sequence[bool], config: FusionConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Return (features (n, k), abnormal 0/1 (n,)) of the pictures that were accepted and read.

    k features as `config` names and limits them. A feature of every pass counts by its mean, one
    that a picture does not have counts 0.
    """
    read = [
        (picture, ill)
        for picture, ill in zip(pictures, abnormal, strict=True)
        if picture.status == OK and picture.reading is not None
    ]
    names, limit = config.features, config.limit
    x = [
        [float(bounded(p.features.get(name, 0.0), limit).mean()) for name in names] for p, _ in read
    ]
    return np.array(x).reshape(-1, len(names)), np.array([ill for _, ill in read], float)


def fit(
    x: np.ndarray, y: np.ndarray, config: FusionConfig, only_raise: tuple[str, ...] = ()
) -> Fusion:
    """Return the fusion of least penalised log loss, both labels weighing the same.

    `x` (n, k): the features that `config` names, `y` (n,) 1 abnormal; `only_raise`: features that
    may not lower a score. The log loss is that of
    labels of which `config.stray` are wrong, so that one page on which everything went wrong does
    not decide the weights of all. ScreeningError when one label is missing.
    """
    if len(np.unique(y)) < 2:
        raise ScreeningError(
            f"{int(y.sum())} of {len(y)} pages that could be read are abnormal, both kinds are "
            "needed to fit the score: compose more pages, or train the parts for longer"
        )
    names, stray = config.features, config.stray
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        p = expit(w[0] + x @ w[1:])
        q = stray + (1 - 2 * stray) * p
        value = -np.mean(weight * (y * np.log(q) + (1 - y) * np.log(1 - q)))
        value += config.penalty / len(y) * np.sum(w[1:] ** 2)
        slope = weight * ((1 - y) / (1 - q) - y / q) * (1 - 2 * stray) * p * (1 - p) / len(y)
        gradient = np.r_[slope.sum(), x.T @ slope + 2 * config.penalty / len(y) * w[1:]]
        return float(value), gradient

    most = [config.most_network if name == NETWORK else None for name in names]
    bounds = [(None, None)] + [(0.0, limit) for limit in most]
    found = minimize(loss, np.zeros(len(names) + 1), jac=True, bounds=bounds, method="L-BFGS-B")
    weights = {n: round(float(w), 4) for n, w in zip(names, found.x[1:], strict=True) if w > 1e-4}
    return Fusion(round(float(found.x[0]), 4), weights, only_raise, config.limit)


def choose(
    pictures: Sequence[Picture], abnormal: Sequence[bool], fusion: Fusion, config: FusionConfig
) -> tuple[Rule, dict[str, float]]:
    """Return the rule and what it reaches on the pages: shares missed, flagged and of low priority.

    The most cautious threshold that gives enough normal pages low priority: what simulated
    abnormalities would allow beyond it is kept for those that nobody simulated. Or the highest at
    which nearly no abnormal page gets it, when none does. A page that the most cautious one misses
    as well is missed at all of them and chooses none.
    """
    low, high, step = config.thresholds
    thresholds = np.round(np.arange(low, high, step), 4)
    ill = np.asarray(abnormal, bool)
    at_all = 0.0
    for threshold in thresholds:
        rule = Rule(
            float(threshold), config.min_confidence, fusion, config.min_p_normal,
            config.min_layout, max(config.flag, float(threshold)),
        )  # fmt: skip
        shares = _shares(np.array([judge(rule, picture).route for picture in pictures]), ill)
        if threshold == thresholds[0]:
            at_all = shares["missed"]
        elif shares["missed"] > max(config.most_missed, at_all):
            break
        chosen, reached = rule, shares
        if shares["low priority"] >= config.enough_low_priority:
            break
    return chosen, {name: round(share, 4) for name, share in reached.items()}


def _shares(routes: np.ndarray, abnormal: np.ndarray) -> dict[str, float]:
    return {
        "missed": float((routes[abnormal] == LOW_PRIORITY).mean()),
        "flagged": float((routes[abnormal] == FLAG).mean()),
        "low priority": float((routes[~abnormal] == LOW_PRIORITY).mean()),
        "normals flagged": float((routes[~abnormal] == FLAG).mean()),
    }
